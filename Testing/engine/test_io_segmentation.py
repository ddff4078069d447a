"""Segmentation files: round trips, foreign grids, refusals, and disks that are full."""

from __future__ import annotations

import os
from pathlib import Path

import nibabel
import numpy as np
import pytest
import SimpleITK as sitk
from medseg import GeometryError, Image, InputError
from medseg.io import (
    Segment,
    Segmentation,
    encode_tag,
    read_labels,
    read_segmentation,
    write_segmentation,
)

LEFT_HANDED = np.array(
    [[-0.6, 0, 0, 40.0], [0, 0.64, 1.8, -20.0], [0, 0.48, -2.4, 7.0], [0, 0, 0, 1]]
)
LEFT_HANDED[:3, 0] *= -1


def segment(name: str, where: tuple[slice, ...], **fields: object) -> Segment:
    mask = np.zeros((5, 6, 7), bool)
    mask[where] = True
    return Segment(name, f"The {name}", (0.25, 0.5, 1.0), mask, **fields)  # type: ignore[arg-type]


@pytest.fixture
def overlapping() -> Segmentation:
    tags = {"medseg.prompts": encode_tag('{"text": "left|right\\n\\\\ ü"}'), "empty": ""}
    segments = (
        segment("liver", np.s_[1:4, 1:5, 2:6], tags=tags),
        segment("lesion", np.s_[2:3, 2:4, 3:5]),
        segment("spleen", np.s_[0:1, 0:1, 0:2]),
        segment("nothing", np.s_[0:0]),
    )
    return Segmentation(LEFT_HANDED, (5, 6, 7), segments)


def same(one: Segmentation, two: Segmentation) -> None:
    np.testing.assert_allclose(one.affine, two.affine, atol=1e-9)
    assert one.shape == two.shape
    for a, b in zip(one.segments, two.segments, strict=True):
        assert (a.id, a.name, a.color, a.tags) == (b.id, b.name, b.color, b.tags)
        np.testing.assert_array_equal(a.mask, b.mask)


def test_seg_nrrd_round_trip(tmp_path: Path, overlapping: Segmentation) -> None:
    path = write_segmentation(tmp_path / "x.seg.nrrd", overlapping)
    same(read_segmentation(path), overlapping)
    assert os.listdir(tmp_path) == ["x.seg.nrrd"]


def test_an_empty_segmentation_round_trip(tmp_path: Path) -> None:
    empty = Segmentation(LEFT_HANDED, (5, 6, 7))
    same(read_segmentation(write_segmentation(tmp_path / "x.seg.nrrd", empty)), empty)


def test_overlaps_go_to_layers_and_the_rest_shares_one(
    tmp_path: Path, overlapping: Segmentation
) -> None:
    path = write_segmentation(tmp_path / "x.seg.nrrd", overlapping)
    header = path.read_bytes().split(b"\n\n")[0].decode()
    assert "sizes: 2 7 6 5" in header
    assert "kinds: list domain domain domain" in header
    for n, layer in enumerate((0, 1, 0, 0)):
        assert f"Segment{n}_Layer:={layer}\n" in header
    assert "Segment0_Extent:=2 5 1 4 1 3\n" in header


def test_itk_sees_the_same_labels(tmp_path: Path, overlapping: Segmentation) -> None:
    flat = Segmentation(LEFT_HANDED, (5, 6, 7), overlapping.segments[1:3])
    path = write_segmentation(tmp_path / "x.seg.nrrd", flat)
    image = sitk.ReadImage(path)
    array = sitk.GetArrayFromImage(image)
    np.testing.assert_array_equal(array == 1, flat.segments[0].mask)
    lps = image.TransformContinuousIndexToPhysicalPoint((3.0, 2.0, 1.0))
    ras = LEFT_HANDED @ [3, 2, 1, 1]
    np.testing.assert_allclose(np.array(lps) * [-1, -1, 1], ras[:3], atol=1e-6)


def test_label_maps_keep_their_values(tmp_path: Path) -> None:
    array = np.zeros((3, 4, 5), np.int16)
    array[0, 0, :3] = 5, 7, 300
    labels = Segmentation.from_labels(Image(array, LEFT_HANDED))
    assert [s.name for s in labels.segments] == ["Label 5", "Label 7", "Label 300"]
    for name in ("x.nii.gz", "x.nii", "x.nrrd"):
        again = read_labels(write_segmentation(tmp_path / name, labels))
        np.testing.assert_array_equal(again.array, array)
        np.testing.assert_allclose(again.affine, LEFT_HANDED, atol=1e-5)
    seg = read_segmentation(write_segmentation(tmp_path / "x.seg.nrrd", labels))
    np.testing.assert_array_equal(seg.labels().array, array)


def test_nibabel_reads_our_label_map(tmp_path: Path, overlapping: Segmentation) -> None:
    flat = Segmentation(LEFT_HANDED, (5, 6, 7), overlapping.segments[1:3])
    file = nibabel.load(write_segmentation(tmp_path / "x.nii.gz", flat))
    np.testing.assert_allclose(file.affine, LEFT_HANDED, atol=1e-5)
    np.testing.assert_array_equal(np.asarray(file.dataobj).T, flat.labels().array)


def test_overlaps_do_not_fit_a_label_map(tmp_path: Path, overlapping: Segmentation) -> None:
    with pytest.raises(InputError, match=r"overlap, which a label map cannot hold; use a"):
        write_segmentation(tmp_path / "x.nii.gz", overlapping)
    assert not list(tmp_path.iterdir())
    path = write_segmentation(tmp_path / "x.seg.nrrd", overlapping)
    with pytest.raises(InputError, match=r"Segments of 'x.seg.nrrd' overlap"):
        read_labels(path)


