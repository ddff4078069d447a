"""Editable area and intensity range for the box of a change, and as Slicer works them out."""

import itertools
from contextlib import nullcontext

import numpy as np
import pytest
import slicer
from medseg_scene import LogicEditor
from medseg_scene.editable import editable, is_masked, kept_to_rules
from medseg_scene.segments import reference_geometry
from scene_kit import add_segment, add_segmentation, add_transform, add_volume, oriented, turned
from vtk.util.numpy_support import vtk_to_numpy

EDIT = slicer.vtkMRMLSegmentationNode
EDITOR = slicer.vtkMRMLSegmentEditorNode
AREAS = [
    EDIT.EditAllowedEverywhere,
    EDIT.EditAllowedInsideAllSegments,
    EDIT.EditAllowedInsideVisibleSegments,
    EDIT.EditAllowedOutsideAllSegments,
    EDIT.EditAllowedOutsideVisibleSegments,
    EDIT.EditAllowedInsideSingleSegment,
]
OVERWRITES = [
    EDITOR.OverwriteNone,
    EDITOR.OverwriteVisibleSegments,
    EDITOR.OverwriteAllSegments,
]
SHAPE = (9, 14, 17)


class Case:
    """A scene in which a box of voxels is added to, or taken out of, one of four segments.

    The same ``seed``, the same scene. ``area``, ``overwrite``: of the editor's node.
    """

    def __init__(self, seed, area, overwrite):
        self.random = random = np.random.default_rng(seed)
        affine = [np.diag([1.0, 1.5, 2.0, 1.0]), turned(), turned(hand=-1)][seed % 3]
        kind = [np.int16, np.uint8, np.float32][random.integers(3)]
        values = random.integers(0, 200, SHAPE).astype(kind)
        near = (
            affine
            if random.random() < 0.6
            else affine @ turned((3, 2, 4), (1.2, 0.9, 1), (1, 2, 0))
        )
        self.volume = add_volume(values, near)
        self.segmentation = add_segmentation()
        if random.random() < 0.3:
            turn = add_transform(turned((0, 0, 30), (1, 1, 1)))
            self.segmentation.SetAndObserveTransformNodeID(turn.GetID())
            if random.random() < 0.7:
                self.volume.SetAndObserveTransformNodeID(turn.GetID())
        self.ids = [self.segment(n, affine) for n in range(4)]
        if random.random() < 0.6:
            slicer.vtkSlicerSegmentationsModuleLogic.CollapseBinaryLabelmaps(
                self.segmentation, False
            )
        for name in self.ids:
            self.segmentation.GetDisplayNode().SetSegmentVisibility(name, random.random() < 0.6)
        geometry = oriented(np.zeros(SHAPE, bool), affine)
        converter = slicer.vtkSegmentationConverter
        self.segmentation.GetSegmentation().SetConversionParameter(
            converter.GetReferenceImageGeometryParameterName(),
            converter.SerializeImageGeometry(geometry),
        )
        self.editor = LogicEditor.create(self.volume, self.segmentation)
        self.rules(area, overwrite)
        self.affine = affine

    def segment(self, number, affine):
        random = self.random
        size = random.integers(4, 12, 3)
        start = random.integers(-3, 9, 3)
        mask = random.random(size) < (0.2 if number == 3 else 0.8)
        if random.random() < 0.25:
            affine = affine @ turned((5, 0, 8), (0.8, 1.1, 1), (1, 1, 1))
        return add_segment(self.segmentation, mask, affine, tuple(start.tolist()), f"s{number}")

    def rules(self, area, overwrite):
        node, random = self.editor.node, self.random
        self.edited = self.ids[random.integers(4)]
        node.SetSelectedSegmentID(self.edited)
        node.SetMaskMode(area)
        node.SetMaskSegmentID([*self.ids, "", "gone"][random.integers(6)])
        node.SetOverwriteMode(overwrite)
        node.SetSourceVolumeIntensityMask(bool(random.random() < 0.5))
        low, high = np.sort(random.uniform(-20, 220, 2))
        node.SetSourceVolumeIntensityMaskRange(low, high)

    def modifier(self):
        """A box of voxels of the reference geometry, a third of them set."""
        extent = np.reshape(reference_geometry(self.segmentation).GetExtent(), (3, 2))
        thirds = (extent[:, 1] - extent[:, 0]) // 3
        ends = [
            (a + self.random.integers(0, third), b - self.random.integers(0, third))
            for (a, b), third in zip(extent, thirds, strict=True)
        ]
        size = [int(b - a + 1) for a, b in ends][::-1]
        mask = self.random.random(size) < 0.33
        return oriented(mask, self.affine, tuple(int(a) for a, _ in ends))

    def modify(self, ours, removes):
        """Change the segment, by our box or by Slicer's way of the whole."""
        modifier, node = self.modifier(), self.editor.node
        do = self.editor.remove if removes else self.editor.add
        with kept_to_rules(node, modifier, removes) if ours else nullcontext():
            do(self.segmentation, self.edited, modifier)

    @property
    def content(self):
        """Layer, extent and voxels of each segment."""
        found = []
        for name in self.ids:
            labelmap = self.segmentation.GetBinaryLabelmapInternalRepresentation(name)
            scalars = labelmap.GetPointData().GetScalars()
            voxels = np.zeros(0) if scalars is None else vtk_to_numpy(scalars)
            label = self.segmentation.GetSegmentation().GetSegment(name).GetLabelValue()
            found.append((labelmap.GetExtent(), label, (voxels == label).tobytes()))
        return found


@pytest.fixture
def scene_of(scene):
    """Makes a case in an empty scene."""

    def make(*how):
        slicer.mrmlScene.Clear(0)
        return Case(*how)

    return make


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("overwrite", OVERWRITES)
@pytest.mark.parametrize("area", AREAS)
@pytest.mark.parametrize("removes", [False, True], ids=["add", "remove"])
def test_a_box_gets_what_slicers_own_way_gives(scene_of, seed, overwrite, area, removes):
    seed += 1000 * area + 100 * overwrite + 10 * removes
    results = []
    for ours in (False, True):
        case = scene_of(seed, area, overwrite)
        for _ in range(3):
            case.modify(ours, removes)
        results.append(case.content)
    assert results[0] == results[1]


def test_the_cases_hold_back_some_voxels_and_let_others_pass(scene_of):
    shares = []
    for seed, area in itertools.product(range(6), AREAS[1:]):
        case = scene_of(seed, area, EDITOR.OverwriteNone)
        shares.append(editable(case.editor.node, case.modifier()).mean())
    assert sum(0 < share < 1 for share in shares) > len(shares) / 2


def test_the_rules_are_back_when_the_change_is_made_or_fails(scene_of):
    case = scene_of(1, EDIT.EditAllowedOutsideAllSegments, EDITOR.OverwriteNone)
    node = case.editor.node
    node.SetSourceVolumeIntensityMask(True)
    told = []
    tag = node.AddObserver("ModifiedEvent", lambda *_: told.append(1))
    with pytest.raises(ZeroDivisionError):
        fail_under_the_rules(node, case.modifier())
    node.RemoveObserver(tag)
    assert node.GetMaskMode() == EDIT.EditAllowedOutsideAllSegments
    assert node.GetSourceVolumeIntensityMask()
    assert not told


def fail_under_the_rules(node, modifier):
    with kept_to_rules(node, modifier, False):
        assert not is_masked(node)
        raise ZeroDivisionError
