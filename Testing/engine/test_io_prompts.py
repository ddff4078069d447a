"""Prompt files: our JSON, Slicer's markups, painted scribbles."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from medseg import Box, Image, InputError, Lasso, Point, PromptError, Scribble
from medseg.io import Segment, Segmentation, read_prompts, read_scribble, write_segmentation
from medseg.prompts import dumps


def markups(path: Path, **fields: Any) -> Path:
    content = {"coordinateSystem": "LPS", "coordinateUnits": "mm", **fields}
    path.write_text(json.dumps({"markups": [content]}))
    return path


def points(*positions: list[float], **fields: Any) -> list[dict[str, Any]]:
    return [{"position": p, "positionStatus": "defined", **fields} for p in positions]


def test_our_own_json_comes_back(tmp_path: Path) -> None:
    (tmp_path / "p.json").write_text(dumps([Point([1, 2, 3]), Box([0, 0, 0], [1, 2, 3])]))
    first, second = read_prompts(tmp_path / "p.json")
    assert isinstance(first, Point)
    assert isinstance(second, Box)
    assert first.position.tolist() == [1, 2, 3]


@pytest.mark.parametrize(("system", "expected"), [("LPS", [-1, -2, 3]), ("RAS", [1, 2, 3])])
def test_points_become_ras(tmp_path: Path, system: str, expected: list[float]) -> None:
    path = markups(
        tmp_path / "F.mrk.json",
        type="Fiducial",
        coordinateSystem=system,
        controlPoints=points([1, 2, 3]),
    )
    (point,) = read_prompts(path)
    assert isinstance(point, Point)
    assert point.position.tolist() == expected
    assert point.include


@pytest.mark.parametrize("label", ["-1", "Exclude", "NEG_2", "background-3"])
@pytest.mark.parametrize("field", ["label", "description"])
def test_labels_and_descriptions_exclude(tmp_path: Path, label: str, field: str) -> None:
    control = [*points([0, 0, 0], **{field: label}), *points([1, 1, 1], label="F-2")]
    path = markups(tmp_path / "F.mrk.json", type="Fiducial", controlPoints=control)
    assert [p.include for p in read_prompts(path)] == [False, True]


def test_node_and_file_names_exclude(tmp_path: Path) -> None:
    fields = {"type": "Fiducial", "controlPoints": points([0, 0, 0])}
    assert not read_prompts(markups(tmp_path / "Exclude points.mrk.json", **fields))[0].include
    assert not read_prompts(markups(tmp_path / "F.mrk.json", name="neg", **fields))[0].include
    assert read_prompts(markups(tmp_path / "-x.mrk.json", name="F", **fields))[0].include


def test_a_turned_roi_becomes_a_box(tmp_path: Path) -> None:
    c, s = np.cos(0.4), np.sin(0.4)
    path = markups(
        tmp_path / "R.mrk.json",
        type="ROI",
        roiType="Box",
        center=[10, 20, 30],
        orientation=[c, -s, 0, s, c, 0, 0, 0, 1],
        size=[4, 6, 8],
    )
    (box,) = read_prompts(path)
    assert isinstance(box, Box)
    assert box.axes is not None
    assert box.center.tolist() == [-10, -20, 30]
    assert box.size.tolist() == [4, 6, 8]
    np.testing.assert_allclose(box.axes[:, 0], [-c, -s, 0])


@pytest.mark.parametrize(
    ("kind", "expected"), [("ClosedCurve", Lasso), ("Curve", Scribble), ("OpenCurve", Scribble)]
)
def test_curves_become_strokes(tmp_path: Path, kind: str, expected: type) -> None:
    control = points([0, 0, 5], [4, 0, 5], [4, 4, 5])
    (prompt,) = read_prompts(markups(tmp_path / "C.mrk.json", type=kind, controlPoints=control))
    assert isinstance(prompt, expected)
    assert prompt.positions().tolist() == [[0, 0, 5], [-4, 0, 5], [-4, -4, 5]]


@pytest.mark.parametrize("kind", ["Line", "Angle", "Plane"])
def test_other_markups_are_refused(tmp_path: Path, kind: str) -> None:
    path = markups(tmp_path / "L.mrk.json", type=kind, controlPoints=points([0, 0, 0]))
    with pytest.raises(PromptError, match=f"of type {kind}, which is no prompt; use a point list"):
        read_prompts(path)


def test_points_without_position_are_named(tmp_path: Path) -> None:
    control = points([0, 0, 0], label="F-7")
    control[0]["positionStatus"] = "undefined"
    path = markups(tmp_path / "F.mrk.json", type="Fiducial", controlPoints=control)
    with pytest.raises(PromptError, match=r"Point 'F-7' in .* has no position; place it or delete"):
        read_prompts(path)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"type": "Fiducial", "controlPoints": []}, "without points; place some first"),
        ({"type": "Fiducial", "coordinateUnits": "inch"}, "must be in LPS or RAS and mm"),
        ({"type": "Fiducial", "coordinateSystem": "IJK"}, "must be in LPS or RAS and mm"),
        ({"controlPoints": []}, "lacks something or holds wrong values"),
        ({"type": "ROI", "center": [0, 0, 0]}, "lacks something or holds wrong values"),
        ({"type": "ROI", "center": [0, 0], "size": [1, 1, 1]}, "lacks something or holds wrong"),
        ({"type": "ROI", "center": None}, "is not placed"),
        ({"type": "Fiducial", "controlPoints": [{"position": [1, "x", 2]}]}, "wrong values"),
    ],
)
def test_broken_markups_are_refused(tmp_path: Path, fields: dict[str, Any], message: str) -> None:
    with pytest.raises(PromptError, match=message):
        read_prompts(markups(tmp_path / "F.mrk.json", **fields))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "is not valid JSON"),
        ("[]", "holds no prompts"),
        ('{"markups": 3}', "holds no markups"),
        ('{"medseg_prompts": 1, "prompts": []}', "holds no prompts; place some first"),
    ],
)
def test_files_that_hold_no_prompts_are_refused(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "p.json").write_text(text)
    with pytest.raises(PromptError, match=message):
        read_prompts(tmp_path / "p.json")


def test_what_is_no_text_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "p.json").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(InputError, match="is not a text file"):
        read_prompts(tmp_path / "p.json")
    with pytest.raises(InputError, match="is a folder; name one prompt file"):
        read_prompts(tmp_path)


@pytest.fixture
def image() -> Image:
    return Image(np.zeros((4, 5, 6)), np.diag([-2.0, 2, 3, 1]))


def paint(path: Path, image: Image, values: dict[tuple[int, int, int], int]) -> Path:
    array = np.zeros(image.shape, np.uint8)
    for kji, value in values.items():
        array[kji] = value
    return write_segmentation(path, Segmentation.from_labels(image.with_array(array)))


def test_paint_becomes_scribbles(tmp_path: Path, image: Image) -> None:
    path = paint(tmp_path / "s.nii.gz", image, {(1, 2, 3): 1, (1, 2, 4): 1, (3, 0, 0): 2})
    first, second = read_scribble(path, image)
    assert isinstance(first, Scribble)
    assert (first.include, second.include) == (True, False)
    assert not first.connected
    assert first.points.tolist() == [[-6, 4, 3], [-8, 4, 3]]
    assert second.positions().tolist() == [[0, 0, 9]]


def test_one_value_alone_includes_unless_it_is_two(tmp_path: Path, image: Image) -> None:
    assert read_scribble(paint(tmp_path / "a.nii", image, {(0, 0, 0): 255}), image)[0].include
    assert not read_scribble(paint(tmp_path / "b.nii", image, {(0, 0, 0): 2}), image)[0].include


def test_odd_paint_is_refused(tmp_path: Path, image: Image) -> None:
    with pytest.raises(PromptError, match="has the values 1, 3; paint 1 for the object and 2"):
        read_scribble(paint(tmp_path / "a.nii", image, {(0, 0, 0): 1, (1, 1, 1): 3}), image)
    with pytest.raises(PromptError, match="has no painted voxels"):
        read_scribble(paint(tmp_path / "b.nii", image, {}), image)


def test_a_thin_stroke_on_a_finer_grid_is_not_lost(tmp_path: Path, image: Image) -> None:
    fine = Image(np.zeros((24, 25, 30)), np.diag([-0.4, 0.4, 0.5, 1]))
    path = paint(tmp_path / "s.nii.gz", fine, {(7, 11, n): 1 for n in range(5, 12)})
    (scribble,) = read_scribble(path, image)
    assert scribble.positions().tolist() == [[-2, 4, 3], [-4, 4, 3]]


def test_paint_in_a_segmentation_is_read(tmp_path: Path, image: Image) -> None:
    mask = np.zeros(image.shape, bool)
    mask[2, 2, 2] = True
    segment = Segment("s", "object", (1, 0, 0), mask)
    path = write_segmentation(tmp_path / "s.seg.nrrd", Segmentation.on(image, [segment]))
    assert read_scribble(path, image)[0].positions().tolist() == [[-4, 4, 6]]
