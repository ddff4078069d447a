"""Train the two small networks that find the object of a box.

    python Resources/training/boxes.py                  700 volumes, about 25 minutes on one core
    python Resources/training/boxes.py --volumes 60     a try

Only synthetic volumes. Examples are kept in OUT, so that a second run goes on where it stopped.
The last sixth of the volumes is held out; what is found there is printed.
"""

from __future__ import annotations

import argparse
import pickle
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from medseg import Image
from medseg.image import Array, Mask
from medseg.models.embedded import enclosed, net_file, parts
from medseg.models.embedded.features import Prepared, prepare, voxel_sigma
from medseg.models.embedded.frame import Frame, Region
from medseg.patch import bounding_box
from numpy.random import Generator
from scipy import ndimage
from sizes import volume
from torch import Tensor, nn

ROOT = Path(__file__).parents[2]
FIRST_SEED = 7_000_000
#: Samples taken of one box, and how much a small object counts.
SAMPLES, SMALL, LESS = 500, 400, 0.5
#: Of so many objects one is hidden: its image is replaced by noise, and only the box is left.
HIDDEN = 10
#: An object that fills its box otherwise than an ellipsoid (Dice) counts more.
UNLIKE, MORE = 0.5, 2.0
#: Both networks: hidden units, rounds, batch and rate.
WORTH = ((24, 12), 40, 32, 4e-3)
SAMPLE = ((32, 16), 8, 4096, 4e-3)
#: How sharply a judge of candidates is asked to choose.
SHARP = 20.0


@dataclass(frozen=True)
class Example:
    """One box. ``rows``, ``dice``, ``masks`` (packed bits): of the candidates.

    ``picked``: some of the samples inside, ``samples``: what is known of them; ``truth``: of all
    samples inside; ``volume``: of the whole object, in samples.
    """

    seed: int
    weight: float
    rows: Array
    dice: Array
    frame: Frame
    masks: Array
    picked: Array
    samples: Array
    truth: Array
    volume: float

    def context(self, worth: Array) -> Array:
        shape = (-1, *self.frame.shape)
        masks = np.unpackbits(self.masks, axis=1, count=self.frame.values.size).reshape(shape)
        return enclosed.context(masks.astype(bool), worth, self.frame)

    def score(self, chosen: Mask) -> float:
        """Dice of some of the samples inside."""
        return 2 * float(self.truth[chosen].sum()) / (float(chosen.sum()) + self.volume)


def drawn(truth: Mask, rng: Generator) -> tuple[Array, Array]:
    """Low and high edge (k, j, i) of a box as users draw it: tight, uneven, or loose."""
    box = bounding_box(truth)
    assert box is not None
    low, high = (np.array([getattr(s, end) for s in box], float) for end in ("start", "stop"))
    kind, off = rng.random(), np.zeros((2, 3))
    if 0.3 <= kind < 0.65:
        off = rng.uniform(-0.1, 0.1, (2, 3))
    elif kind >= 0.65:
        off = rng.uniform(0, 0.22) + rng.uniform(-0.03, 0.03, (2, 3))
    off[:, np.array(truth.shape) == 1] = 0
    return low - off[0] * (high - low), high + off[1] * (high - low)


def region(image: Image, low: Array, high: Array) -> Region:
    """The box between two edges (k, j, i), counted from the corner of the first voxel."""
    spacing = np.array(image.spacing)
    centre = image.ijk_to_ras(((low + high) / 2 - 0.5)[::-1])
    return Region(centre, image.affine[:3, :3] / spacing, (high - low)[::-1] * spacing / 2)


def hidden(prepared: Prepared, rng: Generator) -> Prepared:
    """Noise in place of an image, more or less smooth."""
    values = rng.standard_normal(prepared.values.shape).astype(np.float32)
    sigma = rng.uniform(0, 3) * voxel_sigma(prepared.spacing, values.shape)
    return replace(prepared, values=ndimage.gaussian_filter(values, sigma), noise=1.0)


