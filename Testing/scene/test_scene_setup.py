"""What the pages of the module decide: servers, models, installing, the trial, devices."""

import json
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from medseg.client import Consent
from medseg.install import Environments
from medseg.store import Approvals, Store
from medseg.tokens import Tokens
from medseg_scene import CompanionOwner
from medseg_scene.device_list import DeviceList
from medseg_scene.installing import Installing
from medseg_scene.model_table import ModelTable
from medseg_scene.sample import SHAPE, add_sample, dice, phantom
from medseg_scene.servers import ServerChoice, chosen
from medseg_scene.settings import DictSettings
from medseg_scene.tools import Command, Work, medseg_command
from medseg_scene.trial import Trial, into_editor

URL = "https://gpu.example:1527"


class Owner:
    """Remembers where it was told to work."""

    def __init__(self):
        self.calls = []

    def connect(self, server):
        self.calls.append(server)

    def use_python(self, python, env=None):
        self.calls.append((python, env))


@pytest.fixture(scope="module")
def owner():
    made = CompanionOwner()
    yield made
    made.close()


# Servers.


@pytest.fixture
def servers(tmp_path):
    made = ServerChoice(
        DictSettings(), Owner(), Tokens(tmp_path / "tokens"), Consent(tmp_path / "consent.json")
    )
    made.settings, made.owner = made._settings, made._owner
    return made


def test_nothing_leaves_until_the_user_agreed(servers, tmp_path):
    assert servers.here
    assert servers.use(URL, "") == "Agree first that images are sent to gpu.example:1527."
    assert servers.here
    Consent(tmp_path / "consent.json").grant("gpu.example:1527")
    assert servers.agreed(URL).what == servers.what
    assert servers.use(URL, "ca.pem") == ""
    (server,) = servers.owner.calls
    assert (server.url, server.ca, server.token) == (URL, "ca.pem", None)
    servers.use_this_computer()
    assert servers.here
    assert servers.url == URL
    assert servers.owner.calls[-1] is None


def test_a_server_on_this_computer_needs_no_agreement(servers):
    assert servers.use("http://127.0.0.1:1527", "") == ""
    assert not servers.here


def test_an_address_that_is_none_is_refused_at_once(servers):
    assert "has no scheme" in servers.wrong("gpu.example")
    assert "let others on the network read" in servers.use("http://gpu.example", "")
    assert servers.agreed("nonsense") is None
    assert not servers.has_token("nonsense")


def test_a_token_is_in_a_file_and_nowhere_else(servers, tmp_path):
    assert servers.save_token(URL, "secret-token") == ""
    assert servers.has_token(URL)
    Consent(tmp_path / "consent.json").grant("gpu.example:1527")
    servers.use(URL, "")
    assert servers.owner.calls[0].token == "secret-token"
    assert "secret" not in repr(servers.owner.calls[0])
    assert "secret" not in json.dumps(servers.settings.values)
    words = servers.test(URL, "ca.pem").arguments
    assert "secret-token" not in " ".join(words)
    assert words[words.index("--token-file") + 1] == servers.token_path(URL)
    assert words[words.index("--ca") + 1] == "ca.pem"
    assert chosen(servers.settings, Tokens(tmp_path / "tokens")).token == "secret-token"
    assert "no blanks" in servers.save_token(URL, "a b")


def test_a_token_that_others_can_read_is_left_out(servers, tmp_path):
    servers.save_token(URL, "secret-token")
    Path(servers.token_path(URL)).chmod(0o644)
    settings = DictSettings({"server/url": URL})
    if sys.platform != "win32":
        assert chosen(settings, Tokens(tmp_path / "tokens")).token is None


def run(work):
    """What a face does: start the program, hand on its bytes."""
    done = subprocess.run(
        [work.command.program, *work.command.arguments],
        env=work.command.environment,
        capture_output=True,
        check=False,
        timeout=120,
    )
    work.take(done.stdout)
    work.take(done.stderr, error=True)
    work.end(done.returncode)
    return work


def test_a_test_names_the_reason(servers):
    work = run(Work("Test", servers.test("http://127.0.0.1:1", "")))
    assert servers.verdict(work).startswith("Nothing answers at 127.0.0.1:1; check the port")


# Programs.


def test_lines_cut_anywhere_are_put_together():
    ended = []
    work = Work("x", Command("p", (), {}), ended.append)
    progress = json.dumps(
        {"event": "progress", "file": "a.pt", "done": 5_000_000, "total": 20_000_000}
    )
    for byte in (progress + "\nplain\n").encode():
        work.take(bytes([byte]))
    assert work.fraction == 0.25
    assert work.line == "plain"
    work.take(b'{"event": "done", "x": 1}')
    work.end(0)
    work.end(3)
    assert work.answer("done") == {"event": "done", "x": 1}
    assert (work.error, ended) == ("", [work])


