"""Try it: one click on a sample whose answer is known."""

from __future__ import annotations

from typing import Any

import qt
import slicer
from medseg_scene.trial import Trial, into_editor
from slicer.i18n import tr as _

from ..application import face
from .page import Page


class Start(Page):
    """The first thing a user sees."""

    def build(self) -> None:
        self.trial = Trial(face().owner, self.refresh)
        self._shown: Any = None
        self.text(
            _(
                "Open the Segment Editor, choose AI Point, click on a structure: a segment. "
                "The built-in model needs no download and no account."
            )
        )
        self.go = self.button(
            _("Try it"),
            _("Make a small sample CT, click on its kidney, and compare with the known answer."),
            self.trial.start,
        )
        self.edit = self.button(
            _("Open in Segment Editor"),
            _("Correct the sample's result with more prompts."),
            self.open_editor,
        )
        self.row(self.go, self.edit)
        self.line = self.text()
        self.text(
            _(
                "What leaves this computer: nothing, unless you name a server below and agree to "
                "it. Then the voxels of the image, their geometry and the prompts are sent there; "
                "never a name or a DICOM header. There is no telemetry and no update check. "
                "Models and packages are fetched only when you press a button that says so."
            )
        )
        self.text(_("For research; not a medical device. A person has to look at every result."))
        self.refresh()

    def opened(self) -> None:
        self.refresh()

    def close(self) -> None:
        self.trial.cancel()
        super().close()

    def refresh(self) -> None:
        self.go.setEnabled(not self.trial.busy)
        self.edit.setVisible(self.trial.score is not None and self.trial.present() is not None)
        self.line.setText(self.trial.line)
        self.line.setVisible(bool(self.trial.line))
        if self.trial.busy:
            qt.QTimer.singleShot(0, self._show)  # a turn of its own: the window stays quick

    def open_editor(self) -> None:
        if self.trial.present() is not None:
            into_editor(self.trial.sample, self.trial.segment_id)
            slicer.util.selectModule("SegmentEditor")

    def _show(self) -> None:
        """The sample in all slice views, at the place of the click; once."""
        sample: Any = self.trial.present()
        if sample is None or sample.volume is self._shown:
            return
        self._shown = sample.volume
        slicer.util.setSliceViewerLayers(background=sample.volume, fit=True)
        slicer.modules.markups.logic().JumpSlicesToLocation(*sample.place, False)
