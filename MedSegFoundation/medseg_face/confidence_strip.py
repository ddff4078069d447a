"""How sure a run was in each slice or frame, as bars; a click shows that slice."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import qt
from slicer.i18n import tr as _

from . import shapes
from .part import named


class ConfidenceStrip:
    """``chosen`` is called with the number of the bar that was clicked on."""

    def __init__(self, form: Any, chosen: Callable[[int], object]) -> None:
        self._chosen = chosen
        self._count = 0
        self._drawn: tuple[Any, ...] = ()
        self.label = named(
            qt.QLabel(),
            _("Confidence per slice"),
            _(
                "How sure the model was in each slice: high bars are sure, gaps not decided. "
                "Click on a bar to see its slice."
            ),
        )
        self.label.setScaledContents(True)
        self.label.setFixedHeight(18)
        self.label.setFrameShape(qt.QFrame.StyledPanel)
        self.label.setSizePolicy(qt.QSizePolicy.Ignored, qt.QSizePolicy.Fixed)
        form.addRow(_("Confidence:"), self.label)
        self._clicks = _Clicks(self._clicked)

    def start(self) -> None:
        """Hear clicks."""
        self.label.installEventFilter(self._clicks)

    def stop(self) -> None:
        self.label.removeEventFilter(self._clicks)

    def show(self, known: dict[int, float], count: int) -> None:
        """A bar for each of ``count`` numbers that is known."""
        drawn = count, *sorted(known.items())
        if drawn != self._drawn:
            self._drawn, self._count = drawn, count
            ground = self.label.palette.color(qt.QPalette.Base).name()
            heights = [known.get(n) for n in range(count)]
            self.label.setPixmap(shapes.bars(heights, shapes.INCLUDE, ground))

    def _clicked(self, x: int) -> None:
        place = x * self._count // max(1, self.label.width)
        if 0 <= place < self._count:
            self._chosen(place)


class _Clicks(qt.QObject):
    """Tells where (pixels from the left) a widget was clicked on."""

    def __init__(self, tell: Callable[[int], None]) -> None:
        super().__init__()
        self._tell = tell

    def eventFilter(self, watched: Any, event: Any) -> bool:  # noqa: N802
        if event.type() != qt.QEvent.MouseButtonPress:
            return False
        self._tell(int(event.pos().x()))
        return True
