"""Small pictures, drawn: they follow the palette (light or dark) and differ in shape."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import qt

#: Colours that all kinds of colour vision tell apart (Okabe and Ito, 2008).
INCLUDE, EXCLUDE = "#0072B2", "#D55E00"
_SIDE = 16
_SCALE = 2
_STRIP = 500


def polarity(include: bool) -> Any:
    """A circle with a plus, or a square with a minus."""
    return _icon(_plus if include else _minus, INCLUDE if include else EXCLUDE, "#FFFFFF")


def faded(include: bool, palette: Any) -> Any:
    """The same in grey, for what cannot be changed any more."""
    return _icon(_plus if include else _minus, _ink(palette, True), "#FFFFFF")


def eye(open_: bool, palette: Any) -> Any:
    """An open eye, or one that is struck out."""
    return _icon(_open_eye if open_ else _closed_eye, *[_ink(palette, False)] * 2)


def cross(palette: Any, greyed: bool = False) -> Any:
    """For "delete"."""
    return _icon(_cross, *[_ink(palette, greyed)] * 2)


def swap(palette: Any, greyed: bool = False) -> Any:
    """For "the other polarity": a plus over a minus."""
    return _icon(_swap, *[_ink(palette, greyed)] * 2)


def bars(heights: list[float | None], colour: str, ground: str) -> Any:
    """A pixmap with a bar for each value (0 to 1; None = not known), about 500 wide or more."""
    count = max(1, len(heights))
    wide = max(1, _STRIP // count)
    image = qt.QPixmap(count * wide, _SIDE)
    image.fill(qt.QColor(ground))
    painter = qt.QPainter(image)
    for place, height in enumerate(heights):
        if height is not None:
            high = max(1, round(_SIDE * min(1.0, height)))
            painter.fillRect(place * wide, _SIDE - high, wide, high, qt.QColor(colour))
    painter.end()
    return image


def _ink(palette: Any, greyed: bool) -> str:
    group = qt.QPalette.Disabled if greyed else qt.QPalette.Active
    return str(palette.color(group, qt.QPalette.WindowText).name())


def _icon(draw: Callable[[Any, str], None], fill: str, line: str) -> Any:
    picture = qt.QPixmap(_SIDE * _SCALE, _SIDE * _SCALE)
    picture.fill(qt.QColor(0, 0, 0, 0))
    painter = qt.QPainter(picture)
    painter.setRenderHint(qt.QPainter.Antialiasing)
    pen = qt.QPen(qt.QColor(line))
    pen.setWidth(2 * _SCALE)
    painter.setPen(pen)
    draw(painter, fill)
    painter.end()
    picture.setDevicePixelRatio(_SCALE)
    return qt.QIcon(picture)


def _plus(painter: Any, fill: str) -> None:
    _body(painter, fill, painter.drawEllipse)
    painter.drawLine(9, 16, 23, 16)
    painter.drawLine(16, 9, 16, 23)


def _minus(painter: Any, fill: str) -> None:
    _body(painter, fill, painter.drawRect)
    painter.drawLine(9, 16, 23, 16)


def _body(painter: Any, fill: str, draw: Callable[..., None]) -> None:
    pen = painter.pen()
    painter.setPen(qt.QPen(qt.QColor(fill)))
    painter.setBrush(qt.QBrush(qt.QColor(fill)))
    draw(3, 3, 26, 26)
    painter.setPen(pen)


def _open_eye(painter: Any, fill: str) -> None:
    painter.drawEllipse(3, 8, 26, 16)
    painter.setBrush(qt.QBrush(qt.QColor(fill)))
    painter.drawEllipse(12, 12, 8, 8)


def _closed_eye(painter: Any, fill: str) -> None:
    painter.drawEllipse(3, 8, 26, 16)
    painter.drawLine(6, 28, 26, 4)


def _cross(painter: Any, fill: str) -> None:
    painter.drawLine(8, 8, 24, 24)
    painter.drawLine(24, 8, 8, 24)


def _swap(painter: Any, fill: str) -> None:
    painter.drawLine(9, 10, 23, 10)
    painter.drawLine(16, 3, 16, 17)
    painter.drawLine(9, 25, 23, 25)
