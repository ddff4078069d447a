"""``medseg evaluate``: simulated clicks on labelled structures, as a table or JSON."""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from functools import partial

import numpy as np

from ..errors import InputError
from ..evaluate import GOALS, ClickScores, evaluate_session
from ..image import Image
from ..io import Segment, read_segmentation
from ..model import Model
from ..session import Session
from . import remote
from .segment import open_image
from .terminal import Bar, table

#: Opens a fresh session, to be left when its work is done.
Opening = Callable[[], AbstractContextManager[Session]]
COLUMNS = (1, 3, 5, 10)


def run(options: argparse.Namespace) -> None:
    """Score every chosen model on every chosen structure."""
    if options.clicks < 1:
        raise InputError("--clicks must be 1 or more.")
    names = options.model or ["default"]
    if options.server is None:
        models = [remote.local(options, name) for name in names]
        image = open_image(options)
        _run(options, image, [partial(_local, image, model) for model in models])
        return
    with remote.connected(options) as backend:
        image = open_image(options)
        _run(options, image, [partial(remote.session, backend, options, image, n) for n in names])


def _run(options: argparse.Namespace, image: Image, openings: Sequence[Opening]) -> None:
    """``openings``: each opens a fresh session with one of the models."""
    structures = read_structures(options.labels_file, image, options.labels)
    for opening in openings:
        model, scores = _score(opening, structures, options)
        if not options.json:
            print(f"{model.name} {model.version}, {options.clicks} clicks a structure")
            print(report(scores, options.clicks) + "\n")


def _local(image: Image, model: Model) -> AbstractContextManager[Session]:
    return nullcontext(Session(image, model))


def read_structures(path: str, image: Image, wanted: str | None) -> list[Segment]:
    """The structures of a label file that lie on the image, all or those ``wanted``.

    ``wanted``: label values or names, separated by commas.
    """
    found = [s for s in read_segmentation(path, image).segments if s.mask.any()]
    if wanted is None:
        if not found:
            raise InputError(f"'{path}' labels no voxel of the image.")
        return found
    chosen = []
    for text in wanted.split(","):
        match = [s for s in found if text.strip() in (s.name, str(s.value))]
        if not match:
            listed = ", ".join(f"{s.value} ({s.name})" for s in found)
            raise InputError(f"'{path}' has no label '{text.strip()}'; it has {listed}.")
        chosen += match
    return chosen


def _score(
    opening: Opening, structures: Sequence[Segment], options: argparse.Namespace
) -> tuple[Model, list[ClickScores]]:
    scores = []
    for structure in structures:
        with (
            opening() as session,
            Bar(f"{session.model.name}: {structure.name}", options.quiet) as bar,
        ):

            def progress(click: int, bar: Bar = bar) -> None:
                bar(click / options.clicks)

            model = session.model
            score = evaluate_session(
                session, structure.mask, options.clicks, structure.name, progress
            )
        if options.json:
            print(json.dumps(_facts(model, score)), flush=True)
        scores.append(score)
    return model, scores


def _facts(model: Model, score: ClickScores) -> dict[str, object]:
    return {
        "model": model.name,
        "version": model.version,
        "structure": score.name,
        "dice": [round(d, 4) for d in score.dice],
        "seconds": [round(s, 3) for s in score.seconds],
        **{f"clicks_to_{goal:.2f}": score.clicks_to(goal) for goal in GOALS},
    }


def report(scores: Sequence[ClickScores], clicks: int) -> str:
    """The table: one row per structure, and their mean."""
    columns = [n for n in COLUMNS if n <= clicks]
    header = ["structure", *(f"Dice@{n}" for n in columns), *(f"to {g:.2f}" for g in GOALS)]
    rows = [[*header, "s/click"]]
    for score in scores:
        reached = [score.clicks_to(goal) for goal in GOALS]
        rows.append(
            [
                score.name,
                *(f"{score.after(n):.3f}" for n in columns),
                *(f">{clicks}" if n is None else str(n) for n in reached),
                f"{np.mean(score.seconds):.2f}",
            ]
        )
    if len(scores) > 1:
        rows.append(_mean_row(scores, columns, clicks))
    return table(rows)


def _mean_row(scores: Sequence[ClickScores], columns: Sequence[int], clicks: int) -> list[str]:
    to_goal = [[score.clicks_to(goal) or clicks for score in scores] for goal in GOALS]
    return [
        "mean",
        *(f"{np.mean([s.after(n) for s in scores]):.3f}" for n in columns),
        *(f"{np.mean(each):.1f}" for each in to_goal),
        f"{np.mean([np.mean(s.seconds) for s in scores]):.2f}",
    ]
