"""The engine's record of a session, in the tags of a segment: saved and undone with the mask."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import vtk
from medseg.record import TAG, Record


def read_tag(segment: Any, name: str = TAG) -> str:
    """A tag of a ``vtkSegment``, empty when there is none."""
    text = vtk.reference("")
    return str(text) if segment.GetTag(name, text) else ""


def write_record(segment: Any, record: Record, packed_start: dict[str, Any] | None = None) -> None:
    """Write what a segment remembers, and what DICOM SEG writers ask for.

    ``packed_start``: the start mask of the record as `medseg.packing.pack_mask` gives it, for
    those who have it already.
    """
    tags = (record if packed_start is None else replace(record, start=None)).tags()
    if packed_start is not None:
        data = json.loads(tags[TAG])
        data["start"] = packed_start
        tags[TAG] = json.dumps(data).replace("|", "\\u007c")
    for name, text in tags.items():
        segment.SetTag(name, text)
