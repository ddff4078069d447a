"""SimpleITK, quiet; used for DICOM and pictures only (it straightens sheared grids)."""

from __future__ import annotations

from importlib import import_module
from typing import Any

#: Any, because the type information of SimpleITK covers only parts of it.
sitk: Any = import_module("SimpleITK")
sitk.ProcessObject.GlobalWarningDisplayOff()
