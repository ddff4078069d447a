"""Finds the DICOM images of a file or folder and picks one series."""

from __future__ import annotations

import os
import struct
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import InputError
from ..image import Array
from .files import damaged
from .itk import sitk

#: Classes of DICOM objects that hold no image of the patient (prefixes of the SOP class UID).
NOT_IMAGES = tuple(
    f"1.2.840.10008.5.1.4.1.1.{tail}" for tail in ("481.", "88.", "11.", "9.", "66", "104.")
)
#: Modalities of pixel data that are results, not scans.
RESULTS = {"SEG", "RTDOSE", "RTIMAGE", "PR", "SR", "REG"}
MOST_FILES = 20000


@dataclass(frozen=True)
class Slice:
    """What the header of one DICOM file says; positions and directions are LPS mm.

    ``size``: (columns, rows, frames). ``spacing``: (along i, along j, between frames) in mm.
    ``axes``: ``(2, 3)`` directions of i and j; ``position`` of the first pixel; both guesses
    unless ``placed``. ``grid``: ``(4, 4)`` IJK to LPS as GDCM gives it.
    """

    path: Path
    tags: dict[str, str]
    size: tuple[int, int, int]
    spacing: tuple[float, float, float]
    axes: Array
    position: Array
    placed: bool
    grid: Array

    @property
    def modality(self) -> str:
        return self.tags.get("0008|0060", "")

    @property
    def series(self) -> str:
        return self.tags.get("0020|000e", "")

    def number(self, tag: str, default: float = 0.0) -> float:
        """The first number in a tag."""
        return (numbers(self.tags.get(tag, "")) or [default])[0]


def numbers(text: str) -> list[float]:
    """The numbers of a multi-valued DICOM string; none when one is not a finite number."""
    try:
        values = [float(part) for part in text.split("\\") if part.strip()]
    except ValueError:
        return []
    return values if np.isfinite(values).all() else []


def reader(path: Path) -> Any:
    """A GDCM reader for one file."""
    gdcm = sitk.ImageFileReader()
    gdcm.SetImageIO("GDCMImageIO")
    gdcm.LoadPrivateTagsOff()
    gdcm.SetFileName(str(path))
    return gdcm


def is_dicom(path: Path) -> bool:
    """True when a file has the DICOM mark."""
    return _head(path)[128:132] == b"DICM"


def _head(path: Path) -> bytes:
    try:
        with path.open("rb") as stream:
            return stream.read(1024)
    except OSError:
        return b""


def _sop_class(path: Path) -> str:
    """Media storage SOP class UID (0002,0002) of a file that GDCM cannot read as an image."""
    head = _head(path)
    at = head.find(b"\x02\x00\x02\x00UI")
    if at < 0 or len(head) < at + 8:
        return ""
    (length,) = struct.unpack_from("<H", head, at + 6)
    return head[at + 8 : at + 8 + length].decode("latin-1").strip("\0 ")


def header(path: Path) -> Slice:
    """Read the header of one DICOM image; RuntimeError when GDCM cannot."""
    gdcm = reader(path)
    gdcm.ReadImageInformation()
    tags = {key: gdcm.GetMetaData(key).strip(" \0") for key in gdcm.GetMetaDataKeys()}
    axes = _unit_axes(numbers(tags.get("0020|0037", "")))
    position = numbers(tags.get("0020|0032", ""))
    placed = axes is not None and len(position) == 3
    size = (*gdcm.GetSize(), 1)[:3]
    spacing = (*gdcm.GetSpacing(), 1.0)[:3]
    grid = np.eye(4)
    if gdcm.GetDimension() == 3:
        direction = np.array(gdcm.GetDirection()).reshape(3, 3)
        grid[:3, :3], grid[:3, 3] = direction * spacing, gdcm.GetOrigin()
    return Slice(
        path,
        tags,
        size,
        spacing,
        axes if axes is not None else np.eye(3)[:2],
        np.array(position if placed else [0.0, 0.0, 0.0]),
        placed,
        grid,
    )


