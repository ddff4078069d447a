"""Images and label maps: formats against their reference readers, and bad files."""

from __future__ import annotations

import gzip
import struct
from pathlib import Path

import nibabel
import numpy as np
import pytest
import SimpleITK as sitk
from medseg import GeometryError, Image, InputError
from medseg.io import read_image, read_labels

FLIP = np.diag([-1.0, -1.0, 1.0, 1.0])


def save_nifti(path: Path, array: np.ndarray, affine: np.ndarray | None = None) -> Path:
    nibabel.save(nibabel.Nifti1Image(array, np.eye(4) if affine is None else affine), path)
    return path


def oblique_itk(dtype: type = np.int16) -> sitk.Image:
    rng = np.random.default_rng(0)
    image = sitk.GetImageFromArray(rng.integers(0, 99, (5, 6, 7)).astype(dtype))
    axes = np.linalg.qr(rng.normal(size=(3, 3)))[0]
    image.SetDirection((axes * [1, 1, -1]).ravel().tolist())
    image.SetSpacing((0.7, 0.8, 2.5))
    image.SetOrigin((-10.0, 20.0, 33.0))
    return image


def affine_of(image: sitk.Image) -> np.ndarray:
    affine = np.eye(4)
    affine[:3, :3] = np.array(image.GetDirection()).reshape(3, 3) * image.GetSpacing()
    affine[:3, 3] = image.GetOrigin()
    return FLIP @ affine


@pytest.mark.parametrize("compress", [False, True])
@pytest.mark.parametrize("name", ["x.nrrd", "x.nhdr", "x.mha", "x.mhd"])
@pytest.mark.parametrize("dtype", [np.uint8, np.int16, np.float32])
def test_what_itk_writes_is_read_the_same(
    tmp_path: Path, name: str, compress: bool, dtype: type
) -> None:
    truth = oblique_itk(dtype)
    sitk.WriteImage(truth, tmp_path / name, compress)
    image = read_image(tmp_path / name)
    np.testing.assert_array_equal(image.array, sitk.GetArrayFromImage(truth))
    np.testing.assert_allclose(image.affine, affine_of(truth), atol=1e-6)
    assert image.array.dtype == dtype


@pytest.mark.parametrize("name", ["x.nii.gz", "x.nii", "x.nrrd", "x.mha"])
def test_2d_images_get_one_slice(tmp_path: Path, name: str) -> None:
    flat = sitk.GetImageFromArray(np.arange(12, dtype=np.int16).reshape(3, 4))
    flat.SetSpacing((2.0, 2.0))
    sitk.WriteImage(flat, tmp_path / name)
    image = read_image(tmp_path / name)
    assert image.shape == (1, 3, 4)
    assert image.spacing[:2] == pytest.approx((2, 2))
    np.testing.assert_array_equal(image.array[0], sitk.GetArrayFromImage(flat))


def test_nrrd_of_a_tumour_is_where_itk_puts_it(shared_data: Path) -> None:
    path = shared_data / "mr_brain_tumour/brain1_image.nrrd"
    truth = sitk.ReadImage(path)
    image = read_image(path)
    np.testing.assert_allclose(image.affine, affine_of(truth), atol=1e-4)
    np.testing.assert_array_equal(image.array, sitk.GetArrayFromImage(truth))
    labels = read_labels(shared_data / "mr_brain_tumour/brain1_label.nrrd", image)
    assert int((labels.array == 1).sum()) == 4137


def test_a_big_endian_ras_nrrd_is_read(tmp_path: Path) -> None:
    header = (
        "NRRD0005\ntype: int16\ndimension: 3\nspace: RAS\nsizes: 2 3 4\nendian: big\n"
        "space directions: (2,0,0) (0,3,0) (0,0,4)\nspace origin: (1,2,3)\nencoding: raw\n\n"
    )
    data = np.arange(24, dtype=">i2")
    (tmp_path / "x.nrrd").write_bytes(header.encode() + data.tobytes())
    image = read_image(tmp_path / "x.nrrd")
    np.testing.assert_array_equal(image.array, np.arange(24).reshape(4, 3, 2))
    np.testing.assert_array_equal(image.affine[:3, 3], [1, 2, 3])
    assert image.spacing == (2, 3, 4)


def test_a_sheared_nrrd_is_resampled(tmp_path: Path) -> None:
    header = (
        "NRRD0004\ntype: uchar\ndimension: 3\nspace: left-posterior-superior\nsizes: 3 3 3\n"
        "space directions: (1,0,0) (0,1,0) (0,0.5,1)\nspace origin: (0,0,0)\nencoding: raw\n\n"
    )
    (tmp_path / "x.nrrd").write_bytes(header.encode() + bytes(range(27)))
    image = read_image(tmp_path / "x.nrrd")
    assert image.shape == (3, 4, 3)
    assert image.array[2].tolist()[1:] == [[18, 19, 20], [21, 22, 23], [24, 25, 26]]


