"""Observers of nodes that do not keep their owner alive, and go all at once."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Iterable
from typing import Any


class Observers:
    """Calls a method without arguments on any of the events that are watched."""

    def __init__(self, method: Callable[[], object]) -> None:
        self._method = weakref.WeakMethod(method)
        self._watched: list[tuple[Any, int]] = []

    def watch(self, node: Any, events: Iterable[int | str]) -> None:
        if node is not None:
            self._watched += [(node, node.AddObserver(event, self._call)) for event in events]

    def let_go(self) -> None:
        for node, tag in self._watched:
            node.RemoveObserver(tag)
        self._watched = []

    def _call(self, caller: Any, event: str) -> None:
        method = self._method()
        if method is not None:
            method()
