"""DICOM films stay on the disk, whatever the transfer syntax."""

from __future__ import annotations

from io import BytesIO

import numpy as np
import pytest
from film_kit import film, opened, series
from medseg import GeometryError, InputError, read_image
from medseg.courses import ThroughFilm, ThroughVolumes, places
from medseg.io.dicom_apart import frames_of
from pydicom import dcmread
from pydicom.encaps import encapsulate, generate_frames
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEGBaseline8Bit,
    RLELossless,
)

SYNTAXES = [
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    RLELossless,
    ExplicitVRBigEndian,
    DeflatedExplicitVRLittleEndian,
]


def grey(count=7, dtype=np.uint8):
    return np.random.default_rng(1).integers(0, 250, (count, 10, 12)).astype(dtype)


@pytest.mark.parametrize("syntax", SYNTAXES)
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


@pytest.mark.parametrize("syntax", SYNTAXES)
def test_pydicom_sees_the_same_pixels(tmp_path, syntax):
    path = film(tmp_path / "a.dcm", grey(dtype=np.uint16), syntax)
    assert (dcmread(path).pixel_array == grey(dtype=np.uint16)).all()
    assert (opened(path).film.pixels(4) == dcmread(path).pixel_array[4]).all()


@pytest.mark.parametrize("syntax", [ExplicitVRLittleEndian, ExplicitVRBigEndian])
def test_frames_of_an_odd_number_of_bytes(tmp_path, syntax):
    frames = grey(3)[:, :9, :11]
    course = opened(film(tmp_path / "a.dcm", frames, syntax))
    assert all((course.film.pixels(t) == frames[t]).all() for t in range(3))


def in_fragments(source, path, table):
    """A film in JPEG whose frames come in three fragments each; ``table``: what tells where."""
    data = dcmread(source)
    frames = list(generate_frames(data.PixelData, number_of_frames=int(data.NumberOfFrames)))
    with_table = encapsulate(frames, fragments_per_frame=3, has_bot=True)
    data.PixelData = encapsulate(frames, fragments_per_frame=3, has_bot=table == "basic")
    if table == "extended":
        offsets = np.frombuffer(with_table, "<u4", len(frames), 8).astype("<u8")
        data.ExtendedOffsetTable = offsets.tobytes()
        data.ExtendedOffsetTableLengths = np.array([len(f) for f in frames], "<u8").tobytes()
    data.save_as(path)
    return frames


@pytest.mark.parametrize("table", ["basic", "extended", "none"])
def test_frames_in_several_fragments(shared_data, tmp_path, table):
    source = shared_data / "us_cine/us_cine_30frames_ybr422_jpeg.dcm"
    in_fragments(source, tmp_path / "a.dcm", table)
    course, whole = opened(tmp_path / "a.dcm", grey=True), read_image(source, grey=True)
    assert isinstance(course, ThroughFilm)
    assert places(course) == 30
    assert all((course.film.pixels(t) == whole.array[t]).all() for t in (29, 0, 13))


@pytest.mark.parametrize("table", ["basic", "extended"])
def test_a_table_tells_where_frames_begin_whatever_they_are(tmp_path, table):
    """Bytes that no decoder knows, so nothing but the table tells."""
    frames = [bytes([n]) * (30 + 2 * n) for n in range(1, 6)]

    def change(data):
        data.file_meta.TransferSyntaxUID = JPEGBaseline8Bit
        data.PixelData = encapsulate(frames)
        data.NumberOfFrames = 5

    source = film(tmp_path / "a.dcm", grey(5), JPEGBaseline8Bit, change)
    assert in_fragments(source, tmp_path / "b.dcm", table) == frames
    found = frames_of(tmp_path / "b.dcm")
    for n, frame in enumerate(frames):
        one = dcmread(BytesIO(found.one(n)))
        assert list(generate_frames(one.PixelData, number_of_frames=1)) == [frame]
        assert one.NumberOfFrames == 1
        assert "ExtendedOffsetTable" not in one
    in_fragments(source, tmp_path / "c.dcm", "none")
    assert frames_of(tmp_path / "c.dcm") is None


def test_a_deflated_film_that_is_cut_off_is_told_at_once(tmp_path):
    path = film(tmp_path / "a.dcm", grey(), DeflatedExplicitVRLittleEndian)
    path.write_bytes(path.read_bytes()[:-40])
    with pytest.raises(InputError, match=r"'a.dcm' is damaged: its compressed data end too early"):
        opened(path)


@pytest.mark.parametrize("syntax", [ExplicitVRLittleEndian, RLELossless, ExplicitVRBigEndian])
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


# a file for each slice


def test_a_series_of_one_position_is_a_film(shared_data):
    folder = shared_data / "seq_cine_mr/SCD0000301/dicom_slice4"
    course, whole = opened(folder), read_image(folder)
    assert isinstance(course, ThroughFilm)
    assert (places(course), course.film.modality) == (20, "MR")
    assert all((course.film.pixels(t) == whole.array[t]).all() for t in (19, 0, 7))
    assert np.allclose(course.affine, whole.affine)


def test_a_series_of_several_positions_is_volumes_over_time(tmp_path):
    folder = series(tmp_path / "x", grey(12), slices=3)
    course = opened(folder)
    assert isinstance(course, ThroughVolumes)
    assert (places(course), len(course.rows)) == (4, 3)
    for t in (3, 0):
        whole = read_image(folder, frame=t)
        assert (course.still(t).array == whole.array).all()
        assert np.allclose(course.still(t).affine, whole.affine)
        for k, row in enumerate(course.rows):
            assert (row.pixels(t) == grey(12)[3 * t + k]).all()


def test_uneven_volumes_over_time_are_evened_when_asked_for(tmp_path):
    folder = series(tmp_path / "x", grey(12), slices=3)
    for n in (2, 5, 8, 11):
        data = dcmread(folder / f"{n}.dcm")
        data.ImagePositionPatient = [0, 0, 9]
        data.save_as(folder / f"{n}.dcm")
    with pytest.raises(GeometryError, match="are not evenly spaced"):
        opened(folder)
    course = opened(folder, uneven="resample")
    assert course.array.shape == (4, 4, 10, 12)
    for t in (3, 0):
        whole = read_image(folder, frame=t, uneven="resample")
        assert (course.still(t).array == whole.array).all()
        assert (course.rows[2].pixels(t) == whole.array[2]).all()
        assert np.allclose(course.still(t).affine, whole.affine)


def test_a_folder_with_one_film_and_one_with_a_volume(tmp_path, shared_data):
    (tmp_path / "x").mkdir()
    film(tmp_path / "x" / "a.dcm", grey())
    assert (opened(tmp_path / "x").film.pixels(5) == grey()[5]).all()
    assert opened(shared_data / "geometry/dicom_small_head_ct") is None
