"""The page of the module: what its buttons do, what it starts, and that it waits for nothing."""

import importlib.machinery
import json
import os
import stat
import subprocess
import sys
import threading
import types
from pathlib import Path

import pytest
import qt
import slicer
from medseg.client.address import parse
from medseg.tokens import Tokens
from medseg_face import application
from medseg_face.setup import install, later, models, start, where
from medseg_face.setup.pages import Pages
from medseg_face.setup.program import Program
from medseg_face.setup.slicer_python import SlicerPython
from medseg_scene.tools import Command, Work, medseg_command

sys.path[:0] = [str(Path(__file__).parents[1] / "engine")]

from store_kit import CONTENT, Hub  # noqa: E402
from wheels import base_wheels  # noqa: E402

SCREENSHOTS = Path(__file__).parents[2] / "screenshots"
WIDTH, NARROW = 480, 350  # of Slicer's panel: as in the pictures, and as narrow as it gets
URL = "https://gpu.example:1527"


@pytest.fixture
def home(tmp_path, monkeypatch):
    """Folders of a user who has nothing yet."""
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    monkeypatch.setenv("MEDSEG_MODELS", str(tmp_path / "models"))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    return tmp_path


class Bench:
    """The whole page in a widget as wide as Slicer's panel."""

    def __init__(self, host):
        self.host = host
        self.widget = slicer.qMRMLWidget()
        layout = qt.QVBoxLayout(self.widget)
        self.pages = Pages(layout)
        self.widget.setFixedWidth(WIDTH)
        self.widget.show()
        host.turn()

    def page(self, kind):
        section = next(s for s in self.pages.sections if s._kind is kind)
        section.open()
        self.host.turn()
        return section.page

    def only(self, kind):
        """That section open, and no other."""
        for section in self.pages.sections:
            section.button.collapsed = section._kind is not kind
        self.host.turn()
        return self.page(kind)

    def spin(self, until, timeout=120.0):
        self.host.spin(until, timeout)
        self.host.turn()

    def picture(self, name):
        self.host.turn()
        self.widget.setFixedHeight(self.widget.sizeHint.height())
        self.host.turn()
        self.host.screenshot(self.widget, SCREENSHOTS / f"setup-{name}.png")
        assert self.widget.minimumSizeHint.width() <= NARROW
        self.widget.setMinimumHeight(0)
        self.widget.setMaximumHeight(16777215)


@pytest.fixture
def bench(host, home):
    application.close()
    made = Bench(host)
    yield made
    made.pages.close()
    made.widget.close()
    application.close()


# What the page does by itself.


def test_opening_the_page_starts_nothing_and_writes_nothing(bench, home):
    """Not even with all sections open but that of the devices, which asks the helper."""
    for section in bench.pages.sections:
        if section.button.text != "Devices":
            section.open()
            bench.host.turn()
    assert not application.face().owner.started
    assert list(home.iterdir()) == []


def test_sections_are_made_when_they_are_opened(bench):
    assert [s.button.text for s in bench.pages.sections if s.page] == ["Start"]
    bench.page(models.Models)
    assert [s.button.text for s in bench.pages.sections if s.page] == ["Start", "Models"]


def test_the_module_shows_the_page(host, home):
    import MedSegFoundation

    widget = MedSegFoundation.MedSegFoundationWidget()
    widget.setup()
    host.turn()
    assert widget.pages.sections[0].page is not None
    widget.cleanup()
    application.close()


# Start.


def test_try_it_shows_a_mask_and_a_score(bench):
    page = bench.page(start.Start)
    bench.picture("start")
    assert page.edit.isHidden()
    red = bench.host.slice_widget("Red")
    red.setSliceOrientation("Axial")
    node = red.mrmlSliceCompositeNode()
    page.go.click()
    assert not page.go.enabled
    assert "starts" in page.line.text
    bench.spin(lambda: not page.trial.busy)
    assert page.trial.score > 0.9
    assert "Dice" in page.line.text
    assert not page.edit.isHidden()
    assert node.GetBackgroundVolumeID() == page.trial.sample.volume.GetID()
    bench.picture("start-tried")
    bench.host.screenshot(red, SCREENSHOTS / "setup-sample.png")


def test_the_result_is_opened_in_the_segment_editor(bench, monkeypatch):
    opened = []
    monkeypatch.setattr(slicer.util, "selectModule", opened.append)
    page = bench.page(start.Start)
    page.go.click()
    bench.spin(lambda: not page.trial.busy)
    page.edit.click()
    assert opened == ["SegmentEditor"]
    slicer.mrmlScene.Clear(0)
    page.refresh()
    assert page.edit.isHidden()


