"""An image for the nnInteractive tests, and what the official client leaves to be done."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

#: No two axes alike, and an object in no symmetrical place.
SHAPE = (20, 30, 44)
CENTRE = (8, 19, 15)


def picture() -> np.ndarray:
    """A bright ellipsoid around `CENTRE`, int16 (K, J, I)."""
    k, j, i = np.ogrid[: SHAPE[0], : SHAPE[1], : SHAPE[2]]
    inside = ((k - 8) / 5) ** 2 + ((j - 19) / 7) ** 2 + ((i - 15) / 10) ** 2 <= 1
    noise = np.random.default_rng(5).normal(0, 8, SHAPE)
    return (np.where(inside, 180, 20) + noise).astype(np.int16)


@pytest.fixture(autouse=True)
def closed(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Close the connections of clients that were not let in; they leave them open."""
    import httpx

    made: list[httpx.Client] = []

    class Noted(httpx.Client):
        def __init__(self, **options: Any) -> None:
            super().__init__(**options)
            made.append(self)

    monkeypatch.setattr(httpx, "Client", Noted)
    yield
    for one in made:
        if "X-Lease-Token" not in one.headers:
            one.close()
