"""A small 3D U-Net that turns the channels of `maps` into a logit.

The graph is written once, in `forward`, over a set of operations; `net_numpy` supplies them for
machines without torch, `net_torch` for training and for those that have it. There is no batch
axis: arrays are ``(C, K, J, I)``, of any size, a single slice included.

    channels -stem-> 12 --------------------------------+-> head -> logit
                      \\-> 24 at 1/2 ----------------+--/
                            \\-> 48 at 1/4 -------+--/
                                  \\-> 96 at 1/8 -/
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from ...errors import ModelError
from . import net_numpy
from .grid import Field
from .maps import CHANNELS
from .net_file import read

#: Features at full, half, quarter and eighth resolution, and in the head.
WIDTHS = (12, 24, 48, 96)
STEM = 16
HEAD = 8
#: Residual blocks by the resolution they work at, on the way down and on the way up.
DOWN = {1: ("down1a",), 2: ("down2a", "down2b"), 3: ("down3a", "down3b")}
UP = {1: ("up1a",), 2: ("up2a",)}


class Operations(Protocol):
    """What the graph needs; arrays are ``(C, K, J, I)``, weights have torch's layout."""

    def point(self, x: Any, weight: Any, bias: Any) -> Any:
        """Mix channels voxel by voxel; ``weight`` is ``(out, in)``."""

    def conv(self, x: Any, weight: Any, bias: Any) -> Any:
        """3x3x3 convolution with zeros around; ``weight`` is ``(out, in, 3, 3, 3)``."""

    def halve(self, x: Any, weight: Any, bias: Any) -> Any:
        """2x2x2 blocks to one voxel; odd sizes repeat their last plane. ``(out, in, 2, 2, 2)``."""

    def double(self, x: Any, weight: Any, like: Any) -> Any:
        """One voxel to 2x2x2, cropped to the size of ``like``. ``(in, out, 2, 2, 2)``."""

    def bend(self, x: Any) -> Any:
        """The SiLU."""

    def even(self, x: Any) -> Any:
        """Each voxel over the root mean square of its channels."""


def shapes() -> dict[str, tuple[int, ...]]:
    """Name and shape of every weight."""
    count = len(CHANNELS)
    found: dict[str, tuple[int, ...]] = {
        "stem1.weight": (STEM, count),
        "stem2.weight": (WIDTHS[0], STEM),
        "head1.weight": (HEAD, WIDTHS[0], 3, 3, 3),
        "head2.weight": (1, HEAD),
        "skip.weight": (1, count),
    }
    for level in (1, 2, 3):
        fine, coarse = WIDTHS[level - 1], WIDTHS[level]
        found[f"halve{level}.weight"] = (coarse, fine, 2, 2, 2)
        found[f"double{level}.weight"] = (coarse, fine, 2, 2, 2)
        for block in DOWN[level] + UP.get(level, ()):
            found[f"{block}.first.weight"] = (coarse, coarse, 3, 3, 3)
            found[f"{block}.second.weight"] = (coarse, coarse, 3, 3, 3)
    biases = {
        name.replace("weight", "bias"): shape[:1]
        for name, shape in found.items()
        if not name.startswith("double")
    }
    return found | biases


def forward(ops: Operations, weights: Mapping[str, Any], channels: Any) -> Any:
    """Channels ``(len(CHANNELS), K, J, I)`` to logits ``(1, K, J, I)``."""

    def pair(name: str) -> tuple[Any, Any]:
        return weights[f"{name}.weight"], weights[f"{name}.bias"]

    def residual(x: Any, block: str) -> Any:
        inner = ops.bend(ops.conv(ops.even(x), *pair(f"{block}.first")))
        return x + ops.conv(inner, *pair(f"{block}.second"))

    x = ops.bend(ops.point(channels, *pair("stem1")))
    x = ops.bend(ops.point(x, *pair("stem2")))
    levels = [x]
    for level in (1, 2, 3):
        x = ops.halve(x, *pair(f"halve{level}"))
        for block in DOWN[level]:
            x = residual(x, block)
        levels.append(x)
    for level in (3, 2, 1):
        finer = levels[level - 1]
        x = finer + ops.double(x, weights[f"double{level}.weight"], finer)
        for block in UP.get(level - 1, ()):
            x = residual(x, block)
    x = ops.point(ops.bend(ops.conv(x, *pair("head1"))), *pair("head2"))
    return x + ops.point(channels, *pair("skip"))


class Network:
    """Trained weights, ready to be asked.

    ``info``: what the weights file says about its training. ``sha256``: of that file.
    """

    def __init__(self, weights: Mapping[str, Field], info: Mapping[str, str], sha256: str) -> None:
        self.info, self.sha256 = dict(info), sha256
        self._weights = dict(weights)

    @classmethod
    def load(cls, path: str | Path) -> Network:
        """Read a weights file; raises `ModelError` when it is broken or of another network."""
        weights, info, sha256 = read(Path(path))
        if info.get("channels", "").split() != list(CHANNELS):
            raise ModelError(
                f"The weights {path} were made for other input channels; restore or retrain them."
            )
        if {name: array.shape for name, array in weights.items()} != shapes():
            raise ModelError(f"The weights {path} belong to another network; restore the file.")
        return cls(weights, info, sha256)

    def logit(self, channels: Field) -> Field:
        """Channels ``(C, K, J, I)`` to a logit ``(K, J, I)``; above 0 is inside."""
        return np.asarray(forward(net_numpy, self._weights, channels)[0], dtype=np.float32)
