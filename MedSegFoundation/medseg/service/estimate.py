"""What a prompt will cost, told before it runs."""

from __future__ import annotations

import math
import os
from typing import NamedTuple, Protocol, runtime_checkable

from ..protocol.messages import Estimate

Shape = tuple[int, int, int]


class Cost(NamedTuple):
    """Expected seconds to open an image and to answer a prompt, and memory at the peak."""

    open_seconds: float
    prompt_seconds: float
    memory_bytes: int


@runtime_checkable
class Estimates(Protocol):
    """A `medseg.model.Model` may also have this."""

    def estimate(self, shape: Shape) -> tuple[float, float, int]:
        """Seconds to open an image ``(K, J, I)``, seconds of a prompt, bytes at the peak."""
        ...


#: For models that say nothing: seconds and bytes per voxel, as measured with "geodesic-cut" on
#: two busy cores (150 x 512 x 512, a ball of 100 slices: 8.5 s, 9.6 s, 2.5 GB).
OPEN_SECONDS, PROMPT_SECONDS, MEMORY_BYTES = 2.5e-7, 2.5e-7, 65
#: A prompt costs this much however small the image is.
LEAST_SECONDS = 0.2


def cost(model: object, shape: Shape) -> Cost:
    """What the model says, or the default figures."""
    if isinstance(model, Estimates):
        opening, prompt, memory = model.estimate(shape)
        return Cost(float(opening), float(prompt), int(memory))
    count = math.prod(shape)
    return Cost(OPEN_SECONDS * count, LEAST_SECONDS + PROMPT_SECONDS * count, MEMORY_BYTES * count)


def judge(device: str, expected: Cost, free: int | None, can_cpu: bool) -> Estimate:
    """The answer with its sentence of advice."""
    fits = free is None or expected.memory_bytes <= free
    return Estimate(
        device,
        expected.open_seconds,
        expected.prompt_seconds,
        expected.memory_bytes,
        free,
        fits,
        _advice(device, expected, free, fits, can_cpu),
    )


def _advice(device: str, expected: Cost, free: int | None, fits: bool, can_cpu: bool) -> str:
    need = f"{expected.memory_bytes / 1e9:.1f} GB"
    if fits:
        return f"It fits: about {need} and {expected.prompt_seconds:.1f} s for a prompt."
    assert free is not None
    other = " or use the CPU" if can_cpu and device != "cpu" else ""
    return (
        f"It needs about {need}, '{device}' has {free / 1e9:.1f} GB free; crop the image to the "
        f"region of interest{other}."
    )


def free_memory() -> int | None:
    """Memory of this machine that is free for use, in bytes; None when that cannot be told."""
    try:
        with open("/proc/meminfo", encoding="ascii") as lines:
            for line in lines:
                if line.startswith("MemAvailable:"):
                    return int(line.split()[1]) * 1024
    except (OSError, ValueError, IndexError):
        pass
    try:
        return os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, ValueError, OSError):
        return None
