"""DICOM folders and files that are not simple."""

from __future__ import annotations

import shutil
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pydicom
import pytest
from medseg import GeometryError, InputError
from medseg.io import read_image
from medseg.resample import SHEAR_NOTE
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian
from scipy import ndimage

Change = Callable[[int, pydicom.Dataset], None]


@pytest.fixture
def make_series(shared_data: Path, tmp_path: Path) -> Callable[[Change], Path]:
    """Writes eight slices of the small head CT, each changed first."""

    def make(change: Change) -> Path:
        folder = tmp_path / "series"
        folder.mkdir(exist_ok=True)
        for n in range(8):
            source = shared_data / f"geometry/dicom_small_head_ct/CTHead{30 + n}.dcm"
            slice_ = pydicom.dcmread(source)
            change(n, slice_)
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                slice_.save_as(folder / f"{n}.dcm")
        return folder

    return make


def shear(n: int, slice_: pydicom.Dataset) -> None:
    slice_.ImagePositionPatient = [0, 0.8 * n, 1.5 * n]


def test_blank_uids_are_read_with_a_note(shared_data: Path) -> None:
    image = read_image(shared_data / "geometry/dicom_blank_uids")
    assert image.shape == (6, 64, 64)
    assert "The files have no series UID; taken as one series by their geometry." in image.notes


def test_tilt_with_variable_gaps_is_refused(shared_data: Path) -> None:
    with pytest.raises(GeometryError, match=r"gantry is tilted: gaps of 7 mm \(5x\), 4 mm \(4x\)"):
        read_image(shared_data / "geometry/dicom_gantry_tilt_variable_gap")


def test_tilt_with_variable_gaps_can_be_resampled(shared_data: Path) -> None:
    folder = shared_data / "geometry/dicom_gantry_tilt_variable_gap"
    image = read_image(folder, uneven="resample")
    assert SHEAR_NOTE in image.notes
    assert any("Slice distances differed (1.08 to 7.00 mm)" in n for n in image.notes)
    for number in (10, 20):
        slice_ = pydicom.dcmread(folder / f"{number}.dcm")
        rows, columns = np.mgrid[50:450:40, 50:450:40]
        axes = np.array(slice_.ImageOrientationPatient, float).reshape(2, 3)
        step = float(slice_.PixelSpacing[0])
        lps = np.array(slice_.ImagePositionPatient, float)
        lps = lps + (columns[..., None] * axes[0] + rows[..., None] * axes[1]) * step
        ijk = image.ras_to_ijk(lps * [-1, -1, 1])
        smooth = ndimage.uniform_filter(slice_.pixel_array.astype(float), 3)[rows, columns]
        found = ndimage.map_coordinates(
            ndimage.uniform_filter(image.array.astype(float), (1, 3, 3)),
            ijk.reshape(-1, 3).T[::-1],
            order=1,
            mode="nearest",
        )
        assert np.corrcoef(found, smooth.ravel())[0, 1] > 0.99


def test_an_even_tilt_is_resampled_and_noted(make_series: Callable[[Change], Path]) -> None:
    folder = make_series(shear)
    image = read_image(folder)
    slice_ = pydicom.dcmread(folder / "5.dcm")
    assert SHEAR_NOTE in image.notes
    assert image.array.dtype == np.int16
    i, j, k = image.ras_to_ijk([-3.2 * 20, -(3.2 * 30 + 0.8 * 5), 7.5])
    assert k == pytest.approx(5, abs=1e-6)
    found = ndimage.map_coordinates(image.array.astype(float), [[k], [j], [i]], order=1)
    around = slice_.pixel_array[29:32, 20]
    assert around.min() - 1 <= found[0] <= around.max() + 1


def test_a_missing_slice_is_refused_with_the_gap(make_series: Callable[[Change], Path]) -> None:
    folder = make_series(lambda n, s: None)
    (folder / "4.dcm").unlink()
    with pytest.raises(GeometryError, match=r"gaps of 1.5 mm \(5x\), 3 mm \(1x\); add missing"):
        read_image(folder)


def test_uneven_slices_interpolate_on_request(make_series: Callable[[Change], Path]) -> None:
    folder = make_series(lambda n, s: None)
    whole = read_image(folder)
    (folder / "4.dcm").unlink()
    image = read_image(folder, uneven="resample")
    assert image.same_grid(whole)
    np.testing.assert_array_equal(np.delete(image.array, 4, 0), np.delete(whole.array, 4, 0))
    mean = (whole.array[3].astype(float) + whole.array[5]) / 2
    assert np.abs(image.array[4] - mean).max() <= 0.5


def test_a_double_position_is_refused(make_series: Callable[[Change], Path]) -> None:
    folder = make_series(lambda n, s: None)
    again = pydicom.dcmread(folder / "3.dcm")
    again.SOPInstanceUID = "1.2.3"
    again.save_as(folder / "again.dcm")
    with pytest.raises(InputError, match="has 2 slices at one position"):
        read_image(folder)


