"""The example for ``Slicer --python-script``, run against the application's own names."""

import runpy
import sys
from pathlib import Path

import pytest
import slicer
from medseg_face import application
from medseg_scene.sample import add_sample

import MedSegFoundation

EXAMPLE = Path(__file__).parents[2] / "Resources" / "examples" / "one_click_slicer.py"


@pytest.fixture
def ended(host, monkeypatch, tmp_path):
    """Exit codes; reading and writing of files is the application's, so the sample stands in."""
    codes, sample = [], add_sample()
    face = application.face()
    monkeypatch.setattr(slicer.util, "exit", lambda status=0: codes.append(status))
    monkeypatch.setattr(
        slicer.util, "getModuleLogic", lambda name: MedSegFoundation.MedSegFoundationLogic()
    )
    monkeypatch.setattr(slicer.util, "loadVolume", lambda path: sample.volume)
    monkeypatch.setattr(slicer.util, "saveNode", lambda node, path: codes.append((node, path)))
    monkeypatch.setattr(sys, "argv", [str(EXAMPLE), "ct.nrrd", "out.seg.nrrd"])
    assert not face.owner.started
    yield codes, sample
    application.close()


def test_the_script_writes_what_it_found(ended, capsys):
    codes, sample = ended
    sys.argv += [f"{value:g}" for value in sample.place]
    runpy.run_path(str(EXAMPLE), run_name="__main__")
    (node, path), status = codes
    assert (path, status) == ("out.seg.nrrd", 0)
    assert node.GetSegmentation().GetNumberOfSegments() == 1
    assert " ml in " in capsys.readouterr().out


def test_a_click_outside_ends_with_a_sentence(ended, capsys):
    codes, _ = ended
    sys.argv += ["9000", "0", "0"]
    runpy.run_path(str(EXAMPLE), run_name="__main__")
    assert codes == [2]
    assert capsys.readouterr().err.strip().endswith(".")
