"""Which blocks a click that corrects a mask changes: two small networks look at each block.

One is for clicks that add, one for clicks that take away. Both were trained on synthetic volumes
to raise the Dice of the next mask (docs/model-card.md, Resources/training/corrections.py).
"""

from __future__ import annotations

from functools import cache
from pathlib import Path

import numpy as np

from ...image import Array, Mask
from . import net_file
from .change_rows import NAMES, away_from, blocks_of, described
from .grid import Field
from .maps import PRIOR, View

WEIGHTS = Path(__file__).with_name("corrections.safetensors")
#: What the mask so far counts where it stays, and what a prompt counts in its core.
HELD, CERTAIN = 3.0, 4.0
#: The core of a correction, as a share of its depth; that of another prompt, as a share of the way
#: to the nearest one that says the opposite.
CORE, FIRST = 0.7, 0.25


def corrected(view: View, odds: Field) -> Field:
    """Log odds after the newest prompt, a click: how the mask so far changes around it.

    ``odds``: those of the whole object. The side that the click does not speak of keeps its mask.
    """
    rows, blocks = described(view, odds)
    return changed(view, judged(rows, _weights(view.groups[view.newest].include)), blocks)


def judged(rows: Array, weights: dict[str, Array]) -> Array:
    """Log odds ``(N,)`` that blocks are wrong, for rows ``(N, len(NAMES))``."""
    hidden = np.tanh(rows @ weights["first"].T + weights["turn"])
    return np.asarray(hidden @ weights["last"] + weights["start"])


def changed(view: View, wrong: Array, blocks: Mask) -> Field:
    """The mask so far as log odds, some ``blocks`` with the log odds ``wrong`` to be wrong.

    Clicks have their way in their cores; where two disagree, each in its own half.
    """
    groups = view.groups[: view.newest + 1]
    new = HELD * view.stack[PRIOR]
    new[blocks] = wrong if groups[-1].include else -wrong
    for number, group in enumerate(groups):
        away = away_from(view, number)
        rivals = [
            float(away[blocks_of(view, n)].min(initial=np.inf))
            for n, other in enumerate(groups)
            if other.include != group.include
        ]
        core = CORE * group.depth
        if rivals:
            core = min(core or FIRST * min(rivals), 0.5 * min(rivals))
        core = max(core, 0.5 * min(view.scene.window.spacing))
        new[away <= core] = CERTAIN if group.include else -CERTAIN
    return np.asarray(new, dtype=np.float32)


@cache
def _weights(include: bool) -> dict[str, Array]:
    arrays, info, _ = net_file.read(WEIGHTS)
    assert info["rows"] == " / ".join(NAMES), "corrections.safetensors is for other measures"
    kind = "add" if include else "take"
    return {
        name.removeprefix(f"{kind} "): array
        for name, array in arrays.items()
        if name.startswith(kind)
    }
