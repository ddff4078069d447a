"""What the object of a box could be: parts of even intensity within it, described by numbers.

The object of a box comes near each of its sides, and seldom goes on beyond them. Bands of
intensity are cut out of the frame; the largest connected parts of each band within the box are
candidates, with the ellipsoid inscribed in the box. `describe` tells of each what speaks for it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from ...image import Array, Mask
from .frame import Frame
from .grid import Field, dilated, eroded, with_neighbours

#: Shares of the box that are darker than the limits of the bands.
LIMITS = (0.0, 0.06, 0.15, 0.3, 0.5, 0.7, 0.85, 0.94, 1.0)
#: A band that leaves darker and brighter samples holds at most this share.
WIDEST = 0.56
#: Candidates of one band, and the least share of the box, and samples, of one.
MOST, LEAST, FEWEST = 2, 0.015, 4
#: Ellipsoids among the candidates, in sizes of the inscribed one.
ELLIPSOIDS = (0.8, 1.0, 1.15)
#: Where a candidate comes from: a band, one of the blurred image, one with its bridges cut.
BAND, BLURRED, OPENED, ELLIPSOID = range(4)

NAMES = (
    "share",  # log share of the box
    "crosses",  # density beyond the box against that within
    "shell",  # share of the shell
    "cover",  # of the sides, mean and most
    "most cover",
    "least extent",  # along the axes of the box, as shares of its edges
    "extent",
    "middle extent",
    "widest gap",  # to the sides
    "gap",
    "fill",  # share of its own box
    "away",  # mean, 0 in the middle and 1 on the inscribed ellipsoid; and its spread
    "away spread",
    "core",  # share that lies in the middle
    "aside",  # how far its middle lies from that of the box
    "gradient",  # on its border, and just outside
    "gradient outside",
    "contrast",  # against its rim, against the shell
    "contrast shell",
    "band",  # width and middle of its band
    "band middle",
    "kind",
    "flat",
    "cut sides",
    "size",
    "aspect",
    "noise",
)


@dataclass(frozen=True)
class Look:
    """Maps ``(A, B, C)`` of the image in a frame. ``gradient``: 1 on the mean; ``span``: range."""

    frame: Frame
    smooth: Field
    coarse: Field
    gradient: Field
    span: float

    @classmethod
    def of(cls, frame: Frame) -> Look:
        smooth = ndimage.gaussian_filter(frame.values, 0.7 * frame.sigma)
        width = max(0.08 * frame.scale, 1.2)
        coarse = ndimage.gaussian_filter(frame.values, width * frame.sigma)
        square = np.zeros(frame.shape, np.float32)
        for axis in frame.long:
            if frame.shape[axis] > 1:
                square += np.square(np.gradient(smooth, frame.steps[axis], axis=axis))
        gradient = np.sqrt(square)
        low, high = np.percentile(smooth, [5, 95])
        span = max(float(high - low), frame.noise)
        return cls(frame, smooth, coarse, gradient / (gradient.mean() + 1e-9), span)


def candidates(look: Look) -> tuple[NDArray[np.bool_], Array]:
    """Masks ``(N, A, B, C)`` and what speaks for each, ``(N, len(NAMES))``."""
    describe = _Describer(look)
    found = [(mask, describe(whole, mask, band)) for whole, mask, band in _parts(look)]
    masks, rows = zip(*found, strict=True)
    return np.stack(masks), np.stack(rows).astype(np.float32)


def _parts(look: Look) -> Iterator[tuple[Mask, Mask, Array]]:
    """The whole part and that within the box; width and middle of the band, kind."""
    frame = look.frame
    for kind, image in ((BAND, look.smooth), (BLURRED, look.coarse)):
        ends = np.quantile(image[frame.inside], LIMITS)
        ends[0], ends[-1] = -np.inf, np.inf
        for a, b in _bands():
            width, middle = LIMITS[b] - LIMITS[a], (LIMITS[a] + LIMITS[b]) / 2
            band = (image >= ends[a]) & (image < ends[b]) & frame.known
            for whole in _largest(ndimage.label(band)[0], frame.inside):
                yield whole, whole & frame.inside, np.array([width, middle, kind])
            if kind == BAND:
                for whole in _largest(_opened(band), frame.inside):
                    yield whole, whole & frame.inside, np.array([width, middle, OPENED])
    for size in ELLIPSOIDS:
        mask = frame.inside & (frame.distance <= size)
        mask = mask if mask.any() else frame.inside
        yield mask, mask, np.array([size, 0.5, ELLIPSOID])


def _bands() -> Iterator[tuple[int, int]]:
    last = len(LIMITS) - 1
    for a in range(last):
        for b in range(a + 1, last + 1):
            one_sided = a == 0 or b == last
            if (a, b) != (0, last) and (one_sided or LIMITS[b] - LIMITS[a] <= WIDEST):
                yield a, b


def _opened(band: Mask) -> NDArray[np.intp]:
    """Numbered parts of a band, where bridges of one sample do not count."""
    cores, _ = ndimage.label(eroded(band))
    return np.asarray(with_neighbours(cores, np.maximum) * band)


def _largest(labels: NDArray[np.intp], inside: Mask) -> Iterator[Mask]:
    """The parts that take most of the region, large enough ones only."""
    counts = np.bincount(labels[inside], minlength=2)
    counts[0] = 0
    for number in np.argsort(-counts)[:MOST]:
        if counts[number] >= max(LEAST * np.count_nonzero(inside), FEWEST):
            yield labels == number


class _Describer:
    """What all candidates of one frame share."""

    def __init__(self, look: Look) -> None:
        frame = look.frame
        self._look, self._inside = look, frame.inside
        self._shell = ~frame.inside & frame.known
        self._count = int(frame.inside.sum())
        self._count_shell = max(int(self._shell.sum()), 1)
        self._away = frame.distance
        self._sample = np.array([frame.steps[n] / frame.half[n] for n in frame.long])
        self._sides = [
            frame.inside & (sign * line > 1 - 1.01 * step)
            for line, step in zip(frame.across, self._sample, strict=True)
            for sign in (-1, 1)
            if (self._shell & (sign * line > 1)).any()
        ]
        self._mean_shell = float(look.smooth[self._shell].mean()) if self._shell.any() else None
        edges = frame.half[list(frame.long)]
        self._rest = [
            float(len(frame.long) == 2),
            float(np.sum(frame.cut)),
            np.log(frame.scale),
            np.log(edges.max() / edges.min()),
            np.log(look.span / frame.noise),
        ]

    def __call__(self, whole: Mask, mask: Mask, band: Array) -> Array:
        """The row of a candidate: ``whole`` as it goes on beyond the box, ``mask`` within it."""
        look = self._look
        count, beyond = int(mask.sum()), int((whole & self._shell).sum())
        places = look.frame.across[:, mask]
        low, high = places.min(1), places.max(1)
        extents = (high - low + self._sample) / 2
        gaps = np.concatenate([low + 1, 1 - high])
        covers = [(side & mask).sum() / max(side.sum(), 1) for side in self._sides] or [0.0]
        rim = dilated(mask) & ~mask
        rim = rim if rim.any() else mask
        border = mask & dilated(rim)
        here, around = float(look.smooth[mask].mean()), float(look.smooth[rim].mean())
        outside = around if self._mean_shell is None else self._mean_shell
        away = self._away[mask]
        row = [
            np.log(count / self._count),
            beyond / (count + beyond) * self._count / self._count_shell,
            beyond / self._count_shell,
            np.mean(covers),
            np.max(covers),
            extents.min(),
            extents.mean(),
            np.median(extents),
            gaps.max(),
            gaps.mean(),
            count / self._count / np.prod(np.maximum(extents, 0.02)),
            away.mean(),
            away.std(),
            (away < 0.4).mean(),
            np.abs(places.mean(1)).max(),
            look.gradient[border].mean() if border.any() else 0.0,
            look.gradient[rim].mean(),
            abs(here - around) / look.span,
            abs(here - outside) / look.span,
            *band,
            *self._rest,
        ]
        return np.asarray(row, np.float32)
