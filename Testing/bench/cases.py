"""Every labelled object of the test data, read with the product's own readers.

A set is a group of objects of one kind; tables average over its objects first, so that a set
with many objects does not outweigh the others.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from medseg.evaluate import largest_component
from medseg.image import Array, Image, Mask
from medseg.io import read_image, read_labels
from PIL import Image as Picture

#: The 16 structures of the first experiment, and of every table since.
STRUCTURES = (
    "spleen",
    "kidney_right",
    "kidney_left",
    "gallbladder",
    "liver",
    "stomach",
    "pancreas",
    "lung_lower_lobe_right",
    "colon",
    "vertebrae_L1",
    "vertebrae_T12",
    "aorta",
    "inferior_vena_cava",
    "portal_vein_and_splenic_vein",
    "spinal_cord",
    "autochthon_left",
)
CINE_FRAMES = {"SCD0000101": (7, 18), "SCD0000301": (6, 19)}
#: The first endoscopy frame that shows all four objects, and one of the middle.
ENDOSCOPY_FRAMES = ("0003", "0018")
ENDOSCOPY_OBJECTS = {1: "vocal folds", 3: "glottis", 5: "tool", 6: "intubation"}


@dataclass(frozen=True, eq=False)
class Case:
    """One object. ``truth``: bool ``(K, J, I)`` on the grid of ``image``.

    ``strokes``: what each human annotator drew, include and exclude, as masks on that grid.
    """

    set: str
    name: str
    image: Image
    truth: Mask
    strokes: tuple[tuple[Mask, Mask], ...] = ()


def data_folder() -> Path:
    """The folder with real test images; MEDSEG_SHARED_DATA, or ../shared/data."""
    default = Path(__file__).parents[3] / "shared" / "data"
    return Path(os.environ.get("MEDSEG_SHARED_DATA", default))


def _abdomen(name: str, folder: Path) -> Iterator[Case]:
    files = folder / "ct_organs"
    image = replace(read_image(files / f"{name}.nii.gz"), modality="CT")
    labels = read_labels(files / f"{name}_seg.nii.gz", image).array
    listed = json.loads((files / f"{name}_seg.labels.json").read_text())["labels"]
    values = {entry["name"]: int(value) for value, entry in listed.items()}
    for structure in STRUCTURES:
        if structure in values:
            truth = largest_component(labels == values[structure])
            yield Case(name, structure, image, truth)


def _abdomen_short(folder: Path) -> Iterator[Case]:
    return _abdomen("abdomen_ct_short", folder)


def _abdomen_whole(folder: Path) -> Iterator[Case]:
    return _abdomen("abdomen_ct", folder)


def _sarcoma(kind: str, modality: str, folder: Path) -> Iterator[Case]:
    for patient in ("STS_003", "STS_041"):
        files = folder / "ct_lesion_sts" / patient
        series = files / "dicom" / kind
        path = series if series.exists() else files / "nifti" / f"{kind}_image.nii.gz"
        image = replace(read_image(path), modality=modality)
        truth = read_labels(files / "nifti" / f"{kind}_mask.nii.gz", image).array > 0
        yield Case(f"sarcoma_{modality.lower()}", patient, image, truth)


def _sarcoma_ct(folder: Path) -> Iterator[Case]:
    return _sarcoma("CT", "CT", folder)


def _sarcoma_mr(folder: Path) -> Iterator[Case]:
    return _sarcoma("MR_T1", "MR", folder)


def _labelled(
    name: str, image_file: Path, labels_file: Path, objects: dict[int, str]
) -> Iterator[Case]:
    image = replace(read_image(image_file), modality="MR")
    labels = read_labels(labels_file, image).array
    for value, what in objects.items():
        yield Case(name, what, image, labels == value)


def _brain_tumour(folder: Path) -> Iterator[Case]:
    files = folder / "mr_brain_tumour"
    return _labelled(
        "brain_tumour", files / "brain1_image.nrrd", files / "brain1_label.nrrd", {1: "tumour"}
    )


def _spinal_cord(folder: Path) -> Iterator[Case]:
    files = folder / "mr_spine"
    return _labelled(
        "spinal_cord", files / "t2.nii.gz", files / "t2_cord_manual.nii.gz", {1: "cord"}
    )


def _rootlets(folder: Path) -> Iterator[Case]:
    files = folder / "mr_spine"
    levels = {level: f"level {level}" for level in (5, 6, 7)}
    return _labelled(
        "rootlets", files / "t2.nii.gz", files / "t2_cord_rootlets_manual.nii.gz", levels
    )


def _mni152(folder: Path) -> Iterator[Case]:
    files = folder / "mr_brain_mni152"
    tissues = {1: "grey matter", 2: "white matter"}
    return _labelled(
        "mni152", files / "mni152_t1.nii.gz", files / "mni152_tissue_labels.nii.gz", tissues
    )


def _cine_mr(folder: Path) -> Iterator[Case]:
    for patient, frames in CINE_FRAMES.items():
        files = folder / "seq_cine_mr" / patient
        for frame in frames:
            image = replace(read_image(files / "cine.nii.gz", frame=frame), modality="MR")
            labels = read_labels(files / "cine_seg.nii.gz", image, frame=frame).array
            for value, what in ((1, "cavity"), (2, "myocardium")):
                if (labels == value).any():
                    yield Case("cine_mr", f"{patient} {what}, {frame}", image, labels == value)


def _us_still(folder: Path) -> Iterator[Case]:
    for path in sorted((folder / "us_still").glob("*_image.png")):
        image = replace(read_image(path, grey=True), modality="US")
        labels = _label_picture(path.with_name(path.name.replace("image", "mask")))
        for value, what in ((1, "nerve"), (2, "vessel")):
            yield Case("us_still", f"{path.name[:4]} {what}", image, labels == value)


def _endoscopy(folder: Path) -> Iterator[Case]:
    files = folder / "seq_endoscopy" / "patient2_seq5"
    for frame in ENDOSCOPY_FRAMES:
        image = read_image(files / "frames" / f"{frame}_l.png", grey=True)
        labels = _label_picture(files / "masks" / f"{frame}_l.png")
        for value, what in ENDOSCOPY_OBJECTS.items():
            yield Case("endoscopy", f"{what}, {frame}", image, largest_component(labels == value))


def _scribbles_2d(folder: Path) -> Iterator[Case]:
    for path in sorted((folder / "scribbles_2d").glob("*.npz")):
        stored = np.load(path)
        image = Image(stored["image"][None], np.diag([-1.0, -1.0, 1.0, 1.0]), name=path.stem)
        strokes = tuple(
            (include[None] > 0, exclude[None] > 0) for include, exclude in stored["scribbles"]
        )
        name = (
            "_".join(path.stem.split("_")[:3]).removesuffix("-Image_axis1").removesuffix("_axis0")
        )
        yield Case("scribbles_2d", name, image, stored["mask"][None] > 0, strokes)


def _label_picture(path: Path) -> Array:
    """The numbers of a label picture; of a palette one its indices, not its colours."""
    return np.asarray(Picture.open(path))[None]


SETS: dict[str, Callable[[Path], Iterator[Case]]] = {
    "abdomen_ct_short": _abdomen_short,
    "abdomen_ct": _abdomen_whole,
    "sarcoma_ct": _sarcoma_ct,
    "sarcoma_mr": _sarcoma_mr,
    "brain_tumour": _brain_tumour,
    "spinal_cord": _spinal_cord,
    "rootlets": _rootlets,
    "mni152": _mni152,
    "cine_mr": _cine_mr,
    "us_still": _us_still,
    "endoscopy": _endoscopy,
    "scribbles_2d": _scribbles_2d,
}
