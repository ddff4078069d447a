"""What a person sees: messages and a progress bar on stderr, tables on stdout."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from types import TracebackType

WIDTH = 30


def say(text: str, quiet: bool = False) -> None:
    """One line on stderr."""
    if not quiet:
        print(text, file=sys.stderr, flush=True)


class Bar:
    """A progress bar that is drawn only on a terminal and leaves no trace when done.

    with Bar("point 1") as bar:
        bar(0.5)
    """

    def __init__(self, label: str, quiet: bool = False) -> None:
        self._label = label
        self._shown = not quiet and sys.stderr.isatty()
        self._last = -1

    def __call__(self, fraction: float) -> None:
        """Show a fraction from 0 to 1."""
        filled = round(min(max(fraction, 0.0), 1.0) * WIDTH)
        if self._shown and filled != self._last:
            self._last = filled
            bar = "\u2588" * filled + "\u2591" * (WIDTH - filled)
            print(f"\r{self._label}  {bar} {filled * 100 // WIDTH:3d} %", end="", file=sys.stderr)
            sys.stderr.flush()

    def __enter__(self) -> Bar:
        self(0.0)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._shown:
            print("\r\x1b[2K", end="", file=sys.stderr, flush=True)


def table(rows: Sequence[Sequence[str]]) -> str:
    """Rows of cells as aligned text: the first column to the left, the others to the right."""
    widths = [max(len(row[n]) for row in rows) for n in range(len(rows[0]))]
    lines = []
    for row in rows:
        first, *rest = (
            cell.ljust(w) if n == 0 else cell.rjust(w)
            for n, (cell, w) in enumerate(zip(row, widths, strict=True))
        )
        lines.append("  ".join([first, *rest]).rstrip())
    return "\n".join(lines)
