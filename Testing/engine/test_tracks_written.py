"""What was followed through a film is written frame by frame: the same file, the same memory."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
from medseg import InputError, Point, find
from medseg.cli import main
from medseg.courses import ThroughFilm
from medseg.io import Segment, Segmentation, read_image, read_segmentation, write_segmentation
from medseg.io.films import Film
from medseg.io.tracks import write_labels, write_segments
from medseg.record import TAG, Record
from medseg.session import Session

COUNT, SIZE = 12, (30, 41)


class Black:
    """A film of nothing."""

    name, count, rate = "black", COUNT, None

    def read(self, index, most):
        yield index, np.zeros(SIZE, np.uint8)


COURSE = ThroughFilm(Film(Black()))


def labels(place):
    """Two squares that move, the second one only in some of the frames."""
    found = np.zeros((1, *SIZE), np.uint8)
    found[0, 3 + place : 9 + place, 5:12] = 1
    if 4 <= place < 7:
        found[0, 20:23, 30 : 33 + place] = 3
    return found


def segments():
    """Three, of which the second is nowhere."""
    array = np.concatenate([labels(place) for place in range(COUNT)])
    return [
        Segment(f"Segment_{n}", name, (1, 0.5, 0), array == n, {"tag": "left, right: 1"})
        for n, name in enumerate(("liver", "none", "spleen"), 1)
    ]


def whole():
    return Segmentation(COURSE.affine, (COUNT, *SIZE), segments())


def test_frame_by_frame_gives_the_file_of_the_whole(tmp_path):
    write_segmentation(tmp_path / "whole.seg.nrrd", whole())
    heads = [replace(segment, mask=np.zeros((1, 1, 1), bool)) for segment in segments()]
    write_segments(tmp_path / "film.seg.nrrd", COURSE, labels, heads)
    assert (tmp_path / "film.seg.nrrd").read_bytes() == (tmp_path / "whole.seg.nrrd").read_bytes()
    assert (read_segmentation(tmp_path / "film.seg.nrrd").segments[2].mask[5, 20, 30:38]).all()


def test_labels_alone_are_those_of_the_whole_too(tmp_path):
    write_segmentation(tmp_path / "whole.nrrd", whole())
    write_labels(tmp_path / "film.nrrd", COURSE, labels)
    assert (tmp_path / "film.nrrd").read_bytes() == (tmp_path / "whole.nrrd").read_bytes()


@pytest.mark.parametrize("name", ["x.seg.nrrd", "x.nrrd", "x.nii.gz", "x.nii"])
def test_a_full_disk_leaves_the_old_file(tiny_disk, name):
    rng = np.random.default_rng(0)

    def noise(place):
        return rng.integers(0, 2, (1, 300, 300), np.uint8)

    def write(path):
        if name == "x.seg.nrrd":
            write_segments(path, COURSE, noise, segments()[:1])
        else:
            write_labels(path, COURSE, noise)

    path = tiny_disk / name
    path.write_bytes(b"old")
    with pytest.raises(InputError, match="the disk is full; free some space and try again"):
        write(path)
    assert os.listdir(tiny_disk) == [name]
    assert path.read_bytes() == b"old"


@pytest.fixture
def film(tmp_path):
    """A bright square on the move, as 2D + time."""
    array = np.full((COUNT, *SIZE), 90, np.uint8)
    array[np.concatenate([labels(place) for place in range(COUNT)]) == 1] = 190
    image = sitk.GetImageFromArray(array + np.random.default_rng(0).integers(0, 9, array.shape))
    folder = tmp_path / "frames"
    folder.mkdir()
    for n in range(COUNT):
        sitk.WriteImage(sitk.Cast(image[:, :, n], sitk.sitkUInt8), str(folder / f"{n}.png"))
    return folder


def test_a_session_goes_on_from_the_mask_of_a_followed_film(film, tmp_path):
    out, again = tmp_path / "out.seg.nrrd", tmp_path / "again.seg.nrrd"
    command = ["track", str(film), "-o", str(out), "--coords", "ijk", "--box", "5,3,0,11,8,0"]
    assert main(command) == 0
    (before,) = read_segmentation(out).segments
    record = Record.loads(before.tags[TAG])
    assert (record.story.along, record.story.seeds) == ("t", (0,))
    assert record.start is None
    volume = tmp_path / "volume.nii"
    array = np.stack([read_image(film / f"{n}.png").array[0] for n in range(COUNT)])
    grid = sitk.GetImageFromArray(array)
    sitk.WriteImage(grid, str(volume))
    point = ["--coords", "ijk", "--exclude", "6,3,0"]
    assert main(["segment", str(volume), "-o", str(again), "--edit", str(out), *point]) == 0
    (after,) = read_segmentation(again).segments
    session = Session(read_image(volume), find())
    session.set_mask(before.mask)
    session.add(Point(session.image.ijk_to_ras([6, 3, 0]), include=False))
    assert (after.mask == session.mask).all()
    assert Record.loads(after.tags[TAG]).story == record.story


WRITTEN = """
import argparse
import sys
from pathlib import Path
import numpy as np
from medseg.cli import following, track
from medseg.courses import ThroughFilm
from medseg.io.films import Film
from medseg.io.found import FoundFile
from medseg.io.tracks import write_segments
from medseg.propagation import find_tracker

class Black:
    name, count, rate = "black", int(sys.argv[2]), None
    def read(self, index, most):
        yield index, np.zeros((500, 500), np.uint8)

course, out = ThroughFilm(Film(Black())), Path(sys.argv[1])
found = FoundFile(out.with_suffix(".part"), Black.count, 1, (500, 500), {})
mask = np.zeros((500, 500), bool)
for place in range(Black.count):
    mask[:] = False
    mask[place % 400 :][:80, 5 + place % 300 :][:, :90] = True
    found.put(place, 0, mask, 0.5)
result = following.Result(
    found, course, find_tracker("default"), [{}], 0, Black.count - 1, Black.count
)
options = argparse.Namespace(model="default", device="auto")
segments = track._segments(options, ["disk"], track._grid(course), result)
write_segments(out, course, result.labels, segments)
found.remove()
status = Path("/proc/self/status").read_text()
print(int(status.partition("VmHWM:")[2].split()[0]) * 1024)
"""


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="Linux tells the memory")
def test_ten_times_the_length_takes_the_same_memory(tmp_path):
    peaks = []
    for count in (60, 600):
        command = [sys.executable, "-c", WRITTEN, str(tmp_path / "x.seg.nrrd"), str(count)]
        run = subprocess.run(command, capture_output=True, text=True, check=False)
        assert run.returncode == 0, run.stderr
        peaks.append(int(run.stdout))
    more = 540 * 500 * 500  # of labels, one byte each
    assert peaks[1] - peaks[0] < 0.1 * more
    assert read_segmentation(tmp_path / "x.seg.nrrd").segments[0].mask[399].sum() == 80 * 90
