"""Our files in the real code of 3D Slicer, and Slicer's files in ours."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from medseg import Box, Image, Lasso, Point, Scribble
from medseg.io import (
    Segment,
    Segmentation,
    encode_tag,
    read_prompts,
    read_segmentation,
    write_segmentation,
)

slicer = pytest.importorskip("slicer", reason="needs slicer-core")
vtk = pytest.importorskip("vtk", reason="needs slicer-core")
numpy_support = pytest.importorskip("vtkmodules.util.numpy_support")

BINARY = "Binary labelmap"
SHAPE = (5, 6, 7)
OBLIQUE = np.array([[0.6, 0, 0, 40.0], [0, 0.64, 1.8, -20.0], [0, 0.48, -2.4, 7.0], [0, 0, 0, 1]])
TEXT = '{"text": "left|right", "back": "a\\\\b", "line": "x\\ny ü"}'


def to_matrix(affine: np.ndarray) -> Any:
    matrix = vtk.vtkMatrix4x4()
    matrix.DeepCopy(affine.ravel().tolist())
    return matrix


def voxels_ras(image: Any) -> set[tuple[float, ...]]:
    """World positions (rounded to 1 um) of the non-zero voxels of a vtkOrientedImageData."""
    size = image.GetDimensions()[::-1]
    if 0 in size or image.GetPointData().GetScalars() is None:
        return set()
    array = numpy_support.vtk_to_numpy(image.GetPointData().GetScalars()).reshape(size)
    start = np.array(image.GetExtent()[::2])
    matrix = vtk.vtkMatrix4x4()
    image.GetImageToWorldMatrix(matrix)
    affine = np.array([[matrix.GetElement(r, c) for c in range(4)] for r in range(4)])
    ijk = np.argwhere(array)[:, ::-1] + start
    return {tuple(p) for p in np.round(ijk @ affine[:3, :3].T + affine[:3, 3], 3) + 0.0}


def mask_ras(segmentation: Segmentation, mask: np.ndarray) -> set[tuple[float, ...]]:
    image = Image(mask, segmentation.affine)
    return {tuple(p) for p in np.round(image.ijk_to_ras(np.argwhere(mask)[:, ::-1]), 3) + 0.0}


def box_mask(where: tuple[slice, ...]) -> np.ndarray:
    mask = np.zeros(SHAPE, bool)
    mask[where] = True
    return mask


def oriented(mask: np.ndarray, affine: np.ndarray) -> Any:
    image = slicer.vtkOrientedImageData()
    image.SetDimensions(mask.shape[::-1])
    image.AllocateScalars(vtk.VTK_UNSIGNED_CHAR, 1)
    numpy_support.vtk_to_numpy(image.GetPointData().GetScalars())[:] = mask.ravel()
    image.SetImageToWorldMatrix(to_matrix(affine))
    return image


@pytest.fixture
def scene() -> Any:
    return slicer.vtkMRMLScene()


@pytest.fixture
def loaded(scene: Any) -> Callable[[Path], Any]:
    def load(path: Path) -> Any:
        node = slicer.vtkMRMLSegmentationNode()
        scene.AddNode(node)
        storage = slicer.vtkMRMLSegmentationStorageNode()
        scene.AddNode(storage)
        storage.SetFileName(str(path))
        assert storage.ReadData(node)
        return node.GetSegmentation()

    return load


@pytest.fixture
def ours() -> Segmentation:
    segments = (
        Segment("liver", "The liver", (0.25, 0.5, 1), box_mask(np.s_[1:4, 1:5, 2:6])),
        Segment(
            "lesion",
            "Läsion",
            (1, 0, 0),
            box_mask(np.s_[2:3, 2:4, 3:5]),
            {"medseg.prompts": encode_tag(TEXT), "other": "a:b"},
        ),
        Segment("spleen", "The spleen", (0, 1, 0.125), box_mask(np.s_[0:1, 0:1, 0:2])),
        Segment("nothing", "Nothing yet", (0, 0, 1), box_mask(np.s_[0:0])),
    )
    return Segmentation(OBLIQUE, SHAPE, segments)


@pytest.mark.parametrize("count", [1, 3, 4])
def test_slicer_reads_our_segments(
    tmp_path: Path, loaded: Callable[[Path], Any], ours: Segmentation, count: int
) -> None:
    part = Segmentation(ours.affine, ours.shape, ours.segments[-count:])
    found = loaded(write_segmentation(tmp_path / "x.seg.nrrd", part))
    assert found.GetNumberOfSegments() == count
    for n, segment in enumerate(part.segments):
        theirs = found.GetNthSegment(n)
        assert found.GetNthSegmentID(n) == segment.id
        assert theirs.GetName() == segment.name
        assert theirs.GetColor() == pytest.approx(segment.color)
        mask = slicer.vtkOrientedImageData()
        labels = theirs.GetRepresentation(BINARY)
        value = theirs.GetLabelValue()
        if segment.mask.any():
            threshold = vtk.vtkImageThreshold()
            threshold.SetInputData(labels)
            threshold.ThresholdBetween(value, value)
            threshold.SetInValue(1)
            threshold.SetOutValue(0)
            threshold.Update()
            mask.DeepCopy(threshold.GetOutput())
            mask.CopyDirections(labels)
            assert voxels_ras(mask) == mask_ras(part, segment.mask)


def test_slicer_keeps_layers_tags_and_reference_geometry(
    tmp_path: Path, loaded: Callable[[Path], Any], ours: Segmentation
) -> None:
    found = loaded(write_segmentation(tmp_path / "x.seg.nrrd", ours))
    assert found.GetNumberOfLayers(BINARY) == 2
    for key, text in ours.segments[1].tags.items():
        value = vtk.reference("")
        assert found.GetSegment("lesion").GetTag(key, value)
        assert str(value) == text
    name = slicer.vtkSegmentationConverter.GetReferenceImageGeometryParameterName()
    geometry = slicer.vtkOrientedImageData()
    slicer.vtkSegmentationConverter.DeserializeImageGeometry(
        found.GetConversionParameter(name), geometry, False
    )
    assert geometry.GetExtent() == (0, 6, 0, 5, 0, 4)
    matrix = vtk.vtkMatrix4x4()
    geometry.GetImageToWorldMatrix(matrix)
    values = [[matrix.GetElement(r, c) for c in range(4)] for r in range(4)]
    np.testing.assert_allclose(values, OBLIQUE, atol=1e-6)


@pytest.mark.parametrize("crop", [False, True])
def test_we_read_what_slicer_writes(tmp_path: Path, scene: Any, crop: bool) -> None:
    node = slicer.vtkMRMLSegmentationNode()
    scene.AddNode(node)
    masks = [
        box_mask(w) for w in (np.s_[1:4, 2:5, 3:6], np.s_[2:5, 3:6, 3:5], np.s_[1:2, 2:3, 2:3])
    ]
    for n, mask in enumerate(masks):
        segment = slicer.vtkSegment()
        segment.SetName(f"Segment {n}")
        segment.SetColor(1, n / 4, 0.25)
        segment.SetTag("medseg.prompts", encode_tag(TEXT))
        segment.AddRepresentation(BINARY, oriented(mask, OBLIQUE))
        node.GetSegmentation().AddSegment(segment, f"id{n}")
    node.GetSegmentation().CollapseBinaryLabelmaps(False)
    storage = slicer.vtkMRMLSegmentationStorageNode()
    scene.AddNode(storage)
    storage.SetCropToMinimumExtent(crop)
    storage.SetFileName(str(tmp_path / "x.seg.nrrd"))
    assert storage.WriteData(node)
    found = read_segmentation(tmp_path / "x.seg.nrrd")
    assert [s.id for s in found.segments] == ["id0", "id1", "id2"]
    assert found.segments[1].color == (1, 0.25, 0.25)
    assert found.segments[2].tags["medseg.prompts"] == encode_tag(TEXT)
    grid = Segmentation(OBLIQUE, SHAPE)
    for segment, mask in zip(found.segments, masks, strict=True):
        assert mask_ras(found, segment.mask) == mask_ras(grid, mask)
    onto = read_segmentation(tmp_path / "x.seg.nrrd", Image(np.zeros(SHAPE), OBLIQUE))
    for segment, mask in zip(onto.segments, masks, strict=True):
        np.testing.assert_array_equal(segment.mask, mask)


def save_markups(scene: Any, node: Any, path: Path, storage: str) -> Path:
    scene.AddNode(node)
    writer = getattr(slicer, storage)()
    scene.AddNode(writer)
    writer.SetFileName(str(path))
    assert writer.WriteData(node)
    return path


@pytest.mark.parametrize(
    ("kind", "expected"),
    [("Fiducial", Point), ("ClosedCurve", Lasso), ("Curve", Scribble)],
)
def test_markups_of_slicer_are_prompts(
    tmp_path: Path, scene: Any, kind: str, expected: type
) -> None:
    node = getattr(slicer, f"vtkMRMLMarkups{kind}Node")()
    wanted = np.array([[1.0, 2, 3], [4, 5, 6], [4, 9, 1]])
    for position in wanted:
        node.AddControlPoint(vtk.vtkVector3d(*position))
    path = save_markups(scene, node, tmp_path / "M.mrk.json", "vtkMRMLMarkupsJsonStorageNode")
    prompts = read_prompts(path)
    assert {type(p) for p in prompts} == {expected}
    np.testing.assert_allclose(np.concatenate([p.positions() for p in prompts]), wanted)


def test_a_turned_roi_of_slicer_is_a_box(tmp_path: Path, scene: Any) -> None:
    node = slicer.vtkMRMLMarkupsROINode()
    angle = np.array([[0.8, -0.6, 0, 5.0], [0.6, 0.8, 0, -7], [0, 0, 1, 9], [0, 0, 0, 1]])
    node.SetSize(4.0, 6.0, 8.0)
    node.SetAndObserveObjectToNodeMatrix(to_matrix(angle))
    path = save_markups(scene, node, tmp_path / "R.mrk.json", "vtkMRMLMarkupsROIJsonStorageNode")
    (box,) = read_prompts(path)
    assert isinstance(box, Box)
    assert box.axes is not None
    np.testing.assert_allclose(box.center, [5, -7, 9], atol=1e-9)
    np.testing.assert_allclose(box.size, [4, 6, 8])
    np.testing.assert_allclose(np.abs(box.axes.T @ angle[:3, :3]), np.eye(3), atol=1e-9)
