"""A made-up abdomen in CT whose kidney is known: to try everything without a download."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import slicer
import vtk
from medseg.image import Array, Mask
from vtk.util.numpy_support import numpy_to_vtk

SHAPE = (32, 100, 128)  # K, J, I
SPACING = (2.8, 2.8, 4.5)  # I, J, K in mm
#: Hounsfield units.
_AIR, _FAT, _SOFT, _LIVER, _KIDNEY, _BONE, _NOISE = -1000, -90, 45, 95, 165, 420, 22.0
#: Middle and half axes (I, J, K) in mm from the middle of the image.
_Oval = tuple[tuple[float, float, float], tuple[float, float, float]]
_RIGHT_KIDNEY: _Oval = ((-62.0, 38.0, -6.0), (27.0, 22.0, 46.0))
_LEFT_KIDNEY: _Oval = ((62.0, 38.0, 2.0), (27.0, 22.0, 46.0))
_LIVER_AT: _Oval = ((-70.0, -22.0, 6.0), (58.0, 54.0, 56.0))
#: How much of a half axis the border of an organ takes.
_SOFTNESS = 0.14


@dataclass(frozen=True)
class Sample:
    """``answer``: the kidney that a prompt at ``place`` (RAS mm) asks for, (K, J, I)."""

    volume: Any
    segmentation: Any
    answer: Mask
    place: tuple[float, float, float]


def phantom() -> tuple[Array, Mask]:
    """Voxels (K, J, I) int16 in Hounsfield units, and the kidney; the same ones each time."""
    j, i = _axis(1)[:, None], _axis(2)[None, :]
    slice_ = np.full(SHAPE[1:], _AIR, np.float32)
    for value, (x, y), (a, b) in (
        (_FAT, (0, 0), (160.0, 118.0)),
        (_SOFT, (0, -4.0), (142.0, 98.0)),
        (_BONE, (0, 66.0), (20.0, 18.0)),
    ):
        slice_[((i - x) / a) ** 2 + ((j - y) / b) ** 2 <= 1.0] = value
    voxels = np.repeat(slice_[None], SHAPE[0], axis=0)
    noise = np.random.default_rng(5).normal(0.0, _NOISE, SHAPE[1:]).astype(np.float32)
    for number in range(SHAPE[0]):  # one slice of noise, shifted: quick, and no two are the same
        voxels[number] += np.roll(noise, 7 * number, axis=1)
    organs, answer = np.zeros(SHAPE, np.float32), np.zeros(SHAPE, bool)
    for value, oval in ((_LIVER, _LIVER_AT), (_KIDNEY, _LEFT_KIDNEY), (_KIDNEY, _RIGHT_KIDNEY)):
        box, radius = _within(oval)
        part = np.clip((1.0 - radius) / _SOFTNESS + 0.5, 0.0, 1.0)
        organs[box] = np.maximum(organs[box], part * (value - _SOFT))
    answer[box] = radius <= 1.0
    voxels += organs
    return voxels.astype(np.int16), answer


def _axis(number: int) -> Array:
    """Positions along an axis (0, 1, 2 = K, J, I) in mm from the middle."""
    count, step = SHAPE[number], SPACING[2 - number]
    return ((np.arange(count) - (count - 1) / 2) * step).astype(np.float32)


def _within(oval: _Oval) -> tuple[tuple[slice, ...], Array]:
    """The box around an organ, and in it the distance from its middle (1 at its border)."""
    box: list[slice] = []
    squares: Array = np.zeros((1, 1, 1), np.float32)
    for number in range(3):
        middle, half = (side[2 - number] for side in oval)
        away = np.abs(_axis(number) - middle) / half
        near = np.flatnonzero(away <= 1 + _SOFTNESS)
        box.append(slice(int(near[0]), int(near[-1]) + 1))
        shape = [1, 1, 1]
        shape[number] = -1
        squares = squares + (away[box[-1]] ** 2).reshape(shape)
    return tuple(box), np.sqrt(squares)


def add_sample() -> Sample:
    """Add the volume and an empty segmentation to the scene."""
    voxels, answer = phantom()
    image = vtk.vtkImageData()
    image.SetDimensions(*SHAPE[::-1])
    image.GetPointData().SetScalars(numpy_to_vtk(voxels.ravel(), deep=True))
    volume = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", "Sample CT")
    volume.SetAndObserveImageData(image)
    volume.SetSpacing(*SPACING)
    volume.SetIJKToRASDirections(-1, 0, 0, 0, -1, 0, 0, 0, 1)
    middle = [(n - 1) / 2 * s for n, s in zip(SHAPE[::-1], SPACING, strict=True)]
    volume.SetOrigin(middle[0], middle[1], -middle[2])
    volume.CreateDefaultDisplayNodes()
    display = volume.GetScalarVolumeDisplayNode()
    if display is not None:
        display.AutoWindowLevelOff()
        display.SetWindowLevel(400, 60)
    segmentation = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLSegmentationNode", "Sample result")
    segmentation.CreateDefaultDisplayNodes()
    segmentation.SetReferenceImageGeometryParameterFromVolumeNode(volume)
    (i, j, k), _ = _RIGHT_KIDNEY
    place = (-i, -j, k)
    return Sample(volume, segmentation, answer, place)


def dice(mask: Mask, answer: Mask) -> float:
    """How alike two masks (K, J, I) are: 0 not at all, 1 the same."""
    both = int(mask.sum()) + int(answer.sum())
    return 2.0 * int((mask & answer).sum()) / both if both else 1.0
