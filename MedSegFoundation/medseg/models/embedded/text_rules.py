"""What is air, lung, bone, fat and soft tissue in a CT: rules on Hounsfield units."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property

import numpy as np
from scipy import ndimage

from ...errors import NothingFoundError
from ...image import Image, Mask
from .text_body import SKIN, Body, body
from .text_grid import Scan

#: Least volume in ml that counts as found.
LEAST = {"air": 0.5, "background": 0.0, "body": 1.0, "bone": 1.0, "fat": 1.0, "lung": 30.0}
WIDEST = 1e9


class Rules:
    """One CT and the parts of it that several words need."""

    def __init__(self, image: Image) -> None:
        self._scan = Scan(image)
        self._voxel_ml = image.voxel_ml

    def find(self, name: str) -> Mask:
        """The mask ``(K, J, I)`` of a term; raises `NothingFoundError` when it is not there."""
        if not self._body.found:
            raise NothingFoundError("There is no body in this image; use clicks or a box.")
        rules: dict[str, Callable[[], Mask]] = {
            "air": self._air_voxels,
            "background": lambda: ~self._body_voxels,
            "body": lambda: self._body_voxels,
            "bone": self._bone_voxels,
            "fat": self._fat_voxels,
            "lung": self._lung_voxels,
            "soft tissue": self._soft_voxels,
        }
        mask = rules[name]()
        if np.count_nonzero(mask) * self._voxel_ml < LEAST.get(name, 1.0):
            raise NothingFoundError(
                f"There is no {name} in this image, as far as rules can tell; use clicks or a box."
            )
        return mask

    # blocks

    @cached_property
    def _body(self) -> Body:
        return body(self._scan)

    @cached_property
    def _gas(self) -> Mask:
        """Blocks in the middle of gas that has tissue around it, not lung."""
        scan, inside = self._scan, self._body.mask
        labels, count = scan.label(inside & (scan.low < self._body.room))
        numbers = np.arange(1, count + 1)
        shell = scan.grown(labels > 0, 4.0)
        near = ndimage.grey_dilation(labels, (5, 5, 5))
        rim = np.where(shell & (labels == 0) & inside, near, 0)
        walled = np.nan_to_num(ndimage.mean(scan.low > -500, rim, numbers))
        return np.concatenate([[False], walled > 0.4])[labels]

    @cached_property
    def _lung(self) -> Mask:
        scan, inside = self._scan, self._body.mask
        gas = scan.grown(self._gas, 2.0)
        dark = inside & (scan.low < self._lung_border) & ~gas
        dark = scan.opened(dark, 2.0)
        labels, count = scan.label(dark)
        if not count:
            return dark
        numbers = np.arange(1, count + 1)
        core = np.where(scan.shrunk(dark, 2.0), labels, 0)
        cores = np.bincount(core.ravel(), minlength=count + 1)[1:]
        airy = (scan.low > self._body.room) & (scan.low < -500)
        likely = np.nan_to_num(ndimage.mean(airy, core, numbers)) > 0.5
        large = np.bincount(labels.ravel(), minlength=count + 1)[1:] * scan.block_ml > 15
        lungs = np.concatenate([[False], likely & large & (cores > 0)])[labels]
        closed = scan.closed(lungs, 5.0) & inside & ~gas
        return closed

    @property
    def _lung_border(self) -> float:
        return -400.0

    @cached_property
    def _bone(self) -> Mask:
        scan, inside = self._scan, self._body.mask
        hard = inside & (scan.low > 160)
        labels, count = scan.label(hard)
        numbers = np.arange(1, count + 1)
        top = ndimage.maximum(scan.low, labels, numbers) if count else []
        large = np.bincount(labels.ravel(), minlength=count + 1)[1:] * scan.block_ml > 0.3
        keep = large & (np.asarray(top) > 350)
        return np.concatenate([[False], keep])[labels]

    # voxels

    @cached_property
    def _body_voxels(self) -> Mask:
        scan, found = self._scan, self._body
        inner = scan.shrunk(found.mask, 1.0)
        outer = scan.grown(found.mask, 1.0) & ~(found.solid & ~found.mask)
        return scan.voxels(inner, outer, SKIN, WIDEST)

    def _lung_voxels(self) -> Mask:
        scan, lung = self._scan, self._lung
        return scan.voxels(scan.shrunk(lung, 1.0), scan.grown(lung, 1.0), -WIDEST, -400)

    def _bone_voxels(self) -> Mask:
        scan, bone = self._scan, self._bone
        return scan.voxels(scan.shrunk(bone, 1.0), scan.grown(bone, 1.0), 180, WIDEST)

    def _air_voxels(self) -> Mask:
        scan = self._scan
        lung = scan.grown(self._lung, 2.0) & ~scan.grown(self._gas, 2.0)
        none = np.zeros_like(lung)
        return scan.voxels(none, self._body.mask & ~lung, -WIDEST, -500) & self._body_voxels

    def _fat_voxels(self) -> Mask:
        scan = self._scan
        none = np.zeros_like(self._bone)
        return scan.voxels(none, self._body.mask & ~self._bone, -190, -30) & self._body_voxels

    def _soft_voxels(self) -> Mask:
        scan = self._scan
        none = np.zeros_like(self._bone)
        return scan.voxels(none, self._body.mask & ~self._bone, -30, WIDEST) & self._body_voxels
