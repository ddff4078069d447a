"""Words for what can be found by name: terms with synonyms and DICOM codes, and who knows others.

A model lists its terms in its `Capabilities`; what somebody types is compared without case,
accents, punctuation and plural. Codes are those of 3D Slicer's terminology files ("3D Slicer
General Anatomy list", "DICOM master list") and, for soft tissue, of DICOM PS3.16 as pydicom has it.
"""

from __future__ import annotations

import difflib
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass

from .errors import PromptError, UnsupportedPromptError
from .prompts import Prompt, Text

#: A DICOM code: value, coding scheme, meaning.
Code = tuple[str, str, str]

TISSUE: Code = ("85756007", "SCT", "Tissue")
ANATOMY: Code = ("123037004", "SCT", "Anatomical Structure")
SUBSTANCE: Code = ("91720002", "SCT", "Body Substance")
SPATIAL: Code = ("309825002", "SCT", "Spatial and Relational Concept")
RIGHT: Code = ("24028007", "SCT", "Right")
LEFT: Code = ("7771000", "SCT", "Left")
#: Names of the lists in which Slicer looks codes up.
_TYPES = "Segmentation category and type - 3D Slicer General Anatomy list"
_REGIONS = "Anatomic codes - DICOM master list"
#: The tag of a segment that holds `Term.slicer_entry`.
TERMINOLOGY_TAG = "TerminologyEntry"
#: Longest text that is looked at.
LONGEST = 200


@dataclass(frozen=True)
class Term:
    """What can be found under one name.

    ``category``, ``type``, ``modifier``: what DICOM and Slicer call it; None when nobody said.
    ``colour``: red, green, blue from 0 to 1. ``about``: what exactly the mask holds.
    """

    name: str
    synonyms: tuple[str, ...] = ()
    category: Code | None = None
    type: Code | None = None
    modifier: Code | None = None
    colour: tuple[float, float, float] | None = None
    about: str = ""

    @property
    def slicer_entry(self) -> str:
        """Category, type and modifier as 3D Slicer keeps them in a segment; empty without codes."""
        if self.category is None or self.type is None:
            return ""
        parts = (self.category, self.type, self.modifier or ("", "", ""))
        codes = "~".join(f"{scheme}^{value}^{meaning}" for value, scheme, meaning in parts)
        return f"{_TYPES}~{codes}~{_REGIONS}~^^~^^"


def _rgb(red: int, green: int, blue: int) -> tuple[float, float, float]:
    return red / 255, green / 255, blue / 255


_LUNG: Code = ("39607008", "SCT", "Lung")
_LUNG_COLOUR = _rgb(197, 165, 145)