@pytest.mark.parametrize(
    ("said", "code", "crashed", "error"),
    [
        (b"note\nmedseg: Nothing answers.\n", 2, False, "Nothing answers."),
        (b"", 3, False, "It ended without a word (3); try again."),
        (b"boom", 0, True, "boom"),
    ],
)
def test_an_error_is_the_last_thing_said(said, code, crashed, error):
    work = Work("x", Command("p", (), {}))
    work.take(said, error=True)
    work.end(code, crashed)
    assert work.error == work.line == error


def test_a_stopped_program_says_that_nothing_changed():
    work = Work("x", Command("p", (), {}))
    work.stopped = True
    work.end(130)
    assert work.error == "Stopped; nothing has changed."


def test_a_program_that_does_not_start():
    work = Work("x", Command("/no/program", (), {}))
    work.fail("not found")
    assert work.error == "'/no/program' cannot be started (not found)."


def test_commands_carry_the_environment_for_other_pythons():
    command = medseg_command("models", startup={"PATH": "/bin"})
    assert command.arguments == ("-m", "medseg.cli", "models")
    assert json.loads(command.environment["MEDSEG_STARTUP_ENVIRONMENT"]) == {"PATH": "/bin"}
    assert "MEDSEG_STARTUP_ENVIRONMENT" not in medseg_command("models").environment


# Models.


@pytest.fixture
def table(tmp_path, monkeypatch):
    monkeypatch.setenv("MEDSEG_MODELS", str(tmp_path / "models"))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    return ModelTable(Store(approvals=Approvals(tmp_path / "medseg" / "licences.json")))


def row(table, name):
    return next(r for r in table.rows() if r.name == name)


def test_rows_say_what_can_be_done_and_why_not(table, tmp_path):
    tiny = row(table, "sam2.1-tiny")
    assert (tiny.state, tiny.size, tiny.agree) == ("not here", "156 MB", "")
    assert tiny.can["fetch"] == tiny.can["import"] == ""
    assert "not on this computer" in tiny.can["remove"]
    remote = row(table, "nninteractive")
    assert remote.state == "own server"
    assert "server of its own" in remote.can["fetch"]
    assert "got from its page" in row(table, "vista3d").can["fetch"]


def test_a_licence_is_asked_for_once(table, tmp_path):
    asked = row(table, "vista3d")
    assert asked.non_commercial
    assert "Licence: NVIDIA" in asked.agree
    (tmp_path / "vista.pt").write_bytes(b"weights")
    command = table.import_("vista3d", str(tmp_path / "vista.pt"), agreed=True)
    work = run(Work("Import", command))
    assert work.error == ""
    assert row(table, "vista3d").state == "stored"
    assert row(table, "vista3d").agree == ""
    assert row(table, "vista3d").can["check"] == ""
    run(Work("Check", table.check("vista3d")))
    assert run(Work("Remove", table.remove("vista3d"))).answer("removed")["there"]
    assert row(table, "vista3d").state == "not here"


def test_a_refusal_is_one_sentence(table, tmp_path):
    work = run(Work("Import", table.import_("medsam2", str(tmp_path / "none.pt"))))
    assert "There is no file" in work.error


# Installing.


def test_the_helper_runs_where_it_is_told(tmp_path):
    settings, owner = DictSettings(), Owner()
    page = Installing(settings, owner, {"PATH": "/bin"}, Environments(tmp_path / "none"))
    assert page.environment() is None
    assert not page.in_use
    assert "Python of this program" in page.line
    page.use()
    assert owner.calls == []
    folder = tmp_path / "none" / "abc"
    (folder / "bin").mkdir(parents=True)
    for path in (folder / "bin" / "python", folder / "Scripts" / "python.exe"):
        path.parent.mkdir(exist_ok=True)
        path.write_text("")
    record = {"needs": ["sam"], "packages": {}, "when": "now"}
    (folder / "medseg.json").write_text(json.dumps(record))
    (tmp_path / "none" / "current.json").write_text('{"name": "abc"}')
    page.use()
    python = str(page.environment().python)
    assert owner.calls == [(python, {"PATH": "/bin"})]
    assert page.in_use
    assert "for SAM 2.1, MedSAM2, MedSAM, SAM" in page.line
    page.use_own_python()
    assert owner.calls[-1] == (None, None)
    assert not page.in_use


