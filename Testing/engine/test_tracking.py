"""Films and volumes are followed from a few prompts: on the command line, on real files."""

import json
import os
import re
import signal
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
import SimpleITK as sitk
from medseg import Image, InputError, Point, PromptError, find
from medseg.cli import main
from medseg.courses import ThroughFilm, ThroughSlices, ThroughVolumes
from medseg.io import Segmentation, nifti, read_labels, read_segmentation, write_segmentation
from medseg.io.films import BrokenOffError, Film, open_film
from medseg.io.found import FoundFile
from medseg.record import TAG, Record
from medseg.tracking import masks_from, track
from phantoms import dice

SIZE, COUNT = 48, 24


def disk(frame, gone=()):
    """A bright disk that moves to the right, and is out of view in frames ``gone``."""
    j, i = np.ogrid[:SIZE, :SIZE]
    return ((j - 24) ** 2 + (i - 14 - 0.8 * frame) ** 2 <= 64) & (frame not in gone)


def picture(frame, gone=()):
    noise = np.random.default_rng(frame).normal(0, 6, (SIZE, SIZE))
    return np.clip(np.where(disk(frame, gone), 190, 90) + noise, 0, 255).astype(np.uint8)


@pytest.fixture
def folder(tmp_path):
    path = tmp_path / "frames"
    path.mkdir()
    for n in range(COUNT):
        sitk.WriteImage(sitk.GetImageFromArray(picture(n, {8, 9})), str(path / f"f{n}.png"))
    return path


def video(path, code="MJPG", count=COUNT):
    cv2 = pytest.importorskip("cv2")
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*code), 25, (SIZE, SIZE))
    for n in range(count):
        writer.write(np.repeat(picture(n)[..., None], 3, 2))
    writer.release()
    return path


def masks_in(path):
    return np.stack(
        [sitk.GetArrayFromImage(sitk.ReadImage(str(p))) for p in sorted(path.iterdir())]
    )


START = ["--coords", "ijk", "--point", "14,24,0", "--exclude", "40,24,0"]


def test_a_folder_of_pictures_is_followed_and_the_gap_is_left_out(folder, tmp_path, capsys):
    out = tmp_path / "masks"
    assert main(["track", str(folder), "-o", str(out), "--json", *START]) == 0
    found = masks_in(out) > 0
    assert not found[8].any()
    assert not found[9].any()
    assert all(dice(found[n], disk(n)) > 0.85 for n in range(COUNT) if n not in (8, 9))
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert sorted(line["place"] for line in lines) == list(range(COUNT))
    assert [line["pixels"] for line in lines if line["place"] == 8] == [0]
    (story,) = json.loads((tmp_path / "masks.json").read_text())["objects"]
    assert story["seeds"] == [0]
    assert len(story["confidence"]) == COUNT
    assert not (tmp_path / "masks.part").exists()


@pytest.mark.parametrize("code", ["MJPG", "mp4v"])
def test_a_video_shows_the_same_frame_whatever_was_read_before(tmp_path, code):
    path = video(tmp_path / ("film.avi" if code == "MJPG" else "film.mp4"), code)
    in_order = [open_film(path).pixels(n) for n in range(COUNT)]
    film = open_film(path)
    for n in [0, 20, 3, 2, 1, 23, 11, 12, 5]:
        assert (film.pixels(n) == in_order[n]).all()
    assert film.channels == 3


def test_a_long_film_is_not_kept_in_memory():
    class Endless:
        name, count, rate = "endless", 100_000, None

        def read(self, index, most):
            yield index, np.zeros((1000, 1000), np.uint8)

    film = Film(Endless())
    for n in range(400):
        film.pixels(n)
    assert len(film._kept) <= 256


def test_a_video_in_colour_gets_an_outline(tmp_path):
    path, out = video(tmp_path / "film.avi"), tmp_path / "seen.avi"
    assert main(["track", str(path), "-o", str(out), "--quiet", *START]) == 0
    shown, plain = open_film(out), open_film(path)
    assert shown.count == COUNT
    changed = np.abs(shown.pixels(5).astype(int) - plain.pixels(5)).max(-1) > 60
    assert changed[24, 5:13].any()
    assert not changed[:8].any()


