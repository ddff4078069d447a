"""The same world position in and out, against nibabel and pydicom."""

from __future__ import annotations

import warnings
from pathlib import Path

import nibabel
import numpy as np
import pydicom
import pytest
from medseg import GeometryError, Image
from medseg.image import is_sheared
from medseg.io import read_image, read_labels
from medseg.resample import SHEAR_NOTE, labels_onto, orthogonalise
from scipy import ndimage

STRAIGHT = [
    "geometry/bigendian_negative_x.nii",
    "geometry/no_qform_no_sform.nii.gz",
    "geometry/single_slice_mr.nii.gz",
    "geometry/single_slice_mr_seg.nii.gz",
    *(f"geometry/axes/{name}.nii.gz" for name in ("RAS", "LPI", "PIR", "IPR", "SRA", "AIL")),
    "mr_spine/t2.nii.gz",
    "ct_organs/abdomen_ct_short.nii.gz",
]
FOUR_D = [
    "geometry/oblique_4d.nii.gz",
    "geometry/thin_4d_20vol.nii",
    "geometry/thick_16_8mm_4d.nii.gz",
]
OBLIQUE = np.array(
    [[-0.9, 0.5, 0.2, 11.0], [0.45, 1.0, -0.3, -7.0], [0.1, 0.1, 2.5, 3.0], [0, 0, 0, 1.0]]
)


def rotated(spacing: tuple[float, float, float], left_handed: bool = False) -> np.ndarray:
    axes = np.linalg.qr(OBLIQUE[:3, :3])[0]
    axes[:, 2] *= np.linalg.det(axes) * (-1 if left_handed else 1)
    affine = np.eye(4)
    affine[:3, :3] = axes * spacing
    affine[:3, 3] = (5.0, -8.0, 13.0)
    return affine


@pytest.mark.parametrize("name", STRAIGHT)
def test_nifti_places_and_voxels_are_those_of_nibabel(shared_data: Path, name: str) -> None:
    truth = nibabel.load(shared_data / name)
    image = read_image(shared_data / name)
    np.testing.assert_allclose(image.affine, truth.affine, atol=1e-5)
    np.testing.assert_allclose(image.array, np.asarray(truth.dataobj).T, rtol=1e-6)


@pytest.mark.parametrize("name", FOUR_D)
def test_a_frame_of_a_4d_nifti_is_that_of_nibabel(shared_data: Path, name: str) -> None:
    truth = nibabel.load(shared_data / name)
    image = read_image(shared_data / name, frame=1)
    np.testing.assert_allclose(image.affine, truth.affine, atol=1e-5)
    np.testing.assert_allclose(image.array, np.asarray(truth.dataobj)[..., 1].T, rtol=1e-6)


def test_sheared_nifti_keeps_the_intensity_of_every_place(shared_data: Path) -> None:
    truth = nibabel.load(shared_data / "geometry/sheared_ct.nii.gz")
    image = read_image(shared_data / "geometry/sheared_ct.nii.gz")
    assert is_sheared(truth.affine)
    assert not is_sheared(image.affine)
    assert SHEAR_NOTE in image.notes
    kji = np.random.default_rng(0).integers(0, image.shape, (20000, 3))
    ras = image.ijk_to_ras(kji[:, ::-1])
    ijk = nibabel.affines.apply_affine(np.linalg.inv(truth.affine), ras)
    inside = ((ijk >= 0) & (ijk <= np.array(truth.shape) - 1)).all(axis=1)
    assert inside.mean() > 0.5
    old = ndimage.map_coordinates(truth.get_fdata(), ijk[inside].T, order=1)
    np.testing.assert_allclose(image.array[tuple(kji[inside].T)], old, atol=1e-2)


def test_sheared_nifti_loses_no_corner(shared_data: Path) -> None:
    truth = nibabel.load(shared_data / "geometry/sheared_ct.nii.gz")
    image = read_image(shared_data / "geometry/sheared_ct.nii.gz")
    ends = np.array(np.meshgrid(*[[0, n - 1] for n in truth.shape])).reshape(3, -1).T
    ijk = image.ras_to_ijk(nibabel.affines.apply_affine(truth.affine, ends))
    assert (ijk > -1e-3).all()
    assert (ijk < np.array(image.shape[::-1]) - 1 + 1e-3).all()