def test_nifti_scaling_and_double_members(tmp_path: Path) -> None:
    file = nibabel.Nifti1Image(np.arange(24, dtype=np.int16).reshape(2, 3, 4), np.eye(4))
    file.header.set_slope_inter(0.5, -3)
    nibabel.save(file, tmp_path / "x.nii")
    data = (tmp_path / "x.nii").read_bytes()
    twice = gzip.compress(data[:400]) + gzip.compress(data[400:])
    (tmp_path / "x.nii.gz").write_bytes(twice)
    truth = nibabel.load(tmp_path / "x.nii").get_fdata().T
    for name in ("x.nii", "x.nii.gz"):
        np.testing.assert_allclose(read_image(tmp_path / name).array, truth)
        assert read_image(tmp_path / name).array.dtype == np.float32


def test_nifti_2_and_qform_alone_are_those_of_nibabel(tmp_path: Path, shared_data: Path) -> None:
    turned = nibabel.load(shared_data / "geometry/single_slice_mr.nii.gz").affine
    turned[:3, 2] *= -1
    array = np.arange(24, dtype=np.uint8).reshape(2, 3, 4)
    file = nibabel.Nifti2Image(array, None)
    file.set_qform(turned, 1)
    file.set_sform(None, 0)
    nibabel.save(file, tmp_path / "x.nii.gz")
    image = read_image(tmp_path / "x.nii.gz")
    np.testing.assert_allclose(image.affine, nibabel.load(tmp_path / "x.nii.gz").affine, atol=1e-5)
    np.testing.assert_array_equal(image.array, array.T)


def test_micrometres_become_millimetres(tmp_path: Path) -> None:
    file = nibabel.Nifti1Image(np.ones((2, 3, 4), np.uint8), np.diag([10.0, 10, 20, 1]))
    file.header.set_xyzt_units("micron")
    nibabel.save(file, tmp_path / "x.nii")
    image = read_image(tmp_path / "x.nii")
    assert image.spacing == pytest.approx((0.01, 0.01, 0.02))
    assert any("micrometres" in note for note in image.notes)


def test_no_orientation_is_noted(shared_data: Path) -> None:
    image = read_image(shared_data / "geometry/no_qform_no_sform.nii.gz")
    assert any("no orientation" in note for note in image.notes)


def test_colour_needs_grey(shared_data: Path) -> None:
    path = shared_data / "geometry/rgb24.nii.gz"
    with pytest.raises(InputError, match=r"'rgb24.nii.gz' is in colour; pass --grey"):
        read_image(path)
    truth = np.asarray(nibabel.load(path).dataobj)
    image = read_image(path, grey=True)
    rgb = np.stack([truth[c] for c in "RGB"], -1).astype(float)
    assert image.array.dtype == np.uint8
    assert np.abs(image.array.T - rgb @ [0.299, 0.587, 0.114]).max() <= 0.51


def test_picture_has_unit_pixels_and_a_note(shared_data: Path, tmp_path: Path) -> None:
    image = read_image(shared_data / "us_still/0001_image.png")
    assert image.shape == (1, 512, 512)
    assert image.spacing == (1, 1, 1)
    assert any("without pixel size" in note for note in image.notes)
    three = sitk.GetImageFromArray(np.repeat(image.array[0, :, :, None], 3, -1), isVector=True)
    sitk.WriteImage(three, tmp_path / "grey.png")
    np.testing.assert_array_equal(read_image(tmp_path / "grey.png").array, image.array)


def test_4d_names_frames_and_range(shared_data: Path) -> None:
    path = shared_data / "geometry/thin_4d_20vol.nii"
    with pytest.raises(InputError, match=r"holds 20 frames of a 3D image; .*\(0 to 19\)"):
        read_image(path)
    with pytest.raises(InputError, match=r"There is no frame 20 in .*: it has frames 0 to 19"):
        read_image(path, frame=20)


def test_single_slices_over_time_are_a_sequence(tmp_path: Path) -> None:
    path = save_nifti(tmp_path / "x.nii.gz", np.arange(60, dtype=np.int16).reshape(5, 4, 1, 3))
    image = read_image(path)
    assert image.time_axis
    assert image.shape == (3, 4, 5)
    assert read_image(path, frame=2).array.tolist() == image.array[2:].tolist()


def test_few_nans_get_the_lowest_value(tmp_path: Path) -> None:
    array = np.arange(24, dtype=np.float64).reshape(2, 3, 4) - 5
    array[0, 0, :2] = np.nan, np.inf
    image = read_image(save_nifti(tmp_path / "x.nii.gz", array))
    assert image.array[0, 0, 0] == image.array[1, 0, 0] == -3
    assert image.notes[0].startswith("2 voxels were not numbers")


def test_many_nans_are_refused(tmp_path: Path) -> None:
    path = save_nifti(tmp_path / "x.nii.gz", np.full((2, 3, 4), np.nan))
    with pytest.raises(InputError, match="24 of 24 voxels that are not numbers"):
        read_image(path)


