"""The engine's record of a session, in the tags of a segment: saved and undone with the mask."""

from __future__ import annotations

from typing import Any

import vtk
from medseg.record import TAG, Record


def read_tag(segment: Any, name: str = TAG) -> str:
    """A tag of a ``vtkSegment``, empty when there is none."""
    text = vtk.reference("")
    return str(text) if segment.GetTag(name, text) else ""


def write_record(segment: Any, record: Record) -> None:
    """Write what a segment remembers, and what DICOM SEG writers ask for."""
    for name, text in record.tags().items():
        segment.SetTag(name, text)
