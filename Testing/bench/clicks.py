"""From click to updated segment, 512 x 512 x 300 voxels, and how long the window stands still.

    python Testing/bench/clicks.py [--only WORD ...]

The scene is slicer-core's, the helper process is the real one, the model is a stub that answers at
once with an ellipsoid of 100 x 100 x 60 voxels: all but a network is measured. Slicer's own part is
timed inside the same clicks. Beside it: the write of the whole volume, and a write into the shared
labelmap in place, as the strongest peer does it. Writes bench/clicks.md.
"""

from __future__ import annotations

import argparse
import os
import platform
import signal
import statistics
import sys
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

import numpy as np
import slicer
from clicks_kit import (
    AFFINE,
    SLOW_MS,
    STAMP,
    Bench,
    Cost,
    Turn,
    imported,
    organs,
    over_neighbours,
    small,
    stamp_box,
    tidy,
    tube,
)
from medseg.companion.link import Server
from medseg_scene import LogicEditor, read_segment
from peer import our_server
from scene_kit import add_segmentation, add_transform, oriented
from vtk.util.numpy_support import vtk_to_numpy

#: Clicks of a case; of one in which Slicer takes long.
MANY, FEW = 24, 8
HEAD = (
    "| case | n | click to segment, ms: median | p95 | GUI thread | its longest turn: median | max "
    "| of the GUI thread: Slicer's own | session in the helper |\n" + "|---" * 9 + "|"
)


SLOW_HEAD = (
    "| case | turns over 50 ms | n | longest, ms | of it in Slicer's own calls "
    "| most that is not Slicer's | the same in processor time |\n" + "|---" * 7 + "|"
)


def row(name: str, costs: list[Cost]) -> str:
    def middle(what: str) -> str:
        return f"{statistics.median(getattr(cost, what) for cost in costs):.0f}"

    p95 = np.percentile([cost.total for cost in costs], 95)
    longest = max(cost.longest for cost in costs)
    return (
        f"| {name} | {len(costs)} | {middle('total')} | {p95:.0f} | {middle('gui')} "
        f"| {middle('longest')} | {longest:.0f} | {middle('slicer')} | {middle('model')} |"
    )


# Clicks: each gives lines of the first table


def one_organ(bench: Bench) -> list[str]:
    """Clicks that are near each other, as on one organ."""
    with bench.session(add_segmentation(bench.volume)) as live:
        first = bench.click(live, (150, 256, 256))
        near = [(150 + n % 5, 230 + 4 * n, 240 + n) for n in range(MANY)]
        costs = [bench.click(live, place) for place in near]
        undone, after = [], []
        for place in near[:FEW]:
            undone.append(bench.cost(live, live.undo))
            after.append(bench.click(live, place))
    return [
        row("empty segment, first click", [first]),
        row("clicks on one organ", costs),
        row("undo", undone),
        row("click after undo", after),
    ]


def everywhere(bench: Bench) -> list[str]:
    """Clicks all over the volume: the segment's labelmap grows as large as the volume."""
    with bench.session(add_segmentation(bench.volume)) as live:
        costs = [bench.click(live, place) for place in bench.places(110)]
    return [row("clicks everywhere", costs[1 : MANY + 1]), row("the 90th to 110th", costs[-21:])]


def shared_layer(bench: Bench) -> list[str]:
    return [
        line
        for count, what in ((1, "1 imported segment"), (6, "6 in one imported layer"))
        for line in in_layer(bench, count, what)
    ]


def in_layer(bench: Bench, count: int, what: str) -> list[str]:
    node, ids = imported(bench, small(count))
    with bench.session(node, ids[0]) as live:
        first = bench.click(live, bench.places(1)[0])
        costs = [bench.click(live, place) for place in bench.places(MANY)]
    return [
        row(f"{what}, first click", [first]),
        row(f"{what}, start mask in the tag", costs),
    ]


