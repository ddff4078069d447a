"""What the generator hands out."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor


@dataclass(frozen=True)
class Sample:
    """One labelled volume.

    ``image``: float32 ``(K, J, I)``, HU for CT, arbitrary units otherwise. ``labels``: int16
    ``(K, J, I)``, 0 is the surrounding; every label from 1 to the highest is present.
    ``spacing``: mm along (k, j, i). ``kinds``: tissue name of each label. ``parents``: for each
    label the label it lies in (0 for 0). ``modality``: ``"ct"``, ``"mr"`` or ``"us"``.
    """

    image: Tensor
    labels: Tensor
    spacing: tuple[float, float, float]
    kinds: tuple[str, ...]
    parents: tuple[int, ...]
    modality: str
