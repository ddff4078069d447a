"""Train the network of the embedded model, on volumes made up as it goes.

    python Resources/training/train.py --minutes 60            start anew
    python Resources/training/train.py --minutes 60 --resume   go on from the last checkpoint

One process makes examples (`rollouts`, with the newest weights), this one learns from them. Each
example is learned from a few times, flipped and turned. Learning rate and difficulty follow the
clock, so that a run fits the time there is: `--minutes` counts from the very start, also when
resuming. The newest averaged weights are written as safetensors beside the network's code.
"""

from __future__ import annotations

import argparse
import datetime
import math
import signal
import sys
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import quick
import torch
import torch.multiprocessing as mp
from medseg.models.embedded import net, net_numpy
from medseg.models.embedded.maps import CHANNELS
from medseg.models.embedded.net_file import write
from rollouts import Example, HeldOut, Predict, rollouts
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits

OUT = Path(net.__file__).with_name("synthnet.safetensors")
CHECKPOINT = Path("build/synthnet/checkpoint.pt")
PEAK_RATE = 1e-3
BATCH = 2
#: Examples kept; how often each is learned from, and at most while new ones are late.
KEEP, REUSE, MOST_REUSE = 1200, 2.5, 5.0
#: The combination of channels that the network starts from.
SKIP = {"star": -1.0, "geodesic": -1.0, "unlike_smooth": -0.5, "geodesic_out": 0.3, "prior": 1.0}


def fresh(seed: int) -> dict[str, Tensor]:
    """Weights to start from; each residual block begins as almost nothing."""
    generator = torch.Generator().manual_seed(seed)
    weights = {}
    for name, shape in net.shapes().items():
        fan = math.prod(shape[1:]) if "double" not in name else shape[0]
        gain = 0.1 if "second" in name or "head2" in name else 1.4
        scale = 0.0 if name.endswith("bias") else gain / math.sqrt(fan)
        weights[name] = torch.randn(shape, generator=generator) * scale
    weights["skip.weight"] = torch.tensor([[SKIP.get(name, 0.0) for name in CHANNELS]])
    weights["skip.bias"] = torch.tensor([-0.5])
    return weights


