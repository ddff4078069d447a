"""Sections whose work is done by the command line."""

from __future__ import annotations

import qt
from slicer.i18n import tr as _

from .page import Page

BATCH = "medseg segment scan.nii.gz -o liver.seg.nrrd --segment liver --prompts liver.mrk.json"
TRACK = "medseg track film.dcm -o ventricle.seg.nrrd --segment ventricle --point -12,34,0"


class _Command(Page):
    """A paragraph, and a command to copy."""

    command = ""

    def explain(self) -> str:
        raise NotImplementedError

    def build(self) -> None:
        self.text(self.explain())
        self.line = self.text(self.command)
        self.line.setAccessibleName(_("Command"))
        self.row(self.button(_("Copy"), _("Copy the command."), self._copy))

    def _copy(self) -> None:
        qt.QApplication.clipboard().setText(self.command)


class Batch(_Command):
    command = BATCH

    def explain(self) -> str:
        return _(
            "Many images with saved prompts: from the command line today, one image a call. "
            "A section for whole folders, with a table of results, comes with a later version."
        )


class Tracking(_Command):
    command = TRACK

    def explain(self) -> str:
        return _(
            "In the Segment Editor, AI Propagate carries a segment through the slices of a "
            "volume, or through the frames of a volume sequence. Film files of any length are "
            "followed from the command line."
        )