@pytest.mark.parametrize("name", ["x.nii", "x.nii.gz", "x.nrrd", "x.mha", "x.png", "x.dcm"])
def test_bad_content_is_one_sentence(
    tmp_path: Path, name: str, capfd: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / name
    path.write_bytes(b"")
    with pytest.raises(InputError, match="is empty"):
        read_image(path)
    for junk in (b"hello", bytes(400), b"\x1f\x8b" + bytes(600), bytes(range(256)) * 8):
        path.write_bytes(junk)
        with pytest.raises(InputError, match=r"damaged|is no image") as got:
            read_image(path)
        assert str(got.value).endswith(".")
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize(
    "name", ["x.nii", "x.nii.gz", "raw.nrrd", "x.nrrd", "x.mha", "raw.mha", "x.png"]
)
def test_truncated_files_are_refused(
    tmp_path: Path, name: str, capfd: pytest.CaptureFixture[str]
) -> None:
    truth = oblique_itk(np.uint8)
    truth = truth[:, :, 0] if name == "x.png" else truth
    sitk.WriteImage(truth, tmp_path / name, not name.startswith("raw"))
    data = (tmp_path / name).read_bytes()
    (tmp_path / name).write_bytes(data[:-16])
    with pytest.raises(InputError, match="damaged"):
        read_image(tmp_path / name)
    assert capfd.readouterr() == ("", "")


def test_a_truncated_real_nifti_is_refused(shared_data: Path, tmp_path: Path) -> None:
    data = (shared_data / "ct_organs/abdomen_ct_short.nii.gz").read_bytes()
    (tmp_path / "x.nii.gz").write_bytes(data[: len(data) // 2])
    with pytest.raises(InputError, match=r"'x.nii.gz' is damaged: its compressed data end too"):
        read_image(tmp_path / "x.nii.gz")


def test_a_flipped_byte_is_noticed(shared_data: Path, tmp_path: Path) -> None:
    data = bytearray((shared_data / "ct_organs/abdomen_ct_short.nii.gz").read_bytes())
    data[len(data) // 2] ^= 0xFF
    (tmp_path / "x.nii.gz").write_bytes(data)
    with pytest.raises(InputError, match="damaged"):
        read_image(tmp_path / "x.nii.gz")


def test_absent_and_unknown_files(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="There is no file or folder"):
        read_image(tmp_path / "nope.nii")
    (tmp_path / "x.txt").write_text("words")
    with pytest.raises(InputError, match="is of a kind that is not read; use"):
        read_image(tmp_path / "x.txt")


def test_a_singular_affine_is_refused(tmp_path: Path) -> None:
    path = save_nifti(tmp_path / "x.nii", np.ones((3, 3, 3), np.uint8))
    data = bytearray(path.read_bytes())
    struct.pack_into("<12f", data, 280, *np.zeros(12))
    path.write_bytes(data)
    with pytest.raises(GeometryError, match="do not span space"):
        read_image(path)


def test_labels_hold_whole_numbers_only(tmp_path: Path) -> None:
    path = save_nifti(tmp_path / "x.nii", np.full((3, 3, 3), 2.0))
    assert read_labels(path).array.dtype == np.int32
    path = save_nifti(tmp_path / "y.nii", np.full((3, 3, 3), 2.5))
    with pytest.raises(InputError, match="is not a label map"):
        read_labels(path)
    far = np.eye(4)
    far[:3, 3] = 50
    with pytest.raises(GeometryError, match="does not overlap the image"):
        read_labels(tmp_path / "x.nii", Image(np.zeros((3, 3, 3)), far))


@pytest.mark.parametrize(
    ("name", "old", "new"),
    [
        ("x.nrrd", b"space directions: (", b"space directions: (x"),
        ("x.nrrd", b"space origin: (", b"space origin: (x"),
        ("x.nrrd", b"sizes: 7", b"sizes: x"),
        ("x.nrrd", b"type: short", b"type: block"),
        ("x.mha", b"DimSize = 7", b"DimSize = x"),
        ("x.mha", b"ElementSpacing = ", b"ElementSpacing = x"),
        ("x.mha", b"MET_SHORT", b"MET_OTHER"),
    ],
)
def test_headers_with_nonsense_are_refused(
    tmp_path: Path, name: str, old: bytes, new: bytes
) -> None:
    sitk.WriteImage(oblique_itk(), tmp_path / name)
    data = (tmp_path / name).read_bytes()
    assert old in data
    (tmp_path / name).write_bytes(data.replace(old, new))
    with pytest.raises(InputError, match=f"'{name}' is damaged"):
        read_image(tmp_path / name)


def test_voxels_in_an_absent_file_are_missed(tmp_path: Path) -> None:
    for name in ("x.nhdr", "x.mhd"):
        sitk.WriteImage(oblique_itk(), tmp_path / name)
    for voxels in (*tmp_path.glob("*.raw*"), *tmp_path.glob("*.zraw")):
        voxels.unlink(missing_ok=True)
    for name in ("x.nhdr", "x.mhd"):
        with pytest.raises(InputError, match="Cannot read"):
            read_image(tmp_path / name)