@dataclass
class State:
    """All that a checkpoint holds. ``average``: slowly moving mean of ``weights``."""

    weights: dict[str, Tensor]
    average: dict[str, Tensor]
    optimiser: torch.optim.AdamW
    seconds: float = 0.0
    steps: int = 0
    volumes: int = 0
    seed: int = 1

    @classmethod
    def start(cls, seed: int, device: str = "cpu") -> State:
        weights = {name: w.to(device).requires_grad_() for name, w in fresh(seed).items()}
        average = {name: w.detach().clone() for name, w in weights.items()}
        small = [w for w in weights.values() if w.dim() < 5]
        kernels = [w for w in weights.values() if w.dim() == 5]
        groups = [{"params": small, "scale": 3.0}, {"params": kernels, "scale": 1.0}]
        optimiser = torch.optim.AdamW(groups, PEAK_RATE, betas=(0.9, 0.99), weight_decay=0.01)
        return cls(weights, average, optimiser, seed=seed)

    def save(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        part = path.with_name(path.name + ".part")
        torch.save(
            {
                "weights": {name: w.detach() for name, w in self.weights.items()},
                "average": self.average,
                "optimiser": self.optimiser.state_dict(),
                "counts": (self.seconds, self.steps, self.volumes, self.seed),
            },
            part,
        )
        part.replace(path)

    @classmethod
    def load(cls, path: Path, device: str = "cpu") -> State:
        data = torch.load(path, map_location=device)
        state = cls.start(data["counts"][3], device)
        with torch.no_grad():
            for name, weight in state.weights.items():
                weight.copy_(data["weights"][name])
        state.average = data["average"]
        state.optimiser.load_state_dict(data["optimiser"])
        state.seconds, state.steps, state.volumes, state.seed = data["counts"]
        return state


def loss_of(logit: Tensor, truth: Tensor) -> Tensor:
    """Cross entropy and one minus the soft Dice; neither lets one object drown the others."""
    inside = torch.sigmoid(logit)
    both, total = (inside * truth).sum(), inside.sum() + truth.sum()
    return 2 * binary_cross_entropy_with_logits(logit, truth) + 1 - (2 * both + 1) / (total + 1)


def turned(example: Example, rng: np.random.Generator, device: str) -> tuple[Tensor, Tensor]:
    """An example flipped, and its axes swapped unless it is a single slice."""
    stack = torch.from_numpy(example.stack).to(device).float()
    truth = torch.from_numpy(example.truth).to(device).float()
    axes = [int(a) for a in (rng.permutation(3) if truth.shape[0] > 1 else range(3))]
    flips = [axis for axis in range(3) if rng.random() < 0.5]
    stack = stack.permute(0, *(a + 1 for a in axes)).flip([f + 1 for f in flips])
    return stack.contiguous(), truth.permute(axes).flip(flips).contiguous()


def learn(state: State, batch: Iterable[tuple[Tensor, Tensor]], rate: float) -> float:
    """One update of the weights and their average; returns the loss."""
    for group in state.optimiser.param_groups:
        group["lr"] = rate * group["scale"]
    losses = []
    for stack, truth in batch:
        loss = loss_of(net.forward(quick, state.weights, stack)[0], truth)
        loss.backward()
        losses.append(loss.item())
    torch.nn.utils.clip_grad_norm_(list(state.weights.values()), 1.0)
    state.optimiser.step()
    state.optimiser.zero_grad()
    state.steps += 1
    decay = min(0.997, state.steps / (state.steps + 10))
    with torch.no_grad():
        for name, mean in state.average.items():
            mean.lerp_(state.weights[name], 1 - decay)
    return float(np.mean(losses))


def rate_at(progress: float, step: int) -> float:
    """Cosine from the peak to almost nothing, after a short warming up."""
    return (
        PEAK_RATE
        * min(1.0, (step + 1) / 60)
        * (0.005 + 0.995 * math.cos(progress * math.pi / 2) ** 2)
    )


def difficulty_at(progress: float, rng: np.random.Generator) -> float:
    """Anything from easy to a limit that rises to 0.8; harder scans than that are rare."""
    return float(rng.uniform(0, 0.3 + 0.5 * progress))


def predictor(weights: dict[str, Tensor]) -> Predict:
    arrays = {name: w.detach().cpu().numpy() for name, w in weights.items()}
    return lambda stack: net.forward(net_numpy, arrays, stack)[0]


def publish(state: State, path: Path) -> None:
    """Write the averaged weights for `net.Network`."""
    info = {
        "channels": " ".join(CHANNELS),
        "steps": str(state.steps),
        "volumes": str(state.volumes),
        "seed": str(state.seed),
        "minutes": f"{state.seconds / 60:.1f}",
        "date": datetime.date.today().isoformat(),
        "licence": "Apache-2.0",
    }
    write(path, {name: w.cpu().numpy() for name, w in state.average.items()}, info)


@dataclass
class Shared:
    """What both processes see: the newest averaged weights, the progress, the examples."""

    weights: dict[str, Tensor]
    progress: Tensor
    queue: mp.Queue


def feed(shared: Shared, seed: int, number: int, test_every: float) -> None:
    """Make examples for ever; now and then measure on the held-out objects."""
    torch.set_num_threads(1)
    held_out, tested = HeldOut(), time.monotonic()
    while True:
        rng = np.random.default_rng([seed, number])
        predict = predictor(shared.weights)
        hard = difficulty_at(float(shared.progress), rng)
        for example in rollouts(seed * 1_000_000 + number, hard, predict):
            shared.queue.put(example)
        number += 1
        shared.queue.put(number)
        if time.monotonic() - tested > test_every:
            found = held_out.dice(predictor(shared.weights)).mean(0)
            shared.queue.put("held out " + " ".join(f"{d:.3f}" for d in found))
            tested = time.monotonic()


class Pool:
    """The examples at hand, the oldest replaced first."""

    def __init__(self, queue: mp.Queue, state: State) -> None:
        self.queue, self.state = queue, state
        self.examples: list[Example] = []
        self.received = self.used = 0
        self.dices: list[list[float]] = [[] for _ in range(6)]

    def refill(self) -> None:
        """Take what has come; wait while examples are scarce."""
        while True:
            scarce = len(self.examples) < 40 or self.used > MOST_REUSE * self.received
            plenty = REUSE * self.received > self.used + 200
            if not scarce and (plenty or self.queue.empty()):
                return
            self._take(self.queue.get())

    def _take(self, item: Example | int | str) -> None:
        if isinstance(item, int):
            self.state.volumes = item
        elif isinstance(item, str):
            print(f"{self.state.seconds / 60:6.1f} min  {item}", flush=True)
        else:
            if len(self.examples) < KEEP:
                self.examples.append(item)
            else:
                self.examples[self.received % KEEP] = item
            self.received += 1
            self.dices[min(item.prompts, 6) - 1].append(item.dice)

    def pick(self, rng: np.random.Generator) -> Example:
        """An example, rather one that went well: the hopeless ones teach little."""
        self.used += 1
        while True:
            example = self.examples[int(rng.integers(len(self.examples)))]
            if rng.random() < 0.15 + example.dice:
                return example

    def report(self) -> str:
        """Mean Dice on the way of the newest examples by number of prompts."""
        means = " ".join(f"{np.mean(d[-300:]):.2f}" if d else "-" for d in self.dices[:5])
        return f"{self.received} examples, used {self.used}, on the way {means}"


def train(state: State, minutes: float, device: str, checkpoint: Path, out: Path) -> None:
    """Learn until the clock says so."""
    context = mp.get_context("spawn")
    weights = {name: w.cpu().clone().share_memory_() for name, w in state.average.items()}
    shared = Shared(weights, torch.zeros(1).share_memory_(), context.Queue(maxsize=64))
    task = (shared, state.seed, state.volumes, 480)
    feeder = context.Process(target=feed, args=task, daemon=True)
    feeder.start()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # an orderly end takes the feeder along
    pool, rng = Pool(shared.queue, state), np.random.default_rng(state.steps)
    losses: list[float] = []
    before, saved = time.monotonic(), state.seconds
    while state.seconds < minutes * 60:
        pool.refill()
        progress = state.seconds / (minutes * 60)
        batch = [turned(pool.pick(rng), rng, device) for _ in range(BATCH)]
        losses.append(learn(state, batch, rate_at(progress, state.steps)))
        state.seconds += time.monotonic() - before
        before = time.monotonic()
        if state.steps % 50 == 0:
            shared.progress.fill_(progress)
            for name, weight in shared.weights.items():
                weight.copy_(state.average[name])
        if state.seconds - saved > 100:
            saved = state.seconds
            state.save(checkpoint)
            publish(state, out)
            report = f"step {state.steps}, loss {np.mean(losses[-300:]):.3f}, {pool.report()}"
            print(f"{state.seconds / 60:6.1f} min  {report}", flush=True)
    state.save(checkpoint)
    publish(state, out)
    feeder.terminate()


def main() -> None:
    arguments = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    arguments.add_argument("--minutes", type=float, default=60, help="length of the whole run")
    arguments.add_argument("--seed", type=int, default=1)
    arguments.add_argument("--resume", action="store_true", help="go on from the checkpoint")
    arguments.add_argument("--checkpoint", type=Path, default=CHECKPOINT)
    arguments.add_argument("--out", type=Path, default=OUT)
    arguments.add_argument("--threads", type=int, default=1)
    given = arguments.parse_args()
    torch.set_num_threads(given.threads)
    torch.set_flush_denormal(True)
    device = "cuda" if torch.cuda.is_available() else "cpu"
    state = (
        State.load(given.checkpoint, device) if given.resume else State.start(given.seed, device)
    )
    train(state, given.minutes, device, given.checkpoint, given.out)


if __name__ == "__main__":
    main()
