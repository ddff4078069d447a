"""Segments a head MR and an echocardiogram from a few prompts; results go to demo/.

Run by `make demo`. The images come inside two Python packages; nothing is downloaded here.
"""

from __future__ import annotations

import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import sources
import structures
from medseg import Image, MedsegError, Model, Prompt, Session, find
from medseg.cli.edit import Edited, finished
from medseg.cli.terminal import Bar, say, table
from medseg.evaluate import dice
from medseg.image import Mask
from medseg.io import Segment, Segmentation, read_image, write_segmentation
from pictures import BACKGROUND, Drawn, film_picture, head_picture, save_picture
from scipy import ndimage
from surface import Surface, View, render

SHELL_ABOVE, SHELL_COLOR = 20, (0.80, 0.84, 0.92)
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
    for structure in structures.HEAD:
        truth = tissue(structure.tissue) if structure.tissue else None
        add(result, "head MR", structure, model, truth)
    return result


def segment_film(model: Model) -> Result:
    """One chamber of the heart in all frames, from a prompt on one of them."""
    say("Echocardiogram (30 frames)")
    result = Result(read_image(sources.echocardiogram()))
    for structure in structures.FILM:
        add(result, "echo", structure, model)
    return result


def tissue(name: str) -> Mask:
    """Where a tissue probability map of the wheel (0 to 255) is one half or more."""
    return np.asarray(read_image(sources.head(name)).array >= 128)


def add(
    result: Result,
    title: str,
    structure: structures.Structure,
    model: Model,
    truth: Mask | None = None,
) -> None:
    """Apply the prompts of a structure one by one; voxels of earlier structures stay theirs."""
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
    empty = np.zeros(result.image.shape, bool)
    name = f"Segment_{len(result.segments) + 1}"
    blank = Segment(name, structure.name, structure.color, empty)
    segment = finished(Edited((*result.segments, blank), len(result.segments)), session)
    result.segments.append(segment)
    result.drawn.append(Drawn(segment.name, segment.color, segment.mask, session.prompts))


def describe(prompt: Prompt) -> str:
    """A prompt in two words."""
    return prompt.kind if prompt.include else f"{prompt.kind}, exclude"


def draw(output: Path, head: Result, film: Result) -> None:
    """Slices, surfaces, and frames of the film, as PNG."""
    with Bar("  pictures") as bar:
        solid = render(head.image, surfaces(head), View(structures.VIEW), BACKGROUND)
        save_picture(output / "head_3d.png", solid)
        bar(0.4)
        head_picture(output / "head.png", head.image, head.drawn, structures.HEAD_AT, solid)
        bar(0.7)
        film_picture(output / "film.png", film.image, film.drawn, structures.FILM_FRAMES)


def surfaces(head: Result) -> list[Surface]:
    """The segments as they are shown in 3D, in the image itself as a shell of glass."""
    inside = ndimage.binary_fill_holes(head.image.array > SHELL_ABOVE)
    shown = [Surface(np.asarray(inside), SHELL_COLOR, glass=True)]
    for drawn, structure in zip(head.drawn, structures.HEAD, strict=True):
        mask = drawn.mask & right_half(head.image) if structure.halved else drawn.mask
        shown.append(Surface(mask, drawn.color))
    return shown


def right_half(image: Image) -> Mask:
    """Voxels ``(K, J, I)`` on the patient's right."""
    right = image.affine[0, :3][::-1]
    k, j, i = (np.arange(n) * step for n, step in zip(image.shape, right, strict=True))
    return np.asarray(k[:, None, None] + j[:, None] + i + image.affine[0, 3] > 2.0)


if __name__ == "__main__":
    try:
        main(Path(sys.argv[1] if len(sys.argv) > 1 else "demo"))
    except MedsegError as error:
        sys.exit(f"demo: {error}")
    except KeyboardInterrupt:
        sys.exit(130)
