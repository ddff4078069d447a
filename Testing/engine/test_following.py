"""Several structures on one command line, a film that breaks off, and what is told of a run."""

import json

import numpy as np
import pytest
import SimpleITK as sitk
from medseg import find
from medseg.cli import following, main
from medseg.io import Segmentation, nifti, read_labels, read_segmentation, write_segmentation
from medseg.io.films import BrokenOffError
from medseg.io.found import FoundFile
from medseg.io.seg_nrrd import Segment
from medseg.propagation import Found
from medseg.record import TAG, Record, mask_mark, model_info
from phantoms import dice

SIZE, COUNT = 48, 12


def disk(j, i, radius=6):
    rows, columns = np.ogrid[:SIZE, :SIZE]
    return (rows - j) ** 2 + (columns - i) ** 2 <= radius**2


def truth(frame):
    """Two disks, a bright one and a dark one, that move apart."""
    return disk(12, 12 + 0.5 * frame), disk(34, 34 - 0.5 * frame)


def picture(frame):
    bright, dark = truth(frame)
    values = np.where(bright, 200, np.where(dark, 20, 110))
    noise = np.random.default_rng(frame).normal(0, 5, values.shape)
    return np.clip(values + noise, 0, 255).astype(np.uint8)


@pytest.fixture
def volume(tmp_path):
    array = np.stack([picture(n) for n in range(COUNT)])
    path = tmp_path / "volume.nii"
    path.write_bytes(nifti.encode(array, np.diag([1.0, 1.0, 2.0, 1.0])))
    return path


@pytest.fixture
def folder(tmp_path):
    path = tmp_path / "frames"
    path.mkdir()
    for n in range(COUNT):
        sitk.WriteImage(sitk.GetImageFromArray(picture(n)), str(path / f"f{n}.png"))
    return path


BOTH = ["--coords", "ijk", "--segment", "bright", "--box", "7,5,2,19,19,2"]
BOTH += ["--segment", "dark", "--box", "25,28,8,37,40,8"]


def test_two_structures_are_carried_through_a_volume_at_once(volume, tmp_path):
    out = tmp_path / "both.seg.nrrd"
    assert main(["propagate", str(volume), "-o", str(out), *BOTH]) == 0
    bright, dark = read_segmentation(out).segments
    assert (bright.name, dark.name) == ("bright", "dark")
    assert bright.color != dark.color
    for n in range(COUNT):
        assert dice(bright.mask[n], truth(n)[0]) > 0.85
        assert dice(dark.mask[n], truth(n)[1]) > 0.85
    told = [Record.loads(segment.tags[TAG]) for segment in (bright, dark)]
    assert [each.story.seeds for each in told] == [(2,), (8,)]
    assert [each.mask for each in told] == [mask_mark(s.mask) for s in (bright, dark)]
    assert told[0].model == model_info(find())


def test_each_alone_gives_the_same(volume, tmp_path):
    both, alone = tmp_path / "both.nii", tmp_path / "alone.nii"
    assert main(["propagate", str(volume), "-o", str(both), *BOTH]) == 0
    assert main(["propagate", str(volume), "-o", str(alone), *BOTH[:2], *BOTH[6:]]) == 0
    assert ((read_labels(both).array == 2) == (read_labels(alone).array == 1)).all()
    told = json.loads((tmp_path / "both.nii.json").read_text())["objects"]
    assert [each["name"] for each in told] == ["bright", "dark"]
    assert told[1]["seeds"] == [8]


@pytest.mark.parametrize("kind", ["labels.nii.gz", "pictures", "film.seg.nrrd"])
def test_two_structures_are_followed_through_a_film(folder, tmp_path, kind, capsys):
    out = tmp_path / kind
    assert main(["track", str(folder), "-o", str(out), "--json", *BOTH]) == 0
    if kind == "pictures":
        shown = [sitk.GetArrayFromImage(sitk.ReadImage(str(p))) for p in sorted(out.iterdir())]
        labels = np.stack(shown) // 127
    elif kind == "film.seg.nrrd":
        first, second = read_segmentation(out).segments
        labels = first.mask + 2 * second.mask
    else:
        labels = read_labels(out).array
    for n in range(COUNT):
        assert dice(labels[n] == 1, truth(n)[0]) > 0.85
        assert dice(labels[n] == 2, truth(n)[1]) > 0.85
    output = capsys.readouterr()
    lines = [json.loads(line) for line in output.out.splitlines()]
    assert sorted((x["object"], x["place"]) for x in lines) == [
        (number, place) for number in (1, 2) for place in range(COUNT)
    ]
    assert "absent in: 'bright' 0, 'dark' 0." in output.err


def test_two_outlines_have_two_colours(folder, tmp_path):
    from medseg.io.tracks import OUTLINES, _outlined

    pytest.importorskip("cv2")
    labels = disk(12, 12).astype(np.uint8) + 2 * disk(34, 34)
    drawn = _outlined(np.zeros((SIZE, SIZE), np.uint8), labels, (0, 255))[..., ::-1]
    assert tuple(drawn[12, 18]) == OUTLINES[0]
    assert tuple(drawn[34, 28]) == OUTLINES[1]


