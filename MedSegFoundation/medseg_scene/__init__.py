"""medseg_scene: the engine at work in a 3D Slicer scene, without any user interface.

Imports only medseg, numpy, vtk and slicer; runs in Slicer 5.10 and later and under the PyPI
package slicer-core (then call `host.ensure` first).

    from medseg import Point, find
    from medseg_scene import SceneSession

    session = SceneSession(volume_node, segmentation_node, find())
    session.add(Point([12.0, -30.5, 44.0]))
    session.undo()
"""

from .editors import Editor, LogicEditor
from .host import ensure
from .scene_session import SceneSession
from .segments import read_segment, write_changes
from .volumes import image_from_volume

__all__ = [
    "Editor",
    "LogicEditor",
    "SceneSession",
    "ensure",
    "image_from_volume",
    "read_segment",
    "write_changes",
]