def imported_organs(bench: Bench) -> list[str]:
    node, ids = imported(bench, organs())
    with bench.session(node, ids[0]) as live:
        first = bench.click(live, (150, 256, 256))
        costs = [bench.click(live, (140 + n, 250, 250 + 2 * n)) for n in range(FEW)]
        undone, after = [], []
        for n in range(FEW):
            undone.append(bench.cost(live, live.undo))
            after.append(bench.click(live, (140 - n, 250, 250)))
    return [
        row("6 imported large organs, first click", [first]),
        row("6 imported large organs", costs),
        row("the same, undo", undone),
        row("the same, click after undo", after),
    ]


def rules(bench: Bench) -> list[str]:
    lines = []
    node, ids = imported(bench, small(6))
    with bench.session(node, ids[0]) as live:
        bench.click(live, bench.places(1)[0])
        everywhere = live.editor.node.GetMaskMode()
        live.editor.node.SetMaskMode(slicer.vtkMRMLSegmentationNode.EditAllowedOutsideAllSegments)
        costs = [bench.click(live, place) for place in bench.places(FEW)]
        lines.append(row("editable area on, 6 segments", costs))
        live.editor.node.SetMaskMode(everywhere)
        live.editor.node.SetSourceVolumeIntensityMask(True)
        live.editor.node.SetSourceVolumeIntensityMaskRange(0.0, 2000.0)
        costs = [bench.click(live, place) for place in bench.places(FEW)]
        lines.append(row("intensity range on, 6 segments", costs))
    return lines


def moved(bench: Bench) -> list[str]:
    """Volume and segmentation under a parent transform."""
    node, ids = imported(bench, small(1))
    turn = add_transform(np.array([[0.0, -1, 0, 10], [1, 0, 0, 3], [0, 0, 1, -7], [0, 0, 0, 1]]))
    for child in (bench.volume, node):
        child.SetAndObserveTransformNodeID(turn.GetID())
    with bench.session(node, ids[0]) as live:
        bench.click(live, bench.places(1)[0])
        costs = [bench.click(live, place) for place in bench.places(MANY)]
    bench.volume.SetAndObserveTransformNodeID(None)
    return [row("under a parent transform", costs)]


def after_hand_edits(bench: Bench) -> list[str]:
    """A box of 300 x 300 x 150 voxels painted by hand before each click."""
    costs = []
    with bench.session(add_segmentation(bench.volume)) as live:
        bench.click(live, (150, 256, 256))
        box = np.ones((150, 300, 300), bool)
        for n in range(FEW):
            live.editor.save_state()
            labelmap = oriented(box, AFFINE, (10 * n, 20, 10 * n))
            live.editor.add(live.segmentation, live.segment_id, labelmap)
            bench.meter.settle()
            costs.append(bench.click(live, (140 + n, 250, 250)))
    return [row("click after a big hand edit", costs)]


def fresh_volumes(bench: Bench) -> list[str]:
    """The image is handed over, the helper opens it, the first prompt waits for that."""
    costs, before = [], bench.volume
    for _ in range(4):
        bench.volume = bench.new_volume()
        with bench.session(add_segmentation(bench.volume)) as live:
            costs.append(bench.click(live, (150, 256, 256)))
        slicer.mrmlScene.RemoveNode(bench.volume)
    bench.volume = before
    return [row("first click on a fresh volume", costs)]


# What takes long, or goes wrong: the second table


def turns(name: str, cost: Cost, bench: Bench) -> str:
    slow = sum(turn.ms > SLOW_MS for turn in bench.meter.turns)
    number = len(bench.meter.turns)
    return f"| {name} | {cost.total / 1e3:.1f} | {number} | {cost.longest:.0f} | {slow} |"


def propagation(bench: Bench) -> list[str]:
    before, bench.volume = bench.volume, bench.new_volume(tube(bench.voxels))
    with bench.session(add_segmentation(bench.volume)) as live:
        bench.click(live, (150, 256, 256))
        cost = bench.cost(live, lambda: live.propagate([150]))
        found = bench.count(live.segmentation, [live.segment_id]) / 1e6
    slicer.mrmlScene.RemoveNode(bench.volume)
    bench.volume = before
    name = f"propagation over 300 slices ({found:.1f} million voxels)"
    return [turns(name, cost, bench)]


