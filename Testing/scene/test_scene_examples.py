"""The example for slicer-core, run as a user runs it."""

import subprocess
import sys
from pathlib import Path

from medseg.io import read_segmentation
from medseg_scene.sample import add_sample, dice

EXAMPLE = Path(__file__).parents[2] / "Resources" / "examples" / "one_click_core.py"


def run(folder, *words):
    return subprocess.run(
        [sys.executable, str(EXAMPLE), *words],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )


def test_on_the_sample_and_on_a_file(scene, tmp_path):
    done = run(tmp_path)
    assert done.returncode == 0, done.stderr
    assert " ml in " in done.stdout
    (segment,) = read_segmentation(str(tmp_path / "kidney.seg.nrrd")).segments
    sample = add_sample()
    storage = scene.AddNewNodeByClass("vtkMRMLVolumeArchetypeStorageNode")
    storage.SetFileName(str(tmp_path / "ct.nrrd"))
    assert storage.WriteData(sample.volume)
    place = [f"{value:g}" for value in sample.place]
    done = run(tmp_path, "ct.nrrd", "same.seg.nrrd", *place)
    assert done.returncode == 0, done.stderr
    (same,) = read_segmentation(str(tmp_path / "same.seg.nrrd")).segments
    assert dice(segment.mask, same.mask) == 1.0


def test_a_missing_file_is_one_sentence(tmp_path):
    done = run(tmp_path, "none.nrrd", "out.seg.nrrd", "0", "0", "0")
    assert done.returncode == 1
    assert "'none.nrrd' cannot be read." in done.stderr
