"""A scene of 512 x 512 x 300 voxels, a live session in it, and what each click costs there."""

from __future__ import annotations

import gc
import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

HERE = Path(__file__).parent
PLUGIN = HERE / "plugin"
sys.path[:0] = [str(PLUGIN), str(HERE.parent / "scene"), str(HERE.parent)]

import slicer  # noqa: E402
from medseg import Point  # noqa: E402
from medseg.companion.link import Companion  # noqa: E402
from medseg.companion.watch import Callback, Pump  # noqa: E402
from medseg_bench_models import shape as stub_shape  # noqa: E402
from medseg_scene import (  # noqa: E402
    LiveSession,
    LogicEditor,
    ensure,
    image_from_volume,
    read_segment,
)
from scene_kit import add_segment, add_segmentation, add_volume  # noqa: E402

T = TypeVar("T")
#: (K, J, I).
SHAPE = (300, 512, 512)
AFFINE = np.diag([0.8, 0.8, 1.5, 1.0])
#: A window should not stand still for longer.
SLOW_MS = 50.0
STAMP = stub_shape("ellipsoid")


@dataclass(frozen=True)
class Turn:
    """One turn of an event loop: for so long a window would stand still.

    ``what``: the function that was called, or what the user did. ``ms``: wall time; ``slicer``: of
    that, in Slicer's own calls; ``cpu``: of the rest, in the processor.
    """

    what: str
    ms: float
    slicer: float
    cpu: float


class Turns:
    """What makes an event loop note its turns."""

    def __init__(self) -> None:
        super().__init__()
        self.turns: list[Turn] = []

    def gui(self, do: Callable[[], T], what: str = "") -> T:
        """Do what an event of the window would do, as a turn of its own."""
        before = _clocks()
        try:
            return do()
        finally:
            wall, cpu, slicer, slicer_cpu = 1e3 * (_clocks() - before)
            self.turns.append(Turn(what or _name(do), wall, slicer, cpu - slicer_cpu))

    def settle(self) -> None:
        """Serve what is due now, and what that makes due."""
        for _ in range(2):
            told: list[int] = []
            self.call_later(0, lambda told=told: told.append(1))  # type: ignore[misc]
            self.run_until(lambda told=told: bool(told))  # type: ignore[misc]

    def _run(self, callback: Callback) -> None:
        self.gui(lambda: super(Turns, self)._run(callback), _name(callback))  # type: ignore[misc]


def _clocks() -> np.ndarray:
    """Seconds: wall, this thread's in the processor; both of them in Slicer's own calls."""
    own = time.perf_counter(), time.thread_time()
    return np.array([*own, TimedEditor.spent, TimedEditor.spent_cpu])


def _name(function: Callable[..., Any]) -> str:
    """What a function is called, inside of partials."""
    while isinstance(function, partial):
        function = function.func
    return function.__qualname__.replace(".<locals>", "")


def event_loop() -> Any:
    """Qt's, as in Slicer's window, where there is a Qt; else a `Pump`."""
    import host

    if host.why_not():
        return type("Meter", (Turns, Pump), {})()
    host.prepare()
    from medseg_face.loop import QtLoop
    from PySide6.QtCore import QCoreApplication

    meter = type("QtMeter", (Turns, QtLoop), {})()
    meter.application = None if QCoreApplication.instance() else QCoreApplication([])
    return meter


class TimedEditor(LogicEditor):
    """Adds up the seconds that are Slicer's own: saving a state, modifying, undo."""

    #: Of all editors together.
    spent = spent_cpu = 0.0

    def save_state(self) -> None:
        self._time(super().save_state)

    def add(self, segmentation: Any, segment_id: str, labelmap: Any) -> None:
        self._time(lambda: LogicEditor.add(self, segmentation, segment_id, labelmap))

    def remove(self, segmentation: Any, segment_id: str, labelmap: Any) -> None:
        self._time(lambda: LogicEditor.remove(self, segmentation, segment_id, labelmap))

    def undo(self) -> None:
        self._time(super().undo)

    def _time(self, do: Callable[[], None]) -> None:
        begin, cpu = time.perf_counter(), time.thread_time()
        try:
            do()
        finally:
            TimedEditor.spent += time.perf_counter() - begin
            TimedEditor.spent_cpu += time.thread_time() - cpu


@dataclass(frozen=True)
class Cost:
    """Milliseconds of one action. ``total``: until it is done; ``gui``: of that, the GUI thread's;
    ``longest``: its longest turn; ``slicer``: what Slicer itself took of ``gui``; ``model``: what
    the session in the helper took."""

    total: float
    gui: float
    longest: float
    slicer: float
    model: float = 0.0


