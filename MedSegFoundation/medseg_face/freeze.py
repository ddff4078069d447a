"""Where results may change the segment: everywhere, in a ROI, or in a slab of slices."""

from __future__ import annotations

from typing import Any

import qt
import slicer
from medseg_scene.limits import InsideRoi, place_roi
from slicer.i18n import tr as _

from .part import Part, named
from .view_choice import ViewChoice

NOTHING, ROI, SLAB = range(3)


class Freeze(Part):
    """What lies outside stays as it is, whatever the model says."""

    def __init__(self, form: Any) -> None:
        super().__init__()
        self.mode = named(qt.QComboBox(), _("Freeze"))
        self.mode.addItems([_("Nothing"), _("Outside a ROI"), _("Outside a slab of slices")])
        self.mode.setToolTip(_("What is frozen is not changed by any result."))
        self.roi = named(slicer.qMRMLNodeComboBox(), _("ROI"), _("The ROI; it can be moved later."))
        self.roi.nodeTypes = ["vtkMRMLMarkupsROINode"]
        self.roi.noneEnabled = False
        self.roi.addEnabled = True
        self.roi.removeEnabled = False
        self.roi.baseName = _("Work here")
        self.views = ViewChoice()
        named(self.views.combo, _("View"), _("The slab lies around the slice of this view."))
        self.count = named(
            qt.QSpinBox(), _("Slices"), _("So many slices of the view may be changed.")
        )
        self.count.setRange(1, 999)
        self.here = named(
            qt.QPushButton(_("Here")), _("Here"), _("Put the slab around the slice shown now.")
        )
        self.slab = qt.QWidget()
        row = qt.QHBoxLayout(self.slab)
        row.setContentsMargins(0, 0, 0, 0)
        row.addWidget(qt.QLabel(_("Slices:")))
        for widget in (self.count, self.views.combo, self.here):
            row.addWidget(widget)
        self.note = qt.QLabel(_("Nothing is frozen until a ROI is chosen or created."))
        self.note.setWordWrap(True)
        form.addRow(_("Freeze:"), self.mode)
        form.addRow(self.roi)
        form.addRow(self.note)
        form.addRow(self.slab)
        self.on(self.mode, "activated(int)", self._mode_set)
        self.on(self.roi, "currentNodeChanged(vtkMRMLNode*)", self._roi_set)
        self.on(self.roi, "nodeAddedByUser(vtkMRMLNode*)", self._roi_made)
        self.on(self.count, "valueChanged(int)", lambda: self._slab_set())
        self.on(self.views.combo, "activated(int)", lambda: self._slab_set())
        self.on(self.here, "clicked()", lambda: self._slab_set())

    def follow(self, desk: Any) -> None:
        limits = desk.limits
        inside = isinstance(limits, InsideRoi)
        self.roi.setMRMLScene(slicer.mrmlScene)
        if inside:
            self.roi.setCurrentNode(limits.node)
        self.put_choice(self.mode, currentIndex=ROI if inside else SLAB if limits else NOTHING)
        super().follow(desk)

    def let_go(self) -> None:
        super().let_go()
        self.roi.setMRMLScene(None)

    def refresh(self) -> None:
        self.views.refresh()
        if self.desk.limits is None and self.mode.currentIndex == SLAB:
            self.put_choice(self.mode, currentIndex=NOTHING)
        inside = self.mode.currentIndex == ROI
        self.put(self.roi, visible=inside)
        self.put(self.note, visible=inside and self.desk.limits is None)
        self.put(self.slab, visible=self.mode.currentIndex == SLAB)

    def _mode_set(self, mode: int) -> None:
        if mode == NOTHING:
            self.desk.limits = None
        elif mode == ROI:
            self.desk.limit_to_roi(self.roi.currentNode())
        else:
            self._slab_set()
        self.refresh()

    def _roi_set(self, node: Any) -> None:
        """A ROI that was deleted stays the limit: the desk says so at the next result."""
        if self.mode.currentIndex == ROI and node is not None:
            self.desk.limit_to_roi(node)

    def _roi_made(self, node: Any) -> None:
        place_roi(node, self.desk.editor.node.GetSourceVolumeNode())

    def _slab_set(self) -> None:
        view = self.views.view
        if view is not None and self.mode.currentIndex == SLAB:
            self.desk.limit_to_slab(view, self.count.value * view.slice_mm)