def test_a_video_that_breaks_off_keeps_what_was_found(tmp_path, capsys):
    whole = video(tmp_path / "film.avi").read_bytes()
    (tmp_path / "cut.avi").write_bytes(whole[: len(whole) // 2])
    out = tmp_path / "masks"
    assert main(["track", str(tmp_path / "cut.avi"), "-o", str(out), *START]) == 2
    assert "breaks off at frame" in capsys.readouterr().err
    found = masks_in(out) > 0
    assert found[5].any()
    assert not found[-1].any()


def test_a_frame_behind_the_break_is_refused(tmp_path):
    whole = video(tmp_path / "film.avi").read_bytes()
    (tmp_path / "cut.avi").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(BrokenOffError, match="breaks off at frame"):
        open_film(tmp_path / "cut.avi").pixels(COUNT - 1)


def test_videos_without_opencv_say_what_to_do(tmp_path, monkeypatch):
    (tmp_path / "film.mp4").write_bytes(b"x")
    monkeypatch.setitem(sys.modules, "cv2", None)
    with pytest.raises(InputError, match="opencv-python-headless"):
        open_film(tmp_path / "film.mp4")


def test_a_run_that_was_killed_goes_on_and_ends_the_same(folder, tmp_path):
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    assert main(["track", str(folder), "-o", str(whole), "--quiet", *START]) == 0
    command = [sys.executable, "-m", "medseg.cli", "track", str(folder), "-o", str(broken), *START]
    run = subprocess.Popen([*command, "--json"], stdout=subprocess.PIPE, text=True)
    for _ in range(6):
        run.stdout.readline()
    os.kill(run.pid, signal.SIGKILL)
    run.wait()
    run.stdout.close()
    assert (tmp_path / "broken.part").is_dir()
    assert not broken.exists()
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert "Going on where" in done.stderr
    assert (masks_in(broken) == masks_in(whole)).all()
    assert not (tmp_path / "broken.part").exists()


def test_what_is_found_is_kept_only_for_the_same_run(tmp_path):
    mask = disk(0)
    first = FoundFile(tmp_path / "x.part", 3, 1, mask.shape, {"seeds": [0]})
    first.put(1, 0, mask, 0.5)
    first.close()
    again = FoundFile(tmp_path / "x.part", 3, 1, mask.shape, {"seeds": [0]})
    assert (again.known(0)[1].mask == mask).all()
    assert again.known(0)[1].confidence == 0.5
    assert list(again.known(0)) == [1]
    again.close()
    other = FoundFile(tmp_path / "x.part", 3, 1, mask.shape, {"seeds": [2]})
    assert not other.known(0)
    other.remove()


@pytest.fixture
def cine(tmp_path):
    """Volumes over time ``(T, K, J, I)``: the disk in slices 1 and 2 of four."""
    array = np.stack(
        [
            np.stack([picture(t + 10 * k, {t + 10 * k} if k in (0, 3) else ()) for k in range(4)])
            for t in range(6)
        ]
    )
    affine = np.diag([1.5, 1.5, 8.0, 1.0])
    path = tmp_path / "cine.nii"
    path.write_bytes(nifti.header(array.shape, array.dtype, affine) + nifti.body(array))
    return path, affine


def test_volumes_over_time_are_followed_from_the_mask_of_one(cine, tmp_path):
    path, affine = cine
    seed = np.zeros((4, SIZE, SIZE), np.uint8)
    seed[1], seed[2] = disk(12), disk(22)
    (tmp_path / "seed.nii").write_bytes(nifti.encode(seed, affine))
    out = tmp_path / "out.nii.gz"
    assert main(["track", str(path), "-o", str(out), "--mask", f"2={tmp_path / 'seed.nii'}"]) == 0
    for t in (0, 2, 5):
        found = read_labels(out, frame=t).array > 0
        assert found.shape == (4, SIZE, SIZE)
        assert dice(found[1], disk(t + 10)) > 0.85
        assert dice(found[2], disk(t + 20)) > 0.85
        assert not found[0].any()


def test_a_prompt_in_volumes_over_time_belongs_to_the_frame_that_is_named(cine, tmp_path):
    path, _ = cine
    out = tmp_path / "out.nii"
    command = ["track", str(path), "-o", str(out), "--coords", "ijk", "--point", "23,24,1"]
    assert main([*command, "--frame", "2"]) == 0
    assert dice(read_labels(out, frame=5).array[1] > 0, disk(15)) > 0.8


BOX = ["--coords", "ijk", "--box", "11,14,10,33,34,10"]


@pytest.fixture
def volume(tmp_path):
    array = np.stack([picture(n) for n in range(COUNT)]).astype(np.int16)
    path = tmp_path / "volume.nii"
    path.write_bytes(nifti.encode(array, np.diag([1.0, 1.0, 2.0, 1.0])))
    return path


def test_a_box_on_one_slice_gives_the_volume(volume, tmp_path):
    out = tmp_path / "out.seg.nrrd"
    assert main(["propagate", str(volume), "-o", str(out), "--segment", "rod", *BOX]) == 0
    (segment,) = read_segmentation(out).segments
    assert segment.name == "rod"
    assert all(dice(segment.mask[n], disk(n)) > 0.85 for n in range(COUNT))
    story = Record.loads(segment.tags[TAG]).story
    assert (story.tracker, story.along, story.seeds) == ("geodesic-cut", "k", (10,))
    assert (story.first, story.last) == (0, COUNT - 1)
    assert sorted(story.confidence) == list(range(COUNT))


def test_a_corrected_slice_goes_on_and_leaves_the_rest(volume, tmp_path):
    out, again = tmp_path / "out.seg.nrrd", tmp_path / "again.seg.nrrd"
    main(["propagate", str(volume), "-o", str(out), *BOX])
    before = read_segmentation(out).segments[0].mask
    command = ["propagate", str(volume), "-o", str(again), "--edit", str(out), "--coords", "ijk"]
    assert main([*command, "--point", "30,24,15", "--first", "14", "--last", "18"]) == 0
    after = read_segmentation(again).segments[0].mask
    assert (after[:14] == before[:14]).all()
    assert (after[19:] == before[19:]).all()
    assert after[14:19].any()
    assert main([*command[:5], str(out), "--seeds", "3,20"]) == 0


def test_other_segments_keep_their_voxels(volume, tmp_path):
    out = tmp_path / "out.seg.nrrd"
    main(["propagate", str(volume), "-o", str(out), *BOX])
    found = read_segmentation(out)
    other = np.zeros(found.shape, bool)
    other[:, 20:28, 20:28] = True
    first = replace(found.segments[0], mask=found.segments[0].mask & ~other)
    both = Segmentation(
        found.affine, found.shape, (first, replace(first, id="b", name="b", mask=other))
    )
    write_segmentation(out, both)
    command = ["propagate", str(volume), "-o", str(out), "--edit", str(out), "--segment", "Segment"]
    assert main([*command, "--seeds", "0"]) == 0
    mine, kept = read_segmentation(out).segments
    assert (kept.mask == other).all()
    assert not (mine.mask & other).any()


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["--point", "14,24,99"], "lies in slice or frame 99"),
        (["--box", "5,5,0,30,30,4"], "draw it in one of them"),
        ([], "Give at least one prompt|no mask to start from"),
        (
            ["--point", "14,24,0", "--first", "3"],
            "is in slice or frame 0, outside 3 to 23; widen the range",
        ),
        (["--point", "14,24,0", "--last", "99"], "do not exist"),
        (["--mask", "nonsense"], "N=FILE"),
        (["--mask", "99=x.png"], "there are slices or frames 0 to 23"),
    ],
)
def test_bad_input_is_one_sentence_and_writes_nothing(folder, tmp_path, capsys, words, sentence):
    out = tmp_path / "masks"
    assert main(["track", str(folder), "-o", str(out), "--coords", "ijk", *words]) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert re.search(sentence, error)
    assert not out.exists()
    assert not (tmp_path / "masks.part").exists()


