"""4D NIfTI stays on the disk: the same values, and for all films and volumes the same memory."""

from __future__ import annotations

import gzip
import shutil
from pathlib import Path

import nibabel
import numpy as np
import pytest
from film_kit import film, mha, nrrd, opened, peak, series
from medseg import InputError, Point, read_image
from medseg.courses import ThroughFilm, ThroughVolumes, places
from medseg.io import nifti
from pydicom.uid import DeflatedExplicitVRLittleEndian, ExplicitVRBigEndian

AFFINE = np.array([[-1.5, 0, 0, 10], [0, -1.5, 0, 20], [0, 0, 8, -30], [0, 0, 0, 1.0]])


def volumes(*shape, seed=0):
    return np.random.default_rng(seed).integers(-100, 900, shape, dtype=np.int16)


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


def plain_nifti(frames):
    """Of volumes of two equal slices."""
    parts = frames[:, None].repeat(2, 1)
    return nifti.header(parts.shape, parts.dtype, AFFINE) + nifti.body(parts)


def interleaved(path, frames, encoding):
    """Every second row, but two bytes a pixel."""
    nrrd(path, frames[:, None, ::2].astype(np.int16), encoding=encoding)


KINDS = {
    "nii": lambda path, frames: path.write_bytes(plain_nifti(frames)),
    "nii.gz": lambda path, frames: path.write_bytes(gzip.compress(plain_nifti(frames), 1)),
    "mha": lambda path, frames: mha(path, frames[:, None].repeat(2, 1)),
    "nrrd interleaved": lambda path, frames: interleaved(path, frames, "raw"),
    "nrrd interleaved and packed": lambda path, frames: interleaved(path, frames, "gzip"),
    "folder of dcm": series,
    "dcm": film,
    "dcm big endian": lambda path, frames: film(path, frames, ExplicitVRBigEndian),
    "dcm deflated": lambda path, frames: film(path, frames, DeflatedExplicitVRLittleEndian),
}


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="Linux tells the memory")
@pytest.mark.parametrize("kind", KINDS)
def test_ten_times_the_length_takes_the_same_memory(tmp_path, kind):
    peaks = []
    frames = np.random.default_rng(0).integers(1, 250, (20, 400, 500), dtype=np.uint8)
    for times in (2, 20):
        path = tmp_path / f"{times}.{kind.split()[0]}"
        KINDS[kind](path, np.tile(frames, (times, 1, 1)))
        peaks.append(peak(path))
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    more = 18 * frames.nbytes  # of the longer film
    assert peaks[1] - peaks[0] < 0.25 * more
