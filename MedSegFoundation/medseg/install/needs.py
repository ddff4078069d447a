"""Which packages serve which purpose; the ranges are those of the extras in pyproject.toml."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from ..errors import InputError

#: What medseg itself imports; Slicer ships it, an environment of its own must get it.
BASE = ("numpy>=1.26", "scipy>=1.13", "SimpleITK>=2.4", "requests>=2.31")


@dataclass(frozen=True)
class Need:
    """``requirements``: for pip. ``imports``: what must load afterwards. ``advice``: when."""

    name: str
    title: str
    requirements: tuple[str, ...]
    imports: tuple[str, ...]
    advice: str


_TORCH = ("torch>=2.4", "safetensors>=0.4")
_SAM = (*_TORCH, "transformers>=5.23,<6; python_version >= '3.11'")
NEEDS = (
    Need(
        "torch",
        "PyTorch",
        _TORCH,
        ("torch", "safetensors"),
        "Runs the built-in networks on a GPU. They work without it, too.",
    ),
    Need(
        "sam",
        "SAM 2.1, MedSAM2, MedSAM, SAM",
        _SAM,
        ("torch", "transformers"),
        "Runs these models on this computer; with a GPU they answer at once.",
    ),
    Need(
        "edgetam",
        "EdgeTAM",
        (*_SAM, "timm>=1.0", "torchvision"),
        ("torch", "torchvision", "timm", "transformers"),
        "Runs EdgeTAM on this computer.",
    ),
    Need(
        "nninteractive",
        "nnInteractive's server as a model",
        ("nninteractive-client>=2.6,<3",),
        ("nnInteractive",),
        "Talks to an nnInteractive server; the network runs there.",
    ),
)


def need(name: str) -> Need:
    """The purpose of that name; raises `InputError` with the names there are."""
    for found in NEEDS:
        if found.name == name:
            return found
    raise InputError(f"'{name}' is nothing to install; choose {', '.join(n.name for n in NEEDS)}.")


def requirements(names: Iterable[str]) -> list[str]:
    """What pip is asked for, each once."""
    return list(dict.fromkeys(r for name in names for r in need(name).requirements))


def imports(names: Iterable[str]) -> list[str]:
    """What must load afterwards, each once."""
    return list(dict.fromkeys(i for name in names for i in need(name).imports))
