"""Train the networks that choose what a click changes in a mask.

    python Resources/training/corrections.py                  180 volumes, about 20 minutes
    python Resources/training/corrections.py --volumes 30     a try

Only synthetic volumes. In the first half of them a plain rule makes the corrections, in the second
half networks that learned from the first. Examples are kept in OUT, so that a second run goes on
where it stopped. Every sixth volume is held out.
"""

from __future__ import annotations

import argparse
import os
import pickle
from dataclasses import dataclass
from functools import partial
from multiprocessing import Pool
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import torch
import users
from medseg import Image, Point
from medseg.evaluate import next_click
from medseg.image import Array, Mask
from medseg.models.embedded import changes, net_file, sizes
from medseg.models.embedded.change_rows import NAMES, described
from medseg.models.embedded.grid import Field
from medseg.models.embedded.interactive import Interactive
from medseg.models.embedded.maps import View
from medseg.prompts import Prompt
from numpy.random import Generator
from sizes import volume

ROOT = Path(__file__).parents[2]
FIRST_SEED = 7_000_000
CLICKS, CARELESS = 7, 0.3
#: Rows taken of the blocks nearer than `NEAR` depths to a click, and of the others.
NEAR, MOST_NEAR, MOST_FAR = 5.0, 1500, 800
HIDDEN, EPOCHS, BATCH, RATE = 8, 14, 8, 1.5e-2
#: How much a fall of the Dice counts, by whether a click adds; and how much each block does beside.
FALL, EACH = {True: 3.0, False: 8.0}, 0.1
Weights = dict[bool, dict[str, Array]]


@dataclass(frozen=True)
class Example:
    """Some blocks that a click may change: their rows, and the share of each that is wrong.

    ``blocks``: how many blocks each row stands for. ``total``, ``both``: blocks of object and mask
    before the click, counted together and where they agree.
    """

    include: bool
    rows: Array
    wrong: Array
    blocks: Array
    total: float
    both: float


@dataclass
class Watched:
    """Corrects as `changes.corrected`, or by a plain rule, and keeps an example of each."""

    image: Image
    truth: Mask
    rng: Generator
    weights: Weights | None
    mask: Mask
    kept: list[Example]

    def correct(self, view: View, odds: Field) -> Field:
        rows, blocks = described(view, odds)
        include, window = view.groups[view.newest].include, view.scene.window
        share = window.shrink(self.truth)[blocks]
        self._keep(include, rows, share if include else 1 - share, float(np.prod(window.factors)))
        if self.weights is None:
            away, alike = np.exp(rows[:, NAMES.index("away")]), rows[:, NAMES.index("alike")]
            return changes.changed(view, 4 * (1.5 - away) + 1.2 * alike, blocks)
        return changes.changed(view, changes.judged(rows, self.weights[include]), blocks)

    def _keep(self, include: bool, rows: Array, wrong: Array, block: float) -> None:
        near = rows[:, NAMES.index("away")] < np.log(NEAR)
        chosen, stands = [], []
        for part, most in ((near, MOST_NEAR), (~near, MOST_FAR)):
            places = np.flatnonzero(part)
            some = self.rng.permutation(places)[:most]
            chosen.append(some)
            stands.append(np.full(len(some), len(places) / max(len(some), 1), np.float32))
        where = np.concatenate(chosen)
        total = (int(self.truth.sum()) + int(self.mask.sum())) / block
        both = int((self.truth & self.mask).sum()) / block
        self.kept.append(
            Example(include, rows[where], wrong[where], np.concatenate(stands), total, both)
        )


def session(image: Image, truth: Mask, rng: Generator, weights: Weights | None) -> list[Example]:
    """Clicks of a user who mostly, not always, clicks in the middle of the largest error."""
    watched = Watched(image, truth, rng, weights, np.zeros_like(truth), [])
    opened = Interactive(image, sizes.decide, sizes.search, watched.correct)
    prompts: list[Prompt] = []
    for _ in range(CLICKS):
        click = next_click(watched.mask, truth, image)
        if prompts and rng.random() < CARELESS:
            other = users.correction(image, watched.mask, truth, rng)
            click = other if isinstance(other, Point) else click
        if click is None:
            break
        prompts.append(click)
        watched.mask = opened.segment(prompts)
    return watched.kept


def examples_of(number: int, weights: Weights | None) -> list[Example]:
    """Those of the objects of one volume."""
    rng = np.random.default_rng([FIRST_SEED + number, 2])
    torch.set_num_threads(1)
    return [
        example
        for image, truth in volume(FIRST_SEED + number, rng)
        for example in session(image, truth, rng, weights)
    ]


