"""What went wrong where no caller can see it: PythonQt prints exceptions of slots and goes on."""

from __future__ import annotations

import sys
from collections.abc import Callable


class Faults(list):
    """Exceptions that were printed and swallowed, in order; stands in for `sys.excepthook`."""

    def __init__(self) -> None:
        super().__init__()
        self._before: Callable | None = None

    def start(self) -> None:
        if self._before is None:
            self._before, sys.excepthook = sys.excepthook, self._hook

    def stop(self) -> None:
        if self._before is not None:
            sys.excepthook, self._before = self._before, None

    def _hook(self, kind: type, error: BaseException, trace: object) -> None:
        self.append(error)
        if self._before is not None:
            self._before(kind, error, trace)


#: One list for the process, as there is one application.
faults = Faults()


def report() -> None:
    """Print the exception being handled, as PythonQt does, and remember it."""
    sys.excepthook(*sys.exc_info())


def complain(sentence: str) -> None:
    """Report something that the real application only prints as a warning."""
    try:
        raise TypeError(sentence)
    except TypeError:
        report()


def shielded(function: Callable, *args: object) -> object:
    """Call it as C++ calls Python: an exception is printed, and the answer is None."""
    try:
        return function(*args)
    except KeyboardInterrupt:
        raise
    except BaseException:
        report()
        return None
