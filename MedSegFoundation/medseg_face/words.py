"""What the panel calls things, in the user's language."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from slicer.i18n import tr as _


def kind(name: str) -> str:
    """A prompt kind, as the first word of a line."""
    return {
        "point": _("Point"),
        "box": _("Box"),
        "scribble": _("Scribble"),
        "lasso": _("Lasso"),
        "text": _("Text"),
    }.get(name, name)


def place(ras: Any) -> str:
    """A position in RAS mm, as the corner of a slice view writes it: "R 12 P 31 S 44"."""
    letters = ((_("R"), _("L")), (_("A"), _("P")), (_("S"), _("I")))
    return " ".join(
        f"{plus if value >= 0 else minus} {abs(value):.0f}"
        for value, (plus, minus) in zip(ras, letters, strict=True)
    )


@lru_cache(maxsize=1024)
def prompt(given: Any) -> str:
    """A prompt in a few words, for a row of the list."""
    if given.kind == "text":
        return _("Text “{text}”").format(text=given.text)
    if given.kind == "box":
        sides = " × ".join(f"{side:.0f}" for side in given.size if side)  # noqa: RUF001
        return _("Box {sides} mm").format(sides=sides)
    return f"{kind(given.kind)}  {place(middle(given))}"


def middle(given: Any) -> Any:
    """Where to look for a prompt, RAS mm; None when it has no place (text)."""
    if given.kind == "text":
        return None
    if given.kind == "box":
        return given.center
    positions = given.positions()
    return positions.mean(axis=0) if given.kind == "lasso" else positions[len(positions) // 2]