#: What the embedded model finds in CT, by rules (`medseg.models.embedded.text`).
CT_TERMS = (
    Term(
        "air",
        ("gas", "internal air", "air in the body", "bowel gas", "Luft", "gaz", "aire"),
        SUBSTANCE,
        ("74947009", "SCT", "Gas"),
        colour=_rgb(218, 255, 255),
        about="gas in the body: bowel, stomach, airways, sinuses; not the lungs, not the room",
    ),
    Term(
        "background",
        (
            "outside",
            "outside air",
            "air outside",
            "room air",
            "exterior",
            "Hintergrund",
            "arrière-plan",
            "fondo",
        ),
        SPATIAL,
        ("125040", "DCM", "Background"),
        colour=_rgb(60, 80, 110),
        about="all that is not the body: air of the room, table, clothes, padding",
    ),
    Term(
        "body",
        (
            "body surface",
            "body contour",
            "body outline",
            "whole body",
            "entire body",
            "external",
            "external contour",
            "patient",
            "skin surface",
            "Körper",
            "Koerper",
            "Körperoberfläche",
            "Körperkontur",
            "Außenkontur",
            "corps",
            "corps entier",
            "cuerpo",
            "cuerpo entero",
        ),
        ANATOMY,
        ("38266002", "SCT", "Entire body"),
        colour=_rgb(177, 122, 101),
        about="everything within the skin, air included; without table and clothes",
    ),
    Term(
        "bone",
        (
            "skeleton",
            "bony structure",
            "osseous tissue",
            "Knochen",
            "Skelett",
            "os",
            "squelette",
            "hueso",
            "esqueleto",
        ),
        TISSUE,
        ("272673000", "SCT", "Bone"),
        colour=_rgb(241, 214, 145),
        about="all bones with their marrow; no table, metal counts where it touches bone",
    ),
    Term(
        "fat",
        (
            "body fat",
            "adipose",
            "adipose tissue",
            "fatty tissue",
            "Fett",
            "Fettgewebe",
            "Körperfett",
            "graisse",
            "tissu adipeux",
            "grasa",
            "tejido adiposo",
        ),
        TISSUE,
        ("248300009", "SCT", "Body fat"),
        colour=_rgb(230, 220, 70),
        about="fat under the skin and between the organs; not fatty marrow",
    ),
    Term(
        "lung",
        (
            "both lungs",
            "lung parenchyma",
            "pulmonary parenchyma",
            "pulmo",
            "Lunge",
            "Lungen",
            "poumon",
            "pulmón",
            "pulmones",
        ),
        ANATOMY,
        _LUNG,
        colour=_LUNG_COLOUR,
        about="both lungs with their small vessels; not the windpipe and not large vessels",
    ),
    Term(
        "left lung",
        (
            "lung left",
            "linke Lunge",
            "linker Lungenflügel",
            "poumon gauche",
            "pulmón izquierdo",
        ),
        ANATOMY,
        _LUNG,
        LEFT,
        colour=_LUNG_COLOUR,
        about="the part of lung on the patient's left",
    ),
    Term(
        "right lung",
        (
            "lung right",
            "rechte Lunge",
            "rechter Lungenflügel",
            "poumon droit",
            "pulmón derecho",
        ),
        ANATOMY,
        _LUNG,
        RIGHT,
        colour=_LUNG_COLOUR,
        about="the part of lung on the patient's right",
    ),
    Term(
        "soft tissue",
        (
            "lean tissue",
            "Weichteile",
            "Weichteil",
            "Weichgewebe",
            "tissu mou",
            "tissus mous",
            "tejido blando",
            "tejidos blandos",
        ),
        TISSUE,
        ("87784001", "SCT", "Soft tissue"),
        colour=_rgb(128, 174, 128),
        about="muscles, organs, vessels, fluid and skin; not fat, bone, lung or air",
    ),
)

_ORGANS = """
lung liver kidney spleen pancreas gallbladder stomach duodenum colon bowel intestine esophagus
oesophagus bladder prostate adrenal aorta cava portal iliac heart atrium atrial ventricle brain
trachea windpipe airway thyroid lobe rib sternum vertebra vertebrae spine sacrum hip pelvis femur
humerus scapula clavicle clavicula skull cord gluteus iliopsoas autochthon muscle cartilage
carotid brachiocephalic subclavian pulmonary artery vein vessel l1 l2 l3 l4 l5 t1 t2 t3 t4 t5 t6
t7 t8 t9 t10 t11 t12 c1 c2 c3 c4 c5 c6 c7 leber niere milz magen herz gehirn
"""
_TUMOURS = "tumor tumour cancer lesion metastasis metastase mass nodule cyst carcinoma sarcoma"
_FILLERS = frozenset({"the", "a", "an", "all", "please", "segment", "find"})


def normalise(text: str) -> str:
    """Without case, accents, punctuation, fillers and plural: "The Lungs!" is "lung"."""
    plain = unicodedata.normalize("NFKD", text[:LONGEST].casefold())
    plain = "".join(c for c in plain if not unicodedata.combining(c))
    words = "".join(c if c.isalnum() else " " for c in plain).split()
    return " ".join(_singular(word) for word in words if word not in _FILLERS)


