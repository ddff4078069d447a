"""What the embedded model finds by name: Dice of each term where a truth is known.

    python Testing/bench/text.py                 table on stdout
    python Testing/bench/text.py --write-docs    and into docs/accuracy.md

Real CTs have labels (a program's) of lung and bone only; of organs it is told which share lies in
soft tissue. All terms have a truth in a phantom (`Testing/engine/ct_phantom.py`), under conditions
that real scans meet.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator
from dataclasses import replace
from itertools import chain
from pathlib import Path

import numpy as np
from cases import data_folder
from medseg import Image
from medseg.errors import NothingFoundError
from medseg.evaluate import dice
from medseg.image import Mask
from medseg.io import read_image, read_labels
from medseg.models.embedded.text_rules import Rules

ROOT = Path(__file__).parents[2]
sys.path.append(str(ROOT / "Testing" / "engine"))
from ct_phantom import Phantom, phantom  # noqa: E402

DOCS = ROOT / "docs" / "accuracy.md"
BEGIN, END = "<!-- text tables -->", "<!-- /text tables -->"
TERMS = ("air", "body", "bone", "fat", "lung", "left lung", "right lung", "soft tissue")
#: Labels of TotalSegmentator that make up a term, and those that lie wholly within one.
MADE_OF = {
    "lung": ("lung",),
    "left lung": ("lung_upper_lobe_left", "lung_lower_lobe_left"),
    "right lung": ("lung_upper_lobe_right", "lung_middle_lobe_right", "lung_lower_lobe_right"),
    "bone": ("vertebrae", "rib", "hip", "femur", "sacrum"),
}
SOFT = ("spleen", "kidney", "liver", "pancreas", "aorta", "gluteus", "autochthon", "iliopsoas")
CONDITIONS = {
    "3 mm, noise 15 HU": {},
    "1.5 x 1.5 x 6 mm": {"shape": (45, 220, 320), "spacing": (1.5, 1.5, 6.0)},
    "2 x 2 x 9 mm": {"shape": (30, 160, 230), "spacing": (2.0, 2.0, 9.0)},
    "noise 45 HU": {"noise": 45.0},
    "contrast: vessels 350, kidneys 220 HU": {"blood": 350.0, "kidney": 220.0},
    "padding -2000 beyond 200 mm": {"padding": -2000.0},
    "field of view of 260 mm, cuts the lungs": {
        "shape": (90, 90, 90),
        "padding": -3024.0,
        "field": 130.0,
    },
    "lungs of -930 HU (emphysema)": {"lung": -930.0},
    "abdomen only": {"shape": (40, 110, 160), "middle": (0.0, -10.0, -110.0)},
}
HEADER = "| image | " + " | ".join(TERMS) + " |\n| --- |" + " --: |" * len(TERMS)


def scored(image: Image, truth: dict[str, Mask], share: dict[str, Mask]) -> list[str]:
    """A cell for each term: Dice, or of what lies wholly in it the share that was found."""
    rules = Rules(image)
    cells = []
    for term in TERMS:
        if term not in truth and term not in share:
            cells.append("-")
            continue
        try:
            mask = rules.find(term)
        except NothingFoundError:
            cells.append("rightly none" if not truth.get(term, np.ones(1)).any() else "missed")
            continue
        if term in truth:
            cells.append(f"{dice(mask, truth[term]):.2f}")
        else:
            cells.append(f"{mask[share[term]].mean():.0%} within")
    return cells


def real(folder: Path) -> Iterator[tuple[str, list[str]]]:
    """The CTs of the test data that have labels."""
    for name in ("abdomen_ct", "abdomen_ct_short"):
        files = folder / "ct_organs"
        image = replace(read_image(files / f"{name}.nii.gz"), modality="CT")
        labels = read_labels(files / f"{name}_seg.nii.gz", image).array
        listed = json.loads((files / f"{name}_seg.labels.json").read_text())["labels"]

        def of(starts: tuple[str, ...], labels: Mask = labels, listed: dict = listed) -> Mask:
            values = [int(v) for v, e in listed.items() if e["name"].startswith(starts)]
            return np.isin(labels, values)

        truth = {term: of(starts) for term, starts in MADE_OF.items()}
        yield name, scored(image, truth, {"soft tissue": of(SOFT), "body": labels > 0})
    for patient in ("STS_003", "STS_041"):
        files = folder / "ct_lesion_sts" / patient
        series = files / "dicom" / "CT"
        image = read_image(series if series.exists() else files / "nifti" / "CT_image.nii.gz")
        tumour = read_labels(files / "nifti" / "CT_mask.nii.gz", image).array > 0
        truth = dict.fromkeys(("lung", "left lung", "right lung"), np.zeros_like(tumour))
        yield f"{patient} (thigh)", scored(image, truth, {"soft tissue": tumour, "body": tumour})
    files = folder / "dicom_seg"
    image = read_image(files / "ct")
    parts = {
        name: read_labels(files / f"{name}_seg.nrrd", image).array > 0
        for name in ("liver", "spine")
    }
    everything = parts["liver"] | parts["spine"]
    share = {"soft tissue": parts["liver"], "body": everything, "bone": parts["spine"]}
    yield "dicom_seg (3 slices)", scored(image, {}, share)


def made() -> Iterator[tuple[str, list[str]]]:
    """The phantom under each condition."""
    for name, how in CONDITIONS.items():
        one: Phantom = phantom(**how)  # type: ignore[arg-type]
        yield f"phantom, {name}", scored(one.image, {**one.truth, **sides(one)}, {})


def sides(one: Phantom) -> dict[str, Mask]:
    """The lungs of a phantom, whose middle is R = 0."""
    k, j, i = np.indices(one.image.shape)
    right = one.image.ijk_to_ras(np.stack([i, j, k], axis=-1))[..., 0] > 0
    lung = one.truth["lung"]
    return {"left lung": lung & ~right, "right lung": lung & right}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--write-docs", action="store_true", help="put the table into the docs")
    options = parser.parse_args()
    lines = [HEADER]
    for name, cells in chain(real(data_folder()), made()):
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
        print(lines[-1], file=sys.stderr, flush=True)
    text = "\n".join(lines)
    print(text)
    if options.write_docs:
        page = DOCS.read_text()
        start, end = page.index(BEGIN) + len(BEGIN), page.index(END)
        DOCS.write_text(f"{page[:start]}\n\n{text}\n\n{page[end:]}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