def test_closing_the_page_during_the_trial_is_safe(bench):
    page = bench.page(start.Start)
    page.go.click()
    bench.pages.close()
    bench.host.turn()
    assert not page.trial.busy


# Where models run.


def test_a_server_is_tested_agreed_to_and_used(bench, home):
    page = bench.page(where.Where)
    assert page.details.isHidden()
    page.there.click()
    assert not page.details.isHidden()
    assert not page.test.enabled
    page.url.text = "gpu.example"
    assert "no scheme" in page.progress.label.text
    page.url.text = "http://127.0.0.1:1"
    assert page.use.enabled  # nothing leaves this computer
    assert page.agree.isHidden()
    page.test.click()
    assert page.progress.busy
    bench.spin(lambda: not page.progress.busy)
    assert page.progress.label.text.startswith("Nothing answers at 127.0.0.1:1; check the port")
    page.url.text = URL
    assert not page.use.enabled
    assert page.use.toolTip == "Agree first."
    assert "no patient name" in page.consent.text
    bench.only(where.Where)
    bench.picture("where")


def test_agreeing_is_remembered_and_withdrawn(bench, home):
    page = bench.page(where.Where)
    page.there.click()
    page.url.text = "https://127.0.0.2.invalid:1527"
    page.agree.click()
    bench.spin(lambda: not page.progress.busy)
    kept = json.loads((home / "config" / "medseg" / "consent.json").read_text())
    assert list(kept) == ["127.0.0.2.invalid:1527"]
    assert page.use.enabled
    page.use.click()
    assert application.face().owner.server.url == "https://127.0.0.2.invalid:1527"
    assert qt.QSettings().value("MedSegFoundation/server/url") == page.url.text
    page.revoke.click()
    bench.spin(lambda: not page.progress.busy)
    assert json.loads((home / "config" / "medseg" / "consent.json").read_text()) == {}
    assert application.face().owner.server is None


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX permissions")
def test_a_token_is_in_a_private_file_only(bench, home):
    page = bench.page(where.Where)
    page.there.click()
    page.url.text = URL
    page.token.text = "very-secret-token"
    page.token.editingFinished()
    assert page.token.text == ""
    (path,) = (home / "config" / "medseg" / "tokens").iterdir()
    assert path.read_text() == "very-secret-token"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    settings = qt.QSettings()
    assert "very-secret" not in str({k: settings.value(k) for k in settings.allKeys()})
    scene = slicer.mrmlScene
    scene.SetSaveToXMLString(1)
    scene.Commit()
    assert "very-secret" not in scene.GetSceneXMLString()


def test_the_token_is_there_again_tomorrow(host, home):
    application.close()
    Tokens().save(parse(URL), "yesterdays-token")
    qt.QSettings().setValue("MedSegFoundation/server/url", URL)
    server = application.face().owner.server
    assert (server.url, server.token) == (URL, "yesterdays-token")
    assert not application.face().owner.started
    application.close()


def test_back_to_this_computer(bench):
    page = bench.page(where.Where)
    page.there.click()
    page.url.text = "http://127.0.0.1:1"
    page.use.click()
    assert "run on http://127.0.0.1:1 now" in page.progress.label.text
    page.here.click()
    assert application.face().owner.server is None
    assert page.details.isHidden()


# Models.


def choose(page, name):
    page.table.selectRow([r.name for r in page._rows].index(name))


def test_a_model_is_imported_checked_and_removed(bench, home, monkeypatch):
    page = bench.only(models.Models)
    bench.picture("models")
    choose(page, "medsam2")
    assert page.buttons["fetch"].enabled
    assert not page.buttons["remove"].enabled
    (home / "MedSAM2_latest.pt").write_bytes(CONTENT)
    monkeypatch.setattr(page, "ask_path", lambda folder: str(home / "MedSAM2_latest.pt"))
    page.buttons["file"].click()
    assert not page.buttons["file"].enabled
    bench.spin(lambda: not page.progress.busy)
    assert page.chosen().state == "stored"
    assert "done" in page.progress.label.text
    assert application.face().owner.line == page.progress.label.text
    assert not application.face().owner.started
    page.buttons["check"].click()
    bench.spin(lambda: not page.progress.busy)
    page.buttons["remove"].click()
    bench.spin(lambda: not page.progress.busy)
    assert page.chosen().state == "not here"
    assert not (home / "models" / "medsam2").exists()


