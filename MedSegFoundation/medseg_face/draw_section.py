"""What the next point, box, scribble or lasso does."""

from __future__ import annotations

from typing import Any

import qt
from medseg_scene.gestures import BoxGesture, ScribbleGesture
from slicer.i18n import tr as _

from . import shapes
from .part import Part, named


class DrawSection(Part):
    """Include or exclude; the radius of a scribble; the depth of a box."""

    def __init__(self, form: Any, kind: str) -> None:
        super().__init__()
        row = qt.QHBoxLayout()
        self.include = self._polarity(row, True, _("Include"))
        self.exclude = self._polarity(row, False, _("Exclude"))
        self._group = qt.QButtonGroup()
        self._group.addButton(self.include)
        self._group.addButton(self.exclude)
        row.addStretch(1)
        form.addRow(_("Next:"), row)
        self.radius = self.depth = self.deepen = None
        if kind == "scribble":
            tip = _("Half the width of a stroke, in mm; 0 is one voxel wide.")
            self.radius = _millimetres(_("Radius"), _("one voxel"), tip)
            self.on(self.radius, "valueChanged(double)", self._radius_set)
            form.addRow(_("Radius:"), self.radius)
        if kind == "box":
            self._add_depth(form)

    def _add_depth(self, form: Any) -> None:
        tip = _(
            "How far the next box reaches through the slices, in mm; 0 is a box in one slice."
            " Drag the edges of a box in any view to change it."
        )
        self.depth = _millimetres(_("Depth"), _("one slice"), tip)
        self.deepen = named(qt.QPushButton(_("Give depth")), _("Give depth"))
        self.on(self.depth, "valueChanged(double)", self._depth_set)
        self.on(self.deepen, "clicked()", self._deepen)
        row = qt.QHBoxLayout()
        row.addWidget(self.depth)
        row.addWidget(self.deepen)
        form.addRow(_("Depth:"), row)

    def _polarity(self, row: Any, include: bool, text: str) -> Any:
        button = qt.QToolButton()
        button.setText(text)
        button.setIcon(shapes.polarity(include))
        button.setToolButtonStyle(qt.Qt.ToolButtonTextBesideIcon)
        button.setCheckable(True)
        button.setFocusPolicy(qt.Qt.TabFocus)
        tip = (
            _("The next prompt shows what belongs to the object; Ctrl turns one over.")
            if include
            else _("The next prompt shows what does not belong to it; Ctrl turns one over.")
        )
        self.on(button, "clicked()", lambda: self._polarity_set(include))
        row.addWidget(named(button, text, tip))
        return button

    def refresh(self) -> None:
        self.put_choice(self.exclude if self.desk.exclude else self.include, checked=True)
        if self.radius is not None:
            self.put_choice(self.radius, value=ScribbleGesture(self.desk).radius)
        if self.depth is not None:
            self.put_choice(self.depth, value=BoxGesture(self.desk).depth)
            none = "" if self._last_box() is not None else _("Draw a box in a slice view first.")
            tip = _("Make the last box of the list as deep as said here.")
            self.usable(self.deepen, tip, self.desk.reason or none)

    def _last_box(self) -> int | None:
        boxes = [
            n for n, e in enumerate(self.desk.entries) if e.prompt.kind == "box" and not e.baked
        ]
        return boxes[-1] if boxes else None

    def _polarity_set(self, include: bool) -> None:
        self.desk.exclude = not include

    def _radius_set(self, value: float) -> None:
        ScribbleGesture(self.desk).radius = value

    def _depth_set(self, value: float) -> None:
        BoxGesture(self.desk).depth = value

    def _deepen(self) -> None:
        index = self._last_box()
        if index is not None:
            BoxGesture(self.desk).give_depth(index, BoxGesture(self.desk).depth)


def _millimetres(name: str, at_zero: str, tip: str) -> Any:
    box = qt.QDoubleSpinBox()
    box.setRange(0.0, 500.0)
    box.setDecimals(1)
    box.setSingleStep(0.5)
    box.setSuffix(_(" mm"))
    box.setSpecialValueText(at_zero)
    box.setKeyboardTracking(False)
    return named(box, name, tip)