def test_a_picture_of_another_size_is_named(folder):
    sitk.WriteImage(sitk.GetImageFromArray(np.zeros((9, 9), np.uint8)), str(folder / "f3.png"))
    with pytest.raises(InputError, match=r"Frame 3 .* another size"):
        open_film(folder).pixels(3)


def test_a_volume_is_no_film_and_a_film_no_volume(volume, tmp_path, capsys):
    assert main(["track", str(volume), "-o", str(tmp_path / "x.nii"), "--point", "0,0,0"]) == 2
    assert "medseg propagate" in capsys.readouterr().err


def test_where_a_seed_is_empty_the_object_is_not():
    array = np.stack([picture(n) for n in range(6)])
    course = ThroughSlices(Image(array, np.eye(4), time_axis=True))
    nothing = np.zeros((1, SIZE, SIZE), bool)
    seen = {s.place: s.mask for s in track(course, {0: disk(0)[None], 3: nothing})}
    assert sorted(seen) == list(range(6))
    assert not seen[3].any()
    assert seen[5].any()


def test_prompts_become_masks_of_their_frames(folder):
    course = ThroughFilm(open_film(folder))
    place = course.still(4).ijk_to_ras([17, 24, 0])
    masks = masks_from(course, [Point(place)], find())
    assert list(masks) == [4]
    assert dice(masks[4][0], disk(4)) > 0.8
    with pytest.raises(PromptError, match="at least one prompt"):
        masks_from(course, [], find())


def test_every_row_of_volumes_over_time_knows_its_pixels():
    array = np.arange(2 * 3 * 4 * 5, dtype=np.int16).reshape(2, 3, 4, 5)
    course = ThroughVolumes(array, np.diag([0.5, 2.0, 8.0, 1.0]), "x")
    assert (course.rows[2].pixels(1) == array[1, 2]).all()
    assert course.rows[0].spacing == (2.0, 0.5)
    assert (course.still(1).array == array[1]).all()
