"""Synthetic labelled volumes that look like anatomy: what the embedded network is trained on.

No real image goes in. A volume is made in four steps:

1. a *view*: which part of an imagined body the grid shows, how fine, and how it is bent;
2. a *scene*: organs, tubes, bones and lesions are painted as labels, each into its parent;
3. an *appearance*: every label gets a mean and a texture, as in CT, MR or ultrasound;
4. an *acquisition*: blur, thick slices, noise, and a resampling back to the grid.

Lengths inside this package are body units: the trunk is about two wide. Coordinates are ordered
(k, j, i): k runs along the body, j from front to back, i from side to side; the finished volume
is turned and flipped, so that a network learns no preferred direction. Small decisions are drawn
on the host from one seed and fields on the device, so that a GPU seldom waits.
"""

from .sample import Sample
from .targets import LARGEST, SMALLEST, target
from .volumes import volume

__all__ = ["LARGEST", "SMALLEST", "Sample", "target", "volume"]