def examples(numbers: range, weights: Weights | None, path: Path) -> list[list[Example]]:
    """Those of some volumes, made or from the file ``path``."""
    found: list[list[Example]] = pickle.loads(path.read_bytes()) if path.exists() else []
    with Pool() as pool:
        one = partial(examples_of, weights=weights)
        for more in pool.imap(one, numbers[len(found) :]):
            found.append(more)
            if len(found) % 25 == 0 or len(found) == len(numbers):
                path.write_bytes(pickle.dumps(found))
                print(f"{len(found)} volumes", flush=True)
    return found[: len(numbers)]


def gain(logits: torch.Tensor, example: Example) -> torch.Tensor:
    """What the Dice would rise by."""
    sign = 1 if example.include else -1
    changed = torch.sigmoid(logits) * torch.from_numpy(example.blocks)
    right = torch.from_numpy(example.wrong)
    both = example.both + (changed * (right if example.include else right - 1)).sum()
    total = example.total + sign * changed.sum()
    return 2 * both / total - 2 * example.both / example.total


def loss(logits: torch.Tensor, example: Example) -> torch.Tensor:
    """Less for a greater part of the possible gain, more for a fall; and each block counts."""
    rise = gain(logits, example)
    left = 1.1 - 2 * example.both / example.total
    share = torch.from_numpy(example.blocks / example.blocks.sum())
    told = torch.nn.functional.binary_cross_entropy_with_logits(
        logits, torch.from_numpy(example.wrong), weight=share, reduction="sum"
    )
    return -rise / left + (FALL[example.include] - 1) * torch.relu(-rise) + EACH * told


class Learner:
    """One network, and how its rows are scaled."""

    def __init__(self, some: list[Example], seed: int) -> None:
        torch.manual_seed(seed)
        rows = np.concatenate([one.rows for one in some])
        self.mean, self.spread = rows.mean(0), rows.std(0) + 1e-3
        self.net = torch.nn.Sequential(
            torch.nn.Linear(len(NAMES), HIDDEN), torch.nn.Tanh(), torch.nn.Linear(HIDDEN, 1)
        )
        torch.nn.init.constant_(self.net[2].bias, -1.0)
        steps = EPOCHS * -(-len(some) // BATCH)
        learn = torch.optim.Adam(self.net.parameters(), weight_decay=1e-4)
        slower = torch.optim.lr_scheduler.OneCycleLR(learn, RATE, total_steps=steps)
        for _ in range(EPOCHS):
            for part in torch.randperm(len(some)).split(BATCH):
                mean = torch.stack([loss(self.logits(some[n]), some[n]) for n in part]).mean()
                learn.zero_grad()
                mean.backward()
                learn.step()
                slower.step()

    def logits(self, example: Example) -> torch.Tensor:
        return self.net(torch.from_numpy((example.rows - self.mean) / self.spread))[:, 0]

    def gain(self, some: list[Example]) -> float:
        with torch.no_grad():
            return float(np.mean([gain(self.logits(one), one) for one in some]))

    def arrays(self) -> dict[str, Array]:
        """For rows as they are: ``first``, ``turn``, ``last``, ``start`` (see `changes.judged`)."""
        first, turn, last, start = (p.detach().numpy() for p in self.net.parameters())
        scaled = first / self.spread
        return {
            "first": scaled,
            "turn": turn - scaled @ self.mean,
            "last": last[0],
            "start": start,
        }


def learned(found: list[list[Example]], seed: int) -> Weights:
    """Weights by sign of the click, from all but every sixth volume; tells the gain on both."""
    kept = [one for number, each in enumerate(found) if number % 6 == 5 for one in each]
    some = [one for number, each in enumerate(found) if number % 6 != 5 for one in each]
    weights = {}
    for include in (True, False):
        mine, held = ([o for o in part if o.include == include] for part in (some, kept))
        learner = Learner(mine, seed)
        weights[include] = learner.arrays()
        print(
            f"{'add' if include else 'take'}: {len(mine)} clicks raise the Dice by "
            f"{learner.gain(mine):.4f}, {len(held)} held out by {learner.gain(held):.4f}",
            flush=True,
        )
    return weights


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--volumes", type=int, default=180)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--out", type=Path, default=ROOT / "bench" / "corrections")
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    half = options.volumes // 2
    plain = examples(range(half), None, options.out / "plain.pkl")
    weights = learned(plain, options.seed)
    rest = examples(range(half, options.volumes), weights, options.out / "learned.pkl")
    weights = learned(plain + rest, options.seed)
    arrays = {
        f"{'add' if include else 'take'} {name}": array
        for include, those in weights.items()
        for name, array in those.items()
    }
    info = {
        "rows": " / ".join(NAMES),
        "made by": "Resources/training/corrections.py",
        "volumes": str(options.volumes - options.volumes // 6),
        "seed": str(options.seed),
        "licence": "Apache-2.0",
    }
    net_file.write(changes.WEIGHTS, arrays, info)


if __name__ == "__main__":
    main()