def test_a_closed_licence_is_asked_for_first(bench, home, monkeypatch):
    page = bench.only(models.Models)
    choose(page, "vista3d")
    (home / "vista.pt").write_bytes(CONTENT)
    monkeypatch.setattr(page, "ask_path", lambda folder: str(home / "vista.pt"))
    page.buttons["file"].click()
    assert not page.licence.isHidden()
    assert "not for commercial use" in page.asked.text
    bench.picture("models-licence")
    page.decline.click()
    assert page.licence.isHidden()
    assert not (home / "models").exists()
    page.buttons["file"].click()
    page.agree.click()
    bench.spin(lambda: not page.progress.busy)
    assert page.chosen().state == "stored"
    kept = json.loads((home / "config" / "medseg" / "licences.json").read_text())
    assert list(kept) == ["vista3d"]


def test_what_fails_is_said(bench, home, monkeypatch):
    page = bench.only(models.Models)
    choose(page, "medsam2")
    monkeypatch.setattr(page, "ask_path", lambda folder: str(home / "none.pt"))
    page.buttons["file"].click()
    bench.spin(lambda: not page.progress.busy)
    assert page.progress.label.text.startswith("There is no file or folder")


@pytest.fixture
def hub():
    """A hub on this computer."""
    made = Hub()
    yield made
    made.stop()


def test_a_fetch_shows_its_progress_and_goes_on_after_cancel(bench, hub, monkeypatch):
    hub.hold = threading.Event()
    hub.files["MedSAM2_latest.pt"] = CONTENT
    page = bench.only(models.Models)
    choose(page, "medsam2")
    plain = page.models.fetch

    def from_here(name, agreed=False):
        command = plain(name, agreed)
        words = (*command.arguments, "--hub", hub.url)
        return Command(command.program, words, command.environment)

    monkeypatch.setattr(page.models, "fetch", from_here)
    page.buttons["fetch"].click()
    bench.spin(lambda: page.progress.bar.value > 20)
    assert page.progress.bar.visible
    assert "of 1.0 MB" in page.progress.label.text
    bench.picture("models-fetching")
    page.progress.cancel.click()
    bench.spin(lambda: not page.progress.busy)
    assert "Stopped" in page.progress.label.text
    assert page.chosen().state == "not here"
    hub.hold.set()
    page.buttons["fetch"].click()
    bench.spin(lambda: not page.progress.busy)
    assert page.chosen().state == "stored"
    assert hub.asked[-1][1] is not None  # it went on where it was


# Install.


def offline(page, links, monkeypatch):
    """Let pip look into a folder only."""
    for name in ("plan", "install", "plan_here"):
        plain = getattr(page.installing, name)

        def more(*args, plain=plain):
            command = plain(*args)
            words = (*command.arguments, "--no-index", "--find-links", str(links))
            return Command(command.program, words, command.environment)

        monkeypatch.setattr(page.installing, name, more)


def test_a_plan_comes_before_an_environment_and_the_helper_uses_it(bench, home, monkeypatch):
    page = bench.only(install.Install)
    offline(page, base_wheels(home / "wheels"), monkeypatch)
    assert not page.look.enabled
    page.needs["torch"].click()
    assert page.look.enabled
    assert not page.go.enabled
    assert page.go.toolTip == "Look at the plan first."
    bench.picture("install")
    page.python.setEditText(sys.executable)
    page.look.click()
    bench.picture("install-looking")
    bench.spin(lambda: not page.progress.busy)
    assert "7 packages, about" in page.summary.text
    assert page.table.rowCount == 7
    bench.picture("install-plan")
    page.needs["sam"].click()  # another choice, another plan
    assert not page.go.enabled
    page.needs["sam"].click()
    page.go.click()
    bench.spin(lambda: not page.progress.busy)
    assert "the helper process runs with it now" in page.progress.label.text
    python = application.face().settings.get("worker/python", "")
    assert python.startswith(str(home / "data"))
    done = subprocess.run([python, "-c", "import torch"], check=False, timeout=60)
    assert done.returncode == 0
    assert "environment of its own, for PyTorch" in page.where.text
    page.leave.click()
    assert application.face().settings.get("worker/python", "") == ""
    assert not page.remove.isHidden()
    bench.picture("install-done")
    page.remove.click()
    bench.spin(lambda: not page.progress.busy)
    assert page.installing.environment() is None