def _unit_axes(values: list[float]) -> Array | None:
    """``(2, 3)`` directions of length 1 (files round them); None when they are no directions."""
    if len(values) != 6:
        return None
    axes = np.array(values).reshape(2, 3)
    length = np.linalg.norm(axes, axis=1, keepdims=True)
    unit: Array = axes / np.maximum(length, 1e-6)
    return unit if abs(unit[0] @ unit[1]) < 0.01 and (length > 0.1).all() else None


def find_slices(path: Path, notes: list[str]) -> list[Slice]:
    """Headers of all image files at ``path`` (a file, or a folder with its subfolders).

    What is left out goes into ``notes``; a DICOM image that cannot be read is an error, because
    a missing slice would go unseen.
    """
    files = [path] if path.is_file() else _files(path)
    found: list[Slice] = []
    left_out: Counter[str] = Counter()
    for file in files:
        try:
            item = header(file)
        except RuntimeError as error:
            left_out[_why_not(file, error)] += 1
            continue
        if item.modality in RESULTS:
            left_out[f"holds {item.modality}, not a scan"] += 1
        else:
            found.append(item)
    said = [f"{n} {'file' if n == 1 else 'files'}: {why}" for why, n in left_out.items()]
    if not found and path.is_file():
        raise InputError(f"'{path.name}' is no image: {next(iter(left_out))}; choose a scan.")
    if not found:
        why = f" ({'; '.join(said)})" if said else ""
        raise InputError(
            f"Folder '{path.name}' holds no DICOM images{why}; choose a folder with a scan."
        )
    if said:
        notes.append(f"Left out: {'; '.join(said)}.")
    return found


def _files(folder: Path) -> list[Path]:
    files: list[Path] = []
    for root, folders, names in os.walk(folder):
        folders[:] = sorted(f for f in folders if not f.startswith("."))
        files += [Path(root, n) for n in sorted(names) if not n.startswith(".")]
        if len(files) > MOST_FILES:
            raise InputError(
                f"Folder '{folder.name}' holds more than {MOST_FILES} files; "
                "choose the folder of one study."
            )
    return [f for f in files if f.name.upper() != "DICOMDIR" and f.is_file()]


def _why_not(path: Path, error: RuntimeError) -> str:
    """Why a file that is no DICOM image may be left out; `InputError` when it may not."""
    if path.stat().st_size == 0 and path.suffix.lower() in (".dcm", ".ima"):
        raise damaged(path, "it is empty") from error
    if not is_dicom(path):
        return "not DICOM"
    if _sop_class(path).startswith(NOT_IMAGES):
        return "holds DICOM data without pixels"
    raise damaged(path, "its DICOM header or pixels cannot be read") from error


def choose_series(slices: list[Slice], series: str | None, name: str) -> list[Slice]:
    """The slices of the wanted series, or of the only one there is.

    Raises `InputError` that lists the series when there are several or the wanted one is absent.
    """
    groups: dict[str, list[Slice]] = {}
    for item in slices:
        groups.setdefault(item.series, []).append(item)
    if series is None and len(groups) == 1:
        return slices
    if series is not None and series in groups:
        return groups[series]
    listed = "; ".join(_describe(uid, group) for uid, group in groups.items())
    if series is not None:
        raise InputError(f"'{name}' has no series '{series}'; it has: {listed}.")
    raise InputError(
        f"'{name}' holds {len(groups)} series; choose one with --series UID: {listed}."
    )


def _describe(uid: str, group: list[Slice]) -> str:
    first = group[0]
    words = first.tags.get("0008|103e", "") or "no description"
    count = f"{len(group)} {'file' if len(group) == 1 else 'files'}"
    return f"{uid or 'without UID'} ({first.modality or 'no modality'}, {words}, {count})"
