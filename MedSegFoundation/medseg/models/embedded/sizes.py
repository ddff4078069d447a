"""How large the object of a first click is: many sizes are tried, a small network ranks them.

The rays of a click end early in texture, so that windows up to six times as wide are looked at as
well, in coarse blocks. The network was trained on synthetic volumes (docs/model-card.md) to say
how well each candidate, described by `measures`, covers the object.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

import numpy as np

from ...image import Array, Mask
from ...patch import bounding_box
from . import classical, net_file
from .features import Prepared
from .grid import Field, Window
from .groups import Group, Guess, Seeds
from .maps import PRIOR, Scene, View, group_maps, stack, window_for
from .measures import NAMES, Measured, Surroundings, rows

WEIGHTS = Path(__file__).with_name("sizes.safetensors")
#: How much wider than measured to look, and the sizes to try there.
LOOKS = ((1.0, (0.5, 0.7, 1.0, 1.4, 2.0)), (2.5, (1.0, 1.4, 2.0)), (6.0, (1.0, 1.4, 2.0, 2.8)))
#: Sizes to try where a window already holds the whole image.
WHOLE = (0.5, 0.7, 1.0, 1.4, 2.0, 2.8, 4.0)
#: Room around the best candidates, as a share of their extent.
ROOM = 0.25
#: A share below this changes nothing.
NOTHING = 0.02
#: Blocks of a window of the search.
COARSE = 50_000
#: How fast candidates lose their say with what the network thinks less of them.
SHARPNESS = 12.0


@dataclass(frozen=True)
class Candidate:
    """A size, how much wider than measured it was looked for, and the blocks it gives."""

    wider: float
    size: float
    window: Window
    mask: Mask

    def is_near(self, other: Candidate) -> bool:
        """Whether both were seen in one window, at no more than twice the size of each other."""
        return self.wider == other.wider and 0.49 < self.size / other.size < 2.05

    @property
    def box(self) -> tuple[Seeds, Seeds]:
        """Its first voxel (k, j, i) in the image, and the one after its last."""
        found = bounding_box(self.mask)
        assert found is not None
        start, step = np.array([b.start for b in self.window.box]), np.array(self.window.factors)
        return (
            start + step * [b.start for b in found],
            start + step * [b.stop for b in found],
        )


def search(group: Group, prepared: Prepared) -> Group:
    """A first click with its radius and `Guess` as the best of all candidates says."""
    table, listed = candidates(group, prepared)
    score = scores(table, table.mean(0))
    best = listed[int(np.argmax(score))]
    near = [n for n, one in enumerate(listed) if one.is_near(best)]
    share = np.exp(SHARPNESS * (score[near] - score.max()))
    boxes = [listed[n].box for n in near if listed[n].size <= 1.5 * best.size]
    low, high = np.min([box[0] for box in boxes], 0), np.max([box[1] for box in boxes], 0)
    room = np.ceil(ROOM * (high - low)).astype(np.intp) + 4 * np.array(best.window.factors)
    guess = Guess(
        np.log([listed[n].size for n in near]), share / share.sum(), low - room, high + room
    )
    return replace(widened(group, best.wider), guess=guess)


def decide(view: View) -> Field:
    """`classical.decide`, with the size of a first click as `search` found it."""
    guess = view.groups[view.newest].guess
    if guess is None or (view.stack[PRIOR] > 0).any():
        return classical.decide(view)
    mean = np.zeros(view.scene.window.shape, np.float32)
    for scale, share in zip(guess.scales, guess.shares, strict=True):
        if share > NOTHING:
            scales = list(view.scales)
            scales[view.newest] = float(scale)
            mean += share * np.clip(classical.evidence(replace(view, scales=scales)), -4, 4)
    view.scales[view.newest] = float(guess.shares @ guess.scales)
    return mean


def candidates(group: Group, prepared: Prepared) -> tuple[Array, list[Candidate]]:
    """Rows ``(N, len(NAMES))`` of all candidates for a first click, and what they are."""
    found: list[Measured] = []
    listed: list[Candidate] = []
    for width, some in LOOKS:
        view = _view(widened(group, width), prepared)
        whole = view.scene.window.image_shape == prepared.values.shape
        tried = tuple(s for s in WHOLE if s >= some[0]) if whole else some
        new = _try(view, tried, width)
        found += new
        listed += [
            Candidate(width, size, view.scene.window, one.mask)
            for size, one in zip(tried, new, strict=True)
        ]
        if whole:
            break
    return rows(found, np.array([one.wider * one.size for one in listed])), listed


def widened(group: Group, width: float) -> Group:
    """The group with its radii times ``width``."""
    return replace(group, model=replace(group.model, radii=group.model.radii * width))


def scores(table: Array, mean: Array) -> Array:
    """What the network thinks of each row; ``mean``: of the rows of all candidates."""
    weights = _weights()
    rows_ = np.concatenate([table, table - mean], axis=1)
    rows_ = np.clip((rows_ - weights["mean"]) / weights["spread"], -4, 4)
    hidden = np.tanh(np.einsum("nf,shf->snh", rows_, weights["first"]) + weights["turn"][:, None])
    return np.asarray(np.einsum("snh,sh->n", hidden, weights["last"]))


def _view(group: Group, prepared: Prepared) -> View:
    window = window_for([group], prepared, COARSE)
    scene = Scene.of(prepared, window)
    maps = [group_maps(scene, group)]
    return View(scene, [group], maps, stack(scene, [group], maps), 0, [0.0])


def _try(view: View, sizes: Sequence[float], wider: float) -> list[Measured]:
    around = Surroundings.of(view)
    found = []
    for size in sizes:
        odds = classical.evidence(replace(view, scales=[float(np.log(size))]))
        found.append(around.measure(odds, size, wider))
    return found


@cache
def _weights() -> dict[str, Array]:
    arrays, info, _ = net_file.read(WEIGHTS)
    assert info["rows"] == " / ".join(NAMES), "sizes.safetensors is for other measures"
    return {name: np.asarray(array, np.float64) for name, array in arrays.items()}
