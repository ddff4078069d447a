"""SAM 2 at work: the cost of propagation beside transformers' own loop, of clicks, and of memory.

    python Testing/bench/sam.py                        SAM 2.1 tiny at 512 pixels, random weights
    python Testing/bench/sam.py --model small          the next larger one
    python Testing/bench/sam.py --device cuda --slices 60
    python Testing/bench/sam.py --memory 1000          peak memory, with made-up features

Weights are random, so masks mean nothing here; costs do not depend on them.
"""

from __future__ import annotations

import argparse
import resource
import statistics
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
import transformers
from medseg import Image, Point
from medseg.models.sam.families import FAMILIES
from medseg.models.sam.model import OpenSam
from medseg.models.sam.network import Network
from medseg.models.sam.pixels import to_bytes, to_input
from medseg.models.sam.sizes import fitted
from medseg.models.sam.spec import Spec
from medseg.models.sam.tracker import SamTracker
from medseg.models.sam.video import Steps
from medseg.propagation import Task

FAMILY = FAMILIES["sam2"]
SPEC = Spec("sam2:random", FAMILY, "random")
#: Blocks in each stage of the encoder, and those that see all of the slice.
MODELS = {"tiny": ((1, 2, 7, 2), (5, 7, 9)), "small": ((1, 2, 11, 2), (7, 10, 13))}


@dataclass(frozen=True)
class Noise:
    """A film of any length that is made as it is read (see `medseg.slices.Slices`)."""

    count: int
    side: int
    channels: int = 1
    spacing: tuple[float, float] = (1.0, 1.0)
    film: bool = True
    modality: str | None = None

    @property
    def shape(self) -> tuple[int, int]:
        return self.side, self.side

    def pixels(self, index: int) -> np.ndarray:
        random = np.random.default_rng(index)
        return random.integers(0, 255, self.shape, dtype=np.uint8)


def random_model(name: str, size: int) -> Any:
    """SAM 2.1 with random weights; its object is always there."""
    torch.manual_seed(0)
    config = fitted(transformers.Sam2VideoConfig(), size)
    backbone = config.vision_config.backbone_config
    backbone.blocks_per_stage, backbone.global_attention_blocks = map(list, MODELS[name])
    model = transformers.Sam2VideoModel(config).eval()
    with torch.no_grad():
        model.mask_decoder.pred_obj_score_head.proj_out.bias.fill_(20.0)
    return model


def disk(side: int, radius: float) -> np.ndarray:
    j, i = np.ogrid[:side, :side]
    return (j - side / 2) ** 2 + (i - side / 2) ** 2 < (radius * side) ** 2


class Clock:
    """Wall and processor seconds of a piece of work, after the device has finished it."""

    def __init__(self, device: str) -> None:
        self._device = device

    def _now(self) -> tuple[float, float]:
        if self._device == "cuda":
            torch.cuda.synchronize()
        return time.perf_counter(), time.process_time()

    def of(self, work: Callable[[], Any]) -> tuple[float, float]:
        before = self._now()
        work()
        after = self._now()
        return after[0] - before[0], after[1] - before[1]


def theirs(model: Any, film: Noise, mask: np.ndarray, device: str) -> Iterator[Any]:
    """Transformers' own session and loop, from a mask on the first frame."""
    from transformers.models.sam2_video.modeling_sam2_video import Sam2VideoInferenceSession

    shown = [to_bytes(film.pixels(n), (0, 255)) for n in range(film.count)]
    video = torch.cat([to_input(rgb, FAMILY, model.image_size) for rgb in shown])
    session = Sam2VideoInferenceSession(
        video=video, dtype=torch.float32, inference_device=device, inference_state_device=device
    )
    square = torch.from_numpy(mask)[None, None].float()
    square = torch.nn.functional.interpolate(square, (model.image_size,) * 2, mode="bilinear")
    session.add_mask_inputs(session.obj_id_to_idx(1), 0, (square >= 0.5).float())
    session.obj_with_new_inputs = [1]
    model(session, frame_idx=0)
    for out in model.propagate_in_video_iterator(session, start_frame_idx=0):
        if out.frame_idx:
            yield out


def ours(network: Network, film: Noise, mask: np.ndarray) -> Iterator[Any]:
    task = Task(film, {0: mask}, 0, film.count - 1, stop_when_empty=False)
    return SamTracker(SPEC, network).track(task)


