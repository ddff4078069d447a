"""medseg_scene: the engine at work in a 3D Slicer scene, without any user interface.

Imports only medseg, numpy, vtk and slicer; runs in Slicer 5.10 and later and under the PyPI
package slicer-core (then call `host.ensure` first).

    from medseg import Point, find
    from medseg_scene import SceneSession

    session = SceneSession(volume_node, segmentation_node, find())
    session.add(Point([12.0, -30.5, 44.0]))
    session.undo()

`SceneSession` waits for its model; `LiveSession` has a helper process do the work and never does.
"""

from .desk import Desk
from .editors import Editor, LogicEditor
from .entries import Entry
from .host import ensure
from .limits import InsideRoi, NearPlane, Slab
from .live import LiveSession
from .owner import CompanionOwner, owner, use_owner
from .preview import Preview
from .requests import Slice
from .scene_session import SceneSession
from .scripting import Scripting
from .segments import read_segment, write_changes
from .settings import DictSettings, Settings
from .views import View
from .volumes import image_from_volume

__all__ = [
    "CompanionOwner",
    "Desk",
    "DictSettings",
    "Editor",
    "Entry",
    "InsideRoi",
    "LiveSession",
    "LogicEditor",
    "NearPlane",
    "Preview",
    "SceneSession",
    "Scripting",
    "Settings",
    "Slab",
    "Slice",
    "View",
    "ensure",
    "image_from_volume",
    "owner",
    "read_segment",
    "use_owner",
    "write_changes",
]
