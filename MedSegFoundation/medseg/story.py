"""How a mask was carried from some slices or frames to the others; it is kept with the mask."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from .errors import InputError

#: Decimals of a confidence that are kept.
_DIGITS = 3


@dataclass(frozen=True)
class Story:
    """One run.

    ``tracker``: without the folder of its weights. ``along``: "k", "j" or "i" for slices, "t" for
    frames. ``seeds``: the accepted ones. ``first``, ``last``: the range that was decided.
    ``rules``: what else the result depends on (weights, memory policy, direction); see
    `medseg.propagation.Tells`. ``confidence``: 0 to 1, of each decided slice or frame.
    """

    tracker: str
    along: str
    seeds: tuple[int, ...]
    first: int
    last: int
    rules: Mapping[str, str] = field(default_factory=dict)
    confidence: Mapping[int, float] = field(default_factory=dict)

    @classmethod
    def of(
        cls,
        tracker: Any,
        along: str,
        seeds: Iterable[int],
        first: int,
        last: int,
        confidence: Mapping[int, float],
    ) -> Story:
        """Of a run with a `medseg.propagation.Tracker`."""
        rules = tracker.rules() if hasattr(tracker, "rules") else {}
        name = re.sub(r":[^?]*[/\\]", ":", tracker.name)
        rounded = {place: round(sure, _DIGITS) for place, sure in sorted(confidence.items())}
        return cls(name, along, tuple(sorted(seeds)), first, last, rules, rounded)

    def to_dict(self) -> dict[str, Any]:
        """JSON-able data."""
        return asdict(self)

    @classmethod
    def from_dict(cls, data: Mapping[str, Any] | None) -> Story | None:
        """Inverse of `to_dict`, also after a way through JSON; None for None.

        Raises `InputError` when it cannot be read.
        """
        if data is None:
            return None
        try:
            return cls(
                str(data["tracker"]),
                str(data["along"]),
                tuple(int(n) for n in data["seeds"]),
                int(data["first"]),
                int(data["last"]),
                {str(key): str(text) for key, text in data["rules"].items()},
                {int(n): _fraction(sure) for n, sure in data["confidence"].items()},
            )
        except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
            raise InputError(f"The story of a propagation cannot be read ({error!r}).") from error

    def __str__(self) -> str:
        where = "frames" if self.along == "t" else f"slices along {self.along}"
        shown = {**self.rules, "weights": self.rules.get("weights", "")[:12]}
        rules = ", ".join(f"{key} {text}" for key, text in shown.items() if text)
        return (
            f"{self.tracker}: {where} {self.first} to {self.last} from "
            f"{', '.join(map(str, self.seeds))}" + (f"; {rules}" if rules else "")
        )


def _fraction(value: object) -> float:
    sure = float(str(value))
    if not 0 <= sure <= 1:
        raise ValueError(f"confidence {sure}")
    return sure
