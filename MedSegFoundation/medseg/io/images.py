"""Opens an image or a label map, whatever its format."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np

from ..errors import InputError
from ..image import Image
from ..resample import labels_onto
from . import dicom, metaimage, nifti, nrrd
from .dicom_files import is_dicom
from .files import check_png, damaged, existing, suffix
from .itk import sitk
from .layout import Layout
from .raw import Raw, to_image, to_labels

StrPath = str | os.PathLike[str]
STILLS = {
    ".png": "PNGImageIO",
    ".jpg": "JPEGImageIO",
    ".jpeg": "JPEGImageIO",
}
FORMATS = ".nii, .nii.gz, .nrrd, .nhdr, .mha, .mhd, .png, .jpg, or DICOM"


def read_image(
    path: StrPath,
    *,
    series: str | None = None,
    frame: int | None = None,
    grey: bool = False,
    uneven: str = "refuse",
) -> Image:
    """Read an image with its true place (RAS mm); voxels are ``(K, J, I)``.

    Reads NIfTI, NRRD, MetaImage, PNG and JPEG stills, a DICOM file, or a folder with a DICOM
    series. ``Image.notes`` says what was done on the way (resampled, no orientation, ...).

    Parameters
    ----------
    series:
        Series instance UID, when a DICOM folder holds several.
    frame:
        Which frame of a 4D image, from 0. A sequence of single slices is read whole without it.
    grey:
        Turn colour into luminance instead of refusing it.
    uneven:
        What to do with uneven DICOM slice distances: "refuse", or "resample" to even ones.

    Raises `InputError` (or `GeometryError`) with one sentence that says what to do.
    """
    if uneven not in ("refuse", "resample"):
        raise InputError(f"'{uneven}' is no way to treat uneven slices; use refuse or resample.")
    return to_image(_read(existing(path), series, uneven), frame=frame, grey=grey)


def read_labels(path: StrPath, image: Image | None = None, *, frame: int | None = None) -> Image:
    """Read a label map as whole numbers ``(K, J, I)``; sheared grids by nearest neighbour.

    With ``image`` the labels are brought onto its grid (nearest neighbour), and `GeometryError`
    tells when the two do not overlap. A .seg.nrrd must have no overlapping segments.
    """
    from .segmentation import read_segmentation

    file = existing(path)
    if suffix(file) == ".seg.nrrd":
        labels = read_segmentation(file).labels()
    else:
        labels = to_labels(_read(file, None, "refuse"), frame=frame)
    if image is None or image.same_grid(labels):
        return labels
    return Image(
        labels_onto(image, labels),
        image.affine,
        None,
        labels.name,
        image.time_axis,
        (*labels.notes, "Brought onto the grid of the image by nearest neighbour."),
    )


def layout_of(path: Path) -> Layout | None:
    """Where a NIfTI, NRRD or MetaImage file has its voxels; None for a file of another kind."""
    kind = suffix(path)
    if kind in (".nii", ".nii.gz"):
        return nifti.layout(path)
    if kind in (".nrrd", ".nhdr", ".seg.nrrd"):
        return nrrd.header(path).layout
    return metaimage.layout(path) if kind in (".mha", ".mhd") else None


def _read(path: Path, series: str | None, uneven: str) -> Raw:
    if path.is_dir():
        return dicom.read(path, series=series, uneven=uneven)
    layout = layout_of(path)
    if layout is not None:
        return layout.read()
    kind = suffix(path)
    if kind in STILLS:
        return _still(path, STILLS[kind])
    if kind in (".dcm", ".ima", ".dicom") or is_dicom(path):
        return dicom.read(path, series=series, uneven=uneven)
    raise InputError(f"'{path.name}' is of a kind that is not read; use {FORMATS}.")


def _still(path: Path, reader: str) -> Raw:
    """A 2D picture in a plane like an axial slice, pixels of 1 mm (as Slicer shows it)."""
    if reader == "PNGImageIO":
        check_png(path)
    try:
        image = sitk.ReadImage(str(path), imageIO=reader)
    except RuntimeError as error:
        raise damaged(path, "it cannot be read as a picture") from error
    channels = image.GetNumberOfComponentsPerPixel()
    width, height = image.GetSize()[:2]
    array = sitk.GetArrayFromImage(image).reshape(1, 1, height, width, channels)
    note = "A picture without pixel size or orientation; 1 mm is assumed, so sizes are not real."
    return Raw(array, np.diag([-1.0, -1.0, 1.0, 1.0]), path.name, notes=[note])
