"""What one slice says about an object that is known in another one.

Slices are ``(A, B)`` pixels; here they are seen through a window in blocks, as ``(A, B)`` fields,
or ``(C, A, B)`` features. Shifts count blocks.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy import fft, ndimage

from ...image import Array, Mask
from .features import Triple, prepare
from .grid import Field, Window
from .interactive import cut_of
from .maps import Scene

#: Blocks in a window.
BUDGET = 40_000
#: A border is expected to be off its place by at least so many blocks.
SOFT_BLOCKS = 1.0
#: Log odds that intensities alone may give; tissue like the object's is common around it.
LOOK_LEAST, LOOK_MOST = -3.0, 0.5
#: Background is learned so far around, in radii.
NEAR = 0.5
#: Price of a movement as far as it may be, in parts of the object's own variance.
PULL = 0.2
#: A matching patch is looked for so many blocks around.
SEARCH = 3
_DISK = np.hypot(*np.ogrid[-SEARCH : SEARCH + 1, -SEARCH : SEARCH + 1]) <= SEARCH + 0.2
#: Squared differences, in spreads, of patches as alike as they get, and of strange ones.
ALIKE, STRANGE = 0.2, 4.0
#: Features count up to so many spreads, in so many bins.
FAR = 5.0
BINS = 64

Shift = tuple[int, int]


@dataclass(frozen=True)
class Scale:
    """Middle and spread ``(C, 1, 1)`` of the features of an object: features are told in them."""

    middle: Field
    spread: Field

    @classmethod
    def of(cls, features: Field, label: Field, noise: float) -> Scale:
        """From plain features ``(C, A, B)`` where ``label`` ``(A, B)`` is largest."""
        low, middle, high = np.percentile(features[:, label >= label.max()], [10, 50, 90], axis=1)
        spread = np.maximum((high - low) / 2.56, noise)
        return cls(middle[:, None, None], spread[:, None, None])


@dataclass(frozen=True)
class View:
    """One slice in a window. ``features`` ``(C, A, B)``: grey, and what colour adds to it."""

    window: Window
    scene: Scene
    features: Field

    @classmethod
    def of(cls, pixels: Array, window: Window) -> View:
        """``pixels``: the whole slice ``(A, B)`` or ``(A, B, C)``; the window is ``(1, A, B)``.

        Features are in the unit of the image.
        """
        whole = np.atleast_3d(pixels)
        colours = [window.shrink(whole[None, ..., c]) for c in range(whole.shape[2])]
        grey = np.asarray(np.mean(colours, axis=0), dtype=np.float32)
        k, j, i = (slice(0, n) for n in window.shape)
        blocks = Window((k, j, i), (1, 1, 1), window.spacing)
        scene = Scene.of(prepare(grey, window.spacing), blocks)
        rest = [ndimage.gaussian_filter(c - grey, 0.7) for c in colours[1:]]
        return cls(window, scene, np.concatenate([scene.smooth, *rest]))

    def scaled(self, scale: Scale) -> View:
        """The same with features in spreads from the middle of an object, `FAR` at most."""
        features = np.clip((self.features - scale.middle) / scale.spread, -FAR, FAR)
        return replace(self, features=features.astype(np.float32))

    @property
    def shape(self) -> Shift:
        return self.features.shape[1], self.features.shape[2]

    def blocks(self, mask: Mask) -> Field:
        """Share of each block that a mask ``(A, B)`` of the whole slice covers."""
        return self.window.shrink(mask[None])[0]

    def mask(self, odds: Field, expected: Mask, shape: Shift) -> Mask:
        """The smooth cut as a mask ``(A, B)`` of the whole slice: parts that touch ``expected``."""
        found = self.window.grow(cut_of(odds[None], self.scene))[0] > 0.5
        labels, _ = ndimage.label(found)
        touched = np.unique(labels[self.window.grow(expected[None].astype(np.float32))[0] > 0.5])
        mask = np.zeros(shape, bool)
        mask[self.window.box[1:]] = np.isin(labels, touched[touched > 0])
        return mask


def window_around(masks: Sequence[Mask], reach: float, spacing: tuple[float, float]) -> Window:
    """A window ``(1, A, B)``, ``reach`` mm around masks ``(A, B)``, of at most `BUDGET` blocks.

    ``spacing``: pixel size ``(a, b)`` in mm.
    """
    marks = np.logical_or.reduce(masks)
    corners = np.stack([f(np.argwhere(marks), axis=0) for f in (np.min, np.max)])
    corners = np.insert(corners, 0, 0, axis=1)
    step = min(spacing)
    while True:
        full: Triple = (max(spacing), *spacing)
        window = Window.around(corners, reach, step, (1, *marks.shape), full)
        if np.prod(window.shape) <= BUDGET:
            return window
        step *= 1.1


@dataclass(frozen=True)
class Appearance:
    """Shares of the scaled feature values inside and outside an object, each ``(C, BINS)``."""

    inside: Field
    outside: Field

    @classmethod
    def of(cls, view: View, label: Field) -> Appearance:
        """Learned from the blocks that ``label`` ``(A, B)`` covers and those around, near first."""
        spacing = view.window.spacing[1:]
        away = ndimage.distance_transform_edt(label < 0.5, sampling=spacing)
        near = np.exp(-away / (NEAR * _radius(label, spacing)))
        inside, outside = (
            np.stack([_share(channel, weight.ravel()) for channel in _bins(view)])
            for weight in (label, (1 - label) * near)
        )
        return cls(inside, outside)

    def mixed(self, other: Appearance, share: float) -> Appearance:
        """This one, with a share of another one."""
        inside = (1 - share) * self.inside + share * other.inside
        outside = (1 - share) * self.outside + share * other.outside
        return Appearance(inside, outside)

    def odds(self, view: View) -> Field:
        """Log odds ``(A, B)`` of the object from the values alone, `LOOK_LEAST` to `LOOK_MOST`."""
        table = np.log(self.inside / self.outside)
        odds = np.take_along_axis(table, _bins(view), axis=1).sum(0)
        return np.clip(odds, LOOK_LEAST, LOOK_MOST).reshape(view.shape).astype(np.float32)


def _bins(view: View) -> Array:
    """``(C, A * B)``."""
    values = view.features.reshape(len(view.features), -1)
    return np.clip((values + FAR) * (BINS / 2 / FAR), 0, BINS - 1).astype(np.intp)


def _radius(label: Array, spacing: tuple[float, float]) -> float:
    """Radius in mm of a disk of the same area."""
    return float(np.sqrt(max(label.sum(), 1) * np.prod(spacing) / np.pi))


def _share(bins: Array, weight: Field) -> Field:
    counts = np.bincount(bins, weights=weight, minlength=BINS)
    counts = ndimage.gaussian_filter1d(counts, 1.5, mode="nearest")
    return np.asarray(counts / max(counts.sum(), 1e-6) + 0.004, dtype=np.float32)


def motion(there: View, here: View, label: Field, reach: Shift) -> Shift:
    """Shift by which the object and its rim look most alike ``here``, up to ``reach``.

    ``label`` ``(A, B)``: the object ``there``. Least sum of squared differences.
    """
    weight = ndimage.grey_dilation(label, (5, 5))
    a, b = (slice(i.min(), i.max() + 1) for i in np.nonzero(weight > 0))
    weight = weight[a, b]
    pad = [(0, 0), *((r, r) for r in reach)]
    wide = np.pad(here.features, pad, mode="edge")
    wide = wide[:, a.start : a.stop + 2 * reach[0], b.start : b.stop + 2 * reach[1]]
    old = there.features[:, a, b]
    middle = (old * weight).sum((1, 2), keepdims=True) / weight.sum()
    old, wide = old - middle, wide - middle
    power = float((weight * np.square(old)).sum())
    cost = _correlate(np.square(wide).sum(0), weight)
    for channel, new in zip(old, wide, strict=True):
        cost -= 2 * _correlate(new, weight * channel)
    da, db = np.ogrid[-reach[0] : reach[0] + 1, -reach[1] : reach[1] + 1]
    away = np.square(da / max(reach[0], 1)) + np.square(db / max(reach[1], 1))
    best = np.unravel_index(np.argmin(cost + PULL * (power + weight.sum()) * away), cost.shape)
    return int(best[0]) - reach[0], int(best[1]) - reach[1]


def _correlate(values: Field, kernel: Field) -> Array:
    """Sum of ``values`` times ``kernel`` at every place where the kernel fits in."""
    shape = [fft.next_fast_len(n, real=True) for n in values.shape]
    product = fft.rfft2(values, shape) * np.conj(fft.rfft2(kernel, shape))
    a, b = (n - m + 1 for n, m in zip(values.shape, kernel.shape, strict=True))
    return np.asarray(fft.irfft2(product, shape)[:a, :b])


def moved(field: Field, shift: Shift) -> Field:
    """A field ``(..., A, B)`` shifted; what comes in repeats the edge."""
    a, b = (
        np.clip(np.arange(n) - d, 0, n - 1) for n, d in zip(field.shape[-2:], shift, strict=True)
    )
    return field[..., a[:, None], b]


def depth(label: Field, window: Window) -> Field:
    """Distance in mm ``(A, B)`` from the border of a shape, negative outside."""
    inside = label > 0.5
    if not inside.any():
        inside = label >= label.max()
    spacing = window.spacing[1:]
    within = ndimage.distance_transform_edt(inside, sampling=spacing)
    return np.asarray(within - ndimage.distance_transform_edt(~inside, sampling=spacing))


def place(expected: Field, window: Window, part: float) -> Field:
    """Log odds -3 to 3 from the `depth` in an expected shape.

    ``part``: how far the border may be off, in parts of the radius.
    """
    spacing = window.spacing[1:]
    soft = part * _radius(expected > 0, spacing) + SOFT_BLOCKS * min(spacing)
    return np.clip(expected / soft, -3, 3).astype(np.float32)


def match(there: View, here: View, label: Field, shift: Shift) -> Field:
    """Log odds ``(A, B)`` from the labels of the patches ``there`` that look like those here."""
    edge = [(SEARCH, SEARCH), (SEARCH, SEARCH)]
    old = np.pad(moved(there.features, shift), [(0, 0), *edge], mode="edge")
    known = np.pad(moved(label, shift), edge, mode="edge")
    around = [
        (slice(a, a + here.shape[0]), slice(b, b + here.shape[1])) for a, b in np.argwhere(_DISK)
    ]
    unlike = np.stack([_unlike(here.features, old[:, a, b]) for a, b in around])
    labels = np.stack([known[a, b] for a, b in around])
    best = unlike.min(0)
    width = best + ALIKE
    weights = np.exp(-(unlike - best) / width)
    share = np.clip((weights * labels).sum(0) / weights.sum(0), 0.03, 0.97)
    trust = np.exp(-best / STRANGE)
    return np.asarray(trust * np.log(share / (1 - share)), dtype=np.float32)


def _unlike(here: Field, there: Field) -> Field:
    """Mean squared difference of the 3 x 3 patches around each block."""
    return ndimage.uniform_filter(np.square(here - there).sum(0), 3)