def told(name: str, seconds: list[tuple[float, float]]) -> tuple[float, float]:
    """Print and return the median wall and processor seconds of the later half.

    Memory is full then.
    """
    later = seconds[len(seconds) // 2 :]
    wall, cpu = (statistics.median(s[n] for s in later) for n in range(2))
    print(f"{name:<52} {wall:8.3f} s  {cpu:8.3f} CPU-s", flush=True)
    return wall, cpu


def compared(reference: tuple[float, float], cost: tuple[float, float]) -> None:
    wall, cpu = (theirs / ours for theirs, ours in zip(reference, cost, strict=True))
    print(f"    transformers takes {wall:.2f} times as long, {cpu:.2f} times the processor time")


def propagation(options: argparse.Namespace) -> None:
    """A slice of each, in turns, so that a busy machine slows all alike."""
    model, clock = random_model(options.model, options.size), Clock(options.device)
    network = Network(model, "0" * 64, FAMILY, options.device)
    film, mask = Noise(options.slices, options.size), disk(options.size, 0.2)
    what = f"SAM 2.1 {options.model}, {options.slices} slices of {options.size} pixels"
    print(f"per slice, {what} on {options.device}")
    runs = [theirs(model, film, mask, options.device), ours(network, film, mask)]
    costs: list[list[tuple[float, float]]] = [[], []]
    for number in range(options.slices - 1):
        for which in (0, 1) if number % 2 else (1, 0):
            costs[which].append(clock.of(lambda run=runs[which]: next(run)))
    corrected = ours(network, film, disk(options.size, 0.3))
    again = [clock.of(lambda: next(corrected)) for _ in range(options.slices - 1)]
    reference = told("transformers' own loop", costs[0])
    compared(reference, told("first propagation", costs[1]))
    compared(reference, told("again after a correction", again))


def clicks(options: argparse.Namespace) -> None:
    """A click on a slice not seen yet, on its neighbour encoded ahead, and on the same again."""
    network = Network(random_model(options.model, options.size), "0" * 64, FAMILY, options.device)
    film, clock = Noise(40, options.size), Clock(options.device)
    image = Image(np.stack([film.pixels(n) for n in range(film.count)]), time_axis=True)
    opened = OpenSam(image, SPEC, network)
    kinds: dict[str, list[tuple[float, float]]] = {"cold": [], "ahead": [], "again": []}
    for index in (5, 15, 25, 35):
        for kind, at in (("cold", index), ("ahead", index + 1), ("again", index + 1)):
            click = Point([options.size / 2, options.size / 2, at])
            kinds[kind].append(clock.of(lambda click=click: opened.segment([click])))
            opened.ahead.wait()
    told("click on a slice not seen yet", kinds["cold"])
    told("click on its neighbour, encoded ahead", kinds["ahead"])
    told("another click there", kinds["again"])


def memory(options: argparse.Namespace) -> None:
    """Peak memory over that of the loaded network, with features that are made up.

    Looking at memories, whose cost in memory is the same for every slice, ends after 30 slices.
    """
    network = Network(random_model(options.model, options.size), "0" * 64, FAMILY, options.device)
    film, mask = Noise(options.memory, options.size), disk(options.size, 0.2)
    like = network.maps(to_bytes(film.pixels(0), (0, 255)))
    random = np.random.default_rng(0)
    shapes = [tuple(m.shape) for m in like]
    network._encoded = lambda rgb: [random.standard_normal(s, np.float32) for s in shapes]
    last: dict[str, Any] = {}
    follow = Steps.follow

    def looked(*given: Any) -> Any:
        if last.get("count", 0) < 30:
            last.update(count=last.get("count", 0) + 1, seen=follow(*given))
        return last["seen"]

    Steps.follow = looked
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    marks = {10, 30, 100, 300, options.memory - 1}
    for done, _ in enumerate(ours(network, film, mask), start=1):
        if done in marks:
            now = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
            print(f"{done:>5} slices: {(now - before) / 1024:8.0f} MB over the network", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--model", choices=MODELS, default="tiny")
    parser.add_argument("--size", type=int, default=512)
    parser.add_argument("--slices", type=int, default=16)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--memory", type=int, metavar="SLICES", help="only peak memory")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    if options.memory:
        memory(options)
        return
    propagation(options)
    clicks(options)


if __name__ == "__main__":
    main()
