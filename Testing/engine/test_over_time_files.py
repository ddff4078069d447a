"""4D NRRD and MetaImage stay on the disk, whatever the order and the packing of their frames."""

from __future__ import annotations

import tempfile
import zlib

import numpy as np
import pytest
import SimpleITK as sitk
from film_kit import ORDERS, PACK, PLACE, film, mha, nrrd, opened, volumes
from medseg import GeometryError, InputError, Point, read_image
from medseg.courses import ThroughFilm, ThroughVolumes, places
from medseg.io import layout as layouts


def same(course, array):
    """All volumes, and all slices one by one, are those of the array."""
    assert isinstance(course, ThroughVolumes)
    assert (places(course), len(course.rows)) == array.shape[:2]
    for t in (4, 0, 2):
        assert (course.still(t).array == array[t]).all()
        for k, row in enumerate(course.rows):
            assert (row.pixels(t) == array[t, k]).all()
    assert np.allclose(course.still(1).affine, PLACE)
    assert course.rows[0].spacing == (1.5, 1.5)


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("encoding", PACK)
@pytest.mark.parametrize("name", ["a.nrrd", "a.seq.nrrd", "a.nhdr"])
def test_volumes_of_nrrd_are_those_of_the_whole(tmp_path, order, encoding, name):
    path = nrrd(tmp_path / name, volumes(), order, encoding)
    same(opened(path), volumes())
    assert (read_image(path, frame=3).array == volumes()[3]).all()
    if order == "list first" and encoding != "bzip2":  # as components, which ITK knows
        assert (sitk.GetArrayFromImage(sitk.ReadImage(path))[..., 3] == volumes()[3]).all()


def test_big_endian_too(tmp_path):
    same(opened(nrrd(tmp_path / "a.nrrd", volumes(), end="big")), volumes())


@pytest.mark.parametrize("encoding", ["raw", "gzip"])
def test_interleaved_frames_are_sorted_in_many_parts(tmp_path, monkeypatch, encoding):
    array = volumes(5, 30, 41, 47)
    monkeypatch.setattr(layouts, "SORTED", 999)
    course = opened(nrrd(tmp_path / "a.nrrd", array, encoding=encoding))
    assert all((course.array[t] == array[t]).all() for t in range(5))


@pytest.mark.parametrize("name", ["a.mha", "packed.mha", "a.mhd", "packed.mhd"])
def test_volumes_of_metaimage_are_those_of_itk(tmp_path, name):
    image = sitk.JoinSeries([sitk.GetImageFromArray(each) for each in volumes()])
    image.SetSpacing((1.5, 1.5, 8, 1))
    image.SetOrigin((10, 20, -30, 0))
    sitk.WriteImage(image, tmp_path / name, name.startswith("packed"))
    same(opened(tmp_path / name), volumes())


def test_a_sequence_of_slicer_is_read(tmp_path):
    slicer = pytest.importorskip("slicer", reason="needs slicer-core")
    numpy_support = pytest.importorskip("vtkmodules.util.numpy_support")
    scene = slicer.vtkMRMLScene()
    sequence = scene.AddNewNodeByClass("vtkMRMLSequenceNode")
    for t, array in enumerate(volumes()):
        node = slicer.vtkMRMLScalarVolumeNode()
        node.SetAndObserveImageData(slicer.vtkOrientedImageData())
        node.GetImageData().SetDimensions(array.shape[::-1])
        values = numpy_support.numpy_to_vtk(array.ravel(), deep=True)
        node.GetImageData().GetPointData().SetScalars(values)
        node.SetSpacing(1.5, 1.5, 8)
        node.SetIJKToRASDirections(-1, 0, 0, 0, -1, 0, 0, 0, 1)
        node.SetOrigin(-10, -20, -30)
        sequence.SetDataNodeAtValue(node, str(t))
    for packed in (0, 1):
        storage = slicer.vtkMRMLVolumeSequenceStorageNode()
        scene.AddNode(storage)
        storage.SetUseCompression(packed)
        path = tmp_path / f"{packed}.seq.nrrd"
        storage.SetFileName(str(path))
        assert storage.WriteData(sequence)
        same(opened(path), volumes())


@pytest.mark.parametrize("encoding", ["raw", "gzip"])
@pytest.mark.parametrize("order", ORDERS)
def test_single_slices_over_time_are_a_film_in_its_place(tmp_path, order, encoding):
    path = nrrd(tmp_path / "film.nrrd", volumes(6, 1, 9, 8), order, encoding)
    course, whole = opened(path), read_image(path)
    assert isinstance(course, ThroughFilm)
    for t in (5, 0, 3):
        assert (course.film.pixels(t) == volumes(6, 1, 9, 8)[t, 0]).all()
        assert course.place_of(Point(whole.ijk_to_ras([2, 3, t]))) == t
        assert np.allclose(course.still(t).affine[:3, :3], whole.affine[:3, :3])
    assert course.film.spacing == (1.5, 1.5)