def example(image: Image, truth: Mask, prepared: Prepared, seed: int, rng: Generator) -> Example:
    """A box around an object."""
    place = region(image, *drawn(truth, rng))
    frame = Frame.of(place, image, prepared)
    labels = Frame.of(place, image, replace(prepared, values=truth.astype(np.float32)))
    look = parts.Look.of(frame)
    masks, rows = parts.candidates(look)
    flat = masks.reshape(len(masks), -1)
    volume = float(truth.sum() * np.prod(prepared.spacing) / np.prod(frame.steps))
    dice = 2 * flat @ labels.values.ravel() / (flat.sum(1) + volume)
    count = int(frame.inside.sum())
    picked = rng.choice(count, min(SAMPLES, count), replace=False)
    weight = (LESS if truth.sum() < SMALL else 1.0) * (MORE if dice[-2] < UNLIKE else 1.0)
    return Example(
        seed,
        weight,
        rows,
        dice.astype(np.float32),
        frame,
        np.packbits(flat, axis=1),
        picked,
        enclosed.samples(look)[picked],
        labels.values[frame.inside],
        volume,
    )


def examples(count: int, folder: Path) -> list[Example]:
    """Those of the first ``count`` volumes, made or from ``folder``."""
    path = folder / "examples.pkl"
    done, found = pickle.loads(path.read_bytes()) if path.exists() else (0, [])
    for number in range(done, count):
        rng = np.random.default_rng([FIRST_SEED + number, 5])
        prepared = None
        for n, (image, truth) in enumerate(volume(FIRST_SEED + number, rng)):
            i, j, k = image.spacing
            prepared = prepared or prepare(image.array, (k, j, i))
            boxes = np.random.default_rng([FIRST_SEED + number, n])
            seen = hidden(prepared, boxes) if (3 * number + n) % HIDDEN == 0 else prepared
            found.append(example(image, truth, seen, number, boxes))
        if number % 25 == 24 or number == count - 1:
            path.write_bytes(pickle.dumps((number + 1, found)))
            best = np.mean([one.dice.max() for one in found])
            print(f"{number + 1} volumes, best of the candidates {best:.3f}", flush=True)
    return [one for one in found if one.seed < count]


def fitted_worth(some: list[Example], seed: int) -> enclosed.Net:
    """It is to tell the Dice of each candidate, and its sharp softmax is to choose well."""
    (hidden, rounds, batch, rate), tables = WORTH, [enclosed.compared(one.rows) for one in some]
    mean, spread = _scale(np.concatenate(tables))
    most = max(len(rows) for rows in tables)
    inputs = torch.zeros(len(some), most, len(mean))
    dice, real = torch.zeros(len(some), most), torch.zeros(len(some), most, dtype=torch.bool)
    for n, (rows, one) in enumerate(zip(tables, some, strict=True)):
        inputs[n, : len(rows)] = _scaled(rows, mean, spread)
        dice[n, : len(rows)], real[n, : len(rows)] = torch.tensor(one.dice), True
    weight = torch.tensor([one.weight for one in some])
    net, learn = _net(len(mean), hidden, rate, seed)
    slower = torch.optim.lr_scheduler.CosineAnnealingLR(learn, rounds)
    for _ in range(rounds):
        for part in torch.randperm(len(some)).split(batch):
            told, is_real = net(inputs[part])[..., 0], real[part]
            missed = (torch.square(told - dice[part]) * is_real).sum(-1) / is_real.sum(-1)
            share = torch.softmax((SHARP * told).masked_fill(~is_real, -1e9), -1)
            chosen = (share * dice[part]).sum(-1)
            _step(learn, (weight[part] * (2 * missed - chosen)).sum() / weight[part].sum())
        slower.step()
    return _as_net(net, mean, spread)