@pytest.mark.parametrize("nearest", [False, True])
def test_orthogonalise_keeps_a_plane_of_the_world_where_it_was(nearest: bool) -> None:
    k, j, i = np.indices((6, 7, 8))
    ras = np.stack([i, j, k], -1) @ OBLIQUE[:3, :3].T + OBLIQUE[:3, 3]
    array = (100 + ras @ [1.0, 2.0, -3.0]).astype(np.float32)
    new, affine = orthogonalise(array, OBLIQUE, nearest=nearest, fill=-1000)
    image = Image(new, affine)
    index = np.argwhere(new > -1000)
    world = image.ijk_to_ras(index[:, ::-1])
    old = (world - OBLIQUE[:3, 3]) @ np.linalg.inv(OBLIQUE[:3, :3]).T
    inner = ((old >= 0) & (old <= [7, 6, 5])).all(axis=1)
    wrong = np.abs(new[tuple(index.T)] - (100 + world @ [1.0, 2.0, -3.0]))[inner]
    assert inner.sum() > 100
    assert wrong.max() < (10 if nearest else 1e-3)


def test_orthogonalise_leaves_a_right_angled_grid_alone() -> None:
    array = np.arange(24, dtype=np.int16).reshape(2, 3, 4)
    affine = rotated((0.7, 0.8, 3.0), left_handed=True)
    new, same = orthogonalise(array, affine)
    np.testing.assert_allclose(same, affine, atol=1e-9)
    np.testing.assert_array_equal(new, array)


def test_orthogonalise_refuses_a_flat_grid() -> None:
    with pytest.raises(GeometryError, match="do not span space"):
        orthogonalise(np.zeros((2, 2, 2)), np.diag([1.0, 1, 0, 1]))


def test_labels_find_their_place_on_a_finer_turned_grid() -> None:
    small = np.zeros((6, 6, 6), np.uint8)
    small[2, 3, 4] = 7
    labels = Image(small, np.diag([4.0, 4, 4, 1]))
    affine = rotated((1, 1, 1), left_handed=True)
    affine[:3, 3] = [16, 12, 8] - affine[:3, :3] @ [20, 19, 18]
    image = Image(np.zeros((40, 41, 42)), affine)
    moved = labels_onto(image, labels)
    where = image.ijk_to_ras(np.argwhere(moved == 7)[:, ::-1])
    assert 40 < len(where) < 90
    assert np.abs(where - [16, 12, 8]).max() <= 2 + 1e-6


def test_labels_of_a_crop_return_to_their_voxels() -> None:
    image = Image(np.zeros((9, 8, 7)), rotated((0.5, 0.6, 2.0), left_handed=True))
    whole = np.zeros(image.shape, np.int16)
    whole[3:5, 2:6, 4:6] = 3
    crop = image.with_array(whole).crop((2, 1, 3), (6, 7, 7))
    np.testing.assert_array_equal(labels_onto(image, crop), whole)


def test_labels_of_another_place_are_refused() -> None:
    image = Image(np.zeros((3, 3, 3)))
    far = np.eye(4)
    far[:3, 3] = 100
    with pytest.raises(GeometryError, match="does not overlap the image"):
        labels_onto(image, Image(np.ones((3, 3, 3), np.uint8), far))


def test_labels_that_all_miss_the_image_are_refused() -> None:
    labels = np.zeros((9, 9, 9), np.uint8)
    labels[8, 8, 8] = 1
    with pytest.raises(GeometryError, match="No labelled voxel"):
        labels_onto(Image(np.zeros((3, 3, 3))), Image(labels))


def ras_of(slice_: pydicom.Dataset, column: float, row: float) -> np.ndarray:
    """World position of a pixel by DICOM PS3.3 C.7.6.2.1.1."""
    axes = np.array(slice_.ImageOrientationPatient, float).reshape(2, 3)
    spacing = np.array(slice_.PixelSpacing, float)
    lps = np.array(slice_.ImagePositionPatient, float)
    lps = lps + axes[0] * spacing[1] * column + axes[1] * spacing[0] * row
    return lps * [-1, -1, 1]