def test_a_cropped_file_returns_to_its_place(tmp_path: Path) -> None:
    image = Image(np.zeros((5, 6, 7)), LEFT_HANDED)
    whole = segment("a", np.s_[2:4, 3:5, 4:6])
    crop = image.with_array(whole.mask).crop((1, 2, 3), (5, 6, 7))
    part = Segment("a", "a", (1, 0, 0), crop.array)
    path = write_segmentation(tmp_path / "x.seg.nrrd", Segmentation.on(crop, [part]))
    found = read_segmentation(path, image)
    assert found.shape == image.shape
    np.testing.assert_array_equal(found.segments[0].mask, whole.mask)


def test_a_segmentation_of_another_place_is_refused(
    tmp_path: Path, overlapping: Segmentation
) -> None:
    path = write_segmentation(tmp_path / "x.seg.nrrd", overlapping)
    with pytest.raises(GeometryError, match=r"'x.seg.nrrd' does not overlap the image"):
        read_segmentation(path, Image(np.zeros((3, 3, 3)), np.eye(4) * [1, 1, 1, 500]))


def test_an_old_slicer_file_has_one_layer_per_segment(tmp_path: Path) -> None:
    header = (
        "NRRD0004\ntype: uint8\ndimension: 4\nspace: left-posterior-superior\nsizes: 2 2 1 1\n"
        "kinds: list domain domain domain\nspace directions: none (1,0,0) (0,1,0) (0,0,1)\n"
        "space origin: (0,0,0)\nencoding: raw\n"
        "Segment0_ID:=a\nSegment0_Name:=A\nSegment1_ID:=b\nSegment1_Name:=B\n\n"
    )
    (tmp_path / "x.seg.nrrd").write_bytes(header.encode() + bytes([1, 0, 1, 1]))
    a, b = read_segmentation(tmp_path / "x.seg.nrrd").segments
    assert (a.name, a.mask.tolist()) == ("A", [[[True, True]]])
    assert (b.name, b.mask.tolist()) == ("B", [[[False, True]]])


def test_real_label_maps_are_segmentations(shared_data: Path) -> None:
    found = read_segmentation(shared_data / "mr_spine/t2_cord_rootlets_manual.nii.gz")
    assert [s.value for s in found.segments] == [5, 6, 7]


def test_an_image_is_no_segmentation(shared_data: Path) -> None:
    with pytest.raises(InputError, match=r"is not a label map"):
        read_segmentation(shared_data / "ct_organs/abdomen_ct_short.nii.gz")


def test_wrong_segments_are_refused(tmp_path: Path) -> None:
    twice = segment("a", np.s_[0:1]), segment("a", np.s_[1:2])
    with pytest.raises(InputError, match="Segment ids must differ, these do not: a, a"):
        Segmentation(LEFT_HANDED, (5, 6, 7), twice)
    with pytest.raises(InputError, match=r"has shape \(5, 6, 7\), the segmentation \(5, 6, 8\)"):
        Segmentation(LEFT_HANDED, (5, 6, 8), twice[:1])
    cut = Segmentation(LEFT_HANDED, (5, 6, 7), [segment("a", np.s_[0:1], tags={"t": "l|r"})])
    with pytest.raises(InputError, match=r"has a '\|', at which Slicer would cut it"):
        write_segmentation(tmp_path / "x.seg.nrrd", cut)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("x.stl", "use .seg.nrrd, .nii.gz or .nrrd"),
        ("no/such/x.seg.nrrd", "the folder does not exist; create it first"),
        ("y" * 300 + ".seg.nrrd", "Cannot write .* too long"),
        ("", "is a folder; name a file such as"),
    ],
)
def test_impossible_targets_are_refused(
    tmp_path: Path, overlapping: Segmentation, name: str, message: str
) -> None:
    with pytest.raises(InputError, match=message):
        write_segmentation(tmp_path / name, overlapping)


def test_broken_files_are_refused(tmp_path: Path, overlapping: Segmentation) -> None:
    path = write_segmentation(tmp_path / "x.seg.nrrd", overlapping)
    data = path.read_bytes()
    for bad in (data[:-20], data[:300], data.replace(b"Segment1_Layer:=1", b"Segment1_Layer:=9")):
        path.write_bytes(bad)
        with pytest.raises(InputError, match="is damaged"):
            read_segmentation(path)
    path.write_bytes(b"")
    with pytest.raises(InputError, match="is empty"):
        read_segmentation(path)


def noise() -> Segmentation:
    mask = np.random.default_rng(0).random((100, 100, 100)) > 0.5
    return Segmentation(np.eye(4), mask.shape, [Segment("n", "n", (1, 0, 0), mask)])


def test_a_full_disk_leaves_the_old_file(tiny_disk: Path, overlapping: Segmentation) -> None:
    path = write_segmentation(tiny_disk / "x.seg.nrrd", overlapping)
    before = path.read_bytes()
    with pytest.raises(InputError, match="the disk is full; free some space and try again"):
        write_segmentation(path, noise())
    assert os.listdir(tiny_disk) == ["x.seg.nrrd"]
    assert path.read_bytes() == before


def test_a_failing_disk_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(handle: int) -> None:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(InputError, match=r"Cannot write .*: Input/output error; check the disk"):
        write_segmentation(tmp_path / "x.seg.nrrd", noise())
    assert not list(tmp_path.iterdir())
