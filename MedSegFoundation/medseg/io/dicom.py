"""Stacks DICOM slices to a volume or a 2D + time sequence."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..errors import GeometryError, InputError
from ..image import SHEAR_TOLERANCE, Array
from .dicom_files import Slice, choose_series, find_slices, reader
from .dicom_frames import check_frames
from .files import damaged
from .itk import sitk
from .raw import Raw

#: SOP classes (below 1.2.840.10008.5.1.4.1.1.) whose frames are slices of a volume.
VOLUMES = {"2.1", "2.2", "4.1", "4.4", "128.1", "130", "13.1.1", "13.1.3", "77.1.5.4"}
#: Positions nearer than this (mm) are one position.
SAME_PLACE = 0.01
#: Slice distances may differ by this part (headers round them), or by SAME_PLACE.
EVEN = 0.01


def read(path: Path, *, series: str | None = None, uneven: str = "refuse") -> Raw:
    """One DICOM series (file or folder) as voxels with their place, LPS turned to RAS.

    Every slice is read and rescaled by itself and sorted by its position. ``uneven``:
    "refuse" slice distances that differ, or "resample" to even ones.
    Tilted stacks keep their shear in the affine.
    """
    notes: list[str] = []
    slices = choose_series(find_slices(path, notes), series, path.name)
    if len(slices) == 1:
        return _single(slices[0], path.name, notes)
    found = scan(slices, path.name, uneven, notes)
    array = np.stack([found.volume(t) for t in range(found.count)])
    return Raw(array, found.affine, path.name, found.modality, notes)


@dataclass(frozen=True)
class Scan:
    """A series with a file for each slice: ``stacks[k][t]``, ``t`` of ``count`` in time.

    ``affine``: IJK to RAS mm. ``along``: where the stacks are, mm, when they are uneven and slices
    at even distances are interpolated between them.
    """

    stacks: list[list[Slice]]
    affine: Array
    along: Array | None

    @property
    def count(self) -> int:
        return len(self.stacks[0])

    @property
    def modality(self) -> str | None:
        return self.stacks[0][0].modality or None

    def volume(self, t: int) -> Array:
        """``(K, J, I, C)``; raises `InputError` when a file cannot be read."""
        array = pixels([stack[t] for stack in self.stacks])
        return array if self.along is None else _evened(array, self.along)


def scan(slices: list[Slice], name: str, uneven: str, notes: list[str]) -> Scan:
    """Sort the files of a series; raises `InputError` or `GeometryError`, see `read`."""
    if any(s.size[2] > 1 for s in slices):
        raise InputError(f"'{name}' holds several multi-frame files; open one of them.")
    if not slices[0].series:
        notes.append("The files have no series UID; taken as one series by their geometry.")
    _check_alike(slices, name)
    stacks = _by_position(_without_copies(slices, notes), name)
    found = _placed(stacks, uneven, name, notes)
    if found.count > 1:
        notes.append(f"{found.count} frames at each position, in the order of their time.")
    return found


def _to_ras(lps: Array) -> Array:
    ras: Array = np.diag([-1.0, -1.0, 1.0, 1.0]) @ lps
    return ras


def _single(item: Slice, name: str, notes: list[str]) -> Raw:
    """One file: a slice, a 2D + time sequence, or an enhanced multi-frame volume."""
    frames = item.size[2]
    volume = is_volume(item)
    if frames > 1 and volume:
        check_frames(item)
    array = pixels([item])
    if frames > 1 and volume:
        return Raw(array[None], _to_ras(item.grid), name, item.modality or None, notes)
    if frames > 1:
        if item.modality == "NM":
            raise InputError(
                f"'{name}' is a multi-frame NM file, whose frames can mean many things; "
                "export it as NIfTI or NRRD."
            )
        array = array[:, None]
        notes.append(_rate(item, frames))
    else:
        array = array[None]
    return Raw(array, film_grid(item, notes), name, item.modality or None, notes)


def _rate(item: Slice, frames: int) -> str:
    step = item.number("0018|1063")
    return f"{frames} frames, {step:g} ms apart." if step > 0 else f"{frames} frames."


def _flat_grid(item: Slice, notes: list[str]) -> Array:
    """IJK to LPS mm of one slice, as thick as its header says."""
    axes = item.axes
    if not item.placed:
        notes.append("The file has no patient position; left, front and top are guesses.")
    if not {"0028|0030", "0018|1164"} & set(item.tags) and item.spacing[:2] == (1.0, 1.0):
        notes.append("The file has no pixel size; 1 mm is assumed, so sizes are not real.")
    thick = item.number("0018|0050") or item.number("0018|0088") or float(np.mean(item.spacing[:2]))
    return _grid(item, np.cross(axes[0], axes[1]) * abs(thick))


def _grid(item: Slice, step: Array) -> Array:
    """IJK to LPS mm, with ``step`` from slice to slice."""
    grid = np.eye(4)
    grid[:3, 0] = item.axes[0] * item.spacing[0]
    grid[:3, 1] = item.axes[1] * item.spacing[1]
    grid[:3, 2], grid[:3, 3] = step, item.position
    return grid


def is_volume(item: Slice) -> bool:
    """True for a class of files whose frames are slices of a volume."""
    return item.tags.get("0008|0016", "").split("5.1.4.1.1.")[-1] in VOLUMES


def film_grid(item: Slice, notes: list[str]) -> Array:
    """IJK to RAS mm of a slice or the frames of a film."""
    return _to_ras(_flat_grid(item, notes))


def pixels(slices: list[Slice]) -> Array:
    """``(K, J, I, C)`` of rescaled pixels; int16 where it suffices, float32 for fractions."""
    planes = []
    for item in slices:
        try:
            image = reader(item.path).Execute()
        except RuntimeError as error:
            raise damaged(item.path, "its pixels cannot be read") from error
        plane = sitk.GetArrayFromImage(image)
        channels = image.GetNumberOfComponentsPerPixel()
        planes.append(plane.reshape(*item.size[::-1], channels))
    array = np.concatenate(planes)
    if array.dtype.kind == "f":
        return array.astype(np.float32)
    for small in (np.int16, np.uint16):
        limits = np.iinfo(small)
        if array.itemsize > 2 and limits.min <= array.min() and array.max() <= limits.max:
            return array.astype(small)
    return array


def _check_alike(slices: list[Slice], name: str) -> None:
    """All slices must have one size, pixel spacing, direction and a position."""
    sizes = Counter(s.size[:2] for s in slices)
    if len(sizes) > 1:
        listed = ", ".join(f"{n} of {c}x{r}" for (c, r), n in sizes.most_common())
        raise InputError(
            f"'{name}' holds slices of different size ({listed}); keep those of one size."
        )
    lost = [s for s in slices if not s.placed]
    if lost:
        raise InputError(
            f"{len(lost)} of {len(slices)} files in '{name}' have no patient position "
            f"(first '{lost[0].path.name}'); open one file, or export the series again."
        )
    first = slices[0]
    for item in slices:
        if np.abs(item.axes - first.axes).max() > 1e-3:
            raise GeometryError(
                f"'{name}' holds slices of different directions ('{first.path.name}' and "
                f"'{item.path.name}'); keep the slices of one direction."
            )
        if not np.allclose(item.spacing[:2], first.spacing[:2], rtol=1e-3):
            raise GeometryError(
                f"'{name}' holds slices of different pixel size ('{first.path.name}' and "
                f"'{item.path.name}'); keep those of one size."
            )
    if len({s.tags.get("0028|0002") for s in slices}) > 1:
        raise InputError(f"'{name}' mixes grey and colour slices; keep those of one kind.")


def _without_copies(slices: list[Slice], notes: list[str]) -> list[Slice]:
    """Drop files that are the same object twice."""
    kept: dict[object, Slice] = {}
    for item in slices:
        uid = item.tags.get("0008|0018", "")
        key = (uid, str(item.position), item.tags.get("0020|0013")) if uid else item.path
        kept.setdefault(key, item)
    copies = len(slices) - len(kept)
    if copies:
        notes.append(f"Left out: {copies} copies of slices.")
    return list(kept.values())


def _along(item: Slice) -> float:
    """Place of a slice along the normal of its plane, mm."""
    return float(np.cross(item.axes[0], item.axes[1]) @ item.position)


def _by_position(slices: list[Slice], name: str) -> list[list[Slice]]:
    """Slices sorted along their normal; those of one position together, in order of time."""
    stacks: list[list[Slice]] = []
    for item in sorted(slices, key=_along):
        if stacks and _along(item) - _along(stacks[-1][0]) < SAME_PLACE:
            stacks[-1].append(item)
        else:
            stacks.append([item])
    counts = Counter(len(s) for s in stacks)
    if len(counts) > 1:
        usual = counts.most_common(1)[0][0]
        odd = next(s for s in stacks if len(s) != usual)
        raise InputError(
            f"'{name}' has {len(odd)} slices at one position (such as '{odd[0].path.name}') but "
            f"{usual} at most others; remove duplicates or add the missing slices."
        )
    for stack in stacks:
        stack.sort(key=_time)
    return stacks


def _time(item: Slice) -> tuple[float, ...]:
    tags = ("0020|0100", "0018|1060", "0020|0012", "0020|0013")
    return tuple(item.number(tag) for tag in tags)


def _placed(stacks: list[list[Slice]], uneven: str, name: str, notes: list[str]) -> Scan:
    first, last = stacks[0][0], stacks[-1][0]
    if len(stacks) == 1:
        return Scan(stacks, film_grid(first, notes), None)
    step = (last.position - first.position) / (len(stacks) - 1)
    normal = np.cross(first.axes[0], first.axes[1])
    tilted = np.linalg.norm(step - normal * (normal @ step)) > SHEAR_TOLERANCE * (normal @ step)
    along = np.array([_along(stack[0]) for stack in stacks])
    _check_line(stacks, along, name)
    gaps = np.diff(along)
    if np.abs(gaps - np.median(gaps)).max() <= max(SAME_PLACE, EVEN * np.median(gaps)):
        return Scan(stacks, _to_ras(_grid(first, step)), None)
    if uneven != "resample":
        raise GeometryError(_gap_sentence(gaps, name, bool(tilted)))
    step *= (len(stacks) - 1) / (len(_even(along)) - 1)
    notes.append(
        f"Slice distances differed ({gaps.min():.2f} to {gaps.max():.2f} mm); interpolated."
    )
    return Scan(stacks, _to_ras(_grid(first, step)), along)


def _check_line(stacks: list[list[Slice]], along: Array, name: str) -> None:
    """The first pixels of the slices must lie on one line."""
    places = np.array([stack[0].position for stack in stacks])
    part = (along - along[0]) / (along[-1] - along[0])
    line = places[0] + part[:, None] * (places[-1] - places[0])
    off = np.linalg.norm(places - line, axis=1)
    if off.max() > 0.1 * min(stacks[0][0].spacing[:2]):
        worst = stacks[int(off.argmax())][0].path.name
        raise GeometryError(
            f"The slices in '{name}' are shifted sideways against each other (by up to "
            f"{off.max():.2f} mm, at '{worst}'); check that they are of one series."
        )


def _gap_sentence(gaps: Array, name: str, tilted: bool) -> str:
    counts = Counter(round(float(g), 2) for g in gaps)
    listed = ", ".join(f"{g:g} mm ({n}x)" for g, n in counts.most_common(6))
    tilt = " and the gantry is tilted" if tilted else ""
    return (
        f"The slices in '{name}' are not evenly spaced{tilt}: gaps of {listed}; add missing "
        "slices, or pass --uneven resample to interpolate between them."
    )


def _even(along: Array) -> Array:
    """Places at the smallest distance."""
    length = along[-1] - along[0]
    count = int(np.ceil(length / np.diff(along).min() - 1e-6)) + 1
    return np.linspace(along[0], along[-1], count)


def _evened(array: Array, along: Array) -> Array:
    """Interpolate ``(K, J, I, C)`` linearly to even places."""
    wanted = _even(along)
    upper = np.clip(np.searchsorted(along, wanted), 1, len(along) - 1)
    part = (wanted - along[upper - 1]) / (along[upper] - along[upper - 1])
    planes = []
    for high, weight in zip(upper, part, strict=True):
        plane = (1 - weight) * array[high - 1] + weight * array[high]
        planes.append(plane if array.dtype.kind == "f" else np.rint(plane))
    return np.stack(planes).astype(array.dtype)
