# ruff: noqa: F811
"""The page of the module: what its buttons do, what it starts, and that it waits for nothing."""

import json
import stat
import sys
from pathlib import Path

import pytest
import qt
import slicer
from medseg.client.address import parse
from medseg.tokens import Tokens
from medseg_face import application
from medseg_face.setup import later, models, start, where
from setup_kit import bench, home  # noqa: F401

SCREENSHOTS = Path(__file__).parents[2] / "screenshots"
URL = "https://gpu.example:1527"


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