def lost_companion(bench: Bench) -> list[str]:
    """Killed when 60 prompts with undo have to be put back."""
    with bench.session(add_segmentation(bench.volume)) as live:
        for place in bench.places(60):
            bench.click(live, place)
        os.kill(bench.companion.pid, signal.SIGKILL)
        cost = bench.click(live, (150, 256, 256))
    return [turns("helper killed before the 61st prompt", cost, bench)]


def lost_server(bench: Bench) -> list[str]:
    """Killed in the middle of a prompt; it takes a while until it is given up."""
    with ExitStack() as server, bench.session(add_segmentation(bench.volume)) as live:
        port = server.enter_context(our_server("ellipsoid"))
        bench.wait(bench.companion.connect(Server(f"http://127.0.0.1:{port}")))
        up = bench.click(live, (150, 256, 256))
        lines = [turns("first click, through a server on this machine", up, bench)]
        pending = live.add(bench.point(live, (150, 250, 250)))
        server.close()
        cost = bench.cost(live, lambda: pending)
        bench.wait(bench.companion.connect(None))
    return [*lines, turns("server killed during a prompt, until it is given up", cost, bench)]


# All turns that were too long: the last table


def slow_lines(case: str, slow: list[Turn]) -> list[str]:
    """The turns of a case that were too long, those of one function in one line."""
    lines = []
    for what in dict.fromkeys(turn.what for turn in slow):
        turns = [turn for turn in slow if turn.what == what]
        longest = max(turns, key=lambda turn: turn.ms)
        ours = max(turn.ms - turn.slicer for turn in turns)
        cpu = max(turn.cpu for turn in turns)
        lines.append(
            f"| {case} | `{what}` | {len(turns)} | {longest.ms:.0f} | {longest.slicer:.0f} "
            f"| {ours:.0f} | {cpu:.0f} |"
        )
    return lines


# Other ways to write: the third table


def writes(bench: Bench) -> list[str]:
    ways: list[tuple[str, Callable[..., None]]] = [
        ("whole volume (`updateSegmentBinaryLabelmapFromArray`)", whole),
        ("in place, tight box", lambda *a: in_place(*a, margin=(0, 0, 0))),
        ("in place, box of 192 voxels", lambda *a: in_place(*a, margin=(66, 46, 46))),
        ("Slicer's editor, crop", crop),
    ]
    lines = []
    for count in (1, 6):
        for name, way in ways:
            for undo in (False, True):
                if undo and way not in (whole, crop):
                    continue
                times, lost = written(bench, count, way, undo)
                shown = f"{name}{', with undo' if undo else ''}"
                lines.append(
                    f"| {shown} | {count} | {statistics.median(times):.0f} "
                    f"| {np.percentile(times, 95):.0f} | {lost} |"
                )
        lines.append(ours(bench, count))
    return lines


def written(
    bench: Bench, count: int, way: Callable[..., None], undo: bool
) -> tuple[list[float], int]:
    node, ids = imported(bench, small(count))
    editor = LogicEditor.create(bench.volume, node)
    editor.node.SetSelectedSegmentID(ids[0])
    mask = read_segment(node, ids[0], bench.image)
    before = bench.count(node, ids[1:])
    times = []
    for place in over_neighbours():
        box = stamp_box(place)
        mask[box] |= STAMP
        begin = time.perf_counter()
        if undo:
            editor.save_state()
        way(bench, editor, node, ids[0], mask, box)
        times.append(1e3 * (time.perf_counter() - begin))
    lost = before - bench.count(node, ids[1:])
    editor.close()
    slicer.mrmlScene.RemoveNode(node)
    return times[1:], lost


