"""From the prompted slices or frames to the others: range, direction, and how sure it was."""

from __future__ import annotations

from typing import Any

import qt
from slicer.i18n import tr as _

from .confidence_strip import ConfidenceStrip
from .part import Part, named
from .view_choice import ViewChoice

_DIRECTIONS = ("both", "forward", "backward")
#: Stands for an image axis where it goes through the frames of a sequence.
_TIME = -1


class PropagateSection(Part):
    """The axis is the one that the chosen view looks along, or the time of a sequence."""

    def __init__(self, form: Any) -> None:
        super().__init__()
        self._span: tuple[int, int] | None = None
        self._axis: int | None = None
        self.views = ViewChoice()
        form.addRow(_("Along:"), named(self.views.combo, _("Along")))
        tip = _("Go from the prompted frames of the sequence to the others.")
        self.in_time = named(qt.QCheckBox(_("Through time")), _("Through time"), tip)
        form.addRow(self.in_time)
        self.first, self.first_here = self._limit(form, _("From:"))
        self.last, self.last_here = self._limit(form, _("To:"))
        self.direction = named(qt.QComboBox(), _("Direction"))
        self.direction.addItems([_("Both ways"), _("To higher numbers"), _("To lower numbers")])
        form.addRow(_("Direction:"), self.direction)
        self.start = named(qt.QPushButton(), _("Propagate"))
        form.addRow(self.start)
        tip = _("Put back what was in the frames before. Frames that were changed since stay.")
        self.back = named(qt.QPushButton(_("Take the run back")), _("Take the run back"), tip)
        form.addRow(self.back)
        self.strip = ConfidenceStrip(form, self._show)
        self.on(self.views.combo, "activated(int)", lambda: self.refresh())
        self.on(self.in_time, "toggled(bool)", lambda on: self.refresh())
        self.on(self.first_here, "clicked()", lambda: self._here(self.first))
        self.on(self.last_here, "clicked()", lambda: self._here(self.last))
        self.on(self.start, "clicked()", self._go)
        self.on(self.back, "clicked()", lambda: self.desk.take_run_back())

    def _limit(self, form: Any, label: str) -> tuple[Any, Any]:
        box, here = qt.QSpinBox(), qt.QPushButton(_("Here"))
        named(box, label.rstrip(":"), _("Number of a slice, as the data probe shows it."))
        named(here, _("Here"), _("Take the slice that the view shows now."))
        row = qt.QHBoxLayout()
        row.addWidget(box, 1)
        row.addWidget(here)
        form.addRow(label, row)
        return box, here

    def follow(self, desk: Any) -> None:
        super().follow(desk)
        self.strip.start()

    def let_go(self) -> None:
        self.strip.stop()
        super().let_go()

    def refresh(self) -> None:
        desk = self.desk
        self.views.refresh()
        view = self.views.view
        self.put(self.in_time, visible=desk.frames > 1)
        through_time = self._through_time
        timeless = _("Through time it goes both ways from the prompted frames.")
        self.usable(
            self.views.combo,
            _("Go through the slices that this view shows."),
            timeless if through_time else "",
        )
        self.usable(
            self.direction,
            _("From the prompted slices both ways, or only to higher or lower slice numbers."),
            timeless if through_time else "",
        )
        axis = _TIME if through_time else 0 if view is None else desk.slice_of(view)[0]
        span = axis, desk.frames if through_time else desk.image_slices[axis]
        if span != self._span:
            self._span = span
            for box, value in ((self.first, 0), (self.last, max(0, span[1] - 1))):
                self.put_choice(box, maximum=max(0, span[1] - 1), value=value)
        again = bool(desk.confidence)
        self.put(self.start, text=_("Propagate again") if again else _("Propagate"))
        tip = _("Carry the object from its prompted slices to the others of this range.")
        self.usable(self.start, tip, self._reason(view))
        self.put(self.back, visible=desk.can_take_run_back)
        self.strip.show(desk.confidence if axis == self._axis else {}, span[1])

    @property
    def _through_time(self) -> bool:
        return self.desk.frames > 1 and bool(self.in_time.checked)

    def _reason(self, view: Any) -> str:
        desk = self.desk
        reason = desk.reason or desk.can("propagate")
        if not reason and view is None and not self._through_time:
            reason = _("Show a slice view first; it says which way to go.")
        if not reason and desk.progress is not None:
            reason = _("It is under way; cancel it first.")
        if not reason and not desk.entries and not self._through_time:
            reason = _("Give a prompt in a slice first, with Point, Box, Scribble or Lasso.")
        return reason

    def _show(self, number: int) -> None:
        """Show a slice, or a frame, of the last run."""
        if self._axis is None or self.desk.reason:
            return
        if self._axis == _TIME:
            self.desk.show_frame(number)
        elif self.views.node is not None:
            place = self.desk.middle_of(self._axis, number)
            self.views.node.JumpSliceByOffsetting(*map(float, place))

    def _here(self, box: Any) -> None:
        self.refresh()  # the view may have been turned
        view = self.views.view
        if self._through_time:
            box.setValue(self.desk.frame)
        elif view is not None:
            box.setValue(self.desk.slice_of(view)[1])

    def _go(self) -> None:
        self.refresh()
        first, last = sorted((self.first.value, self.last.value))
        if self._through_time:
            self._axis = _TIME
            self.desk.track(first, last)
            return
        direction = _DIRECTIONS[self.direction.currentIndex]
        self._axis = self.desk.slice_of(self.views.view)[0]
        self.desk.propagate(first, last, direction, self._axis)
