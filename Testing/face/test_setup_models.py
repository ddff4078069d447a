# ruff: noqa: F811
"""Models on the module's page: fetch, import, check, remove, and their licences."""

import json
import threading

import pytest
from medseg_face import application
from medseg_face.setup import models
from medseg_scene.tools import Command
from setup_kit import bench, home  # noqa: F401
from store_kit import CONTENT, Hub

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
