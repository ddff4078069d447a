"""Films and volumes over time that stay on the disk: the same values, and the same memory."""

from __future__ import annotations

import gzip
import subprocess
import sys
from pathlib import Path

import nibabel
import numpy as np
import pytest
from medseg import InputError, Point, read_image
from medseg.courses import ThroughFilm, ThroughVolumes, places
from medseg.io import nifti
from medseg.io.dicom_apart import frames_of
from medseg.io.over_time import open_over_time
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.sequence import Sequence
from pydicom.uid import ExplicitVRLittleEndian, ImplicitVRLittleEndian, RLELossless

AFFINE = np.array([[-1.5, 0, 0, 10], [0, -1.5, 0, 20], [0, 0, 8, -30], [0, 0, 0, 1.0]])


def volumes(*shape, seed=0):
    return np.random.default_rng(seed).integers(-100, 900, shape, dtype=np.int16)


def opened(path, **more):
    return open_over_time(path, [], **more)


# NIfTI


@pytest.mark.parametrize("name", ["a.nii", "a.nii.gz"])
@pytest.mark.parametrize("slope", [1.0, 0.25])
def test_volumes_are_what_nibabel_reads(tmp_path, name, slope):
    array = volumes(5, 4, 7, 6)
    image = nibabel.Nifti1Image(array.T, AFFINE)
    image.header.set_slope_inter(slope, 3.0 if slope != 1 else 0.0)
    nibabel.save(image, tmp_path / name)
    course = opened(tmp_path / name, prompted=2)
    assert isinstance(course, ThroughVolumes)
    assert (places(course), len(course.rows)) == (5, 4)
    expected = np.asarray(nibabel.load(tmp_path / name).dataobj).T
    for t in (4, 0, 2):
        assert np.allclose(course.still(t).array, expected[t], atol=1e-4)
        assert np.allclose(course.rows[3].pixels(t), expected[t, 3], atol=1e-4)
    assert np.allclose(course.still(1).affine, nibabel.load(tmp_path / name).affine)
    assert course.rows[0].spacing == (1.5, 1.5)


def test_a_file_of_two_packed_parts_is_one(tmp_path):
    array = volumes(3, 2, 5, 4)
    data = nifti.header(array.shape, array.dtype, AFFINE) + nifti.body(array)
    path = tmp_path / "a.nii.gz"
    path.write_bytes(gzip.compress(data[:400]) + gzip.compress(data[400:]))
    assert (opened(path).still(2).array == array[2]).all()


def test_single_slices_over_time_are_a_film_in_its_place(tmp_path):
    array = volumes(6, 1, 9, 8)
    path = tmp_path / "film.nii"
    path.write_bytes(nifti.header(array.shape, array.dtype, AFFINE) + nifti.body(array))
    course, whole = opened(path), read_image(path)
    assert isinstance(course, ThroughFilm)
    for t in (5, 0, 3):
        assert (course.film.pixels(t) == whole.array[t]).all()
        place = whole.ijk_to_ras([2, 3, t])
        assert course.place_of(Point(place)) == t
        assert np.allclose(course.still(t).ijk_to_ras([2, 3, 0]), place)
    assert course.film.spacing == (1.5, 1.5)


def test_values_that_are_no_numbers_become_the_lowest(tmp_path):
    array = np.ones((2, 3, 4, 4), np.float32)
    array[1, 2, 0, 0], array[1, 2, 1, 1] = np.nan, -5
    nibabel.save(nibabel.Nifti1Image(array.T, AFFINE), tmp_path / "a.nii")
    assert opened(tmp_path / "a.nii").rows[2].pixels(1)[0, 0] == -5


@pytest.mark.parametrize("name", ["a.nii", "a.nii.gz"])
def test_a_file_that_is_cut_off_is_told_at_once(tmp_path, name):
    array = volumes(5, 4, 7, 6)
    data = nifti.header(array.shape, array.dtype, AFFINE) + nifti.body(array)
    cut = data[:-100] if name.endswith("nii") else gzip.compress(data)[:-100]
    (tmp_path / name).write_bytes(cut)
    with pytest.raises(InputError, match=f"'{name}' is damaged: it"):
        opened(tmp_path / name)


def test_a_single_volume_is_not_over_time(tmp_path):
    nibabel.save(nibabel.Nifti1Image(volumes(4, 7, 6).T, AFFINE), tmp_path / "a.nii.gz")
    assert opened(tmp_path / "a.nii.gz") is None


# DICOM


def film(path: Path, frames: np.ndarray, syntax=ExplicitVRLittleEndian, change=None) -> Path:
    """A multi-frame secondary capture ``(T, J, I)`` or ``(T, J, I, 3)``."""
    data = Dataset()
    data.file_meta = FileMetaDataset()
    data.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian if syntax == RLELossless else syntax
    data.SOPClassUID = data.file_meta.MediaStorageSOPClassUID = "1.2.840.10008.5.1.4.1.1.3.1"
    data.SOPInstanceUID = data.file_meta.MediaStorageSOPInstanceUID = "1.2.3.4"
    data.SeriesInstanceUID = "1.2.3"
    data.Modality, data.PatientName = "US", "X"
    inner = Dataset()
    inner.CodeValue = "1"
    inner.is_undefined_length_sequence_item = True
    data.AnatomicRegionSequence = Sequence([inner])
    data["AnatomicRegionSequence"].is_undefined_length = True
    data.FrameTime = 40
    data.NumberOfFrames, data.Rows, data.Columns = frames.shape[:3]
    data.SamplesPerPixel = 3 if frames.ndim == 4 else 1
    data.PhotometricInterpretation = "RGB" if frames.ndim == 4 else "MONOCHROME2"
    if frames.ndim == 4:
        data.PlanarConfiguration = 0
    bits = 8 * frames.itemsize
    data.BitsAllocated = data.BitsStored = bits
    data.HighBit, data.PixelRepresentation = bits - 1, 0
    data.PixelSpacing = [0.5, 0.25]
    data.PixelData = frames.tobytes()
    if change is not None:
        change(data)
    if syntax == RLELossless:
        data.compress(RLELossless)
    data.save_as(path, enforce_file_format=True)
    return path


