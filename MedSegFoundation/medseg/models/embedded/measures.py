"""What speaks for a mask being the object of a click: its border, inside, surrounding and form."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from ...image import Array, Mask
from .grid import Field, dilated, eroded
from .maps import CHANNELS, View

NAMES = (
    "gradient",  # mean log gradient along the border
    "gradient low",  # its fifth part from below
    "gradient inside",
    "gradient beyond inside",
    "alike",  # log overlap of the histograms of inside and rim: against the seed,
    "alike window",  # against the window,
    "alike texture",  # of the texture
    "apart spreads",  # difference of the means of inside and rim
    "apart noise",
    "apart window",
    "same sign",  # whether the border goes the same way, up or down, all around
    "step noise",  # mean step across the border
    "step spread",
    "no step",  # share of the border without one
    "spread noise",  # spread inside
    "spread window",
    "spread seed",
    "size",  # log of the size asked for, and of how much wider was looked
    "wider",
    "radius measured",  # log radius of a ball of the volume against that of the rays,
    "radius image",  # the image
    "radius blocks",
    "share of window",
    "cut by window",  # share of the border on the edge of the window
    "cut by image",
    "rugged",  # log surface against that of a ball
    "depth",  # log depth of the click, and near and far parts of the border, against the radius
    "near border",
    "far border",
    "lopsided",  # how far the border next to the click lies on one side of it
    "unsure",  # share of blocks with odds about even
    "one piece",
    "growth up",  # growth in volume to the next size up, and from the next size down
    "growth down",
    "rim like inside",  # mean log odds of the rim by the histograms, and its share above 0
    "rim inside",
    "flat",
    "thick slices",
    "detour",  # how much longer the paths inside are than straight lines
    "texture",
    "texture at click",
    "window at click",
)
_UP, _DOWN = NAMES.index("growth up"), NAMES.index("growth down")
_SIGNED, _CONTEXT, _GRADIENT, _TEXTURE, _SPREAD, _GEODESIC, _DISTANCE = (
    CHANNELS.index(name)
    for name in ("signed", "context", "gradient", "texture", "spread", "geodesic", "distance")
)
Bins = NDArray[np.intp]


@dataclass(frozen=True)
class Measured:
    """A candidate: its blocks ``(K, J, I)``, ``row`` of `NAMES` (growth still 0), mm3."""

    mask: Mask
    row: Array
    volume: float


@dataclass(frozen=True)
class Surroundings:
    """What all candidates of one view share."""

    view: View
    seed: tuple[int, ...]
    signed: Bins
    context: Bins
    texture: Bins
    distance: Field  # mm from the click
    span: float  # of the intensities of the window
    extent: float  # mm, of the image

    @classmethod
    def of(cls, view: View) -> Surroundings:
        """For a view whose newest group is one click."""
        stack, scene, group = view.stack, view.scene, view.groups[view.newest]
        low, high = np.percentile(scene.smooth, [5, 95])
        prepared = scene.prepared
        sides = [n * s for n, s in zip(prepared.values.shape, prepared.spacing, strict=True)]
        long = [side for side, n in zip(sides, prepared.values.shape, strict=True) if n > 1]
        return cls(
            view,
            tuple(scene.window.block_of(group.seeds)[0]),
            _bins(8 * (stack[_SIGNED] + 2), 32),
            _bins(8 * (stack[_CONTEXT] + 2), 32),
            _bins(4 * stack[_TEXTURE], 16),
            group.model.radius * (np.exp(stack[_DISTANCE]) - 0.05),
            float(high - low) + prepared.noise,
            float(np.exp(np.mean(np.log(long)))),
        )

    def measure(self, odds: Field, size: float, wider: float) -> Measured:
        """Describe the mask that log odds ``(K, J, I)`` give around the click.

        ``size``: what was asked for; ``wider``: how much more than measured the view shows.
        """
        scene, stack = self.view.scene, self.view.stack
        noise, spacing = scene.prepared.noise, scene.window.spacing
        mask, piece = self._around_click(odds)
        core, border, rim = _zones(mask)
        inside, outside = scene.smooth[mask], scene.smooth[rim]
        spread, spread_rim = float(inside.std()) + 1e-6, float(outside.std()) + 1e-6
        apart = abs(float(inside.mean()) - float(outside.mean()))
        steps, area, cut, edge = self._surface(mask)
        step = float(np.abs(steps).mean()) + 1e-6
        flat = [n == 1 for n in scene.prepared.values.shape]
        count, volume = int(mask.sum()), float(mask.sum() * np.prod(spacing))
        gradient = stack[_GRADIENT]
        on_border, in_core = gradient[border], float(gradient[core].mean())
        alike, ratio = _overlap(self.signed[mask], self.signed[rim], 32)
        like_inside = ratio[self.signed[rim]]
        if any(flat):
            thick = spacing[flat.index(True)]
            radius = float(np.sqrt(volume / thick / np.pi))
            rugged = area**2 / (4 * np.pi * volume * thick)
        else:
            radius = float((0.75 * volume / np.pi) ** (1 / 3))
            rugged = area**3 / (36 * np.pi * volume**2)
        depth, near, far, lopsided = self._place(mask)
        row = [
            float(on_border.mean()),
            float(np.percentile(on_border, 20)),
            in_core,
            float(on_border.mean()) - in_core,
            alike,
            _overlap(self.context[mask], self.context[rim], 32)[0],
            _overlap(self.texture[mask], self.texture[rim], 16)[0],
            apart / np.hypot(spread, spread_rim),
            np.log(apart / noise + 0.1),
            apart / self.span,
            abs(float(steps.mean())) / step,
            np.log(step / noise + 0.05),
            np.log(step / spread + 0.02),
            float((np.abs(steps) < 0.5 * noise).mean()),
            np.log(spread / noise + 0.1),
            spread / self.span,
            float(stack[_SPREAD].flat[0]),
            np.log(size),
            np.log(wider),
            np.log(radius / self.view.groups[self.view.newest].model.radius * wider + 1e-3),
            np.log(radius / self.extent + 1e-3),
            np.log(radius / min(spacing)),
            count / mask.size,
            cut / area,
            edge / area,
            np.log(rugged),
            np.log(depth / radius + 0.02),
            np.log(near / radius + 0.02),
            np.log(far / radius + 0.02),
            lopsided,
            float((np.abs(odds) < 1).sum()) / (count + 10),
            piece,
            0.0,
            0.0,
            float(like_inside.mean()),
            float((like_inside > 0).mean()),
            float(any(flat)),
            np.log(max(scene.prepared.spacing) / min(scene.prepared.spacing)),
            float((stack[_GEODESIC][mask] - stack[_DISTANCE][mask]).mean()),
            float(stack[_TEXTURE][mask].mean()),
            float(stack[_TEXTURE][self.seed]),
            float(stack[_CONTEXT][self.seed]),
        ]
        return Measured(mask, np.asarray(row, np.float64), volume)

    def _around_click(self, odds: Field) -> tuple[Mask, float]:
        """The part of the smoothed mask that holds the click, and its share of all."""
        mask = ndimage.gaussian_filter(odds, 0.7) > 0
        whole = max(int(mask.sum()), 1)
        mask[self.seed] = True
        labels, count = ndimage.label(mask)
        if count > 1:
            mask = labels == labels[self.seed]
        return mask, int(mask.sum()) / whole

    def _surface(self, mask: Mask) -> tuple[Array, float, float, float]:
        """Steps outwards over the faces; mm2 of all, on the window's, on the image's edge."""
        window, smooth = self.view.scene.window, self.view.scene.smooth
        volume = float(np.prod(window.spacing))
        steps, area, cut, edge = [np.zeros(1)], 0.0, 0.0, 0.0
        for axis in (n for n in range(3) if mask.shape[n] > 1):
            inside, values = np.moveaxis(mask, axis, 0), np.moveaxis(smooth, axis, 0)
            change = inside[1:] != inside[:-1]
            outwards = np.where(inside[:-1][change], 1, -1)
            steps.append(outwards * (values[1:] - values[:-1])[change])
            face = volume / window.spacing[axis]
            area += int(change.sum()) * face
            whole, box = self.view.scene.prepared.values.shape[axis], window.box[axis]
            for end, beyond in ((inside[0], box.start > 0), (inside[-1], box.stop < whole)):
                area += (here := int(end.sum()) * face)
                cut, edge = (cut + here, edge) if beyond else (cut, edge + here)
        found = np.concatenate(steps[1:]) if any(map(len, steps[1:])) else steps[0]
        return found, max(area, 1e-6), cut, edge

    def _place(self, mask: Mask) -> tuple[float, float, float, float]:
        """Depth of the click, tenth and last tenth of the border's distance, lopsidedness."""
        outside = ~mask
        if not outside.any():
            far = float(self.distance.max())
            return far, far, far, 0.0
        depth = float(self.distance[outside].min())
        near, far = np.percentile(self.distance[mask & dilated(outside)], [10, 90])
        spacing = self.view.scene.window.spacing
        close = np.argwhere(outside & (self.distance < 1.35 * depth + 0.5 * min(spacing)))
        away = ((close - self.seed) * spacing).mean(0)
        return depth, float(near), float(far), float(np.linalg.norm(away)) / max(depth, 1e-6)


