"""Classical methods that others offer, as models: the same clicks and sessions drive them.

Each method has at most two constants. They were chosen on ``abdomen_ct_short``, as ours were.
Where the modality is CT all of them see the soft-tissue window that a user would choose, else
the middle 98 % of the intensities.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import SimpleITK as sitk
from medseg import Capabilities, Image, Prompt
from medseg.image import Array, Mask
from medseg.model import Progress
from medseg.models.embedded.features import gradient_length
from medseg.models.embedded.grid import Window
from numpy.typing import NDArray
from scipy import ndimage

#: Soft tissue on CT, in HU.
CT_WINDOW = (-160.0, 240.0)
#: Geodesic: the radius in mm, and how many mm the whole window of intensities costs.
RADIUS, CONTRAST = 100.0, 200.0
#: ConfidenceConnected: standard deviations that still count as the object.
DEVIATIONS = 1.5
#: Random walker and GrowCut see this part of the longest side of the scan around the clicks,
#: in blocks when that is more than so many voxels (they take seconds above).
REACH, MOST_VOXELS = 0.15, 60_000
#: They also take a click for a brush of this radius in voxels: one voxel says them too little.
BRUSH = 2
#: Random walker: how much edges count.
BETA = 130.0

Seeds = NDArray[np.intp]


@dataclass(frozen=True, eq=False)
class Scan:
    """What a method sees. ``values``: 0 to 1, ``(K, J, I)``; ``spacing``: ``(k, j, i)`` in mm."""

    values: Array
    spacing: tuple[float, float, float]

    @classmethod
    def of(cls, image: Image) -> Scan:
        values = image.array.astype(np.float32)
        low, high = CT_WINDOW if image.modality == "CT" else np.percentile(values, (1, 99))
        i, j, k = image.spacing
        return cls(np.clip((values - low) / max(high - low, 1e-6), 0, 1), (k, j, i))

    def around(self, seeds: Seeds, most: int) -> Window:
        """The scan around seeds, in blocks if that has more voxels than ``most``."""
        shape = self.values.shape
        reach = REACH * max(n * s for n, s in zip(shape, self.spacing, strict=True))
        step = min(self.spacing)
        while True:
            window = Window.around(seeds, reach, step, shape, self.spacing)
            if np.prod(window.shape) <= most:
                return window
            step *= 1.1


#: A method: the scan and the voxels ``(N, 3)`` (k, j, i) clicked inside and outside.
Grow = Callable[[Scan, Seeds, Seeds], Mask]


class Baseline:
    """A method as `medseg.model.Model`."""

    version = "1"
    weights_hash: str | None = None
    capabilities = Capabilities(
        prompts=frozenset({"point"}),
        dimensions=frozenset({"2d", "3d"}),
        start_mask=False,
        normalises=True,
        colour=False,
        licence="Apache-2.0",
    )

    def __init__(self, name: str, grow: Grow) -> None:
        self.name = name
        self._grow = grow

    def open(self, image: Image) -> OpenBaseline:
        return OpenBaseline(image, self._grow)


class OpenBaseline:
    """A method with its scan; the mask always holds the clicks themselves."""

    def __init__(self, image: Image, grow: Grow) -> None:
        self._image = image
        self._scan = Scan.of(image)
        self._grow = grow

    def segment(
        self, prompts: Sequence[Prompt], start: Mask | None = None, progress: Progress | None = None
    ) -> Mask:
        include, exclude = self._seeds(prompts, True), self._seeds(prompts, False)
        mask = np.array(self._grow(self._scan, include, exclude), dtype=bool)
        mask[tuple(include.T)] = True
        mask[tuple(exclude.T)] = False
        return mask

    def _seeds(self, prompts: Sequence[Prompt], include: bool) -> Seeds:
        found = [self._image.voxel_at(p.positions()[0]) for p in prompts if p.include == include]
        return np.array(found, dtype=np.intp).reshape(-1, 3)


def geodesic(scan: Scan, include: Seeds, exclude: Seeds) -> Mask:
    """Fast marching that edges slow down, to a fixed radius; each voxel to the nearer click."""
    window = Window.around(include, RADIUS, 0.0, scan.values.shape, scan.spacing)
    gradient = gradient_length(scan.values[window.box], scan.spacing)
    slowness = np.sqrt(1 + np.square(CONTRAST * gradient))
    own = _arrival(slowness, scan.spacing, include, window)
    rival = _arrival(slowness, scan.spacing, window.within(exclude), window)
    mask = np.zeros(scan.values.shape, bool)
    mask[window.box] = (own <= RADIUS) & (own < rival)
    return mask


def _arrival(
    slowness: Array, spacing: tuple[float, float, float], seeds: Seeds, window: Window
) -> Array:
    if not len(seeds):
        return np.full(slowness.shape, np.inf)
    image = sitk.GetImageFromArray((1 / slowness).astype(np.float32))
    image.SetSpacing(spacing[::-1])
    marching = sitk.FastMarchingImageFilter()
    marching.SetTrialPoints([tuple(int(v) for v in s[::-1]) for s in window.block_of(seeds)])
    marching.SetStoppingValue(RADIUS + 1)
    return sitk.GetArrayFromImage(marching.Execute(image))


def confidence(scan: Scan, include: Seeds, exclude: Seeds) -> Mask:
    """ITK's region growing by mean and deviation; voxels nearer to an excluding click go."""
    image = sitk.GetImageFromArray(scan.values)
    grown = sitk.ConfidenceConnected(
        image,
        seedList=[tuple(int(v) for v in s[::-1]) for s in include],
        numberOfIterations=4,
        multiplier=DEVIATIONS,
        initialNeighborhoodRadius=1,
        replaceValue=1,
    )
    mask = sitk.GetArrayFromImage(grown) > 0
    if len(exclude):
        mask &= _distance(mask.shape, scan, include) < _distance(mask.shape, scan, exclude)
    return mask