def coloured(path):
    """A film of 3 frames, RGB."""
    array = np.random.default_rng(2).integers(0, 255, (3, 8, 9, 3), np.uint8)
    header = b"NRRD0004\ntype: uchar\ndimension: 4\nsizes: 3 9 8 3\nencoding: raw\n"
    path.write_bytes(header + b"kinds: RGB-color domain domain list\n\n" + array.tobytes())
    return path


def test_colour_has_to_be_wanted_as_grey(tmp_path):
    path = coloured(tmp_path / "a.nrrd")
    with pytest.raises(InputError, match="is in colour; pass --grey"):
        opened(path)
    course, whole = opened(path, grey=True), read_image(path, grey=True)
    assert all((course.film.pixels(t) == whole.array[t]).all() for t in range(3))


def test_volumes_in_colour_are_refused(tmp_path):
    array = np.zeros((2, 3, 4, 5, 3), np.uint8)
    sitk.WriteImage(
        sitk.JoinSeries([sitk.GetImageFromArray(v, isVector=True) for v in array]),
        tmp_path / "a.mha",
    )
    with pytest.raises(InputError, match=r"'a.mha' is in colour over time"):
        opened(tmp_path / "a.mha")


def test_a_sheared_grid_is_refused(tmp_path):
    path = nrrd(tmp_path / "a.nrrd", volumes())
    path.write_bytes(path.read_bytes().replace(b"(0,0,8)", b"(0,4,8)"))
    with pytest.raises(GeometryError, match=r"'a.nrrd' is sheared"):
        opened(path)


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("encoding", PACK)
@pytest.mark.parametrize("name", ["a.nrrd", "a.nhdr"])
def test_a_nrrd_that_is_cut_off_is_told_at_once(tmp_path, order, encoding, name):
    path = nrrd(tmp_path / name, volumes(), order, encoding)
    voxels = path.with_suffix(".raw") if name == "a.nhdr" else path
    voxels.write_bytes(voxels.read_bytes()[:-100])
    with pytest.raises(InputError, match=f"'(a.raw|{name})' is damaged: it.*; copy or export"):
        opened(path)


def test_a_metaimage_that_is_cut_off_is_told_at_once(tmp_path):
    head = "NDims = 4\nDimSize = 6 7 4 5\nElementType = MET_SHORT\nCompressedData = "
    for packed, data in ((False, volumes().tobytes()), (True, zlib.compress(volumes().tobytes()))):
        text = f"{head}{packed}\nElementDataFile = LOCAL\n"
        (tmp_path / "a.mha").write_bytes(text.encode() + data)
        assert (opened(tmp_path / "a.mha").array[4, 3] == volumes()[4, 3]).all()
        (tmp_path / "a.mha").write_bytes(text.encode() + data[:-60])
        with pytest.raises(InputError, match=r"'a.mha' is damaged: it"):
            opened(tmp_path / "a.mha")


@pytest.mark.parametrize("line", ["HeaderSize = -1\n", "HeaderSize = 8\n"])
def test_a_data_file_with_more_than_voxels_is_refused(tmp_path, line):
    mha(tmp_path / "a.mha", volumes().astype(np.uint8))
    path = tmp_path / "a.mha"
    path.write_bytes(line.encode() + path.read_bytes())
    with pytest.raises(InputError, match=r"'a.mha' skips parts of its data file"):
        opened(path)


def test_a_flipped_bit_is_noticed(tmp_path):
    path = nrrd(tmp_path / "a.nrrd", volumes(), encoding="gzip")
    data = bytearray(path.read_bytes())
    data[-6] ^= 1  # of the checksum, which comes behind the last voxel
    path.write_bytes(data)
    with pytest.raises(InputError, match="its compressed data are not valid"):
        opened(path)


def test_a_full_disk_of_temporary_files_is_one_sentence(tmp_path, tiny_disk, monkeypatch):
    packed = nrrd(tmp_path / "a.nrrd", volumes(9, 20, 30, 40), encoding="gzip")
    frames = film(tmp_path / "a.dcm", np.zeros((2, 300, 300), np.uint8))
    monkeypatch.setattr(tempfile, "tempdir", str(tiny_disk))
    for path in (packed, frames):
        with pytest.raises(InputError, match=r"Cannot write '.*disk': the disk is full"):
            opened(path)
        assert not list(tiny_disk.iterdir())
