"""What a box or loop encloses: log odds of each sample of its frame.

Two small networks, fitted on synthetic volumes (Resources/training/boxes.py). The first tells of
each candidate (`parts`) how well it would cover the object. The second tells of each sample how
likely it belongs to the object, from its place in the box, how its intensity compares inside and
outside (histograms, learned in rounds as in GrabCut, Rother et al., SIGGRAPH 2004), paths over
edges, and the candidates weighted by the first.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from ...image import Array, Mask
from . import net_file, parts
from .features import Triple, geodesic
from .frame import Frame
from .grid import Field
from .parts import Look

WEIGHTS = Path(__file__).with_name("boxes.safetensors")
#: Inputs of the networks are clipped to so many spreads.
FARTHEST = 5.0
BINS = 48
ROUNDS = 4
#: How sharply better candidates are preferred, softly and strictly.
SOFT, STRICT = 15.0, 40.0
#: What a candidate loses that contradicts an earlier prompt.
CONTRADICTION = 0.3
#: How much the ellipsoid inscribed in the box counts beside all that the image says.
PLAIN = 0.2
#: Log odds at most.
SURE = 4.0

SAMPLES = (
    "away",
    "distance",
    "across",  # place along the axis that it is farthest out on, and nearest to the middle
    "across least",
    "beyond",
    "depth",  # to the nearest side, in mean half edges
    "core to shell",  # log ratios of histograms: middle against shell, against corners
    "core to corners",
    "core to shell, blurred",
    "core to corners, blurred",
    "core to shell, texture",
    "core to corners, texture",
    "box to shell",
    "box to shell, blurred",
    "learned",  # the same of the rounds, for value, blurred value and texture
    "learned, blurred",
    "learned, texture",
    "likely",  # what the rounds came to, there and around
    "likely near",
    "likely around",
    "core near",
    "core around",
    "box near",
    "box around",
    "path from middle",
    "path from shell",
    "gradient",
    "between",  # 0 as the shell, 1 as the middle
    "unlike middle",
    "texture",
    "flat",  # from here on the same for all samples
    "cut sides",
    "core like shell",
    "core like shell, blurred",
    "filled",
    "size",
    "aspect",
    "noise",
    "core ratio",
    "shell ratio",
)
CONTEXT = (
    "softly",  # the candidates, weighted
    "strictly",
    "best",
    "worse",  # how much less the best candidate that holds it is worth
    "softly near",
    "softly around",
    "worth",
    "agreed",
)


@dataclass(frozen=True)
class Found:
    """What a box or loop encloses: log odds ``(A, B, C)`` of the samples of its frame.

    ``in_slice``: whether it lies in one slice of an image that has more.
    """

    frame: Frame
    odds: Field
    in_slice: bool

    def at(self, points: Array, otherwise: Array | float) -> Array:
        """Log odds at points ``(N, 3)`` in RAS mm; ``otherwise`` beyond the frame."""
        return self.frame.at(self.odds, points, otherwise)


@dataclass(frozen=True)
class Net:
    """A small network with rectifiers: ``layers`` of weights ``(out, in)`` and biases."""

    mean: Array
    spread: Array
    layers: Sequence[tuple[Array, Array]]

    def __call__(self, rows: Array) -> Array:
        """``(N, inputs)`` in, ``(N,)`` out."""
        z = np.clip((rows - self.mean) / self.spread, -FARTHEST, FARTHEST)
        for number, (weight, bias) in enumerate(self.layers):
            z = (np.maximum(z, 0) if number else z) @ weight.T + bias
        return np.asarray(z[:, 0])


@dataclass(frozen=True)
class Nets:
    """``worth``: of a candidate, from its row and that less the mean row. ``sample``: log odds."""

    worth: Sequence[Net]
    sample: Net

    @classmethod
    def load(cls, path: Path) -> Nets:
        arrays, info, _ = net_file.read(path)
        assert info["parts"] == " / ".join(parts.NAMES), f"{path.name} is for other measures"
        assert info["samples"] == " / ".join(SAMPLES + CONTEXT), f"{path.name} is for other maps"
        return cls([_net(arrays, f"worth {n}") for n in range(2)], _net(arrays, "sample"))


@cache
def nets() -> Nets:
    """Read once; raises `ModelError` when the file is absent or broken."""
    return Nets.load(WEIGHTS)


def _net(arrays: dict[str, Field], name: str) -> Net:
    layers: list[tuple[Array, Array]] = []
    while f"{name} weight {len(layers)}" in arrays:
        n = len(layers)
        layers.append((arrays[f"{name} weight {n}"], arrays[f"{name} bias {n}"]))
    return Net(arrays[f"{name} mean"], arrays[f"{name} spread"], layers)


def odds(frame: Frame, within: Mask | None = None, without: Mask | None = None) -> Field:
    """Log odds ``(A, B, C)``, above 0 where the mask of the highest expected Dice lies.

    ``within``, ``without``: samples that earlier prompts gave to the object, or took from it.
    """
    look = Look.of(frame)
    masks, rows = parts.candidates(look)
    worth = worths(rows)
    for told, agrees in ((within, True), (without, False)):
        if told is not None and (told & frame.inside).any():
            share = masks[:, told & frame.inside].mean(1)
            worth = worth - CONTRADICTION * (1 - share if agrees else share)
    inputs = np.concatenate([samples(look), context(masks, worth, frame)], axis=1)
    likely = (1 - PLAIN) / (1 + np.exp(-nets().sample(inputs))) + PLAIN * _plain(frame)
    turn = _best_threshold(likely)
    out = np.full(frame.shape, -SURE, np.float32)
    out[frame.inside] = np.clip(_logit(likely) - _logit(turn), -SURE, SURE)
    if within is not None:
        out[within] = SURE
    if without is not None:
        out[without] = -SURE
    return out


def _plain(frame: Frame) -> Array:
    """How likely a sample inside is by its place alone: the inscribed ellipsoid, a little soft."""
    return np.asarray(1 / (1 + np.exp(-8 * (0.97 - frame.away[frame.inside]))))


def _logit(share: Array | float) -> Array:
    return np.log(np.clip(share, 1e-4, 1 - 1e-4) / (1 - np.clip(share, 1e-4, 1 - 1e-4)))


def worths(rows: Array) -> Array:
    """Expected Dice of each candidate."""
    inputs = compared(rows)
    return np.asarray(np.mean([net(inputs) for net in nets().worth], axis=0))


def compared(rows: Array) -> Array:
    """Rows of candidates beside how they differ from the mean one, ``(N, 2 * len(NAMES))``."""
    return np.concatenate([rows, rows - rows.mean(0)], axis=1)


def _best_threshold(likely: Array) -> float:
    """The likelihood above which samples make the mask of the highest expected Dice."""
    falling = np.sort(likely)[::-1]
    expected = 2 * np.cumsum(falling) / (np.arange(1, len(falling) + 1) + falling.sum())
    return float(falling[expected.argmax()]) - 1e-6


def context(masks: NDArray[np.bool_], worth: Array, frame: Frame) -> Array:
    """What the candidates say of each sample inside, ``(N, len(CONTEXT))``."""
    members = masks[:, frame.inside].astype(np.float32)
    best = float(worth.max())
    soft, strict = (np.exp(sharp * (worth - best)) for sharp in (SOFT, STRICT))
    softly = soft / soft.sum() @ members
    held = np.where(members > 0, worth[:, None], -1.0).max(0)
    field = np.zeros(frame.shape, np.float32)
    field[frame.inside] = softly
    near, around = (_blurred(field, width, frame)[frame.inside] for width in (0.08, 0.2))
    same = np.ones(len(softly))
    rows = (
        softly,
        strict / strict.sum() @ members,
        members[worth.argmax()],
        best - np.maximum(held, -0.3),
        near,
        around,
        best * same,
        0.1 * soft.sum() * same,
    )
    return np.stack(rows, axis=1).astype(np.float32)


def samples(look: Look) -> Array:
    """What image and place say of each sample inside, ``(N, len(SAMPLES))``."""
    frame, inside = look.frame, look.frame.inside
    shell, core, corners = _zones(frame)
    texture = np.sqrt(
        np.maximum(
            ndimage.gaussian_filter(np.square(frame.values - look.coarse), 1.5 * frame.sigma), 0
        )
    )
    bins = [_ranks(field, frame.known) for field in (look.smooth, look.coarse, texture)]
    ratios = [[_ratio(b, core, other) for other in (shell, corners)] for b in bins]
    boxed = [_ratio(b, inside.astype(np.float32), shell) for b in bins[:2]]
    likely, learned = _rounds(frame, bins)
    near, around = (_blurred(likely, width, frame) for width in (0.1, 0.3))
    both = ratios[0][0] + ratios[1][0]
    across = np.sort(np.abs(frame.across), axis=0)
    sides = (1 - np.abs(frame.across)) * frame.half[list(frame.long)].reshape(-1, 1, 1, 1)
    flat = len(frame.long) == 2
    middle, outside = (float((w * look.smooth).sum() / max(w.sum(), 1e-6)) for w in (core, shell))
    least = 0.02 * look.span
    apart = (
        middle - outside if abs(middle - outside) > least else np.copysign(least, middle - outside)
    )
    fields = (
        frame.away,
        frame.distance,
        across[-1],
        0.5 * across[0] if flat else across[0],
        np.abs(frame.beyond).max(0),
        np.clip(sides.min(0) / frame.mean_half, -0.6, 1),
        *(ratio for pair in ratios for ratio in pair),
        *boxed,
        *learned,
        likely,
        near,
        around,
        *(_blurred(both, width, frame) for width in (0.1, 0.25)),
        *(_blurred(boxed[0], width, frame) for width in (0.1, 0.25)),
        *_paths(look, learned[0]),
        np.log(look.gradient + 0.1),
        np.clip((look.smooth - outside) / apart, -2, 3),
        np.abs(look.smooth - middle) / look.span,
        np.log(texture / frame.noise + 0.1),
    )
    edges = frame.half[list(frame.long)]
    alike = [np.sqrt(_shares(b, core) * _shares(b, shell)).sum() for b in bins[:2]]
    same = (
        float(flat),
        float(np.sum(frame.cut)),
        *alike,
        likely[inside].mean(),
        np.log(frame.scale),
        np.log(edges.max() / edges.min()),
        np.log(look.span / frame.noise),
        both[inside].mean(),
        (learned[0] * shell).sum() / max(shell.sum(), 1e-6),
    )
    rows = [field[inside] for field in fields]
    rows += [np.full(len(rows[0]), value) for value in same]
    return np.stack(rows, axis=1).astype(np.float32)


def _zones(frame: Frame) -> tuple[Field, Field, Field]:
    """Weights of shell, middle, and all that the inscribed ellipsoid leaves out."""
    outside = ~frame.inside & frame.known
    out = np.maximum(np.abs(frame.across).max(0) - 1, 0)
    shell = np.where(outside if outside.sum() >= 8 else frame.away > 1.1, np.exp(-2 * out), 0)
    core = np.where(frame.inside, np.exp(-0.5 * np.square(frame.distance / 0.4)), 0)
    corners = frame.known & (frame.distance > 1)
    return shell.astype(np.float32), core.astype(np.float32), corners.astype(np.float32)


def _rounds(frame: Frame, bins: list[NDArray[np.intp]]) -> tuple[Field, list[Field]]:
    """How likely each sample is inside, and the log ratios that were learned for it."""
    place = np.where(frame.inside, np.clip(6 * (0.95 - frame.distance), -4, 3), -5)
    likely = np.asarray(1 / (1 + np.exp(-place)), np.float32)
    learned: list[Field] = []
    for _ in range(ROUNDS):
        learned = [_ratio(b, likely, frame.known * (1 - likely)) for b in bins]
        value, blurred, texture = learned
        found = 0.7 * place + 0.6 * value + 0.6 * blurred + 0.2 * texture
        inside = frame.inside / (1 + np.exp(-np.clip(found, -8, 8)))
        likely = np.asarray(inside, np.float32)
    return likely, learned


def _paths(look: Look, learned: Field) -> tuple[Field, Field]:
    """Logs of the lengths of the cheapest paths from the middle, and from the shell."""
    frame = look.frame
    spacing: Triple = (float(frame.steps[0]), float(frame.steps[1]), float(frame.steps[2]))
    edges = 0.3 + np.minimum(look.gradient, 8)
    shell = ~frame.inside & frame.known
    starts = frame.distance <= max(0.25, float(frame.distance[frame.inside].min()))
    ends = shell if shell.any() else frame.distance > 1.1
    found = []
    for sign, seeds in ((-1, starts & frame.inside), (1, ends)):
        cost = edges + 0.5 * np.clip(sign * learned, 0, 3)
        stop = 6 * frame.mean_half
        length = (
            geodesic(cost, np.argwhere(seeds), spacing, stop)
            if seeds.any()
            else np.full(frame.shape, stop, np.float32)
        )
        found.append(np.log(length / frame.mean_half + 0.05))
    return found[0], found[1]


def _blurred(field: Field, width: float, frame: Frame) -> Field:
    """Means over ``width`` mean half edges."""
    found = ndimage.gaussian_filter(field, max(width * frame.scale, 0.7) * frame.sigma)
    return np.asarray(found, np.float32)


def _ranks(field: Field, known: Mask) -> NDArray[np.intp]:
    """Bins that hold equally many samples: no intensity is rare, whatever the unit."""
    limits = np.quantile(field[known], np.linspace(0, 1, BINS + 1)[1:-1])
    return np.searchsorted(limits, field).astype(np.intp)


def _shares(bins: NDArray[np.intp], weight: Field) -> Array:
    counts = np.bincount(bins.ravel(), weights=weight.ravel(), minlength=BINS)
    counts = ndimage.gaussian_filter1d(counts, 1.5, mode="nearest")
    found = counts / max(counts.sum(), 1e-6) + 0.15 / BINS
    return np.asarray(found / found.sum())


def _ratio(bins: NDArray[np.intp], inside: Field, outside: Field) -> Field:
    """Log ratio of two histograms at every sample."""
    table = np.log(_shares(bins, inside) / _shares(bins, outside))
    return np.clip(table, -SURE, SURE)[bins].astype(np.float32)
