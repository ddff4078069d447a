"""A choice of one of the slice views on the screen."""

from __future__ import annotations

from typing import Any

import qt
import slicer
from medseg_scene.views import View


class ViewChoice:
    """A combo box of the views of the layout, by name."""

    def __init__(self) -> None:
        self.combo = qt.QComboBox()

    def refresh(self) -> None:
        """Follow the layout."""
        manager = slicer.app.layoutManager()  # None without a main window
        names = [] if manager is None else list(manager.sliceViewNames())
        if names == [self.combo.itemText(n) for n in range(self.combo.count)]:
            return
        before, chosen = self.combo.blockSignals(True), self.combo.currentText
        self.combo.clear()
        self.combo.addItems(names)
        self.combo.setCurrentIndex(max(0, names.index(chosen) if chosen in names else 0))
        self.combo.blockSignals(before)

    @property
    def node(self) -> Any | None:
        """The ``vtkMRMLSliceNode`` of the chosen one; None when the layout shows none."""
        name = self.combo.currentText
        widget = slicer.app.layoutManager().sliceWidget(name) if name else None
        return None if widget is None else widget.mrmlSliceNode()

    @property
    def view(self) -> View | None:
        """The chosen one as geometry."""
        return None if self.node is None else View.of(self.node)