def rows(found: list[Measured], sizes: Array) -> Array:
    """``(N, len(NAMES))``: the candidates with how they grow from one of the sizes to the next."""
    table = np.stack([one.row for one in found])
    table[:, [_UP, _DOWN]] = 3.0
    log_volume, place = np.log([one.volume for one in found]), np.log(sizes)
    order = np.argsort(place, kind="stable")
    for a, b in pairwise(order):
        growth = (log_volume[b] - log_volume[a]) / max(place[b] - place[a], 0.15)
        table[a, _UP] = table[b, _DOWN] = np.clip(growth, -3, 8)
    return table


def _bins(values: Field, count: int) -> Bins:
    return np.clip(values, 0, count - 1).astype(np.intp)


def _zones(mask: Mask) -> tuple[Mask, Mask, Mask]:
    """Core, border (a block to each side) and rim of a mask, none of them empty."""
    core, wide = eroded(mask), dilated(mask)
    border, rim = wide & ~core, dilated(wide) & ~mask
    core = core if core.any() else mask
    if not rim.any():
        rim = ~core if not core.all() else mask
    return core, border if border.any() else mask, rim


def _overlap(inside: Bins, outside: Bins, count: int) -> tuple[float, Array]:
    """Log Bhattacharyya coefficient of two histograms, and their log ratio in each bin."""
    a, b = (
        ndimage.gaussian_filter1d(np.bincount(part, minlength=count) + 0.5, 1, mode="nearest")
        for part in (inside, outside)
    )
    a, b = a / a.sum(), b / b.sum()
    return float(np.log(np.sqrt(a * b).sum())), np.log((a + 0.004) / (b + 0.004))