def test_two_segments_of_a_file_are_corrected_and_the_third_is_kept(volume, tmp_path):
    out = tmp_path / "both.seg.nrrd"
    main(["propagate", str(volume), "-o", str(out), *BOTH])
    found = read_segmentation(out)
    third = np.zeros(found.shape, bool)
    third[:, 40:46, 2:8] = True
    kept = Segment("c", "third", (1, 0, 0), third)
    write_segmentation(out, Segmentation(found.affine, found.shape, (*found.segments, kept)))
    command = ["propagate", str(volume), "-o", str(out), "--edit", str(out), "--last", "9"]
    words = ["--segment", "dark", "--seeds", "8", "--segment", "bright", "--seeds", "2,3"]
    assert main([*command, *words]) == 0
    bright, dark, other = read_segmentation(out).segments
    assert (other.mask == third).all()
    assert Record.loads(bright.tags[TAG]).story.seeds == (2, 3)
    assert Record.loads(dark.tags[TAG]).story.seeds == (8,)
    assert (bright.mask[10:] == found.segments[0].mask[10:]).all()


class UpFirst:
    """Carries the seed through, upwards first, and reads every frame; told how sure to be."""

    name, colour = "up first", True

    def __init__(self):
        self.made = []

    def track(self, task):
        for gap in sorted(task.gaps(), key=lambda gap: gap.before is None):
            seed = gap.before if gap.before is not None else gap.after
            order = gap.indices if gap.before is not None else reversed(gap.indices)
            for index in order:
                known = task.known.get(index)
                if known is None:
                    task.pixels(index)
                    self.made.append(index)
                    known = Found(index, task.seeds[seed], 0.5, bytes([index]))
                assert known.note == bytes([index])
                yield known


def test_before_a_break_everything_is_followed_and_nothing_twice(
    folder, tmp_path, monkeypatch, capsys
):
    from medseg.io import films

    tracker, read = UpFirst(), films._Folder.read

    def breaking(self, index, most):
        if index >= 8:
            raise BrokenOffError("The video breaks off at frame 8.", 8)
        return read(self, index, most)

    monkeypatch.setattr(films._Folder, "read", breaking)
    monkeypatch.setattr(following, "find_tracker", lambda *given: tracker)
    seed = tmp_path / "seed.png"
    sitk.WriteImage(sitk.GetImageFromArray(disk(20, 20).astype(np.uint8)), str(seed))
    out = tmp_path / "out.nii"
    assert main(["track", str(folder), "-o", str(out), "--mask", f"5={seed}"]) == 2
    assert "breaks off at frame 8. What comes before is in" in capsys.readouterr().err
    assert tracker.made == [6, 7, 4, 3, 2, 1, 0]
    labels = read_labels(out).array
    assert labels.any((1, 2)).tolist() == [True] * 8 + [False] * 4


def test_where_two_overlap_the_surer_one_keeps_the_place(folder, tmp_path, monkeypatch):
    class Sure(UpFirst):
        def track(self, task):
            sure = 0.9 if task.seeds[0][20, 30] else 0.4
            for found in super().track(task):
                yield Found(found.index, found.mask, sure, found.note)

    monkeypatch.setattr(following, "find_tracker", lambda *given: Sure())
    words = []
    for name, i in (("unsure", 18), ("sure", 26)):
        path = tmp_path / f"{name}.png"
        sitk.WriteImage(sitk.GetImageFromArray(disk(20, i).astype(np.uint8)), str(path))
        words += ["--segment", name, "--mask", f"0={path}"]
    out = tmp_path / "out.nii"
    assert main(["track", str(folder), "-o", str(out), *words]) == 0
    labels = read_labels(out).array
    assert ((labels[5] == 2) == disk(20, 26)).all()
    assert ((labels[0] == 1) == disk(20, 18)).all()


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["--segment", "a", "--segment", "a"], "--segment a is given twice"),
        (["--segment", "a", "--point", "9,9,0", "--segment", "b"], "Nothing says where 'b' is"),
        (["--line", "3,3,0,20,20,5"], "must lie in one slice"),
        (["--point", "12,12,0", "--memory", "diverse"], "no memory policies"),
    ],
)
def test_what_makes_no_sense_is_one_sentence(volume, tmp_path, capsys, words, sentence):
    command = ["propagate", str(volume), "-o", str(tmp_path / "x.nii"), "--coords", "ijk"]
    assert main([*command, *words]) == 2
    error = capsys.readouterr().err
    assert sentence in error
    assert error.count("\n") == 1
    assert not (tmp_path / "x.nii.part").exists()


def test_a_longest_diameter_is_a_prompt(volume, tmp_path):
    out = tmp_path / "out.nii"
    command = ["propagate", str(volume), "-o", str(out), "--coords", "ijk"]
    assert main([*command, "--line", "7,12,2,19,12,2"]) == 0
    assert dice(read_labels(out).array[2] > 0, truth(2)[0]) > 0.85


def test_what_is_found_keeps_its_note_also_after_a_stop(tmp_path):
    first = FoundFile(tmp_path / "x.part", 4, 2, (SIZE, SIZE), {})
    for place, note in ((1, b"one"), (3, b""), (2, b"second")):
        first.put(place, 1, disk(20, place), 0.1 * place, note)
    again = FoundFile(tmp_path / "x.part", 4, 2, (SIZE, SIZE), {})  # the first one was not closed
    assert [(p, f.note, f.confidence) for p, f in again.known(1).items()] == [
        (1, b"one", pytest.approx(0.1)),
        (2, b"second", pytest.approx(0.2)),
        (3, b"", pytest.approx(0.3)),
    ]
    assert (again.known(1)[2].mask == disk(20, 2)).all()
    assert not again.known(0)
    assert 0 not in again.known(1)
    assert (again.confidence(2), again.confidence(2, slice(0, 1))) == (pytest.approx(0.2), None)
    first.close()
    again.remove()