def test_a_plan_is_told_in_one_sentence(tmp_path):
    page = Installing(DictSettings(), Owner(), {}, Environments(tmp_path))
    work = Work("Plan", page.plan(["torch"], sys.executable))
    assert work.command.arguments[2:5] == ("setup", "plan", "torch")
    items = [
        {"name": "torch", "version": "2.13.0", "installed": None, "megabytes": 754.0},
        {"name": "idna", "version": "3.20", "installed": "3.1", "megabytes": 0.07},
        {"name": "sympy", "version": "1.0", "installed": None, "megabytes": None},
    ]
    work.events.append({"event": "plan", "items": items, "megabytes": 754.07})
    assert page.summary(work) == (
        "3 packages, about 754 MB and 1 more of unknown size. It would replace idna."
    )
    assert page.rows(work) == [
        ("torch", "2.13.0", "", "754 MB"),
        ("idna", "3.20", "3.1", "70 kB"),
        ("sympy", "1.0", "", ""),
    ]


def test_another_interpreter_takes_over_an_open_session(owner, scene):
    """The helper is started again; the session is put back, its mask as it was."""
    from medseg import Point
    from medseg.image import Image

    voxels = np.zeros((8, 16, 16), np.int16)
    voxels[2:6, 4:12, 4:12] = 100
    session = owner.companion().session(Image(voxels, np.eye(4)))
    owner.wait(session.add(Point(np.array([8.0, 8.0, 4.0]))))
    before, mask = owner.companion().pid, session.mask.copy()
    owner.use_python(sys.executable)
    owner.wait(session.add(Point(np.array([8.0, 8.0, 3.0]))))
    assert owner.companion().pid != before
    assert owner.wait(session.undo()) is not None
    assert (session.mask == mask).all()
    session.close()


def test_what_there_is_is_asked_for_anew(owner):
    told = []
    let_go = owner.listen(told.append)
    before = owner.greet()
    owner.look_again("A model was stored.")
    assert owner.greeting is not before
    assert owner.wait(owner.greet()).default_model
    assert told == ["A model was stored."]
    let_go()
    fresh = CompanionOwner()
    fresh.look_again("Nothing runs.")
    assert not fresh.started


# The trial.


def test_the_sample_is_the_same_each_time_and_quick_enough():
    begin = time.perf_counter()
    voxels, answer = phantom()
    again, _ = phantom()
    assert time.perf_counter() - begin < 5.0
    assert voxels.shape == answer.shape == SHAPE
    assert voxels.dtype == np.int16
    assert (voxels == again).all()
    assert voxels[answer].mean() > voxels[~answer].mean()


def test_the_place_of_the_click_is_in_the_answer(scene):
    sample = add_sample()
    from medseg_scene import image_from_volume

    image = image_from_volume(sample.volume)
    i, j, k = np.round(image.ras_to_ijk(np.array(sample.place))).astype(int)
    assert sample.answer[k, j, i]


def test_dice():
    whole, none = np.ones((2, 2, 2), bool), np.zeros((2, 2, 2), bool)
    half = whole.copy()
    half[0] = False
    assert (dice(whole, whole), dice(whole, none), dice(none, none)) == (1.0, 0.0, 1.0)
    assert dice(whole, half) == pytest.approx(2 / 3)


def test_one_click_finds_the_kidney_and_says_how_well(owner, scene):
    changes = []
    trial = Trial(owner, lambda: changes.append(trial.line))
    trial.start()
    assert trial.busy
    assert "starts" in trial.line
    trial.start()  # once at a time
    owner.loop.run_until(lambda: not trial.busy, 120.0)
    assert trial.score > 0.9
    assert f"Dice {trial.score:.2f}" in trial.line
    assert len(changes) == 2
    into_editor(trial.sample, trial.segment_id)
    node = scene.GetSingletonNode("SegmentEditor", "vtkMRMLSegmentEditorNode")
    assert node.GetSelectedSegmentID() == trial.segment_id
    assert node.GetSourceVolumeNode() is trial.sample.volume
    trial.start()  # again, in the same nodes
    owner.loop.run_until(lambda: not trial.busy, 120.0)
    assert scene.GetNumberOfNodesByClass("vtkMRMLScalarVolumeNode") == 1


def test_a_closed_scene_ends_the_trial(owner, scene):
    trial = Trial(owner, lambda: None)
    trial.start()
    scene.Clear(0)
    owner.loop.run_until(lambda: not trial.busy, 120.0)
    assert trial.present() is None
    assert trial.segment_id == ""
    trial.start()
    trial.cancel()
    assert not trial.busy


# Devices.


def test_devices_and_what_a_prompt_takes(owner):
    devices = DeviceList(owner, lambda: None)
    devices.refresh((64, 128, 128))
    owner.loop.run_until(lambda: bool(devices.rows), 60.0)
    assert devices.line == ""
    assert devices.rows[-1].name == "cpu"
    assert devices.rows[-1].needs.endswith(" GB")