def ours(bench: Bench, count: int) -> str:
    node, ids = imported(bench, small(count))
    before = bench.count(node, ids[1:])
    with bench.session(node, ids[0]) as live:
        costs = [bench.click(live, place) for place in over_neighbours()][1:]
        lost = before - bench.count(node, ids[1:])
    times = [cost.gui for cost in costs]
    return (
        f"| ours, all of a click on the GUI thread, with undo | {count} "
        f"| {statistics.median(times):.0f} | {np.percentile(times, 95):.0f} | {lost} |"
    )


def whole(bench, editor, node, segment_id, mask, box) -> None:  # type: ignore[no-untyped-def]
    slicer.util.updateSegmentBinaryLabelmapFromArray(
        mask.view(np.uint8), node, segment_id, bench.volume
    )


def in_place(bench, editor, node, segment_id, mask, box, margin) -> None:  # type: ignore[no-untyped-def]
    """Label value by label value into the layer's own memory, within a box around the change."""
    labelmap = node.GetBinaryLabelmapInternalRepresentation(segment_id)
    extent, label = (
        labelmap.GetExtent(),
        node.GetSegmentation().GetSegment(segment_id).GetLabelValue(),
    )
    layer = vtk_to_numpy(labelmap.GetPointData().GetScalars())
    layer = layer.reshape(labelmap.GetDimensions()[::-1])
    first = np.array(extent[::2])[::-1]
    low = [max(0, side.start - m) for side, m in zip(box, margin, strict=True)]
    high = [side.stop + m for side, m in zip(box, margin, strict=True)]
    part = tuple(slice(max(a, f), b) for a, b, f in zip(low, high, first, strict=True))
    region = layer[tuple(slice(s.start - f, s.stop - f) for s, f in zip(part, first, strict=True))]
    new = mask[part][tuple(slice(0, n) for n in region.shape)]
    region[region == label] = 0
    region[new] = label
    labelmap.GetPointData().GetScalars().Modified()
    labelmap.Modified()


def crop(bench, editor, node, segment_id, mask, box) -> None:  # type: ignore[no-untyped-def]
    start = tuple(side.start for side in box)[::-1]
    editor.add(node, segment_id, oriented(mask[box], AFFINE, start))


CLICKS = [
    one_organ,
    everywhere,
    shared_layer,
    imported_organs,
    rules,
    moved,
    after_hand_edits,
    fresh_volumes,
]
LONG = [propagation, lost_companion, lost_server]


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--only", nargs="*", default=[], metavar="WORD")
    parser.add_argument("--out", type=Path, default=Path("bench"))
    options = parser.parse_args()
    bench, report, slow = Bench(), [], []

    def tell(*lines: str) -> None:
        report.extend(lines)
        print("\n".join(lines), flush=True)

    def measure(case: Callable[..., list[str]]) -> None:
        if not options.only or any(word in case.__name__ for word in options.only):
            tidy()
            bench.slow.clear()
            tell(*case(bench))
            slow.extend(slow_lines(case.__name__.replace("_", " "), bench.slow))

    tell(
        "# From click to updated segment, 512 x 512 x 300 int16", "",
        f"{os.cpu_count()} cores, {platform.machine()}, Python {platform.python_version()}, "
        f"event loop {type(bench.meter).__name__}, load {os.getloadavg()[0]:.1f} at the start. "
        "Milliseconds.", "", HEAD,
    )  # fmt: skip
    try:
        for case in CLICKS:
            measure(case)
        tell(
            "",
            "| case | s in all | turns | longest turn, ms | turns over 50 ms |",
            "|---|---|---|---|---|",
        )
        for case in LONG:
            measure(case)
        tell(
            "",
            "| write | segments | median, ms | p95 | voxels that neighbours lost |",
            "|---|---|---|---|---|",
        )
        measure(writes)
        tell("", SLOW_HEAD, *slow)
    finally:
        bench.close()
    options.out.mkdir(parents=True, exist_ok=True)
    (options.out / "clicks.md").write_text("\n".join(report) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
