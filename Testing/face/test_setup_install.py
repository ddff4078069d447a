# ruff: noqa: F811
"""Packages on the module's page: plans, environments, and Slicer's own Python."""

import importlib.machinery
import os
import subprocess
import sys
import types
from pathlib import Path

import pytest
from medseg_face import application
from medseg_face.setup import install
from medseg_face.setup.program import Program
from medseg_face.setup.slicer_python import SlicerPython
from medseg_scene.tools import Command, Work, medseg_command
from setup_kit import bench, home  # noqa: F401
from wheels import base_wheels

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
