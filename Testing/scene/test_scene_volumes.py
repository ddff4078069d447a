"""Volume nodes to engine images: voxels, place, modality, and what is refused."""

import numpy as np
import pytest
import slicer
import vtk
from medseg import GeometryError, InputError
from medseg_scene import image_from_volume
from scene_kit import add_transform, add_volume, turned


def numbered():
    return np.arange(3 * 4 * 5, dtype=np.int16).reshape(3, 4, 5)


@pytest.mark.parametrize("hand", [1, -1])
def test_an_oblique_anisotropic_volume_keeps_voxels_and_place(scene, hand):
    affine = turned(hand=hand)
    image = image_from_volume(add_volume(numbered(), affine))
    assert (image.array == numbered()).all()
    assert np.allclose(image.affine, affine)
    assert np.sign(np.linalg.det(image.affine[:3, :3])) == hand


def test_the_voxels_cannot_be_written_through_the_image(volume):
    image = image_from_volume(volume)
    with pytest.raises(ValueError, match="read-only"):
        image.array[0, 0, 0] = 1


def test_a_chain_of_linear_transforms_is_applied_in_order(scene):
    outer = add_transform(turned((10, 20, 30), (1, 1, 1)))
    inner = add_transform(turned((0, 0, 90), (1, 1, 1), (5, 6, 7)), parent=outer)
    volume = add_volume(numbered(), turned())
    volume.SetAndObserveTransformNodeID(inner.GetID())
    expected = turned((10, 20, 30), (1, 1, 1)) @ turned((0, 0, 90), (1, 1, 1), (5, 6, 7)) @ turned()
    assert np.allclose(image_from_volume(volume).affine, expected)


def test_a_non_linear_transform_is_refused_by_name(volume):
    warp = add_transform(name="breathing")
    grid = slicer.vtkOrientedGridTransform()
    field = vtk.vtkImageData()
    field.SetDimensions(2, 2, 2)
    field.AllocateScalars(vtk.VTK_DOUBLE, 3)
    field.GetPointData().GetScalars().Fill(1.0)
    grid.SetDisplacementGridData(field)
    warp.SetAndObserveTransformFromParent(grid)
    volume.SetAndObserveTransformNodeID(add_transform(np.eye(4), parent=warp).GetID())
    with pytest.raises(GeometryError, match=r"'scan' .*'breathing'; harden"):
        image_from_volume(volume)


def test_a_shearing_transform_resamples_and_says_so(scene):
    shear = np.eye(4)
    shear[0, 2] = 0.3
    volume = add_volume(numbered(), np.diag([1.0, 1.0, 2.0, 1.0]))
    volume.SetAndObserveTransformNodeID(add_transform(shear).GetID())
    image = image_from_volume(volume)
    assert "right-angled" in image.notes[0]
    kji = image.voxel_at([2 + 0.3 * 2, 1, 2])
    assert image.array[kji] == pytest.approx(numbered()[1, 1, 2], abs=1)


def test_a_vector_volume_becomes_colour(scene):
    colour = np.random.default_rng(1).integers(0, 255, (2, 3, 4, 3), np.uint8)
    node = add_volume(colour, kind="vtkMRMLVectorVolumeNode")
    image = image_from_volume(node)
    assert image.channels == 3
    assert (image.array == colour).all()


def test_an_empty_volume_is_refused(scene):
    node = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", "hole")
    with pytest.raises(InputError, match="'hole' holds no voxels"):
        image_from_volume(node)


def test_modality_from_the_subject_hierarchy(volume):
    tree = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(slicer.mrmlScene)
    item = tree.CreateItem(tree.GetSceneItemID(), volume)
    tree.SetItemAttribute(item, "DICOM.Modality", "MR")
    assert image_from_volume(volume).modality == "MR"


def test_modality_from_the_unit_of_the_voxels(volume):
    unit = slicer.vtkCodedEntry()
    unit.SetValueSchemeMeaning("[hnsf'U]", "UCUM", "Hounsfield unit")
    volume.SetVoxelValueUnits(unit)
    assert image_from_volume(volume).modality == "CT"


def test_unknown_modality_is_none(volume):
    assert image_from_volume(volume).modality is None