def test_a_copied_file_counts_once(make_series: Callable[[Change], Path]) -> None:
    folder = make_series(lambda n, s: None)
    shutil.copy(folder / "3.dcm", folder / "copy.dcm")
    image = read_image(folder)
    assert image.shape[0] == 8
    assert "Left out: 1 copies of slices." in image.notes


def test_several_frames_at_each_position_need_a_choice(
    make_series: Callable[[Change], Path],
) -> None:
    def two_times(n: int, slice_: pydicom.Dataset) -> None:
        slice_.ImagePositionPatient = [0, 0, 1.5 * (n % 4)]
        slice_.TriggerTime = 100.0 * (n // 4)

    folder = make_series(two_times)
    with pytest.raises(InputError, match=r"holds 2 frames of a 3D image; .*--frame N \(0 to 1\)"):
        read_image(folder)
    second = read_image(folder, frame=1)
    assert second.shape == (4, 64, 64)
    np.testing.assert_array_equal(second.array[2], pydicom.dcmread(folder / "6.dcm").pixel_array)


def test_slices_of_other_size_are_refused(make_series: Callable[[Change], Path]) -> None:
    def crop(n: int, slice_: pydicom.Dataset) -> None:
        if n == 2:
            slice_.PixelData = slice_.PixelData[: 64 * 32 * 2]
            slice_.Rows = 32

    with pytest.raises(InputError, match=r"different size \(7 of 64x64, 1 of 64x32\)"):
        read_image(make_series(crop))


def test_slices_of_other_direction_are_refused(make_series: Callable[[Change], Path]) -> None:
    def turn(n: int, slice_: pydicom.Dataset) -> None:
        slice_.ImageOrientationPatient = [1, 0, 0, 0, 0, -1] if n == 0 else [1, 0, 0, 0, 1, 0]

    with pytest.raises(GeometryError, match="slices of different directions"):
        read_image(make_series(turn))


def test_slices_shifted_sideways_are_refused(make_series: Callable[[Change], Path]) -> None:
    def shift(n: int, slice_: pydicom.Dataset) -> None:
        slice_.ImagePositionPatient = [9 if n == 4 else 0, 0, 1.5 * n]

    with pytest.raises(GeometryError, match="shifted sideways against each other"):
        read_image(make_series(shift))


def test_slices_without_position_are_refused(make_series: Callable[[Change], Path]) -> None:
    def lose(n: int, slice_: pydicom.Dataset) -> None:
        del slice_.ImagePositionPatient

    with pytest.raises(InputError, match=r"8 of 8 files .* have no patient position"):
        read_image(make_series(lose))


def test_two_series_in_a_folder_are_listed(shared_data: Path, tmp_path: Path) -> None:
    for source, name in (("PET", "a"), ("MR_T1", "b")):
        folder = shared_data / "ct_lesion_sts/STS_003/dicom" / source
        for file in sorted(folder.iterdir())[:3]:
            shutil.copy(file, tmp_path / f"{name}_{file.name}")
    with pytest.raises(InputError, match=r"holds 2 series; choose one with --series UID: ") as got:
        read_image(tmp_path)
    assert "(PT, IBSI_1_STS_003_PET_image, 3 files)" in str(got.value)
    uid = pydicom.dcmread(tmp_path / "b_000000.dcm").SeriesInstanceUID
    assert read_image(tmp_path, series=uid).modality == "MR"
    with pytest.raises(InputError, match=r"has no series '1\.2\.3'; it has: "):
        read_image(tmp_path, series="1.2.3")


def test_results_in_a_folder_are_left_out_with_a_note(shared_data: Path) -> None:
    image = read_image(shared_data / "rt_ct_organs_derived")
    assert image.shape == (112, 101, 122)
    assert any("RTDOSE, not a scan" in note and "without pixels" in note for note in image.notes)


def test_a_truncated_slice_is_an_error_and_not_skipped(
    make_series: Callable[[Change], Path],
) -> None:
    folder = make_series(lambda n, s: None)
    file = folder / "3.dcm"
    file.write_bytes(file.read_bytes()[:-3000])
    with pytest.raises(InputError, match=r"'3.dcm' is damaged"):
        read_image(folder)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("rt_ct_organs_derived/RTSTRUCT.dcm", "is no image: holds DICOM data without pixels"),
        ("rt_ct_organs_derived/RTDOSE_synthetic.dcm", "is no image: holds RTDOSE, not a scan"),
        ("dicom_seg/seg_liver.dcm", "is no image: holds SEG, not a scan"),
        ("us_cine/us_still_rgb.dcm", "is in colour; pass --grey"),
        ("scribbles_2d", r"holds no DICOM images \(7 files: not DICOM\)"),
    ],
)
def test_what_is_no_scan_is_refused(shared_data: Path, name: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        read_image(shared_data / name)


def test_an_empty_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="holds no DICOM images; choose a folder with a scan"):
        read_image(tmp_path)


