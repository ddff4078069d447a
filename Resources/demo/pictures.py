"""Pictures of slices with segments and prompts, in the orientation that 3D Slicer uses.

Everything is drawn in RAS millimetres. The patient's right is on the left of axial and coronal
slices, the nose points to the left in sagittal ones. What a prompt says shows in its shape:
a disc includes, a cross excludes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.lines import Line2D
from matplotlib.patheffects import withStroke
from medseg import Box, Image, Point, Prompt, Scribble
from medseg.image import Mask
from medseg.patch import bounding_box
from numpy.typing import NDArray
from scipy import ndimage

Array = NDArray[Any]
Color = tuple[float, float, float]

BACKGROUND = (0.0, 0.0, 0.0)
INK = (0.86, 0.89, 0.94)
INCLUDE, EXCLUDE = (0.45, 0.95, 0.55), (1.0, 0.62, 0.2)
STEP_MM = 0.5
MARGIN_MM = 27.0
NEAR_MM = 3.0


@dataclass(frozen=True)
class Drawn:
    """A segment to draw: ``mask`` ``(K, J, I)`` and the prompts that made it."""

    name: str
    color: Color
    mask: Mask
    prompts: tuple[Prompt, ...]


@dataclass(frozen=True)
class Plane:
    """A slice: RAS axis numbers to the side, up, and through it, and what lies at its edges."""

    name: str
    side: int
    up: int
    through: int
    edges: str  # left, right, top, bottom


AXIAL = Plane("axial", 0, 1, 2, "RLAP")
CORONAL = Plane("coronal", 0, 2, 1, "RLSI")
SAGITTAL = Plane("sagittal", 1, 2, 0, "APSI")


def head_picture(
    path: Path, image: Image, drawn: Sequence[Drawn], at: Sequence[float], solid: Array
) -> None:
    """Three slices through ``at`` (RAS mm) and the surfaces ``solid`` (RGB) as one PNG."""
    figure, axes = plt.subplots(2, 2, figsize=(10, 10), facecolor=BACKGROUND)
    for axis, plane in zip(axes.flat, (AXIAL, CORONAL, SAGITTAL), strict=False):
        draw_slice(axis, image, drawn, plane, at[plane.through])
        _letters(axis, plane.edges)
        _corner(axis, f"{'RAS'[plane.through]} {at[plane.through]:+.0f} mm")
    axes[1, 1].imshow(solid, interpolation="lanczos")
    axes[1, 1].margins(0.06)
    axes[1, 1].set_axis_off()
    _corner(axes[1, 1], "3D, seen from the left front; glass: the image itself")
    _save(figure, path, drawn)


def film_picture(path: Path, image: Image, drawn: Sequence[Drawn], frames: Sequence[int]) -> None:
    """Six frames of a film (2D + time) as one PNG."""
    figure, axes = plt.subplots(2, 3, figsize=(12, 8), facecolor=BACKGROUND)
    for axis, frame in zip(axes.flat, frames, strict=True):
        draw_slice(axis, image, drawn, AXIAL, float(frame), near=0.4)
        _corner(axis, f"frame {frame}")
    _save(figure, path, drawn)


def save_picture(path: Path, picture: Array) -> None:
    """An RGB picture from 0 to 1 as PNG."""
    plt.imsave(path, picture)


def draw_slice(
    axis: Any,
    image: Image,
    drawn: Sequence[Drawn],
    plane: Plane,
    at: float,
    near: float = NEAR_MM,
) -> None:
    """One slice at ``at`` mm; prompts up to ``near`` mm away are drawn on it."""
    low, high = shown_bounds(image, drawn)
    side = np.arange(low[plane.side], high[plane.side], STEP_MM) + STEP_MM / 2
    up = np.arange(low[plane.up], high[plane.up], STEP_MM) + STEP_MM / 2
    grey = _sampled(image, image.array, plane, at, side, up)
    top = np.percentile(image.array[image.array > 0], 99.5)
    extent = (side[0], side[-1], up[0], up[-1])
    axis.imshow(grey, cmap="gray", vmin=0, vmax=top, extent=extent, origin="lower")
    for segment in drawn:
        soft = ndimage.gaussian_filter(
            _sampled(image, segment.mask.astype(np.float32), plane, at, side, up), 0.8
        )
        tint = np.zeros((*soft.shape, 4))
        tint[..., :3], tint[..., 3] = segment.color, 0.28 * (soft > 0.5)
        axis.imshow(tint, extent=extent, origin="lower")
        if soft.max() > 0.5:
            axis.contour(side, up, soft, levels=[0.5], colors=[segment.color], linewidths=1.4)
    for segment in drawn:
        for prompt in segment.prompts:
            _draw_prompt(axis, prompt, plane, at, near)
    axis.set_xlim(side[-1], side[0])
    axis.set_ylim(up[0], up[-1])
    axis.set_axis_off()


def shown_bounds(image: Image, drawn: Sequence[Drawn]) -> Array:
    """``(2, 3)`` lowest and highest RAS of what is worth showing: all segments and a margin."""
    box = bounding_box(np.any([s.mask for s in drawn], axis=0))
    whole = image.ras_bounds()
    if box is None:
        return whole
    part = image.crop([b.start for b in box], [b.stop for b in box]).ras_bounds()
    margin = np.array([[-MARGIN_MM], [MARGIN_MM]])
    return np.clip(part + margin, whole[0], whole[1])


def _sampled(image: Image, array: Array, plane: Plane, at: float, side: Array, up: Array) -> Array:
    """Values ``(up, side)`` on a plane, linear between voxels."""
    ras = np.empty((len(up), len(side), 3))
    ras[..., plane.side], ras[..., plane.up], ras[..., plane.through] = side, up[:, None], at
    kji = np.moveaxis(image.ras_to_ijk(ras), -1, 0)[::-1]
    values: Array = ndimage.map_coordinates(array, kji, output=np.float32, order=1, mode="nearest")
    return values


def _draw_prompt(axis: Any, prompt: Prompt, plane: Plane, at: float, near: float) -> None:
    color = INCLUDE if prompt.include else EXCLUDE
    places = _dense(prompt.points) if isinstance(prompt, Scribble) else prompt.positions()
    side, up, through = places[:, plane.side], places[:, plane.up], places[:, plane.through]
    if through.min() > at + near or through.max() < at - near:
        return
    if isinstance(prompt, Box):
        corners = [(0, 0), (1, 0), (1, 1), (0, 1), (0, 0)]
        ends = [(side.min(), side.max()), (up.min(), up.max())]
        line = np.array([[ends[0][a], ends[1][b]] for a, b in corners]).T
        axis.plot(*line, color=color, linewidth=1.6, linestyle=(0, (4, 2)))
    elif isinstance(prompt, Scribble):
        shown = np.where(np.abs(through - at) <= near, side, np.nan)
        axis.plot(shown, up, color="black", linewidth=5.5, solid_capstyle="round")
        axis.plot(shown, up, color=color, linewidth=3.0, solid_capstyle="round")
    elif isinstance(prompt, Point):
        shape = "o" if prompt.include else "X"
        axis.plot(side, up, shape, color=color, markersize=11, mec="black", mew=1.4)


def _dense(points: Array) -> Array:
    """A polyline ``(N, 3)`` with a point every half mm or so."""
    along = np.concatenate([[0], np.linalg.norm(np.diff(points, axis=0), axis=1).cumsum()])
    fine = np.linspace(0, along[-1], int(2 * along[-1]) + 2)
    return np.stack([np.interp(fine, along, points[:, n]) for n in range(3)], axis=1)


def _letters(axis: Any, edges: str) -> None:
    """Anatomical directions at the four edges."""
    places = [(0.03, 0.5), (0.97, 0.5), (0.5, 0.97), (0.5, 0.03)]
    for letter, (x, y) in zip(edges, places, strict=True):
        style = {"color": INK, "fontsize": 13, "fontweight": "bold", "ha": "center", "va": "center"}
        text = axis.text(x, y, letter, transform=axis.transAxes, **style)
        text.set_path_effects([withStroke(linewidth=3, foreground="black")])


def _corner(axis: Any, text: str) -> None:
    axis.text(0.02, 0.97, text, transform=axis.transAxes, color=INK, fontsize=9, va="top")


def _save(figure: Any, path: Path, drawn: Sequence[Drawn]) -> None:
    """Add the legend and write the PNG."""
    keys = [Line2D([], [], color=s.color, linewidth=6, label=s.name) for s in drawn]
    dots = {"linestyle": "", "markersize": 9, "mec": "black"}
    prompts = [p for s in drawn for p in s.prompts]
    points = [p for p in prompts if isinstance(p, Point)]
    if any(p.include for p in points):
        keys.append(Line2D([], [], marker="o", color=INCLUDE, label="include", **dots))
    if not all(p.include for p in points):
        keys.append(Line2D([], [], marker="X", color=EXCLUDE, label="exclude", **dots))
    if any(isinstance(p, Box) for p in prompts):
        keys.append(Line2D([], [], color=INCLUDE, linestyle=(0, (3, 2)), label="box"))
    if any(isinstance(p, Scribble) for p in prompts):
        keys.append(Line2D([], [], color=INCLUDE, linewidth=3, label="scribble"))
    figure.legend(
        handles=keys,
        loc="lower center",
        ncols=min(len(keys), 5),
        frameon=False,
        labelcolor=INK,
        fontsize=10,
    )
    figure.subplots_adjust(
        left=0.005, right=0.995, top=0.995, bottom=0.06, wspace=0.01, hspace=0.01
    )
    figure.savefig(path, dpi=100, facecolor=BACKGROUND)
    plt.close(figure)
