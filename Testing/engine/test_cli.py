"""The command line, with a model whose masks are known; files and errors are real."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
from fake_model import FakeModel
from medseg import Image, ModelError, Point
from medseg.cli import main
from medseg.cli.arguments import join_negative_numbers
from medseg.io import Segment, Segmentation, read_segmentation, write_segmentation
from medseg.prompts import dumps
from medseg.record import TAG, Record

SHAPE = (4, 5, 6)  # K, J, I
SPACING = (2.0, 2.0, 5.0)  # i, j, k in mm; RAS positions are (-2 i, -2 j, 5 k)


def save(path, array, spacing=SPACING):
    image = sitk.GetImageFromArray(array)
    image.SetSpacing(spacing)
    sitk.WriteImage(image, str(path))
    return str(path)


@pytest.fixture(autouse=True)
def fake(monkeypatch):
    model = FakeModel()
    monkeypatch.setattr("medseg.cli.remote.find", lambda name, device: model)
    return model


@pytest.fixture
def scan(tmp_path):
    return save(tmp_path / "scan.nii.gz", np.arange(120, dtype=np.int16).reshape(SHAPE))


@pytest.fixture
def out(tmp_path):
    return str(tmp_path / "out.seg.nrrd")


def voxels(path, name=None):
    """True voxels of a segment as sorted (i, j, k)."""
    segments = read_segmentation(path).segments
    segment = next(s for s in segments if name in (None, s.name))
    return sorted((int(i), int(j), int(k)) for k, j, i in np.argwhere(segment.mask))


def fails(capsys, *argv):
    """The sentence a command ends with; exit code 2, nothing on stdout, no traceback."""
    assert main(list(argv)) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert "Traceback" not in said.err
    assert said.err.startswith("medseg: ")
    assert said.err.count("\n") == 1
    return said.err


def test_a_point_becomes_a_named_segment(scan, out):
    assert main(["segment", scan, "-o", out, "--segment", "cyst", "--point", "-4,-6,10"]) == 0
    segment = read_segmentation(out).segments[0]
    assert segment.name == "cyst"
    assert voxels(out) == [(2, 3, 2)]


@pytest.mark.parametrize(
    ("coords", "text"), [("ras", "-4,-6,10"), ("lps", "4,6,10"), ("ijk", "2,3,2")]
)
def test_the_same_place_in_every_frame(scan, out, coords, text):
    assert main(["segment", scan, "-o", out, "--point", text, "--coords", coords]) == 0
    assert voxels(out) == [(2, 3, 2)]


def test_box_of_indices_takes_both_corner_voxels(scan, out):
    assert main(["segment", scan, "-o", out, "--box", "1,1,0,3,2,1", "--coords", "ijk"]) == 0
    corners = [(i, j, k) for i in (1, 3) for j in (1, 2) for k in (0, 1)]
    assert voxels(out) == sorted(corners)


def test_prompts_act_in_the_order_typed(scan, out, fake):
    argv = ["--exclude", "-4,-6,10", "--box", "-2,-2,0,-6,-4,5", "--point", "-4,-6,10"]
    assert main(["segment", scan, "-o", out, *argv]) == 0
    assert [p.kind for p in fake.calls[-1][0]] == ["point", "box", "point"]
    assert len(fake.calls) == 3
    assert (2, 3, 2) in voxels(out)


def test_prompt_files_and_scribbles(scan, out, tmp_path):
    prompts = tmp_path / "prompts.json"
    prompts.write_text(dumps([Point([0, 0, 0])]))
    painted = np.zeros(SHAPE, np.uint8)
    painted[1, 1, 1:3] = 1
    stroke = save(tmp_path / "stroke.nrrd", painted)
    assert main(["segment", scan, "-o", out, "--prompts", str(prompts), "--scribble", stroke]) == 0
    assert voxels(out) == [(0, 0, 0), (1, 1, 1), (2, 1, 1)]


def test_json_has_one_object_per_prompt_and_nothing_else(scan, out, capsys):
    argv = ["--point", "2,3,2", "--exclude", "0,0,0", "--coords", "ijk", "--json"]
    assert main(["segment", scan, "-o", out, *argv]) == 0
    first, second = (json.loads(line) for line in capsys.readouterr().out.splitlines())
    assert (first["kind"], first["include"], first["voxels"]) == ("point", True, 1)
    assert first["ml"] == pytest.approx(0.02)
    assert first["changed"]["ijk"] == [[2, 3, 2], [2, 3, 2]]
    assert first["changed"]["ras"] == [[-5, -7, 7.5], [-3, -5, 12.5]]
    assert second["changed"] is None


def test_quiet_says_nothing(scan, out, capsys):
    assert main(["segment", scan, "-o", out, "--point", "0,0,0", "--quiet"]) == 0
    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize("name", ["out.nii.gz", "out.nii", "out.nrrd"])
def test_label_maps_by_suffix(scan, tmp_path, name):
    path = str(tmp_path / name)
    assert main(["segment", scan, "-o", path, "--point", "2,3,2", "--coords", "ijk"]) == 0
    labels = sitk.ReadImage(path)
    assert labels.GetSpacing() == SPACING
    assert labels[2, 3, 2] == 1
    assert sitk.GetArrayFromImage(labels).sum() == 1


def test_the_file_remembers_prompts_and_model(scan, out):
    main(["segment", scan, "-o", out, "--point", "-4,-6,10"])
    record = Record.loads(read_segmentation(out).segments[0].tags[TAG])
    np.testing.assert_allclose(record.prompts[0].position, [-4, -6, 10])
    assert record.model == {"name": "fake", "version": "1", "weights_hash": None}


def test_editing_goes_on_with_the_earlier_prompts(scan, out, fake):
    main(["segment", scan, "-o", out, "--segment", "a", "--point", "1,1,1", "--coords", "ijk"])
    again = ["--edit", out, "--segment", "a", "--point", "2,2,2", "--coords", "ijk"]
    assert main(["segment", scan, "-o", out, *again]) == 0
    assert voxels(out) == [(1, 1, 1), (2, 2, 2)]
    prompts, started = fake.calls[-1]
    assert (len(prompts), started) == (2, False)


@pytest.fixture
def two(tmp_path, scan):
    """A file with segments 'a' (drawn by hand) and 'b'."""
    a, b = np.zeros((2, *SHAPE), bool)
    a[1, 1, 1] = b[2, 2, 2] = True
    affine = np.diag([-2.0, -2.0, 5.0, 1.0])
    segments = [Segment("A", "a", (1, 0, 0), a), Segment("B", "b", (0, 1, 0), b, {"note": "kept"})]
    path = tmp_path / "two.seg.nrrd"
    write_segmentation(path, Segmentation.on(Image(np.zeros(SHAPE), affine), segments))
    return str(path)


def test_editing_keeps_the_others_and_takes_none_of_their_voxels(scan, out, two, fake):
    prompts = ["--point", "2,2,2", "--point", "3,3,3", "--coords", "ijk"]
    assert main(["segment", scan, "-o", out, "--edit", two, "--segment", "a", *prompts]) == 0
    assert voxels(out, "a") == [(1, 1, 1), (3, 3, 3)]
    assert voxels(out, "b") == [(2, 2, 2)]
    assert read_segmentation(out).segments[1].tags["note"] == "kept"
    assert fake.calls[-1][1]


def test_editing_an_unknown_segment_lists_the_known(scan, out, two, capsys):
    argv = ["segment", scan, "-o", out, "--edit", two, "--point", "0,0,0"]
    assert "it has 'a', 'b'" in fails(capsys, *argv, "--segment", "c")
    assert "choose one with --segment: 'a', 'b'" in fails(capsys, *argv)


def test_a_model_that_cannot_start_from_a_mask_says_so(scan, out, two, fake, capsys):
    fake.capabilities = FakeModel(start_mask=False).capabilities
    argv = ["segment", scan, "-o", out, "--edit", two, "--segment", "a", "--point", "0,0,0"]
    assert "cannot go on from a mask" in fails(capsys, *argv)


def test_numbers_with_a_leading_minus():
    argv = ["segment", "--point", "-1,2,3", "--box", "-.5,0,0,1,1,1", "--exclude", "--quiet"]
    assert join_negative_numbers(argv) == [
        "segment",
        "--point=-1,2,3",
        "--box=-.5,0,0,1,1,1",
        "--exclude",
        "--quiet",
    ]


@pytest.mark.parametrize(
    ("argv", "sentence"),
    [
        ([], "at least one prompt"),
        (["--point", "1,2"], "--point takes 3 numbers"),
        (["--point", "a,b,c"], "--point takes 3 numbers"),
        (["--point", "nan,1,2"], "--point takes 3 numbers"),
        (["--box", "1,2,3"], "--box takes 6 numbers"),
        (["--point", "500,0,0"], "outside the image"),
        (["--prompts", "nowhere.json"], "nowhere.json"),
        (["--scribble", "nowhere.nrrd"], "nowhere.nrrd"),
        (["--edit", "nowhere.seg.nrrd", "--point", "0,0,0"], "nowhere.seg.nrrd"),
        (["--device", "tpu", "--point", "0,0,0"], "tpu"),
        (["--frob"], "--frob"),
    ],
)
def test_bad_options_say_what_is_wrong(scan, out, capsys, tmp_path, argv, sentence):
    assert sentence in fails(capsys, "segment", scan, "-o", out, *argv)
    assert not (tmp_path / "out.seg.nrrd").exists()


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("out.stl", "must end in"),
        ("missing/out.seg.nrrd", "does not exist"),
        ("dir.seg.nrrd", "is a folder"),
        ("scan.nii.gz", "is the image itself"),
    ],
)
def test_bad_outputs_are_seen_before_the_work(scan, tmp_path, capsys, fake, name, sentence):
    (tmp_path / "dir.seg.nrrd").mkdir()
    path = str(tmp_path / name)
    assert sentence in fails(capsys, "segment", scan, "-o", path, "--point", "0,0,0")
    assert fake.calls == []


def test_a_model_error_leaves_the_old_file(scan, out, fake, capsys):
    main(["segment", scan, "-o", out, "--point", "0,0,0", "--quiet"])
    before = Path(out).read_bytes()
    fake.fails = ModelError("The weights file is truncated; fetch it again.")
    assert "truncated" in fails(capsys, "segment", scan, "-o", out, "--point", "1,1,1")
    assert Path(out).read_bytes() == before


def test_a_full_disk_leaves_the_old_file(scan, out, monkeypatch, capsys, tmp_path):
    main(["segment", scan, "-o", out, "--point", "0,0,0", "--quiet"])
    before = Path(out).read_bytes()

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    argv = ["segment", scan, "-o", out, "--point", "-4,-6,10", "--quiet"]
    assert "disk is full" in fails(capsys, *argv)
    assert Path(out).read_bytes() == before
    assert sorted(p.name for p in tmp_path.iterdir()) == ["out.seg.nrrd", "scan.nii.gz"]


def test_control_c_stops_with_130_and_writes_nothing(scan, out, monkeypatch, capsys, tmp_path):
    def stop(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(FakeModel, "segment", stop)
    assert main(["segment", scan, "-o", out, "--point", "0,0,0"]) == 130
    assert "Stopped" in capsys.readouterr().err
    assert [p.name for p in tmp_path.iterdir()] == ["scan.nii.gz"]


def test_a_fault_of_ours_is_one_sentence_unless_debugging(scan, out, monkeypatch, capsys):
    monkeypatch.setattr(FakeModel, "segment", lambda *_: 1 / 0)
    argv = ["segment", scan, "-o", out, "--point", "0,0,0"]
    assert main(argv) == 1
    said = capsys.readouterr().err
    assert "ZeroDivisionError" in said
    assert "Traceback" not in said
    monkeypatch.setenv("MEDSEG_DEBUG", "1")
    assert main(argv) == 1
    assert "Traceback" in capsys.readouterr().err


@pytest.mark.parametrize("command", [[], ["segment"], ["evaluate"], ["models"]])
def test_help_works_and_teaches(command, capsys):
    assert main([*command, "--help"]) == 0
    said = capsys.readouterr().out
    assert "usage: medseg" in said
    assert command in ([], ["models"]) or "example" in said


def test_no_command_is_an_error_of_one_line(capsys):
    assert "COMMAND" in fails(capsys)


def test_evaluate_prints_one_row_per_structure_and_the_mean(scan, tmp_path, capsys):
    labels = np.zeros(SHAPE, np.uint8)
    labels[1, 1, 1] = 1
    labels[3, 3, 3:5] = 7
    path = save(tmp_path / "labels.nii.gz", labels)
    assert main(["evaluate", scan, path, "--clicks", "3"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[1].split()[:3] == ["structure", "Dice@1", "Dice@3"]
    assert lines[2].split()[:6] == ["Label", "1", "1.000", "1.000", "1", "1"]
    assert lines[3].split()[:6] == ["Label", "7", "0.667", "1.000", "2", "2"]
    assert lines[4].split()[:5] == ["mean", "0.833", "1.000", "1.5", "1.5"]


def test_evaluate_json_of_chosen_labels(scan, tmp_path, capsys):
    labels = np.zeros(SHAPE, np.uint8)
    labels[1, 1, 1], labels[3, 3, 3:5] = 1, 7
    path = save(tmp_path / "labels.nii.gz", labels)
    assert main(["evaluate", scan, path, "--labels", "7", "--json"]) == 0
    (line,) = capsys.readouterr().out.splitlines()
    score = json.loads(line)
    assert (score["structure"], score["model"]) == ("Label 7", "fake")
    assert score["dice"] == [0.6667, 1.0]
    assert (score["clicks_to_0.85"], score["clicks_to_0.90"]) == (2, 2)


def test_evaluate_refuses_labels_that_are_not_there(scan, tmp_path, capsys):
    labels = np.zeros(SHAPE, np.uint8)
    labels[1, 1, 1] = 1
    path = save(tmp_path / "labels.nii.gz", labels)
    assert "no label '9'; it has 1" in fails(capsys, "evaluate", scan, path, "--labels", "9")
    assert "--clicks" in fails(capsys, "evaluate", scan, path, "--clicks", "0")


def test_the_real_command_fails_with_a_sentence_and_code_2(tmp_path):
    command = [sys.executable, "-m", "medseg.cli", "segment", "none.nii", "-o", "x.seg.nrrd"]
    done = subprocess.run(
        [*command, "--point", "-1,0,0"], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    assert done.stderr.startswith("medseg: There is no file")
    assert list(tmp_path.iterdir()) == []


def test_models_lists_capabilities_and_licences(monkeypatch, capsys):
    def found(name):
        if name == "absent":
            raise ModelError("Model 'absent' needs the package torch.")
        return FakeModel()

    monkeypatch.setattr("medseg.cli.models.find", found)
    monkeypatch.setattr("medseg.cli.models.names", lambda: ["fake", "absent"])
    assert main(["models"]) == 0
    said = capsys.readouterr().out
    assert "box, point, scribble" in said
    assert "2d, 2d+t, 3d" in said
    assert "Apache-2.0" in said
    assert "needs the package torch" in said
    assert main(["models", "--json"]) == 0
    first, second = (json.loads(line) for line in capsys.readouterr().out.splitlines())
    assert (first["licence"], first["weights_licence"]) == ("Apache-2.0", None)
    assert second["name"] == "absent"