def _singular(word: str) -> str:
    if len(word) < 4 or not word.endswith("s") or word.endswith(("ss", "us", "is", "ps", "as")):
        return word
    return word[:-3] + "y" if word.endswith("ies") else word[:-1]


def words(terms: Iterable[Term]) -> list[str]:
    """All that may be typed, for completion: every name, then its synonyms."""
    return [word for term in terms for word in (term.name, *term.synonyms)]


def lookup(text: str, terms: Iterable[Term]) -> Term | None:
    """The term that a text names, or None."""
    wanted = normalise(text)
    for term in terms:
        if wanted and wanted in {normalise(word) for word in (term.name, *term.synonyms)}:
            return term
    return None


def known(text: str) -> Term | None:
    """The term of that name or synonym which medseg has codes and a colour for, or None."""
    return lookup(text, CT_TERMS)


def told_by(prompts: Iterable[Prompt]) -> Term | None:
    """The one term that prompts ask for; None when they name none, several, or one unknown here."""
    texts = [p.text for p in prompts if isinstance(p, Text) and p.include]
    terms = {term.name: term for term in map(known, texts) if term is not None}
    return terms.popitem()[1] if len(terms) == 1 else None


def named(names: Iterable[str]) -> tuple[Term, ...]:
    """Terms of a model of which only the names are known here; codes where we have them."""
    mine = {term.name: term for term in CT_TERMS}
    return tuple(mine.get(name) or Term(name) for name in names)


def check(text: str, terms: Iterable[Term], model: str) -> Term:
    """The term of a text, or the reason why the model does not know it.

    Raises `PromptError` for a text without any word, `UnsupportedPromptError` for another one:
    with what may have been meant, or with models that could find it.
    """
    if not normalise(text):
        raise PromptError("The text names nothing; type a word such as 'lung'.")
    terms = tuple(terms)
    term = lookup(text, terms)
    if term is None:
        raise UnsupportedPromptError(_refusal(text, terms, model))
    return term


def meant(text: str, terms: Iterable[Term]) -> list[str]:
    """Names of terms that may have been meant, best first: near misses in spelling."""
    names = {normalise(word): term.name for term in terms for word in (term.name, *term.synonyms)}
    close = difflib.get_close_matches(normalise(text), names, n=2, cutoff=0.75)
    return list(dict.fromkeys(names[word] for word in close))


def elsewhere(text: str) -> str:
    """Models, by name, that could find what a text names (as far as their makers say)."""
    spoken = normalise(text).split()
    if not {*_TUMOURS.split()}.isdisjoint(spoken):
        return "VISTA3D (tumours of lung, liver, pancreas, colon and bone) or VoxTell"
    if not {*_ORGANS.split()}.isdisjoint(spoken):
        return "TotalSegmentator, VISTA3D or VoxTell"
    return "VoxTell or SAM 3, which take free text,"


def _refusal(text: str, terms: tuple[Term, ...], model: str) -> str:
    shown = " ".join(text.split())
    shown = shown if len(shown) <= 60 else shown[:57] + "..."
    names = ", ".join(term.name for term in terms)
    guesses = meant(text, terms)
    if guesses:
        return f"Model '{model}' does not know '{shown}'; did you mean {_either(guesses)}?"
    whole = [term for word in normalise(text).split() if (term := lookup(word, terms))]
    names = f"only {whole[0].name} as a whole" if whole else names
    return (
        f"Model '{model}' does not know '{shown}' (it knows {names}); "
        f"{elsewhere(text)} may find it by name, here use clicks or a box."
    )


def _either(names: list[str]) -> str:
    quoted = [f"'{name}'" for name in names]
    return " or ".join([", ".join(quoted[:-1]), quoted[-1]] if len(quoted) > 1 else quoted)
