"""Targets: something in a sample worth segmenting."""

from __future__ import annotations

import numpy as np
import torch
from scipy import ndimage
from torch import Tensor

from .sample import Sample

#: A target has at least this many voxels and at most this share of the volume.
SMALLEST = 60
LARGEST = 0.4

#: How often a kind is asked for, where it differs from 1.
WANTED = {"air": 0.0, "fat": 0.15, "skin": 0.15, "organ": 4.0, "lesion": 2.5, "vessel": 1.5}
#: Kinds whose contents usually belong to them.
WHOLE = {"organ", "lesion", "lung", "wall", "cortex", "grey", "csf", "content", "cyst", "marrow"}


def fitting_labels(labels: Tensor) -> list[int]:
    """The labels above 0 of a size that `target` may return."""
    counts = torch.bincount(labels.int().flatten()).tolist()
    largest = LARGEST * labels.numel()
    return [n for n, count in enumerate(counts) if n and SMALLEST <= count <= largest]


def members(sample: Sample, rng: np.random.Generator) -> list[int]:
    """Labels that make up one possible target."""
    kinds = sorted(set(sample.kinds[1:]))
    weights = np.array([WANTED.get(kind, 1.0) for kind in kinds]) + 1e-6
    kind = kinds[rng.choice(len(kinds), p=weights / weights.sum())]
    alike = [n for n, name in enumerate(sample.kinds) if n and name == kind]
    chosen = [alike[rng.integers(len(alike))]]
    if rng.random() < 0.1:
        chosen.append(alike[rng.integers(len(alike))])
    if kind in WHOLE and rng.random() < 0.7:
        for label, parent in enumerate(sample.parents):
            if label and parent in chosen and label not in chosen:
                chosen.append(label)
    return chosen


def component(mask: Tensor, rng: np.random.Generator) -> Tensor:
    """One connected piece of ``mask``, drawn by size; the largest if that one is too small."""
    pieces, count = ndimage.label(mask.cpu().numpy())
    if count < 2:
        return mask
    sizes = np.bincount(pieces.ravel())[1:]
    piece = rng.choice(count, p=sizes / sizes.sum())
    if sizes[piece] < SMALLEST:
        piece = sizes.argmax()
    return torch.from_numpy(pieces == piece + 1).to(mask.device)


def target(sample: Sample, generator: torch.Generator) -> Tensor:
    """Something in ``sample`` worth segmenting: bool ``(K, J, I)``, in one piece where possible.

    An object alone (a shell keeps its hole), an object with all it contains, or two neighbours of
    one kind. Kinds are drawn before objects, so that the rare ones are seen as well.
    """
    seed = torch.randint(2**62, (1,), generator=generator, device=generator.device)
    rng = np.random.default_rng(int(seed))
    for _ in range(16):
        chosen = members(sample, rng)
        mask = torch.isin(sample.labels, torch.tensor(chosen, device=sample.labels.device))
        mask = component(mask, rng)
        if SMALLEST <= int(mask.sum()) <= LARGEST * mask.numel():
            return mask
    fitting = fitting_labels(sample.labels)
    return sample.labels == fitting[int(rng.integers(len(fitting)))]