class Bench:
    """One companion, one volume, and places to click at."""

    def __init__(self) -> None:
        ensure()
        self.meter = event_loop()
        env = {**os.environ, "PYTHONPATH": str(PLUGIN)}
        self.companion = Companion(self.meter, env=env)
        self.companion.start()
        self.random = np.random.default_rng(0)
        self.voxels = self.random.integers(-1000, 2000, SHAPE, np.int16)
        self.volume = self.new_volume()
        self.image = image_from_volume(self.volume)
        #: Turns that were too long.
        self.slow: list[Turn] = []

    def new_volume(self, voxels: np.ndarray | None = None) -> Any:
        return add_volume(self.voxels if voxels is None else voxels, AFFINE)

    def places(self, count: int) -> list[tuple[int, int, int]]:
        """``(k, j, i)`` around which the whole stub fits."""
        margin = np.array(STAMP.shape) // 2
        kji = self.random.integers(margin, np.subtract(SHAPE, margin), (count, 3))
        return [tuple(row) for row in kji.tolist()]

    @contextmanager
    def session(self, segmentation: Any, segment_id: str | None = None) -> Iterator[Any]:
        """A live session with an editor that is timed; both gone afterwards."""
        tidy()
        editor = TimedEditor.create(self.volume, segmentation)
        live = LiveSession(
            self.volume, segmentation, self.companion, segment_id, editor, "ellipsoid"
        )
        try:
            yield live
        finally:
            live.close()
            editor.close()
            slicer.mrmlScene.RemoveNode(segmentation)
            self.meter.settle()

    def cost(self, live: Any, ask: Callable[[], Any]) -> Cost:
        """What an action costs that returns a `Pending`, or is done when it returns."""
        self.meter.turns.clear()
        slicer, begin = TimedEditor.spent, time.perf_counter()
        pending = self.meter.gui(ask, "the user")
        model = 0.0
        if pending is not None:
            self.meter.run_until(lambda: pending.finished, 600)
            model = pending.result.seconds if pending.error is None else 0.0
        total = time.perf_counter() - begin
        slicer = TimedEditor.spent - slicer
        turns = list(self.meter.turns)
        self.meter.settle()
        gui, longest = sum(turn.ms for turn in turns), max(turn.ms for turn in turns)
        self.slow += [turn for turn in self.meter.turns if turn.ms > SLOW_MS]
        return Cost(1e3 * total, gui, longest, 1e3 * slicer, 1e3 * model)

    def click(self, live: Any, place: tuple[int, int, int], include: bool = True) -> Cost:
        return self.cost(live, lambda: live.add(self.point(live, place, include)))

    def point(self, live: Any, place: tuple[int, int, int], include: bool = True) -> Point:
        return Point(live.image.ijk_to_ras(place[::-1]), include)

    def count(self, segmentation: Any, ids: list[str]) -> int:
        """Voxels of these segments together."""
        masks = (read_segment(segmentation, n, self.image) for n in ids)
        return sum(int(np.count_nonzero(mask)) for mask in masks)

    def wait(self, pending: Any) -> None:
        self.meter.run_until(lambda: pending.finished)

    def close(self) -> None:
        self.companion.close()
        application = getattr(self.meter, "application", None)
        if application is not None:
            application.shutdown()


def tidy() -> None:
    """Let go of what ended before: Slicer takes most of a second to free a large segmentation.

    Else Python's collector does it, in the middle of some later turn.
    """
    gc.collect()


def ellipsoid(centre: tuple[float, ...], radii: tuple[float, ...]) -> np.ndarray:
    k, j, i = (np.arange(n) for n in SHAPE)
    terms = [((a - c) / r) ** 2 for a, c, r in zip((k, j, i), centre, radii, strict=True)]
    return terms[0][:, None, None] + terms[1][:, None] + terms[2] <= 1


def tube(noise: np.ndarray) -> np.ndarray:
    """A bright tube through all slices, of the width of the stub, in a little of the noise."""
    voxels = noise // 50
    voxels[:, ellipsoid((150, 256, 256), (1.0, 50.0, 50.0))[150]] += 500
    return voxels


def imported(bench: Bench, masks: list[np.ndarray]) -> tuple[Any, list[str]]:
    """A segmentation node with these masks, which do not overlap, in one shared layer."""
    node = add_segmentation(bench.volume)
    ids = [add_segment(node, mask, AFFINE, name=f"organ {n}") for n, mask in enumerate(masks)]
    slicer.vtkSlicerSegmentationsModuleLogic.CollapseBinaryLabelmaps(node, False)
    assert node.GetSegmentation().GetNumberOfLayers() == 1
    return node, ids


def small(count: int) -> list[np.ndarray]:
    """As in the measurements of the strongest peer: two balls of radius 30 far apart, which are
    one segment, and balls of radius 25."""
    ball = (30.0, 30.0, 30.0)
    first = ellipsoid((60, 90, 90), ball) | ellipsoid((240, 420, 420), ball)
    centres = [(60, 420, 90), (240, 90, 420), (150, 256, 256), (60, 90, 420), (240, 420, 90)]
    return [first, *(ellipsoid(c, (25.0, 25.0, 25.0)) for c in centres[: count - 1])]


def organs() -> list[np.ndarray]:
    """Six objects as large as organs, side by side: the layer holds the whole volume."""
    centres = [(k, j, i) for k in (75, 225) for j, i in ((128, 128), (128, 384), (384, 256))]
    return [ellipsoid(c, (74.0, 120.0, 120.0)) for c in centres]


def over_neighbours() -> list[tuple[int, int, int]]:
    """Where the stub lies within the layer of `small`, the third and others on neighbours."""
    return [(150 - 10 * n, 256 + 15 * (-1) ** n * (n - 2), 220 + 16 * n) for n in range(9)]


def stamp_box(place: tuple[int, int, int]) -> tuple[slice, ...]:
    """Where the stub paints when it is asked at ``place``."""
    radii = np.array(STAMP.shape) // 2
    return tuple(slice(c - r, c + r + 1) for c, r in zip(place, radii.tolist(), strict=True))
