"""Propagation and tracking beside two baselines, from the same prompts.

    python Testing/bench/tracking.py [--sets cine_mr,endoscopy,...] [--model NAME]

Baselines: the last mask moved along with dense optical flow (OpenCV's DIS), and with demons
registration (SimpleITK), slice by slice. Neither can tell that an object has ended, so all
methods get the range of places where it shows; films also count frames without the object (1 when
it is left out, 0 when something is drawn). Writes OUT/tracking.md.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import SimpleITK as sitk
from cases import CINE_FRAMES, ENDOSCOPY_OBJECTS, SETS, data_folder
from medseg import Box, find
from medseg.courses import Course, ThroughFilm, ThroughSlices, ThroughVolumes
from medseg.image import Array, Mask
from medseg.io import read_labels
from medseg.io.films import open_film
from medseg.io.images import read_over_time
from medseg.propagation import Found, Task, Tracker, find_tracker
from medseg.tracking import masks_from, track
from PIL import Image as Picture

ROOT = Path(__file__).parents[2]
#: Demons works on about so many pixels a side.
COARSE = 200


@dataclass(frozen=True, eq=False)
class Job:
    """An object to follow. ``truth``: masks ``(rows, A, B)`` by place, to compare with."""

    set: str
    name: str
    course: Course
    seeds: dict[int, Mask]
    truth: dict[int, Mask]
    first: int
    last: int
    by_frame: bool


class Warp:
    """The last mask moved along with ``field(now, before)``, offsets ``(A, B, 2)`` in pixels."""

    colour = True

    def __init__(self, name: str, field: Callable[[Array, Array], Array]) -> None:
        self.name = name
        self._field = field

    def track(self, task: Task) -> Iterator[Found]:
        for gap in task.gaps():
            for seed, step in ((gap.before, 1), (gap.after, -1)):
                if seed is not None:
                    yield from self._walk(task, seed, step, self._part(gap, step))

    def _part(self, gap: Any, step: int) -> list[int]:
        """The half of a gap that is nearer to the seed."""
        indices = list(gap.indices)
        if gap.before is None or gap.after is None:
            return indices[::step]
        half = (len(indices) + 1) // 2
        return indices[:half] if step == 1 else indices[half:][::-1]

    def _walk(self, task: Task, seed: int, step: int, indices: list[int]) -> Iterator[Found]:
        from scipy.ndimage import map_coordinates

        mask = task.seeds[seed].astype(np.float32)
        grid = np.indices(mask.shape).astype(np.float32)
        for index in indices:
            offsets = self._field(_grey(task.pixels(index)), _grey(task.pixels(index - step)))
            mask = map_coordinates(
                mask, grid + np.moveaxis(offsets, -1, 0), order=1, mode="nearest"
            )
            yield Found(index, mask > 0.5, 1.0)


def flow(now: Array, before: Array) -> Array:
    """Kroeger et al., ECCV 2016."""
    import cv2

    dis = cv2.DISOpticalFlow_create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
    found: Array = dis.calc(now, before, None)
    return found[..., ::-1]


def demons(now: Array, before: Array) -> Array:
    """Vercauteren et al., NeuroImage 2009, symmetric forces; large pictures at a lower size."""
    step = max(1, round(max(now.shape) / COARSE))
    fixed, moving = (
        sitk.BinShrink(sitk.GetImageFromArray(a.astype(np.float32)), [step, step])
        for a in (now, before)
    )
    method = sitk.FastSymmetricForcesDemonsRegistrationFilter()
    method.SetNumberOfIterations(60)
    method.SetStandardDeviations(1.5)
    field = sitk.Resample(method.Execute(fixed, moving), sitk.GetImageFromArray(now))
    found: Array = sitk.GetArrayFromImage(field)
    return found[..., 1::-1]


def _grey(pixels: Array) -> Array:
    """As 8 bits, which is what the flow takes."""
    grey = pixels.mean(axis=-1) if pixels.ndim == 3 else pixels.astype(np.float32)
    if pixels.dtype == np.uint8:
        return grey.astype(np.uint8)
    low, high = np.percentile(grey, [0.5, 99.5])
    return np.clip((grey - low) / max(high - low, 1e-6) * 255, 0, 255).astype(np.uint8)


def cine_mr() -> Iterator[Job]:
    """From the late labelled frame (end of diastole) to the early one."""
    for patient, (early, late) in CINE_FRAMES.items():
        folder = data_folder() / "seq_cine_mr" / patient
        raw = read_over_time(folder / "cine.nii.gz")
        assert raw is not None
        course = ThroughVolumes(raw.array[..., 0], raw.affine, raw.name)
        masks = [read_labels(folder / "cine_seg.nii.gz", frame=f).array == 1 for f in (early, late)]
        truth = {early: masks[0]}
        yield Job("cine_mr", patient, course, {late: masks[1]}, truth, early, late, False)


def endoscopy() -> Iterator[Job]:
    """From the first frame that an object shows in, to the end."""
    folder = data_folder() / "seq_endoscopy" / "patient2_seq5"
    pictures = sorted((folder / "masks").glob("*.png"))
    labels = np.stack([np.asarray(Picture.open(path)) for path in pictures])
    course = ThroughFilm(open_film(folder / "frames"))
    for value, name in ENDOSCOPY_OBJECTS.items():
        shown = np.flatnonzero((labels == value).any((1, 2)))
        first, last = int(shown[0]), len(labels) - 1
        truth = {n: (labels[n] == value)[None] for n in range(first + 1, last + 1)}
        seeds = {first: (labels[first] == value)[None]}
        yield Job("endoscopy", name, course, seeds, truth, first, last, True)


def one_box(name: str) -> Iterator[Job]:
    """A tight box on the middle slice of each object."""
    model = find()
    for case in SETS[name](data_folder()):
        course = ThroughSlices(case.image)
        slices = np.flatnonzero(case.truth.any((1, 2)))
        if len(slices) < 3:
            continue
        middle = int(slices[len(slices) // 2])
        try:
            seeds = masks_from(course, [_box(case.image, case.truth[middle], middle)], model)
        except Exception as error:
            print(f"{name}, {case.name}: {error}", file=sys.stderr)
            continue
        truth = {n: case.truth[n][None] for n in range(case.image.shape[0])}
        yield Job(name, case.name, course, seeds, truth, int(slices[0]), int(slices[-1]), False)


def _box(image: Any, mask: Mask, place: int) -> Box:
    j, i = np.nonzero(mask)
    low, high = np.array([i.min(), j.min(), place]), np.array([i.max(), j.max(), place])
    spacing = np.array(image.spacing)
    size = (high - low + [1, 1, 0]) * spacing
    return Box(image.ijk_to_ras((low + high) / 2), size, image.affine[:3, :3] / spacing)


JOBS: dict[str, Callable[[], Iterator[Job]]] = {
    "cine_mr": cine_mr,
    "endoscopy": endoscopy,
    **{
        name: (lambda name=name: one_box(name))
        for name in ("abdomen_ct_short", "abdomen_ct", "sarcoma_ct", "sarcoma_mr")
    },
}


def score(job: Job, tracker: Tracker, open_end: bool = False) -> tuple[float, float]:
    """Dice, and seconds for a place."""
    begin, found = time.perf_counter(), {n: np.zeros_like(m) for n, m in job.truth.items()}
    ends = {} if open_end else {"first": job.first, "last": job.last}
    count = 0
    for seen in track(job.course, job.seeds, model=tracker, **ends):
        count += 1
        if seen.place in found:
            found[seen.place][seen.row] = seen.mask
    seconds = (time.perf_counter() - begin) / max(count, 1)
    if job.by_frame:
        return float(np.mean([dice(found[n], job.truth[n]) for n in job.truth])), seconds
    a, b = (np.stack([masks[n] for n in sorted(job.truth)]) for masks in (found, job.truth))
    return dice(a, b), seconds


def dice(a: Mask, b: Mask) -> float:
    total = np.count_nonzero(a) + np.count_nonzero(b)
    return 2 * np.count_nonzero(a & b) / total if total else 1.0


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sets", default=",".join(JOBS))
    parser.add_argument("--model", default="default")
    parser.add_argument("--out", type=Path, default=ROOT / "bench")
    options = parser.parse_args()
    ours = find_tracker(options.model)
    methods = {
        ours.name: (ours, False),
        f"{ours.name}, no range": (ours, True),
        "optical flow": (Warp("optical flow", flow), False),
        "demons": (Warp("demons", demons), False),
    }
    lines = ["| set | object | " + " | ".join(methods) + " |", "|---|---|" + "---|" * len(methods)]
    for name in options.sets.split(","):
        rows = []
        for job in JOBS[name]():
            scores = [score(job, *method) for method in methods.values()]
            rows.append([d for d, _ in scores])
            lines.append(
                f"| {name} | {job.name} | " + " | ".join(f"{d:.2f}" for d in rows[-1]) + " |"
            )
            told = ", ".join(
                f"{n} {d:.2f} ({s:.2f} s)" for n, (d, s) in zip(methods, scores, strict=True)
            )
            print(f"{name}, {job.name}: {told}", file=sys.stderr, flush=True)
        means = " | ".join(f"**{m:.2f}**" for m in np.mean(rows, axis=0))
        lines.append(f"| {name} | **mean of {len(rows)}** | {means} |")
    options.out.mkdir(parents=True, exist_ok=True)
    (options.out / "tracking.md").write_text("\n".join(lines) + "\n")
    print("\n".join(lines))
    return 0


if __name__ == "__main__":
    sys.exit(main())