def fitted_sample(rows: Array, truth: Array, weight: Array, seed: int) -> enclosed.Net:
    """It is to tell the share of the object in each sample."""
    hidden, rounds, batch, rate = SAMPLE
    mean, spread = _scale(rows)
    inputs, target = _scaled(rows, mean, spread), torch.tensor(truth)
    counts = torch.tensor(weight / weight.mean())
    net, learn = _net(len(mean), hidden, rate, seed)
    steps = rounds * -(-len(rows) // batch)
    once = torch.optim.lr_scheduler.OneCycleLR(learn, rate, total_steps=steps)
    for _ in range(rounds):
        for part in torch.randperm(len(rows)).split(batch):
            told = net(inputs[part])[:, 0]
            missed = nn.functional.binary_cross_entropy_with_logits(
                told, target[part], reduction="none"
            )
            _step(learn, (missed * counts[part]).mean())
            once.step()
    return _as_net(net, mean, spread)


def _scale(rows: Array) -> tuple[Array, Array]:
    return rows.mean(0), rows.std(0) + 1e-3


def _scaled(rows: Array, mean: Array, spread: Array) -> Tensor:
    far = enclosed.FARTHEST
    return torch.tensor(np.clip((rows - mean) / spread, -far, far), dtype=torch.float32)


def _net(inputs: int, hidden: tuple[int, int], rate: float, seed: int):
    torch.manual_seed(seed)
    a, b = hidden
    net = nn.Sequential(
        nn.Linear(inputs, a), nn.ReLU(), nn.Linear(a, b), nn.ReLU(), nn.Linear(b, 1)
    )
    return net, torch.optim.AdamW(net.parameters(), lr=rate, weight_decay=1e-2)


def _step(learn: torch.optim.Optimizer, loss: Tensor) -> None:
    learn.zero_grad()
    loss.backward()
    learn.step()


def _as_net(net: nn.Sequential, mean: Array, spread: Array) -> enclosed.Net:
    values = [p.detach().numpy() for p in net.parameters()]
    return enclosed.Net(mean, spread, list(zip(values[::2], values[1::2], strict=True)))


def _arrays(name: str, net: enclosed.Net) -> dict[str, Array]:
    found = {f"{name} mean": net.mean, f"{name} spread": net.spread}
    for n, (weight, bias) in enumerate(net.layers):
        found |= {f"{name} weight {n}": weight, f"{name} bias {n}": bias}
    return found


def fitted(some: list[Example], seed: int) -> enclosed.Nets:
    """Two judges of candidates, each of one half; what the other half told goes into the second
    network, so that it learns how far such a judge can be trusted."""
    halves = [[one for one in some if one.seed % 2 == n] for n in range(2)]
    judges = [fitted_worth(half, seed + n) for n, half in enumerate(halves)]
    rows, truth, weight = [], [], []
    for one in some:
        worth = judges[1 - one.seed % 2](enclosed.compared(one.rows))
        rows.append(np.concatenate([one.samples, one.context(worth)[one.picked]], axis=1))
        truth.append(one.truth[one.picked])
        weight.append(np.full(len(one.picked), one.weight / len(one.picked), np.float32))
    together = [np.concatenate(list_) for list_ in (rows, truth, weight)]
    return enclosed.Nets(judges, fitted_sample(*together, seed))


def report(kept: list[Example]) -> None:
    """Mean Dice with the written networks."""
    found = [one.score(enclosed.odds(one.frame)[one.frame.inside] > 0) for one in kept]
    likely = [one.dice[enclosed.worths(one.rows).argmax()] for one in kept]
    print(f"{len(kept)} held out, found: {np.mean(found):.3f}")
    print(f"candidate chosen: {np.mean(likely):.3f}")
    print(f"best candidate: {np.mean([one.dice.max() for one in kept]):.3f}")
    print(f"inscribed ellipsoid: {np.mean([one.dice[-2] for one in kept]):.3f}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--volumes", type=int, default=700)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--out", type=Path, default=ROOT / "bench" / "boxes")
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    torch.set_num_threads(1)
    found = examples(options.volumes, options.out)
    learned = [one for one in found if one.seed < options.volumes * 5 / 6]
    nets = fitted(learned, options.seed)
    info = {
        "parts": " / ".join(parts.NAMES),
        "samples": " / ".join(enclosed.SAMPLES + enclosed.CONTEXT),
        "made by": "Resources/training/boxes.py",
        "objects": str(len(learned)),
        "seed": str(options.seed),
        "licence": "Apache-2.0",
    }
    arrays = _arrays("sample", nets.sample)
    for n, judge in enumerate(nets.worth):
        arrays |= _arrays(f"worth {n}", judge)
    net_file.write(enclosed.WEIGHTS, arrays, info)
    report([one for one in found if one.seed >= options.volumes * 5 / 6])


if __name__ == "__main__":
    main()
