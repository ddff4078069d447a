"""What is air, lung, bone, fat and soft tissue in a CT: rules on Hounsfield units.

Blocks of about 2 mm say where a structure lies, voxels where its border runs. Sources: lungs as
Hu, Hoffman and Reinhardt (IEEE Trans Med Imaging 20(6), 2001: threshold, parts, closing over
vessels), bones as Kang, Engelke and Kalender (IEEE Trans Med Imaging 22(5), 2003: seeds, growth,
closing, holes), fat from -190 to -30 HU as Yoshizumi et al. (Radiology 211(1), 1999) give it.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property

import numpy as np
from scipy import ndimage

from ...errors import NothingFoundError
from ...image import Array, Image, Mask
from .text_body import SKIN, Body, body
from .text_grid import ANY, Scan, widen
from .text_sides import right_side

#: Least volume in ml that counts as found.
LEAST = {"air": 0.5, "bone": 1.0, "lung": 20.0, "left lung": 10.0, "right lung": 10.0}
#: Fat (HU), and what is brighter than gas beside tissue (half of both).
FAT, GAS = (-190.0, -30.0), -500.0
#: Lungs: darker than this; most of their inside is brighter than room air and darker than that.
LUNG, AIRY = -400.0, -500.0
#: Vessels up to twice this (mm) thick belong to the lungs.
VESSEL_MM = 4.0
#: Bone (HU): blocks that surely are, blocks beside them, voxels at the border and within; how
#: bright a part gets somewhere, and how uneven (vessels full of contrast medium are even).
HARD, BONE, CORTEX, MARROW, PEAK, UNEVEN = 150.0, 130.0, 130.0, 60.0, 250.0, 60.0
#: How far (mm) bone goes on beside what is surely bone, and over gaps; largest marrow in a slice.
BESIDE_MM, BAY_MM, MARROW_MM2 = 6.0, 2.0, 1200.0
#: Stacks lower than this (mm) are short; HU of cord and fluid around it; voxels too thick (mm) for
#: a border to lie within the next one.
SHORT_MM, CORD, THICK_MM = 40.0, (-30.0, 70.0), 2.0


class Rules:
    """One CT and the parts of it that several words need; all blocks and voxels ``(K, J, I)``."""

    def __init__(self, image: Image) -> None:
        self._scan = Scan(image)
        self._voxel_ml = image.voxel_ml
        self._voxel_mm = image.spacing[::-1]

    def find(self, name: str) -> Mask:
        """The mask of a term; raises `NothingFoundError` when it is not there."""
        if not self._body.mask.any():
            raise NothingFoundError("There is no body in this image; use clicks or a box.")
        rules: dict[str, Callable[[], Mask]] = {
            "air": self._air_voxels,
            "background": lambda: ~self._body_voxels,
            "body": lambda: self._body_voxels.copy(),
            "bone": lambda: self._bone_voxels.copy(),
            "fat": self._fat_voxels,
            "left lung": lambda: self._lung_voxels() & ~self._right_voxels,
            "right lung": lambda: self._lung_voxels() & self._right_voxels,
            "lung": self._lung_voxels,
            "soft tissue": self._soft_voxels,
        }
        mask = rules[name]()
        if np.count_nonzero(mask) * self._voxel_ml < LEAST.get(name, 0.1):
            raise NothingFoundError(
                f"There is no {name} in this image, as far as rules can tell; use clicks or a box."
            )
        return mask

    # where it lies, in blocks

    @cached_property
    def _body(self) -> Body:
        return body(self._scan)

    @cached_property
    def _gas(self) -> Mask:
        """Gas that has a wall around it: bowel, windpipe, sinuses; not emphysema in a lung."""
        scan, inside, room = self._scan, self._body.mask, self._body.room
        labels, count = scan.label(inside & (scan.low < room))
        near = ndimage.maximum_filter(labels, 5)
        walled = _mean(scan.low > GAS, np.where((labels == 0) & inside, near, 0), count)
        return _chosen((walled > 0.4) & (_mean(scan.low, labels, count) < room - 25), labels)

    @cached_property
    def _lung(self) -> Mask:
        scan, inside = self._scan, self._body.mask
        gas = scan.grown(self._gas, 2.0)
        dark = inside & (scan.low < LUNG) & ~gas
        labels, count = scan.label(dark)
        core = np.where(scan.shrunk(dark, 2.0), labels, 0)
        airy = (scan.low > self._body.room) & (scan.low < AIRY)
        lungs = (_mean(airy, core, count) > 0.5) & (_sizes(labels, count) * scan.block_ml > 5)
        return scan.closed(_chosen(lungs, labels), VESSEL_MM) & inside & ~gas

    @cached_property
    def _bone(self) -> Mask:
        scan, inside = self._scan, self._body.mask
        found = inside & (scan.low > BONE) & scan.grown(self._hard(), BESIDE_MM)
        found |= self._marrow(scan.closed(found, BAY_MM)) & (scan.low > FAT[0])
        return scan.closed(found, BAY_MM) & inside & (scan.low > FAT[0])

    def _hard(self) -> Mask:
        """Blocks that are surely bone: parts that are somewhere bright, and no vessels.

        A vessel full of contrast medium is even inside and darker at its rim; bone is the reverse.
        """
        scan = self._scan
        labels, count = scan.label(self._body.mask & (scan.low > HARD))
        hard = labels > 0
        peaks = np.asarray(ndimage.maximum(scan.low[hard], labels[hard], np.arange(1, count + 1)))
        core = np.where(ndimage.binary_erosion(labels > 0, border_value=1), labels, 0)
        middle = _mean(scan.low, core, count)
        spread = np.sqrt(np.maximum(_mean(np.square(scan.low), core, count) - middle**2, 0))
        rim = _mean(scan.low, np.where(core == 0, labels, 0), count)
        vessel = (spread < UNEVEN) & (middle > rim) & (_sizes(core, count) >= 30)
        large = _sizes(labels, count) * scan.block_ml > 0.3
        return _chosen(large & (peaks > PEAK) & ~vessel, labels)

    def _marrow(self, wall: Mask) -> Mask:
        """Blocks that bone encloses in two of three slices, as it does marrow but not the cord.

        A short stack has one kind of slice only: there the cord is known by its brightness.
        """
        scan = self._scan
        if scan.low.shape[scan.up] * scan.spacing[scan.up] < SHORT_MM:
            labels, count = self._holes(wall, scan.up)
            bright = _mean(scan.low, labels, count)
            return _chosen((bright > CORD[1]) | (bright < CORD[0]), labels)
        enclosed = [self._holes(wall, axis)[0] > 0 for axis in range(3)]
        return (enclosed[0] & enclosed[1]) | (enclosed[2] & (enclosed[0] | enclosed[1]))

    def _holes(self, wall: Mask, axis: int) -> tuple[Array, int]:
        """Parts that a wall encloses within slices across ``axis``, if they are small there."""
        faces = ndimage.generate_binary_structure(3, 1)
        np.moveaxis(faces, axis, 0)[[0, 2]] = False
        labels, count = ndimage.label(~wall, faces)
        block = np.prod([mm for n, mm in enumerate(self._scan.spacing) if n != axis])
        small = _sizes(labels, count) * block <= MARROW_MM2
        for other in range(3):
            if other != axis:
                for end in (0, -1):
                    touched = np.unique(np.moveaxis(labels, other, 0)[end])
                    small[touched[touched > 0] - 1] = False
        return np.where(_chosen(small, labels), labels, 0), count

    # where its border runs, in voxels

    @cached_property
    def _body_voxels(self) -> Mask:
        scan, found = self._scan, self._body
        edge = scan.grown(found.mask, 2.0) & ~(found.solid & ~found.mask)
        return scan.voxels(scan.shrunk(found.mask, 2.0), edge, SKIN, ANY)

    def _lung_voxels(self) -> Mask:
        scan, lung = self._scan, self._lung
        edge = scan.grown(lung, 2.0) & self._body.mask & ~self._gas
        return scan.voxels(scan.shrunk(lung, 2.0), edge, -ANY, LUNG)

    @cached_property
    def _right_voxels(self) -> Mask:
        """Voxels nearer to the right lung than to the left one."""
        if not self._lung.any():
            return np.zeros(self._scan.values.shape, bool)
        right = right_side(self._scan, self._lung, self._body.mask)
        return self._scan.voxels(right, np.zeros_like(right), -ANY, ANY)

    @cached_property
    def _bone_voxels(self) -> Mask:
        scan, bone = self._scan, self._bone
        edge = scan.grown(bone, 2.0) & self._body.mask & ~bone
        found = scan.voxels(scan.shrunk(bone, 2.0), bone, MARROW, ANY)
        return found | scan.voxels(np.zeros_like(bone), edge, CORTEX, ANY)

    def _air_voxels(self) -> Mask:
        scan = self._scan
        lung = scan.grown(self._lung, 6.0) & ~scan.grown(self._gas, 4.0)
        none = np.zeros_like(lung)
        return scan.voxels(none, self._body.mask & ~lung, -ANY, GAS) & self._body_voxels

    def _fat_voxels(self) -> Mask:
        """Without the border of gas and tissue, which is as bright as fat."""
        none = np.zeros_like(self._body.mask)
        found = self._scan.voxels(none, self._body.mask, *FAT) & self._body_voxels
        air = self._beside(self._scan.dark(SKIN))
        np.greater(found, air, out=found)
        np.greater(found, self._bone_voxels, out=found)
        return found

    def _soft_voxels(self) -> Mask:
        none = np.zeros_like(self._body.mask)
        found = self._scan.voxels(none, self._body.mask, SKIN, ANY) & self._body_voxels
        for other in (self._fat_voxels(), self._bone_voxels, self._lung_voxels()):
            np.greater(found, other, out=found)
        return found

    def _beside(self, mask: Mask) -> Mask:
        """A mask with the voxels next to it, or a millimetre from it; not along axes of thick
        voxels. The mask itself is changed."""
        reaches = [max(1, round(1.0 / mm)) if mm <= THICK_MM else 0 for mm in self._voxel_mm]
        for plane in mask:  # in two dimensions first, as a plane stays in the processor's cache
            widen(plane, 0, reaches[1])
            widen(plane, 1, reaches[2])
        widen(mask, 0, reaches[0])
        return mask


def _sizes(labels: Array, count: int) -> Array:
    """Blocks in each part from 1 to ``count``."""
    return np.asarray(np.bincount(labels.ravel(), minlength=count + 1)[1:])


def _mean(values: Array, labels: Array, count: int) -> Array:
    """Mean of the values in each part from 1 to ``count``; 0 for one without blocks."""
    sums = np.bincount(labels.ravel(), weights=values.ravel(), minlength=count + 1)[1:]
    return np.asarray(sums / np.maximum(_sizes(labels, count), 1))


def _chosen(keep: Array, labels: Array) -> Mask:
    """The parts, numbered from 1, that are to be kept."""
    return np.asarray(np.concatenate([[False], keep])[labels])