def _distance(shape: tuple[int, ...], scan: Scan, seeds: Seeds) -> Array:
    away = np.ones(shape, bool)
    away[tuple(seeds.T)] = False
    return ndimage.distance_transform_edt(away, sampling=scan.spacing)


def walker(scan: Scan, include: Seeds, exclude: Seeds) -> Mask:
    """scikit-image's random walker; clicks and the edge of the window are its seeds."""
    from skimage.segmentation import random_walker

    window = scan.around(np.vstack([include, exclude]), MOST_VOXELS)
    values, seeds = window.shrink(scan.values), _labels(scan, window, include, exclude)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        chances = random_walker(
            values.squeeze(),
            seeds.squeeze(),
            beta=BETA,
            mode="cg_j",
            tol=1e-3,
            spacing=[s for s, n in zip(window.spacing, values.shape, strict=True) if n > 1],
            return_full_prob=True,
        )
    return _back(scan, window, np.asarray(chances[0], np.float32).reshape(values.shape))


def growcut(scan: Scan, include: Seeds, exclude: Seeds) -> Mask:
    """3D Slicer's "grow from seeds"; clicks and the edge of the window are its seeds."""
    from slicer import vtkImageGrowCutSegment
    from vtk.util.numpy_support import vtk_to_numpy

    window = scan.around(np.vstack([include, exclude]), MOST_VOXELS)
    values, seeds = window.shrink(scan.values), _labels(scan, window, include, exclude)
    grow = vtkImageGrowCutSegment()  # leaves the outermost voxels alone, so one more is added
    grow.SetIntensityVolume(_vtk(np.pad(np.rint(values * 1000), 1, mode="edge"), window))
    grow.SetSeedLabelVolume(_vtk(np.pad(seeds, 1), window))
    grow.Update()
    labels = vtk_to_numpy(grow.GetOutput().GetPointData().GetScalars())
    labels = labels.reshape([n + 2 for n in values.shape])[1:-1, 1:-1, 1:-1]
    return _back(scan, window, (labels == 1).astype(np.float32))


def _vtk(array: Array, window: Window) -> object:
    from vtk import vtkImageData
    from vtk.util.numpy_support import numpy_to_vtk

    data = vtkImageData()
    data.SetDimensions(*array.shape[::-1])
    data.SetSpacing(*window.spacing[::-1])
    data.GetPointData().SetScalars(numpy_to_vtk(array.astype(np.int16).ravel(), deep=True))
    return data


def _labels(scan: Scan, window: Window, include: Seeds, exclude: Seeds) -> Array:
    """Seeds: 1 object, 2 background, which the edge of the window counts as too.

    The first and last slice of the scan are no edge: objects may go on beyond them.
    """
    seeds = np.zeros(window.shape, np.int16)
    seeds[:, [0, -1], :] = seeds[:, :, [0, -1]] = 2
    if window.box[0].start > 0:
        seeds[0] = 2
    if window.box[0].stop < scan.values.shape[0]:
        seeds[-1] = 2
    for voxels, label in ((exclude, 2), (include, 1)):
        seeds[_brush(window, voxels)] = label
    for voxels, label in ((exclude, 2), (include, 1)):
        seeds[tuple(window.block_of(voxels).T)] = label
    return seeds


def _brush(window: Window, voxels: Seeds) -> Mask:
    away = np.ones(window.shape, bool)
    away[tuple(window.block_of(voxels).T)] = False
    if not len(voxels):
        return ~away
    return ndimage.distance_transform_edt(away) <= BRUSH


def _back(scan: Scan, window: Window, share: Array) -> Mask:
    mask = np.zeros(scan.values.shape, bool)
    mask[window.box] = window.grow(share) > 0.5
    return mask


BASELINES: dict[str, Grow] = {
    "geodesic": geodesic,
    "random-walker": walker,
    "confidence": confidence,
    "growcut": growcut,
}


def find(name: str) -> Baseline:
    """The baseline of that name."""
    return Baseline(name, BASELINES[name])


def missing(name: str) -> str | None:
    """Why a baseline cannot run here, if it cannot."""
    try:
        if name == "growcut":
            from slicer import vtkImageGrowCutSegment  # noqa: F401
        if name == "random-walker":
            import skimage.segmentation  # noqa: F401
    except ImportError as error:
        return f"{name} is left out: {error}."
    return None
