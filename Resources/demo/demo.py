"""Segments a head MR and an echocardiogram from a few prompts; results go to demo/.

Run by `make demo`. The images come inside two Python packages; nothing is downloaded here.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import cases
import numpy as np
import sources
from medseg import Image, MedsegError, Model, Prompt, Session, find
from medseg.cli.terminal import Bar, say, table
from medseg.evaluate import dice
from medseg.image import Mask
from medseg.io import Segment, Segmentation, read_image, write_segmentation
from medseg.record import Record
from pictures import BACKGROUND, Drawn, film_picture, head_picture, save_picture
from surface import Surface, View, render

HEADER = ["image", "structure", "prompt", "seconds", "mL", "Dice"]


@dataclass
class Result:
    """What the prompts of one image made, and a table row for each prompt."""

    image: Image
    segments: list[Segment] = field(default_factory=list)
    drawn: list[Drawn] = field(default_factory=list)
    rows: list[list[str]] = field(default_factory=list)


def main(output: Path) -> None:
    begin = time.perf_counter()
    output.mkdir(exist_ok=True)
    model = find()
    say(f"Model: {model.name} {model.version}")
    head = segment_head(model)
    write_segmentation(output / "head.seg.nrrd", Segmentation.on(head.image, head.segments))
    film = segment_film(model)
    write_segmentation(output / "film.seg.nrrd", Segmentation.on(film.image, film.segments))
    draw(output, head, film)
    text = table([HEADER, *head.rows, *film.rows])
    (output / "table.txt").write_text(text + "\n", encoding="utf-8")
    print(f"\n{text}\n")
    say(f"Done in {time.perf_counter() - begin:.0f} s. Look into {output}/:")
    for path in sorted(output.iterdir()):
        say(f"  {path.name}")


def segment_head(model: Model) -> Result:
    """All structures of the head, with Dice where the wheel has a tissue map."""
    say("Head MR (average of 152 people, 1 mm)")
    result = Result(read_image(sources.head(sources.T1)))
    for structure in cases.HEAD:
        truth = None if structure.tissue is None else tissue(structure.tissue)
        add(result, "head MR", structure, model, truth)
    return result


def segment_film(model: Model) -> Result:
    """One chamber of the heart in all frames, from a prompt on one of them."""
    say("Echocardiogram (30 frames)")
    result = Result(read_image(sources.echocardiogram()))
    for structure in cases.FILM:
        add(result, "echo", structure, model)
    return result


def tissue(names: Sequence[str]) -> Mask:
    """Where tissue probability maps of the wheel, added up, are one half or more."""
    maps = [read_image(sources.head(name)).array.astype(int) for name in names]
    return np.asarray(sum(maps) >= 128)


def add(
    result: Result, title: str, structure: cases.Structure, model: Model, truth: Mask | None = None
) -> None:
    """Apply the prompts of a structure one by one and keep what they made."""
    session = Session(result.image, model)
    for number, prompt in enumerate(structure.prompts):
        label = f"  {structure.name}: {describe(prompt)} ({number + 1}/{len(structure.prompts)})"
        with Bar(label) as bar:
            step = session.add(prompt, progress=bar)
        score = "" if truth is None else f"{dice(session.mask, truth):.3f}"
        volume = "" if result.image.time_axis else f"{step.ml:.1f}"
        row = [title, structure.name, describe(prompt), f"{step.seconds:.2f}", volume, score]
        result.rows.append(row)
        say(f"{label}  {step.seconds:.2f} s")
    name = f"Segment_{len(result.segments) + 1}"
    tags = Record.of(session).tags()
    mask = session.mask.copy()
    result.segments.append(Segment(name, structure.name, structure.color, mask, tags))
    result.drawn.append(Drawn(structure.name, structure.color, mask, session.prompts))


def describe(prompt: Prompt) -> str:
    """A prompt in two words."""
    return prompt.kind if prompt.include else f"{prompt.kind}, exclude"


def draw(output: Path, head: Result, film: Result) -> None:
    """Slices, surfaces, and frames of the film, as PNG."""
    with Bar("  pictures") as bar:
        surfaces = [
            Surface(drawn.mask, drawn.color, structure.glass)
            for drawn, structure in zip(head.drawn, cases.HEAD, strict=True)
        ]
        solid = render(head.image, surfaces, View(cases.VIEW), BACKGROUND)
        save_picture(output / "head_3d.png", solid)
        bar(0.4)
        head_picture(output / "head.png", head.image, head.drawn, cases.HEAD_AT, solid)
        bar(0.7)
        film_picture(output / "film.png", film.image, film.drawn, cases.FILM_FRAMES)


if __name__ == "__main__":
    try:
        main(Path(sys.argv[1] if len(sys.argv) > 1 else "demo"))
    except MedsegError as error:
        sys.exit(f"demo: {error}")
    except KeyboardInterrupt:
        sys.exit(130)
