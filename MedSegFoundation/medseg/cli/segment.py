"""``medseg segment``: prompts on an image become a segment in a file."""

from __future__ import annotations

import argparse
import json
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from ..errors import InputError
from ..image import Image
from ..io import Segmentation, read_image, write_segmentation
from ..prompts import Prompt
from ..session import Session, Step
from ..vocabulary import TERMINOLOGY_TAG, told_by
from . import remote
from .edit import Edited, finished, opened
from .given import read_given
from .terminal import Bar, say

SUFFIXES = (".seg.nrrd", ".nrrd", ".nii.gz", ".nii")


def run(options: argparse.Namespace) -> None:
    """Read everything first, then apply the prompts one by one, then write once."""
    if not options.given:
        raise InputError(
            "Give at least one prompt: --point, --exclude, --box, --line, --scribble, --text or "
            "--prompts."
        )
    output = checked_output(options.output, options.image)
    image = open_image(options)
    prompts = read_given(options.given, image, options.coords)
    with _session(options, image) as session:
        edited = opened(options.edit, options.segment, session)
        _apply(prompts, session, options)
        _write(output, _called(edited, prompts, options), session, options.quiet)


@contextmanager
def _session(options: argparse.Namespace, image: Image) -> Iterator[Session]:
    if options.server is None:
        yield Session(image, remote.local(options, options.model))
        return
    with remote.connected(options) as backend, remote.session(backend, options, image) as session:
        yield session


def _apply(prompts: Sequence[Prompt], session: Session, options: argparse.Namespace) -> None:
    for number, prompt in enumerate(prompts):
        label = f"{prompt.kind} {number + 1} of {len(prompts)}"
        with Bar(label, options.quiet) as bar:
            step = session.add(prompt, progress=bar)
        for note in step.notes:
            say(f"Note: {note}", options.quiet)
        say(f"{label}: {size(step.voxels, session.image)}, {step.seconds:.2f} s", options.quiet)
        if options.json:
            print(json.dumps(facts(prompt, step, session.image)), flush=True)


def _called(edited: Edited, prompts: Sequence[Prompt], options: argparse.Namespace) -> Edited:
    """A new segment takes name, colour and DICOM codes of the term that was asked for."""
    term = told_by(prompts)
    if options.edit is not None or term is None:
        return edited
    segment = edited.segments[edited.index]
    tags = {TERMINOLOGY_TAG: term.slicer_entry} if term.slicer_entry else {}
    name, color = options.segment or term.name, term.colour or segment.color
    return replace(
        edited, segments=edited.placed(replace(segment, name=name, color=color, tags=tags))
    )


def open_image(options: argparse.Namespace) -> Image:
    """The image of a command; its notes go to stderr."""
    image = read_image(
        options.image,
        series=options.series,
        frame=options.frame,
        grey=options.grey,
        uneven=options.uneven,
    )
    for note in image.notes:
        say(f"Note: {note}", options.quiet)
    return image


def checked_output(text: str, image: str) -> Path:
    """The output path, if it can be written; better known before the work than after."""
    path = Path(text)
    if not path.name.lower().endswith(SUFFIXES):
        raise InputError(f"'{text}' must end in {', '.join(SUFFIXES[:-1])} or {SUFFIXES[-1]}.")
    if path.is_dir():
        raise InputError(f"'{text}' is a folder; name a file in it.")
    check_place(path, image)
    return path


def check_place(path: Path, image: str) -> None:
    """Raise `InputError` when an output cannot lie there, or is the image itself."""
    text = str(path)
    if path.exists() and Path(image).exists() and path.samefile(image):
        raise InputError(f"'{text}' is the image itself; write to another file.")
    if not path.parent.is_dir():
        raise InputError(f"The folder '{path.parent}' does not exist; create it first.")
    if not os.access(path.parent, os.W_OK):
        raise InputError(f"The folder '{path.parent}' cannot be written to; choose another.")


def facts(prompt: Prompt, step: Step, image: Image) -> dict[str, object]:
    """One line of ``--json``.

    ``ml``: None for a film, whose third axis is time. ``changed``: first and last changed voxel
    ``ijk`` and the outer bounds ``ras`` in mm, or None.
    """
    return {
        "kind": prompt.kind,
        "include": prompt.include,
        "seconds": round(step.seconds, 4),
        "voxels": step.voxels,
        "ml": None if image.time_axis else round(step.ml, 4),
        "changed": _changed(step, image),
    }


def _changed(step: Step, image: Image) -> dict[str, object] | None:
    if step.patch.empty:
        return None
    bounds = image.crop(step.patch.start, step.patch.stop).ras_bounds()
    last = [n - 1 for n in step.patch.stop[::-1]]
    return {"ijk": [list(step.patch.start[::-1]), last], "ras": bounds.round(3).tolist()}


def _write(output: Path, edited: Edited, session: Session, quiet: bool) -> None:
    segment = finished(edited, session)
    others = edited.others
    write_segmentation(output, Segmentation.on(session.image, edited.placed(segment)))
    voxels = int(segment.mask.sum())
    kept = f"; {len(others)} other segments kept" if others else ""
    empty = " It is empty: add a prompt inside the structure." if not voxels else ""
    say(f"{output}: '{segment.name}', {size(voxels, session.image)}{kept}.{empty}", quiet)


def size(voxels: int, image: Image) -> str:
    """How large a mask is, in words; a film has no volume."""
    if image.time_axis:
        return f"{voxels / image.shape[0]:.0f} pixels a frame"
    return f"{voxels * image.voxel_ml:.1f} mL ({voxels} voxels)"
