"""Train the network that chooses how large the object of a first click is.

    python Resources/training/sizes.py                  600 volumes, about 10 minutes on one core
    python Resources/training/sizes.py --volumes 60     a try

Only synthetic volumes. Examples are kept in OUT, so that a second run goes on where it stopped.
The last sixth of the volumes is held out; what is chosen there is printed.
"""

from __future__ import annotations

import argparse
import pickle
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import synthesis
import torch
import users
from medseg import Image, Point
from medseg.evaluate import next_click
from medseg.image import Array, Mask
from medseg.models.embedded import net_file, sizes
from medseg.models.embedded.features import Prepared, prepare
from medseg.models.embedded.grid import Field
from medseg.models.embedded.measures import NAMES
from medseg.models.embedded.seeds import group
from numpy.random import Generator
from scipy import ndimage

ROOT = Path(__file__).parents[2]
FIRST_SEED = 3_000_000
#: Objects taken of a volume, the least voxels of one, and how often slices are enlarged.
TARGETS, SMALLEST, ENLARGED = 3, 100, 0.7
NETS, HIDDEN, EPOCHS, BATCH, RATE = 3, 8, 60, 64, 4e-3


@dataclass(frozen=True)
class Example:
    """Candidates of one click, and the Dice of each."""

    rows: Array
    dice: Array


def volume(seed: int, rng: Generator) -> Iterator[tuple[Image, Mask]]:
    """Some objects of the volume with this seed; three in ten are single slices."""
    generator = torch.Generator().manual_seed(seed)
    hard, flat = rng.uniform(0.2, 1), rng.random() < 0.3
    size = (
        [1, *(int(n) for n in rng.integers(80, 200, 2))]
        if flat
        else [int(n) for n in rng.integers(44, 104, 3)]
    )
    sample = synthesis.volume(generator, (size[0], size[1], size[2]), float(hard))
    zoom = float(rng.uniform(1, 3.5)) if flat and rng.random() < ENLARGED else 1.0
    order = int(rng.choice([1, 3]))
    k, j, i = sample.spacing
    values = _zoomed(sample.image.numpy(), zoom, order)
    image = Image(values, np.diag([i / zoom, j / zoom, k, 1.0]))
    for _ in range(TARGETS):
        truth = synthesis.target(sample, generator).numpy()
        if truth.sum() >= SMALLEST and rng.random() < _worth(image, truth, zoom):
            yield image, _zoomed(truth.astype(np.float32), zoom, 1) > 0.5


def _zoomed(values: Field, zoom: float, order: int) -> Field:
    return ndimage.zoom(values, (1, zoom, zoom), order=order) if zoom > 1 else values


def _worth(image: Image, truth: Mask, zoom: float) -> float:
    """How often to take an object: tiny ones and shells seldom, nobody can tell them by a click."""
    i, j, k = (s * z for s, z in zip(image.spacing, (zoom, zoom, 1), strict=True))
    box = ndimage.find_objects(truth.astype(np.uint8))[0]
    wide = [(0, 0) if n == 1 else (1, 1) for n in truth.shape]
    depth = ndimage.distance_transform_edt(np.pad(truth[box], wide), sampling=(k, j, i)).max()
    size = truth.sum() * i * j * k
    flat = truth.shape[0] == 1
    radius = np.sqrt(size / k / np.pi) if flat else (0.75 * size / np.pi) ** (1 / 3)
    return (0.35 if truth.sum() < 400 else 1.0) * (0.3 if depth < 0.2 * radius else 1.0)


def example(image: Image, truth: Mask, prepared: Prepared, rng: Generator) -> Example:
    """One click, mostly the most interior point, else somewhere deep."""
    point = next_click(np.zeros_like(truth), truth, image)
    if rng.random() < 0.4:
        point = users.click(image, truth, rng, include=True)
    assert isinstance(point, Point)
    click = group(point, image, prepared)
    rows, listed = sizes.candidates(click, prepared)
    covered = [_dice(one, truth) for one in listed]
    return Example(rows.astype(np.float32), np.array(covered, np.float32))


def _dice(candidate: sizes.Candidate, truth: Mask) -> float:
    """Dice of the blocks with the share of the object in each."""
    block = float(np.prod(candidate.window.factors))
    shared = float(candidate.window.shrink(truth)[candidate.mask].sum()) * block
    return 2 * shared / (float(candidate.mask.sum()) * block + float(truth.sum()))


