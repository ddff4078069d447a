"""Options and help of ``medseg propagate`` and ``medseg track``."""

from __future__ import annotations

import argparse

PROPAGATE_HELP = """\
Segment a structure in one or a few slices of IMAGE and carry it to the others, both ways.
Prompts (points, boxes in a slice, closed curves) act in the slice that they lie in.
"""

PROPAGATE_EXAMPLES = """\
examples:
  One box on the middle slice, drawn where the structure is largest:
    medseg propagate ct.nii.gz -o tumour.seg.nrrd --box -20,-35,10,25,5,10

  Two slices, only between and a little beyond them:
    medseg propagate mr.nrrd -o cyst.seg.nrrd --coords ijk --point 80,91,12 --point 77,90,20 \\
           --first 10 --last 24

  Correct a slice of the result and go on from there to the last slice:
    medseg propagate ct.nii.gz -o tumour.seg.nrrd --edit tumour.seg.nrrd --exclude 3,9,40 --first 37

Slices count from 0 along --axis. OUT is .seg.nrrd, .nrrd, .nii.gz or .nii, or a .mp4 to look at.
"""

TRACK_HELP = """\
Follow a structure through time, from one or a few frames to the others, both ways.

FILM is a video file, a folder of PNG or JPEG pictures, a multi-frame DICOM file, or volumes over
time (4D NIfTI or NRRD). Where the structure is out of view it is left out; it may come back.
"""

TRACK_EXAMPLES = """\
examples:
  Two clicks in the first frame of a video (pixel, pixel, frame); an outline to look at:
    medseg track endoscopy.mp4 -o outlined.mp4 --coords ijk --point 210,300,0 --exclude 90,310,0

  The same as a mask for each frame, in a folder:
    medseg track endoscopy.mp4 -o masks --coords ijk --point 210,300,0

  A heart over time, from its mask at frame 19:
    medseg track cine.nii.gz -o cavity.nii.gz --mask 19=end_diastole.nii.gz

A run that was stopped goes on where it was when the same command is given again.
OUT is a folder (pictures), .nii.gz or .nii (frames along the third axis, or volumes over time),
.seg.nrrd (films only), or .mp4 or .avi to look at.
"""


def add_range(this: argparse.ArgumentParser, what: str) -> None:
    """What of the image is decided."""
    group = this.add_argument_group("range")
    group.add_argument("--first", metavar="N", type=int, help=f"first {what} to decide, from 0")
    group.add_argument("--last", metavar="N", type=int, help=f"last {what} to decide")
    group.add_argument(
        "--mask",
        metavar="N=FILE",
        action="append",
        help=f"the mask of {what} N, as it should be; may be repeated",
    )
