"""Says why the scene tests are missing where they are."""

from importlib.util import find_spec

import pytest


@pytest.mark.skipif(
    find_spec("slicer") is None,
    reason="slicer-core is not installed (pip install 'medseg[slicer-host]'): no scene tests",
)
def test_slicer_core_is_there():
    import slicer

    assert hasattr(slicer, "vtkSlicerSegmentEditorLogic")
