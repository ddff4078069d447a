"""One desk for each segment editor widget, shared by its effects."""

from __future__ import annotations

from typing import Any

from medseg_scene.desk import Desk

from .application import face
from .editor import EffectEditor
from .widgets import editor_of

_desks: dict[Any, Desk] = {}


def desk_of(effect: Any) -> Desk:
    """The desk of the editor that a scripted effect belongs to; it writes through this effect."""
    widget = editor_of(effect)
    key = effect if widget is None else widget
    desk = _desks.get(key)
    if desk is None:
        editor = EffectEditor(widget, effect)
        desk = _desks[key] = Desk(editor, face().settings, face().owner)
    else:
        desk.editor.use(effect)  # type: ignore[attr-defined]
    return desk


def let_go(desk: Desk) -> None:
    """The editor goes away, and its effects with it."""
    for key, known in list(_desks.items()):
        if known is desk:
            del _desks[key]
    desk.close()


def close_all() -> None:
    for desk in list(_desks.values()):
        let_go(desk)
