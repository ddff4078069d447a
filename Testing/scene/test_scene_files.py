"""Prompts and masks survive .seg.nrrd, .mrml and .mrb, and work goes on after loading."""

import numpy as np
import pytest
import slicer
from medseg import Point, PromptError, Session, Text
from medseg.io import Segment, Segmentation, read_image, read_segmentation, write_segmentation
from medseg.record import TAG, Record
from medseg_scene import SceneSession, image_from_volume, read_segment
from scene_kit import (
    Balls,
    add_segment,
    add_segmentation,
    add_volume,
    box_mask,
    draw_by_hand,
    turned,
)

SHAPE = (12, 16, 20)


@pytest.fixture
def worked(scene, segmentation, tmp_path):
    """A session on an oblique volume: text, click, hand edit, click; a neighbour beside it."""
    volume = add_volume(affine=turned(), name="oblique")
    segmentation.SetReferenceImageGeometryParameterFromVolumeNode(volume)
    session = SceneSession(volume, segmentation, Balls(6))
    session.add(Text('the "left|right" kidney: größer\nals\\das'), click(session, 5, 5, 5))
    by_hand = box_mask(SHAPE, (0, 3), (0, 3), (15, 19))
    draw_by_hand(session.editor, segmentation, session.segment_id, by_hand, turned())
    session.add(click(session, 6, 12, 5))
    add_segment(segmentation, box_mask(SHAPE, (1, 2), (1, 2), (1, 2)), turned())
    return session


def click(session, k, j, i):
    return Point(session.image.ijk_to_ras([i, j, k]))


def store(node, kind, path):
    storage = slicer.mrmlScene.AddNewNodeByClass(kind)
    storage.SetFileName(str(path))
    node.SetAndObserveStorageNodeID(storage.GetID())
    assert storage.WriteData(node)


def load_seg_nrrd(session, folder):
    path = str(folder / "objects.seg.nrrd")
    store(session.segmentation, "vtkMRMLSegmentationStorageNode", path)
    slicer.mrmlScene.RemoveNode(session.segmentation)
    slicer.modules.segmentations.logic().LoadSegmentationFromFile(path)


def load_mrml(session, folder):
    store(session.segmentation, "vtkMRMLSegmentationStorageNode", folder / "objects.seg.nrrd")
    store(session.volume, "vtkMRMLVolumeArchetypeStorageNode", folder / "oblique.nrrd")
    slicer.mrmlScene.SetRootDirectory(str(folder))
    slicer.mrmlScene.SetURL(str(folder / "scene.mrml"))
    assert slicer.mrmlScene.Commit()
    slicer.mrmlScene.Clear(0)
    assert slicer.mrmlScene.Connect()


def load_mrb(session, folder):
    store(session.segmentation, "vtkMRMLSegmentationStorageNode", folder / "objects.seg.nrrd")
    store(session.volume, "vtkMRMLVolumeArchetypeStorageNode", folder / "oblique.nrrd")
    slicer.mrmlScene.SetRootDirectory(str(folder))
    slicer.mrmlScene.WriteToMRB(str(folder / "scene.mrb"), None)
    slicer.mrmlScene.Clear(0)
    files = slicer.vtkDataIOManager()
    files.SetCacheManager(slicer.vtkCacheManager())
    files.GetCacheManager().SetRemoteCacheDirectory(str(folder))
    slicer.mrmlScene.SetDataIOManager(files)
    slicer.mrmlScene.ReadFromMRB(str(folder / "scene.mrb"))


@pytest.mark.parametrize("reload", [load_seg_nrrd, load_mrml, load_mrb])
def test_work_goes_on_after_loading(worked, tmp_path, reload):
    prompts, mask, baked = worked.prompts, worked.mask.copy(), worked.baked
    segment_id = worked.segment_id
    reload(worked, tmp_path)
    segmentation = slicer.mrmlScene.GetFirstNodeByClass("vtkMRMLSegmentationNode")
    loaded = SceneSession(slicer.util.getNode("oblique"), segmentation, Balls(6), segment_id)
    assert [p.data() for p in loaded.prompts] == [p.data() for p in prompts]
    assert (loaded.mask == mask).all()
    assert loaded.baked == baked == 2
    with pytest.raises(PromptError, match="part of the mask"):
        loaded.remove(1)
    loaded.remove(2)
    actual = read_segment(segmentation, segment_id, loaded.image)
    assert actual[0:3, 0:3, 15:19].all()
    assert not actual[6, 12, 5]
    loaded.undo()
    assert (loaded.mask == mask).all()