def examples(count: int, folder: Path) -> list[list[Example]]:
    """Those of the first ``count`` volumes, made or from ``folder``."""
    path = folder / "examples.pkl"
    found: list[list[Example]] = pickle.loads(path.read_bytes()) if path.exists() else []
    for number in range(len(found), count):
        rng = np.random.default_rng([FIRST_SEED + number, 2])
        here: list[Example] = []
        prepared = None
        for image, truth in volume(FIRST_SEED + number, rng):
            i, j, k = image.spacing
            prepared = prepared or prepare(image.array, (k, j, i))
            here.append(example(image, truth, prepared, rng))
        found.append(here)
        if number % 25 == 24 or number == count - 1:
            path.write_bytes(pickle.dumps(found))
            best = np.mean([one.dice.max() for each in found for one in each])
            print(f"{number + 1} volumes, best of the candidates {best:.3f}", flush=True)
    return found[:count]


class Ranker:
    """Small networks, each trained alone; their mean counts."""

    def __init__(self, some: list[Example], seed: int) -> None:
        self.inputs, dice, real = _padded(some)
        self.mean = self.inputs[real].mean(0)
        self.spread = self.inputs[real].std(0) + 1e-3
        inputs = torch.tensor(np.clip((self.inputs - self.mean) / self.spread, -4, 4))
        self.nets = [
            _fitted(inputs, torch.tensor(dice), torch.tensor(real), seed + n) for n in range(NETS)
        ]

    def arrays(self) -> dict[str, Array]:
        """Inputs are divided by ``spread``; then ``first``, ``turn`` and ``last`` of each net."""
        first, turn, last = zip(
            *(([p.detach().numpy() for p in net.parameters()][:3]) for net in self.nets),
            strict=True,
        )
        return {
            "mean": self.mean,
            "spread": self.spread,
            "first": np.stack(first),
            "turn": np.stack(turn),
            "last": np.concatenate(last) / NETS,
        }


def _padded(some: list[Example]) -> tuple[Array, Array, Array]:
    most = max(len(one.dice) for one in some)
    inputs = np.zeros((len(some), most, 2 * len(NAMES)), np.float32)
    dice, real = np.zeros((len(some), most), np.float32), np.zeros((len(some), most), bool)
    for n, one in enumerate(some):
        count = len(one.dice)
        inputs[n, :count] = np.concatenate([one.rows, one.rows - one.rows.mean(0)], axis=1)
        dice[n, :count], real[n, :count] = one.dice, True
    return inputs, dice, real


def _fitted(inputs: torch.Tensor, dice: torch.Tensor, real: torch.Tensor, seed: int):
    """One net: it is to tell the Dice, and its sharp softmax is to choose well."""
    torch.manual_seed(seed)
    net = torch.nn.Sequential(
        torch.nn.Linear(inputs.shape[-1], HIDDEN), torch.nn.Tanh(), torch.nn.Linear(HIDDEN, 1)
    )
    learn = torch.optim.AdamW(net.parameters(), lr=RATE, weight_decay=1e-2)
    slower = torch.optim.lr_scheduler.CosineAnnealingLR(learn, EPOCHS)
    for _ in range(EPOCHS):
        for part in torch.randperm(len(inputs)).split(BATCH):
            told = net(inputs[part])[..., 0]
            share = torch.softmax((sizes.SHARPNESS * told).masked_fill(~real[part], -1e9), -1)
            missed = (torch.square(told - dice[part]) * real[part]).sum() / real[part].sum()
            loss = missed - (share * dice[part]).sum(-1).mean()
            learn.zero_grad()
            loss.backward()
            learn.step()
        slower.step()
    return net


def chosen(some: list[Example]) -> float:
    """Mean Dice of what the written network chooses."""
    return float(np.mean([e.dice[np.argmax(sizes.scores(e.rows, e.rows.mean(0)))] for e in some]))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--volumes", type=int, default=600)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--out", type=Path, default=ROOT / "bench" / "sizes")
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    torch.set_num_threads(1)
    found = examples(options.volumes, options.out)
    held = len(found) // 6
    learned = [one for each in found[: len(found) - held] for one in each]
    kept = [one for each in found[len(found) - held :] for one in each]
    ranker = Ranker(learned, options.seed)
    info = {
        "rows": " / ".join(NAMES),
        "made by": "Resources/training/sizes.py",
        "volumes": str(len(found) - held),
        "seed": str(options.seed),
        "licence": "Apache-2.0",
    }
    net_file.write(sizes.WEIGHTS, ranker.arrays(), info)
    print(f"{len(learned)} objects learned from: {chosen(learned):.3f}")
    print(f"{len(kept)} held out: {chosen(kept):.3f}")
    print(f"best candidate of the held out: {np.mean([e.dice.max() for e in kept]):.3f}")


if __name__ == "__main__":
    main()
