"""A made-up abdomen in CT whose kidney is known: to try everything without a download."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import slicer
import vtk
from medseg.image import Array, Mask
from vtk.util.numpy_support import numpy_to_vtk

SHAPE = (40, 112, 144)  # K, J, I
SPACING = (2.5, 2.5, 4.0)  # I, J, K in mm
#: Hounsfield units.
_AIR, _FAT, _SOFT, _LIVER, _KIDNEY, _BONE, _NOISE = -1000, -90, 45, 95, 190, 420, 14.0
#: Centre (I, J, K) and half axes in mm from the middle of the image.
_KIDNEY_AT, _KIDNEY_SIZE = (-62.0, 38.0, -6.0), (27.0, 22.0, 46.0)


@dataclass(frozen=True)
class Sample:
    """``answer``: the kidney that a prompt at ``place`` (RAS mm) asks for, (K, J, I)."""

    volume: Any
    segmentation: Any
    answer: Mask
    place: tuple[float, float, float]


def phantom() -> tuple[Array, Mask]:
    """Voxels (K, J, I) int16 in Hounsfield units, and the kidney; the same ones each time."""
    k, j, i = (
        (np.arange(n, dtype=np.float32) - (n - 1) / 2).reshape(shape) * step
        for n, shape, step in zip(
            SHAPE, ((-1, 1, 1), (1, -1, 1), (1, 1, -1)), SPACING[::-1], strict=True
        )
    )

    def inside(centre: tuple[float, float, float], half: tuple[float, float, float]) -> Mask:
        a, b, c = (
            (axis - middle) / size
            for axis, middle, size in zip((i, j, k), centre, half, strict=True)
        )
        ball: Mask = a * a + b * b + c * c <= 1.0
        return ball

    answer = inside(_KIDNEY_AT, _KIDNEY_SIZE)
    voxels = np.full(SHAPE, _AIR, np.float32)
    voxels[inside((0, 0, 0), (160.0, 118.0, 900.0))] = _FAT
    voxels[inside((0, -4.0, 0), (142.0, 98.0, 900.0))] = _SOFT
    voxels[inside((-70.0, -28.0, 10.0), (58.0, 52.0, 60.0)) & ~answer] = _LIVER
    voxels[inside((0, 66.0, 0), (20.0, 18.0, 900.0))] = _BONE
    voxels[answer | inside((62.0, 38.0, 2.0), _KIDNEY_SIZE)] = _KIDNEY
    noise = np.random.default_rng(5).normal(0.0, _NOISE, SHAPE[1:]).astype(np.float32)
    for number in range(SHAPE[0]):  # one slice of noise, shifted: quick, and no two are the same
        voxels[number] += np.roll(noise, 7 * number, axis=1)
    return voxels.astype(np.int16), answer


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
    place = (-_KIDNEY_AT[0], -_KIDNEY_AT[1], _KIDNEY_AT[2])
    return Sample(volume, segmentation, answer, place)


def dice(mask: Mask, answer: Mask) -> float:
    """How alike two masks (K, J, I) are: 0 not at all, 1 the same."""
    both = int(mask.sum()) + int(answer.sum())
    return 2.0 * int((mask & answer).sum()) / both if both else 1.0
