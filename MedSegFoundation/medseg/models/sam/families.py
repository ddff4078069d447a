"""What each family of checkpoints expects of slices and prompts.

Read in the official repositories; `medsam` is the contract of MedSAM's own inference code (not
that of the hub's processor), `medsam2` that of its inference scripts.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

ALL = frozenset({"point", "box", "scribble", "lasso"})
BOXES = frozenset({"box", "lasso"})
Three = tuple[float, float, float]
IMAGENET: tuple[Three, Three] = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
HALVES: tuple[Three, Three] = ((0.5, 0.5, 0.5), (0.5, 0.5, 0.5))


@dataclass(frozen=True)
class Family:
    """How slices and prompts are given to the networks of one family.

    ``kind``: key layout, "sam" or "sam2" (also what a folder's ``model_type`` may be).
    ``size``: input pixels where the checkpoint does not tell. ``padded``: keeps the aspect and
    pads, else stretches. ``cubic``: filter of the resizing, else linear. ``norm``: mean and
    standard deviation, None for the slice's own minimum to maximum. ``likely``: logits become
    probabilities before they are resized to the slice.
    """

    name: str
    title: str
    kind: str
    types: tuple[str, ...]
    size: int
    licence: str
    prompts: frozenset[str] = ALL
    padded: bool = False
    cubic: bool = False
    norm: tuple[Three, Three] | None = IMAGENET
    likely: bool = False

    @property
    def variable(self) -> str:
        """Environment variable that names the weights."""
        return "MEDSEG_" + self.name.upper().replace("-", "_")

    @property
    def video(self) -> bool:
        """True when it can follow an object from slice to slice."""
        return self.kind != "sam"


_SAM2_TYPES = ("sam2_video",)
FAMILIES: dict[str, Family] = {
    family.name: family
    for family in (
        Family("sam", "SAM", "sam", ("sam",), 1024, "Apache-2.0", padded=True),
        Family("medicosam", "MedicoSAM", "sam", ("sam",), 1024, "see its page", padded=True),
        Family("sam-med2d", "SAM-Med2D", "sam", ("sam",), 256, "Apache-2.0"),
        Family(
            "medsam", "MedSAM", "sam", ("sam",), 1024, "Apache-2.0 (its hub page)",
            prompts=BOXES, cubic=True, norm=None, likely=True,
        ),
        Family("sam2", "SAM 2", "sam2", _SAM2_TYPES, 1024, "Apache-2.0"),
        Family(
            "medsam2", "MedSAM2", "sam2", _SAM2_TYPES, 512, "CC BY-SA 4.0 (its hub page)",
            cubic=True,
        ),
        Family("edgetam", "EdgeTAM", "edgetam", ("edgetam_video",), 1024, "Apache-2.0"),
        Family(
            "sam3", "SAM 3 (clicks)", "sam3", ("sam3_tracker_video",), 1008, "SAM License",
            norm=HALVES,
        ),
    )
}  # fmt: skip


def family_of(name: str, adapter: str = "") -> Family | None:
    """The family of a published model, by its name (the longest that fits) or its adapter."""
    fitting: Sequence[str] = sorted(
        (f for f in FAMILIES if name == f or name.startswith((f + "-", f + "."))), key=len
    )
    return FAMILIES.get(fitting[-1] if fitting else adapter)