def datasets(folder: Path) -> list[pydicom.Dataset]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return [pydicom.dcmread(f) for f in sorted(folder.iterdir())]


@pytest.mark.parametrize(
    "folder",
    [
        "geometry/dicom_flipped_xy",
        "geometry/dicom_small_head_ct",
        "geometry/dicom_blank_uids",
        "ct_lesion_sts/STS_003/dicom/PET",
        "ct_lesion_sts/STS_003/dicom/MR_T1",
        "dicom_seg/ct",
    ],
)
def test_dicom_pixels_are_where_pydicom_says(shared_data: Path, folder: str) -> None:
    image = read_image(shared_data / folder)
    for slice_ in datasets(shared_data / folder):
        place = image.ras_to_ijk(ras_of(slice_, 3, 5))
        k = round(place[2])
        assert np.abs(place - [3, 5, k]).max() < 0.01
        slope = float(slice_.get("RescaleSlope", 1))
        values = slice_.pixel_array * slope + float(slice_.get("RescaleIntercept", 0))
        np.testing.assert_allclose(image.array[k], values, rtol=1e-5)


def test_dicom_and_nifti_of_one_ct_agree_in_the_world(shared_data: Path) -> None:
    dicom = read_image(shared_data / "rt_ct_organs_derived/CT")
    nifti = read_image(shared_data / "ct_organs/abdomen_ct.nii.gz")
    kji = np.random.default_rng(1).integers(0, dicom.shape, (500, 3))
    ijk = nifti.ras_to_ijk(dicom.ijk_to_ras(kji[:, ::-1]))
    index = np.rint(ijk).astype(int)
    assert np.abs(ijk - index).max() < 0.01
    np.testing.assert_array_equal(dicom.array[tuple(kji.T)], nifti.array[tuple(index[:, ::-1].T)])
    assert (dicom.modality, dicom.array.dtype) == ("CT", np.int16)


def test_labels_of_another_orientation_fit_the_dicom_image(shared_data: Path) -> None:
    image = read_image(shared_data / "rt_ct_organs_derived/CT")
    labels = read_labels(shared_data / "ct_organs/abdomen_ct_seg.nii.gz", image)
    own = read_labels(shared_data / "ct_organs/abdomen_ct_seg.nii.gz")
    assert labels.same_grid(image)
    np.testing.assert_array_equal(np.bincount(labels.array.ravel()), np.bincount(own.array.ravel()))
    liver = image.array[labels.array == 5]
    assert 20 < np.median(liver) < 80


def test_masks_of_dicom_series_agree_with_them(shared_data: Path) -> None:
    image = read_image(shared_data / "ct_lesion_sts/STS_003/dicom/PET")
    mask = read_labels(shared_data / "ct_lesion_sts/STS_003/nifti/PET_mask.nii.gz", image)
    assert mask.array.sum() == 817


def test_single_dicom_slice_has_its_thickness_and_place(shared_data: Path) -> None:
    path = shared_data / "geometry/single_slice_ct.dcm"
    image = read_image(path)
    slice_ = pydicom.dcmread(path)
    assert image.shape == (1, 128, 128)
    assert image.spacing[2] == pytest.approx(5.0)
    np.testing.assert_allclose(image.ijk_to_ras([10, 20, 0]), ras_of(slice_, 10, 20), atol=1e-4)


def test_slices_of_one_place_become_a_sequence(shared_data: Path) -> None:
    folder = shared_data / "seq_cine_mr/SCD0000301/dicom_slice4"
    image = read_image(folder)
    slices = datasets(folder)
    assert image.time_axis
    assert image.shape == (20, 256, 256)
    np.testing.assert_allclose(image.ijk_to_ras([9, 4, 0]), ras_of(slices[0], 9, 4), atol=1e-3)
    np.testing.assert_array_equal(image.array, [s.pixel_array for s in slices])
    single = read_image(shared_data / "geometry/single_slice_mr.nii.gz")
    np.testing.assert_allclose(read_image(folder, frame=19).affine, single.affine, atol=1e-3)
    np.testing.assert_array_equal(read_image(folder, frame=19).array, single.array)
