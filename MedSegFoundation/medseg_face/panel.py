"""The panel that all effects share: what is special to one on top, below it what is the same."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import qt
from slicer.i18n import tr as _

from .clear_button import ClearButton
from .draw_section import DrawSection
from .model_choice import ModelChoice
from .more import More
from .part import Part
from .prompt_list import PromptList
from .propagate_section import PropagateSection
from .status import Status
from .text_line import TextLine


class Panel:
    """Reads a `medseg_scene.Desk` and calls it; decides nothing.

    ``kind``: "point", "box", "scribble", "lasso", "text" or "propagate". `follow` a desk to show
    it; `let_go` of it, after which nothing here is called any more, until the next `follow`.
    """

    def __init__(self, desk: Any | None, kind: str) -> None:
        self.kind = kind
        self.widget = qt.QWidget()
        self.widget.setObjectName("MedSegPanel")
        column = qt.QVBoxLayout(self.widget)
        column.setContentsMargins(0, 0, 0, 0)
        form = qt.QFormLayout()
        form.setFieldGrowthPolicy(qt.QFormLayout.AllNonFixedFieldsGrow)
        column.addLayout(form)
        self.top: Part = _top(form, kind)
        # Text and propagate take clicks, too, to correct what they have made.
        self.clicks = self.top if isinstance(self.top, DrawSection) else DrawSection(form, "point")
        self.status = Status(column, kind, _hint(kind))
        self.prompts = PromptList()
        column.addWidget(self.prompts.table)
        self.clear = ClearButton(column)
        below = qt.QFormLayout()
        below.setFieldGrowthPolicy(qt.QFormLayout.AllNonFixedFieldsGrow)
        column.addLayout(below)
        self.model = ModelChoice(below)
        self.more = More(column)
        tops = [self.top] if self.top is self.clicks else [self.top, self.clicks]
        self._parts: list[Part] = [*tops, self.status, self.prompts, self.clear]
        self._parts += [self.model, self.more, self.more.freeze]
        self._unlisten: Callable[[], None] | None = None
        if desk is not None:
            self.follow(desk)

    def follow(self, desk: Any) -> None:
        """Show a desk, and go on showing it."""
        self.let_go()
        for part in self._parts:
            part.follow(desk)
        self._unlisten = desk.listen(self.refresh)
        self.refresh()

    def let_go(self) -> None:
        """Hear and show nothing any more; the widgets stay as they are."""
        if self._unlisten is not None:
            self._unlisten()
            self._unlisten = None
        for part in self._parts:
            part.let_go()

    def refresh(self) -> None:
        """Show what is so now; called whenever the desk says that something changed."""
        if self._unlisten is not None:
            for part in self._parts:
                part.refresh()

    @property
    def connections(self) -> int:
        """How many signals are heard now."""
        return sum(part.connections for part in self._parts)


def _top(form: Any, kind: str) -> Part:
    if kind == "text":
        return TextLine(form)
    if kind == "propagate":
        return PropagateSection(form)
    return DrawSection(form, kind)


def _hint(kind: str) -> str:
    """What to do first."""
    return {
        "point": _("Click on the object in a slice view."),
        "box": _("Drag a box around the object in a slice view."),
        "scribble": _("Draw a stroke inside the object in a slice view."),
        "lasso": _("Draw a loop around the object in a slice view."),
        "text": _("Type what to look for, and press Enter."),
        "propagate": _("Give prompts in one slice or more, then carry them to the others."),
    }[kind]