def test_a_plan_that_fails_says_why(bench, home, monkeypatch):
    page = bench.only(install.Install)
    page.needs["torch"].click()
    page.python.setEditText("/no/such/python")
    page.look.click()
    bench.spin(lambda: not page.progress.busy)
    assert "is no Python that runs" in page.progress.label.text
    assert not page.go.enabled


def test_slicers_python_is_left_alone_where_slicer_offers_no_way(bench):
    page = bench.only(install.Install)
    page.needs["sam"].click()
    page.slicer.click()
    if not page.into_slicer.missing(["sam"]):
        pytest.skip("this Slicer has slicer.packaging and PyTorch")
    assert "environment of its own" in page.why_not.text or "PyTorch" in page.why_not.text
    assert not page.go.enabled
    assert not page.get.isHidden()


class Packaging(types.ModuleType):
    """Remembers what Slicer was asked to install."""

    def __init__(self, name):
        super().__init__(name)
        self.__spec__ = importlib.machinery.ModuleSpec(name, None)
        self.calls = []

    def pip_install(self, requirements, constraints, requester):
        limits = Path(constraints).read_text().splitlines()
        self.calls.append((requirements, limits, requester))

    def PyTorchUtilsLogic(self):  # noqa: N802
        return self

    def installTorch(self, askConfirmation):  # noqa: N802, N803
        self.calls.append("torch")
        return self.torch

    torch = object()


@pytest.fixture
def packaging(slicer_app, monkeypatch):
    """A Slicer with slicer.packaging and the PyTorch extension, but without torch."""
    from medseg_face.setup import slicer_python

    made = Packaging("slicer.packaging")
    monkeypatch.setitem(sys.modules, "slicer.packaging", made)
    monkeypatch.setitem(sys.modules, "PyTorchUtils", made)
    plain = slicer_python._there
    monkeypatch.setattr(slicer_python, "_there", lambda name: name != "torch" and plain(name))
    return made


def test_into_slicer_goes_through_slicer_and_keeps_its_packages(packaging):
    into, said = SlicerPython(), []
    assert into.missing(["sam"]) == ""
    into.install(["sam"], said.append)
    torch, (wanted, limits, requester) = packaging.calls
    assert torch == "torch"
    assert not any(r.startswith("torch") for r in wanted)
    assert any(r.startswith("transformers") for r in wanted)
    assert any(line.startswith("numpy==") for line in limits)
    assert requester == "MedSegFoundation"
    assert said == ["Installed. Start Slicer anew to use it."]


def test_whoever_declines_torch_gets_nothing(packaging):
    packaging.torch, said = None, []
    SlicerPython().install(["sam"], said.append)
    assert packaging.calls == ["torch"]
    assert said == ["PyTorch was not installed; nothing else was."]


def test_what_slicer_cannot_install_is_one_sentence(packaging, monkeypatch):
    def fails(*_args, **_options):
        raise RuntimeError("declined")

    monkeypatch.setattr(packaging, "pip_install", fails)
    said = []
    SlicerPython().install(["nninteractive"], said.append)
    assert said == ["It could not be installed (declined)."]


# Programs.


def test_a_program_that_cannot_start_says_so(host):
    work = Work("x", Command("/no/such/program", (), dict(os.environ)))
    Program(work, lambda: None)
    host.spin(lambda: work.finished)
    assert "cannot be started" in work.error


def test_the_window_goes_on_while_a_program_runs(host):
    work = Work("x", medseg_command("models", "published", "--json"))
    turns = []
    Program(work, lambda: None)
    host.spin(lambda: turns.append(1) or work.finished, timeout=60)
    assert len(turns) > 3
    assert work.error == ""
    assert work.events[0]["name"] == "sam2.1-tiny"


# The rest.


def test_devices_are_asked_for_when_the_section_is_opened(bench):
    from medseg_face.setup.devices import Devices

    page = bench.only(Devices)
    bench.spin(lambda: page.table.rowCount > 0 and not page.devices.line)
    assert page.table.item(page.table.rowCount - 1, 0).text() == "cpu"
    bench.picture("devices")


@pytest.mark.parametrize("kind", [later.Batch, later.Tracking])
def test_the_shown_command_is_one_that_works(bench, kind):
    from medseg.cli.arguments import join_negative_numbers, parser

    page = bench.only(kind)
    program, *words = page.line.text.split()
    assert program == "medseg"
    assert parser().parse_args(join_negative_numbers(words)).command == words[0]
    bench.picture(kind.__name__.lower())


def test_the_whole_page(bench):
    bench.picture("page")
