"""The generator of training volumes: what its callers rely on."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from scipy import ndimage

torch = pytest.importorskip("torch")

SIZE = (24, 32, 28)


@pytest.fixture(scope="module")
def synthesis() -> ModuleType:
    folder = str(Path(__file__).parents[2] / "Resources" / "training")
    sys.path.insert(0, folder)
    try:
        import synthesis
    finally:
        sys.path.remove(folder)
    return synthesis


def _source(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_the_same_seed_gives_the_same_volume(synthesis: ModuleType) -> None:
    first, second = (synthesis.volume(_source(3), SIZE, 0.5, "cpu") for _ in range(2))
    assert torch.equal(first.image, second.image)
    assert torch.equal(first.labels, second.labels)
    assert (first.spacing, first.kinds) == (second.spacing, second.kinds)


def test_one_generator_gives_different_volumes(synthesis: ModuleType) -> None:
    source = _source(3)
    first, second = (synthesis.volume(source, SIZE, 0.5, "cpu") for _ in range(2))
    assert not torch.equal(first.labels, second.labels)


@pytest.mark.parametrize("seed", range(12))
def test_a_sample_keeps_its_contract(synthesis: ModuleType, seed: int) -> None:
    sample = synthesis.volume(_source(seed), SIZE, seed / 11, "cpu")
    assert sample.image.shape == sample.labels.shape == SIZE
    assert sample.image.dtype == torch.float32
    assert sample.labels.dtype == torch.int16
    assert sample.image.isfinite().all()
    assert sample.image.std() > 0
    assert all(0 < step < 60 for step in sample.spacing)
    present = set(sample.labels.unique().tolist())
    assert present | {0} == set(range(len(sample.kinds)))
    assert len(sample.parents) == len(sample.kinds)
    assert all(parent < label for label, parent in enumerate(sample.parents) if label)


@pytest.mark.parametrize("seed", range(12))
def test_a_target_has_a_size_worth_asking_for(synthesis: ModuleType, seed: int) -> None:
    sample = synthesis.volume(_source(seed), SIZE, 0.5, "cpu")
    source = _source(seed)
    for _ in range(4):
        mask = synthesis.target(sample, source)
        assert mask.dtype == torch.bool
        assert mask.shape == SIZE
        assert synthesis.SMALLEST <= mask.sum() <= synthesis.LARGEST * mask.numel()


def test_targets_follow_their_generator(synthesis: ModuleType) -> None:
    sample = synthesis.volume(_source(8), SIZE, 0.5, "cpu")
    assert torch.equal(*(synthesis.target(sample, _source(1)) for _ in range(2)))


def test_contrast_grows_as_difficulty_falls(synthesis: ModuleType) -> None:
    easy, hard = (_median_contrast(synthesis.volume, d) for d in (0.0, 1.0))
    assert easy > 1.3 * hard


def _median_contrast(volume: Callable, difficulty: float) -> float:
    """Step between soft tissues that touch, over the spread inside them; median of many."""
    found = []
    for seed in range(24):
        sample = volume(_source(seed), SIZE, difficulty, "cpu")
        soft = [n for n, kind in enumerate(sample.kinds) if kind in ("organ", "muscle", "lesion")]
        image, labels = sample.image.numpy(), sample.labels.numpy()
        for label in soft:
            mask = labels == label
            rim = ndimage.binary_dilation(mask, iterations=2) & ~mask & np.isin(labels, soft)
            if min(mask.sum(), rim.sum()) >= 30:
                spread = image[mask].std() + image[rim].std() + 1e-6
                found.append(abs(image[mask].mean() - image[rim].mean()) / spread)
    assert len(found) > 20
    return float(np.median(found))