def test_ultrasound_cine_becomes_a_grey_sequence(shared_data: Path) -> None:
    image = read_image(shared_data / "us_cine/us_cine_30frames_ybr422_jpeg.dcm")
    assert (image.shape, image.modality, image.time_axis) == ((30, 240, 320), "US", True)
    assert image.spacing == (1.0, 1.0, 1.0)
    assert "The colours were converted to grey (luminance)." in image.notes
    assert "30 frames, 33.333 ms apart." in image.notes


def test_ultrasound_still_in_grey_on_request(shared_data: Path) -> None:
    path = shared_data / "us_cine/us_still_rgb.dcm"
    image = read_image(path, grey=True)
    rgb = pydicom.dcmread(path).pixel_array
    assert image.shape == (1, 240, 320)
    assert np.abs(image.array[0] - rgb @ [0.299, 0.587, 0.114]).max() <= 0.51


def test_a_radiograph_says_that_it_has_no_place(shared_data: Path) -> None:
    image = read_image(shared_data / "geometry/dx_single_frame.dcm")
    assert image.shape == (1, 169, 211)
    assert image.spacing[:2] == pytest.approx((1.2012, 1.2), abs=1e-4)
    assert any("no patient position" in note for note in image.notes)


def enhanced_ct(path: Path, heights: list[float], slopes: list[float]) -> Path:
    """An enhanced CT file with a frame of 4x5 pixels at each height."""
    data = Dataset()
    data.file_meta = FileMetaDataset()
    data.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    data.SOPClassUID = "1.2.840.10008.5.1.4.1.1.2.1"
    data.SOPInstanceUID, data.SeriesInstanceUID, data.Modality = "1.2.3", "1.2.4", "CT"
    data.file_meta.MediaStorageSOPClassUID = data.SOPClassUID
    data.file_meta.MediaStorageSOPInstanceUID = data.SOPInstanceUID
    data.NumberOfFrames, data.Rows, data.Columns, data.SamplesPerPixel = len(heights), 4, 5, 1
    data.PhotometricInterpretation, data.PixelRepresentation = "MONOCHROME2", 0
    data.BitsAllocated, data.BitsStored, data.HighBit = 16, 16, 15
    shared, measures, plane = Dataset(), Dataset(), Dataset()
    measures.PixelSpacing, measures.SliceThickness = [0.5, 0.7], 2
    plane.ImageOrientationPatient = [1, 0, 0, 0, 1, 0]
    shared.PixelMeasuresSequence, shared.PlaneOrientationSequence = [measures], [plane]
    data.SharedFunctionalGroupsSequence = [shared]
    frames = []
    for height, slope in zip(heights, slopes, strict=True):
        frame, place, rescale = Dataset(), Dataset(), Dataset()
        place.ImagePositionPatient = [10, 20, height]
        rescale.RescaleSlope, rescale.RescaleIntercept = slope, -1000
        frame.PlanePositionSequence = [place]
        frame.PixelValueTransformationSequence = [rescale]
        frames.append(frame)
    data.PerFrameFunctionalGroupsSequence = frames
    data.PixelData = np.arange(len(heights) * 20, dtype=np.uint16).tobytes()
    data.save_as(path, enforce_file_format=True)
    return path


@pytest.mark.parametrize("heights", [[1, 3, 5, 7], [7, 5, 3, 1]])
def test_an_enhanced_volume_is_placed(tmp_path: Path, heights: list[float]) -> None:
    image = read_image(enhanced_ct(tmp_path / "e.dcm", heights, [1] * 4))
    for k, height in enumerate(heights):
        ras = image.ijk_to_ras([2, 3, k])
        np.testing.assert_allclose(ras, [-(10 + 2 * 0.7), -(20 + 3 * 0.5), height])
        assert image.array[k, 3, 2] == k * 20 + 17 - 1000


@pytest.mark.parametrize("heights", [[0, 2, 6, 8], [0, 4, 2, 6], [3, 3, 3, 3]])
def test_an_enhanced_volume_out_of_order_is_refused(tmp_path: Path, heights: list[float]) -> None:
    path = enhanced_ct(tmp_path / "e.dcm", heights, [1] * 4)
    with pytest.raises(GeometryError, match="not in order at even distances"):
        read_image(path)


def test_an_enhanced_volume_of_many_slopes_is_refused(tmp_path: Path) -> None:
    path = enhanced_ct(tmp_path / "e.dcm", [0, 2, 4, 6], [1, 2, 3, 4])
    with pytest.raises(InputError, match="have different rescale slopes; export it"):
        read_image(path)


def test_uneven_takes_known_words_only(shared_data: Path) -> None:
    with pytest.raises(InputError, match="'guess' is no way to treat uneven slices"):
        read_image(shared_data / "dicom_seg/ct", uneven="guess")
