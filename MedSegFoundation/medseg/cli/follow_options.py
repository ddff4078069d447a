"""Options and help of ``medseg propagate`` and ``medseg track``."""

from __future__ import annotations

import argparse

from ..memory import NAMES as POLICIES
from . import options

PROPAGATE_HELP = """\
Segment structures in one or a few slices of IMAGE and carry them to the others, both ways.
Prompts (points, boxes in a slice, closed curves) act in the slice that they lie in. What stands
behind a --segment NAME, up to the next one, belongs to that structure.
"""

PROPAGATE_EXAMPLES = """\
examples:
  One box on the middle slice, drawn where the structure is largest:
    medseg propagate ct.nii.gz -o tumour.seg.nrrd --box -20,-35,10,25,5,10

  A lesion from its longest diameter (RECIST), with a published model:
    medseg propagate ct.nii.gz -o lesion.seg.nrrd --line -12,-40,5,18,-31,5 --model medsam2 \\
           --memory diverse

  Two structures at once:
    medseg propagate ct.nii.gz -o both.seg.nrrd --segment liver --point 60,-10,120 \\
           --segment spleen --box -90,-60,120,-50,-20,120

  Two slices, only between and a little beyond them:
    medseg propagate mr.nrrd -o cyst.seg.nrrd --coords ijk --point 80,91,12 --point 77,90,20 \\
           --first 10 --last 24

  Correct a slice of the result and go on from there to the last slice:
    medseg propagate ct.nii.gz -o tumour.seg.nrrd --edit tumour.seg.nrrd --exclude 3,9,40 --first 37

Slices count from 0 along --axis. OUT is .seg.nrrd, .nrrd, .nii.gz or .nii, or a .mp4 to look at.
"""

TRACK_HELP = """\
Follow structures through time, from one or a few frames to the others, both ways. What stands
behind a --segment NAME, up to the next one, belongs to that structure.

FILM is a video file, a folder of PNG or JPEG pictures, a multi-frame DICOM file, a folder with a
DICOM series, or volumes over time (4D NIfTI, NRRD or MetaImage). Where the structure is out of
view it is left out; it may come back.
"""

TRACK_EXAMPLES = """\
examples:
  Two clicks in the first frame of a video (pixel, pixel, frame); an outline to look at:
    medseg track endoscopy.mp4 -o outlined.mp4 --coords ijk --point 210,300,0 --exclude 90,310,0

  The same as a mask for each frame, in a folder:
    medseg track endoscopy.mp4 -o masks --coords ijk --point 210,300,0

  Two instruments at once; label maps 1 and 2:
    medseg track surgery.mp4 -o tools.nii.gz --coords ijk --segment left --point 90,200,0 \\
           --segment right --point 400,210,0

  A heart over time, from its mask at frame 19:
    medseg track cine.nii.gz -o cavity.nii.gz --mask 19=end_diastole.nii.gz

A run that was stopped goes on where it was when the same command is given again.
OUT is a folder (pictures), .nii.gz or .nii (frames along the third axis, or volumes over time),
.seg.nrrd (films only), or .mp4 or .avi to look at.
"""


def add_propagate(this: argparse.ArgumentParser) -> None:
    this.add_argument("image", metavar="IMAGE", help="the volume")
    this.add_argument("--edit", metavar="SEG", help="go on from --segment of this .seg.nrrd")
    this.add_argument(
        "--seeds",
        metavar="N,N,...",
        action=options.InOrder,
        dest="given",
        help="slices of --edit that are right",
    )
    this.add_argument("--axis", choices=("k", "j", "i"), default="k", help="across the slices")
    _add_shared(this, "slice")


def add_track(this: argparse.ArgumentParser) -> None:
    this.add_argument("image", metavar="FILM", help="the film, or the volumes over time")
    _add_shared(this, "frame")


def _add_shared(this: argparse.ArgumentParser, what: str) -> None:
    this.add_argument("-o", "--output", metavar="OUT", required=True, help="what to write")
    this.add_argument(
        "--segment",
        metavar="NAME",
        action=options.InOrder,
        dest="given",
        help="name of the segment (default: Segment); may be repeated",
    )
    options.add_prompts(this)
    group = this.add_argument_group("range")
    group.add_argument("--first", metavar="N", type=int, help=f"first {what} to decide, from 0")
    group.add_argument("--last", metavar="N", type=int, help=f"last {what} to decide")
    group.add_argument(
        "--mask",
        metavar="N=FILE",
        action=options.InOrder,
        dest="given",
        help=f"the mask of {what} N, as it should be; may be repeated",
    )
    options.add_image(this)
    this.add_argument("--model", metavar="NAME", default="default", help="see 'medseg models'")
    this.add_argument(
        "--memory",
        choices=POLICIES,
        help="what SAM 2 and its kin remember (default: the last ones, fifo)",
    )
    options.add_output(this, f"one JSON object per segment and {what} on stdout")