def test_prompts_of_a_first_object_can_be_moved_after_loading(scene, segmentation, tmp_path):
    volume = add_volume(name="straight")
    session = SceneSession(volume, segmentation, Balls())
    session.add(Point([5, 5, 5]))
    session.add(Point([14, 12, 6]))
    load_seg_nrrd(session, tmp_path)
    loaded_node = slicer.mrmlScene.GetFirstNodeByClass("vtkMRMLSegmentationNode")
    loaded = SceneSession(volume, loaded_node, Balls(), session.segment_id)
    loaded.remove(0)
    assert loaded.mask[6, 12, 14]
    assert not loaded.mask[5, 5, 5]


def test_a_volume_that_slicer_turns_on_loading_keeps_mask_and_list(scene, tmp_path):
    """Slicer's reader mirrors left-handed volumes: the same places, voxels in another order."""
    volume = add_volume(affine=turned(hand=-1), name="left")
    session = SceneSession(volume, add_segmentation(), Balls())
    session.add(click(session, 5, 5, 5))
    mask = session.mask.copy()
    load_mrml(session, tmp_path)
    loaded_node = slicer.util.getNode("objects")
    loaded = SceneSession(slicer.util.getNode("left"), loaded_node, Balls(), session.segment_id)
    assert (loaded.mask == mask[::-1]).all()
    assert loaded.baked == len(loaded.prompts) == 1


def test_work_begun_on_the_command_line_goes_on_in_the_scene(scene, tmp_path):
    """And back: both write the same record into the same file format."""
    volume = add_volume(affine=turned(), name="oblique")
    begun = Session(image_from_volume(volume), Balls())
    begun.add(click(begun, 5, 5, 5), click(begun, 6, 12, 14))
    segment = Segment("a", "organ", (1, 0, 0), begun.mask, Record.of(begun).tags())
    path = str(tmp_path / "begun.seg.nrrd")
    write_segmentation(path, Segmentation.on(begun.image, [segment]))
    node = slicer.modules.segmentations.logic().LoadSegmentationFromFile(path)
    session = SceneSession(volume, node, Balls(), "a")
    assert session.baked == 0
    session.remove(0)
    store(node, "vtkMRMLSegmentationStorageNode", tmp_path / "back.seg.nrrd")
    back = read_segmentation(tmp_path / "back.seg.nrrd", begun.image).onto(begun.image).segments[0]
    record = Record.loads(back.tags[TAG])
    assert record.describes(begun.image, back.mask)
    assert len(record.prompts) == 1


@pytest.mark.parametrize("axes", ["RAS", "LPI", "PIR", "AIL", "SRA", "IPR"])
def test_slicers_reader_and_ours_put_voxels_in_the_same_places(scene, shared_data, axes):
    path = str(shared_data / "geometry" / "axes" / f"{axes}.nii.gz")
    node = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLScalarVolumeNode")
    storage = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLVolumeArchetypeStorageNode")
    storage.SetFileName(path)
    assert storage.ReadData(node)
    seen, read = image_from_volume(node), read_image(path)
    kji = np.random.default_rng(0).integers(0, read.shape, (50, 3))
    for place in kji:
        voxel = seen.voxel_at(read.ijk_to_ras(place[::-1]))
        assert seen.array[voxel] == read.array[tuple(place)]


def test_our_editor_node_is_not_saved(worked, tmp_path):
    load_mrml(worked, tmp_path)
    assert slicer.mrmlScene.GetFirstNodeByClass("vtkMRMLSegmentEditorNode") is None


def test_a_large_noisy_start_mask_survives_the_file(scene, segmentation, tmp_path):
    noise = np.random.default_rng(0).random((40, 100, 100)) > 0.5
    volume = add_volume(np.zeros((40, 100, 100), np.int16))
    segment_id = add_segment(segmentation, noise)
    session = SceneSession(volume, segmentation, Balls(), segment_id)
    session.add(Point([5, 5, 5], include=False))
    load_seg_nrrd(session, tmp_path)
    loaded_node = slicer.mrmlScene.GetFirstNodeByClass("vtkMRMLSegmentationNode")
    loaded = SceneSession(volume, loaded_node, Balls(), segment_id)
    loaded.remove(0)
    assert (loaded.mask == noise).all()
