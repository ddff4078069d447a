"""What the helper process costs over calling the model in process, with a model that costs
(almost) nothing: milliseconds per prompt, to start, and to hand an image over.

    python Testing/bench/companion.py
"""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

import numpy as np

PLUGIN = Path(__file__).parents[1] / "plugin"
sys.path.insert(0, str(PLUGIN))
os.environ["PYTHONPATH"] = str(PLUGIN)

from medseg import Image, Point, Session, find  # noqa: E402
from medseg.companion.blocking import BlockingSession  # noqa: E402
from medseg.companion.link import Companion  # noqa: E402
from medseg.companion.watch import Pump  # noqa: E402

PROMPTS = 50
SHAPES = {"128 x 128 x 128": (128, 128, 128), "512 x 512 x 300": (300, 512, 512)}


def milliseconds(do, repeat):
    """``(repeat,)`` durations of ``do(number)``."""
    times = []
    for number in range(repeat):
        begin = time.perf_counter()
        do(number)
        times.append(1e3 * (time.perf_counter() - begin))
    return np.array(times)


def points(image):
    rng = np.random.default_rng(0)
    ijk = rng.integers(0, np.array(image.shape[::-1]), (PROMPTS, 3))
    return [Point(image.ijk_to_ras(p)) for p in ijk]


def measure(shape):
    rng = np.random.default_rng(0)
    voxels = rng.integers(-1000, 2000, shape, np.int16)
    image = Image(voxels, np.diag([0.8, 0.8, 1.5, 1.0]))
    prompts = points(image)
    local = Session(image, find("painter"))
    inside = milliseconds(lambda n: local.add(prompts[n]), PROMPTS)
    pump = Pump()
    companion = Companion(pump)
    try:
        begin = time.perf_counter()
        companion.start()
        pump.run_until(lambda: companion.ready)
        start = 1e3 * (time.perf_counter() - begin)
        pump.longest_turn = 0.0
        begin = time.perf_counter()
        session = BlockingSession(companion, pump, image, "painter")
        opened = 1e3 * (time.perf_counter() - begin)
        turn = 1e3 * pump.longest_turn
        pump.longest_turn = 0.0
        steps = []
        behind = milliseconds(lambda n: steps.append(session.add(prompts[n])), PROMPTS)
        prompt_turn = 1e3 * pump.longest_turn
        assert np.array_equal(session.mask, local.mask)
    finally:
        companion.close()
        pump.close()
    over = behind - [1e3 * step.seconds for step in steps]
    print(f"start of the helper {start:.0f} ms; image handed over and opened {opened:.0f} ms")
    print(f"longest turn of the event loop: image {turn:.1f} ms, prompts {prompt_turn:.1f} ms")
    for name, values in (("in process", inside), ("helper", behind), ("around it", over)):
        low, middle, high = np.percentile(values, [5, 50, 95])
        print(f"{name:12} p5 {low:7.1f}  median {middle:7.1f}  p95 {high:7.1f} ms")


def main():
    for name, shape in SHAPES.items():
        print(f"\n{name}, int16, {PROMPTS} prompts")
        measure(shape)


if __name__ == "__main__":
    main()
