"""The effects of MedSegFoundation in the Segment Editor; one file each, as Slicer wants it.

Slicer looks up an effect's class by the name of its file in the module named like its folder,
so this package has to be imported before the first of them is registered.
"""

from .MedSegBoxEffect import MedSegBoxEffect
from .MedSegLassoEffect import MedSegLassoEffect
from .MedSegPointEffect import MedSegPointEffect
from .MedSegPropagateEffect import MedSegPropagateEffect
from .MedSegScribbleEffect import MedSegScribbleEffect
from .MedSegTextEffect import MedSegTextEffect

#: In the order in which the editor shows them.
EFFECTS = (
    MedSegPointEffect,
    MedSegBoxEffect,
    MedSegScribbleEffect,
    MedSegLassoEffect,
    MedSegTextEffect,
    MedSegPropagateEffect,
)

__all__ = [
    "EFFECTS",
    "MedSegBoxEffect",
    "MedSegLassoEffect",
    "MedSegPointEffect",
    "MedSegPropagateEffect",
    "MedSegScribbleEffect",
    "MedSegTextEffect",
]
