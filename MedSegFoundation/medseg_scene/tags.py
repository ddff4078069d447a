"""The engine's record of a session, in the tags of a segment: saved and undone with the mask."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import vtk
from medseg.record import ALGORITHM_NAME, ALGORITHM_TYPE, TAG, Record


def read_tag(segment: Any, name: str = TAG) -> str:
    """A tag of a ``vtkSegment``, empty when there is none."""
    text = vtk.reference("")
    return str(text) if segment.GetTag(name, text) else ""


def read_tags(segment: Any) -> dict[str, str]:
    """All tags that a record writes; empty where there is none."""
    return {name: read_tag(segment, name) for name in (TAG, ALGORITHM_TYPE, ALGORITHM_NAME)}


def put_tags(segment: Any, tags: Mapping[str, str]) -> None:
    """Inverse of `read_tags`."""
    for name, text in tags.items():
        if text:
            segment.SetTag(name, text)
        else:
            segment.RemoveTag(name)


def write_record(segment: Any, record: Record) -> None:
    """Write what a segment remembers, and what DICOM SEG writers ask for."""
    for name, text in record.tags().items():
        segment.SetTag(name, text)
