"""Icons and cursors, drawn from small SVG files in the colours of the window.

Each file is written for a light window; for a dark one its ink is exchanged.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import qt
import slicer

FOLDER = Path(__file__).parents[1] / "Resources" / "Icons"
#: Colour of lines in the files, and what it becomes in a dark window.
_INK, _INK_ON_DARK = "#202020", "#e8e8e8"
_SIZES = (16, 21, 24, 32, 48, 64, 128)


def is_dark(palette: Any = None) -> bool:
    """Whether windows are dark now (Slicer's style can be changed at any time)."""
    palette = palette or slicer.app.palette()
    return bool(palette.color(qt.QPalette.Window).lightness() < 128)


def icon(name: str, dark: bool | None = None) -> Any:
    """The ``QIcon`` drawn by ``Resources/Icons/<name>.svg``."""
    drawn = qt.QIcon()
    for size in _SIZES:
        drawn.addPixmap(pixmap(name, size, dark))
    return drawn


def pixmap(name: str, size: int, dark: bool | None = None) -> Any:
    """A picture of ``size`` pixels."""
    text = (FOLDER / f"{name}.svg").read_text(encoding="utf-8")
    if is_dark() if dark is None else dark:
        text = text.replace(_INK, _INK_ON_DARK)
    renderer = qt.QSvgRenderer()
    renderer.load(qt.QByteArray(text.encode()))
    drawn = qt.QPixmap(size, size)
    drawn.fill(qt.QColor(0, 0, 0, 0))
    painter = qt.QPainter(drawn)
    renderer.render(painter)
    painter.end()
    return drawn


def cursor(name: str) -> Any:
    """A cross to aim with, and the effect's picture below it to the right."""
    side, arm = 48, 11
    drawn = qt.QPixmap(side, side)
    drawn.fill(qt.QColor(0, 0, 0, 0))
    painter = qt.QPainter(drawn)
    for colour, width in (("#000000", 3), ("#ffffff", 1)):  # to be seen on any image
        pen = qt.QPen(qt.QColor(colour))
        pen.setWidth(width)
        painter.setPen(pen)
        for near, far in ((arm - 10, arm - 3), (arm + 3, arm + 10)):
            painter.drawLine(near, arm, far, arm)
            painter.drawLine(arm, near, arm, far)
    painter.drawPixmap(arm + 8, arm + 8, pixmap(name, 24, dark=True))
    painter.end()
    return qt.QCursor(drawn, arm, arm)