def grey(count=7, dtype=np.uint8):
    return np.random.default_rng(1).integers(0, 250, (count, 10, 12)).astype(dtype)


@pytest.mark.parametrize("syntax", [ExplicitVRLittleEndian, ImplicitVRLittleEndian, RLELossless])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_frames_one_by_one_are_those_of_the_whole(tmp_path, syntax, dtype):
    frames = grey(dtype=dtype)
    path = film(tmp_path / "a.dcm", frames, syntax)
    course, whole = opened(path), read_image(path)
    assert isinstance(course, ThroughFilm)
    assert (places(course), course.film.rate, course.film.modality) == (7, 25.0, "US")
    for t in (6, 0, 3):
        assert (course.film.pixels(t) == frames[t]).all()
        assert (whole.array[t] == frames[t]).all()
        assert np.allclose(course.still(t).ijk_to_ras([1, 2, 0]), whole.ijk_to_ras([1, 2, t]))
    assert course.film.spacing == (0.5, 0.25)


def test_values_are_rescaled_as_in_the_whole(tmp_path):
    def change(data):
        data.RescaleSlope, data.RescaleIntercept = 2, -100

    path = film(tmp_path / "a.dcm", grey(), change=change)
    course, whole = opened(path), read_image(path)
    assert whole.array.min() < 0
    assert all((course.film.pixels(t) == whole.array[t]).all() for t in range(7))


def test_an_ultrasound_film_in_jpeg_is_that_of_the_whole(shared_data):
    path = shared_data / "us_cine/us_cine_30frames_ybr422_jpeg.dcm"
    course, whole = opened(path, grey=True), read_image(path, grey=True)
    assert places(course) == len(whole.array) == 30
    for t in (29, 0, 13):
        assert (course.film.pixels(t) == whole.array[t]).all()
    assert np.allclose(course.affine, whole.affine)


def test_colour_has_to_be_wanted_as_grey(tmp_path):
    path = film(
        tmp_path / "a.dcm", np.random.default_rng(1).integers(0, 255, (3, 8, 8, 3), np.uint8)
    )
    with pytest.raises(InputError, match="is in colour; pass --grey"):
        opened(path)
    assert (opened(path, grey=True).film.pixels(1) == read_image(path, grey=True).array[1]).all()


@pytest.mark.parametrize("syntax", [ExplicitVRLittleEndian, RLELossless])
def test_a_film_that_is_cut_off_is_not_taken_apart(tmp_path, syntax):
    path = film(tmp_path / "a.dcm", grey(), syntax)
    path.write_bytes(path.read_bytes()[:-40])
    assert frames_of(path) is None


def test_slices_of_a_volume_and_single_pictures_are_no_film(tmp_path, shared_data):
    def ct(data):
        data.SOPClassUID = "1.2.840.10008.5.1.4.1.1.2.1"

    assert opened(film(tmp_path / "a.dcm", grey(), change=ct)) is None
    assert opened(film(tmp_path / "b.dcm", grey(1))) is None
    assert frames_of(shared_data / "us_cine/us_still_rgb.dcm") is None


# memory

WATCHED = """
import sys
from pathlib import Path
from medseg.courses import places
from medseg.io import films
from medseg.io.over_time import open_over_time
films.KEPT_BYTES = 4_000_000
course = open_over_time(sys.argv[1], [])
held = 0
for place in range(places(course)):
    held += int(course.rows[0].pixels(place).max())
assert held
status = Path("/proc/self/status").read_text()
print(int(status.partition("VmHWM:")[2].split()[0]) * 1024)
"""


def peak(path):
    """Most memory of a process that looks at all frames, in bytes."""
    run = subprocess.run([sys.executable, "-c", WATCHED, str(path)], capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    return int(run.stdout)


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="Linux tells the memory")
@pytest.mark.parametrize("kind", ["nii", "nii.gz", "dcm"])
def test_ten_times_the_length_takes_the_same_memory(tmp_path, kind):
    peaks = []
    frames = np.random.default_rng(0).integers(1, 250, (20, 400, 500), dtype=np.uint8)
    for times in (2, 20):
        path = tmp_path / f"{times}.{kind}"
        long = np.tile(frames, (times, 1, 1))
        if kind == "dcm":
            film(path, long)
        else:
            parts = long[:, None].repeat(2, 1)
            data = nifti.header(parts.shape, parts.dtype, AFFINE) + nifti.body(parts)
            path.write_bytes(gzip.compress(data, 1) if kind == "nii.gz" else data)
        peaks.append(peak(path))
    more = 18 * frames.nbytes  # of the longer film
    assert peaks[1] - peaks[0] < 0.25 * more
