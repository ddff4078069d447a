"""The same fixtures in a real Slicer: ``Slicer --testing --python-script`` with pytest.

There is nothing to start there. Qt classes, scene and views are the application's own.
"""

from __future__ import annotations

from .driver import Host
from .faults import faults


def is_application() -> bool:
    """True inside a running 3D Slicer."""
    try:
        import slicer
    except ImportError:
        return False
    return hasattr(slicer, "app") and not hasattr(type(slicer.app), "_is_wrapper")


def start() -> Host:
    faults.start()
    return Host(faults)


def stop() -> None:
    faults.stop()


def clear() -> None:
    import slicer

    slicer.mrmlScene.Clear(0)
    slicer.app.applicationLogic().GetInteractionNode().SwitchToViewTransformMode()
    slicer.app.processEvents()
    faults.clear()
