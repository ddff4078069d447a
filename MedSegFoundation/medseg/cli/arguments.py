"""What the commands accept, and the help that teaches it."""

from __future__ import annotations

import argparse
import re
from collections.abc import Sequence
from typing import Any, NoReturn

from .. import __version__
from ..registry import DEVICES
from . import follow_options, options, ray_options, remote, setup, store

_COORDINATE_OPTIONS = ("--point", "--exclude", "--box", "--line")
_NEGATIVE = re.compile(r"-[\d.]")

SEGMENT_HELP = """\
Segment one structure of IMAGE from prompts, which act in the order given here: the first ones
say what to segment, later ones correct. Each option may be repeated.

IMAGE is NIfTI, NRRD, MetaImage (.mha), a folder with one DICOM series, or one DICOM file.
Positions are millimetres, R,A,S as 3D Slicer shows them, unless --coords says otherwise.
"""

SEGMENT_EXAMPLES = """\
examples:
  One click in the liver, and one that takes the stomach out again:
    medseg segment abdomen.nii.gz -o liver.seg.nrrd --segment liver \\
           --point 60,-10,120 --exclude -40,20,130

  A loose box (two opposite corners), then a click where something is missing:
    medseg segment dicom_folder -o tumour.seg.nrrd --box -20,-35,10,25,5,60 --point 8,-12,30

  What you placed in Slicer (points, ROI boxes, closed curves), saved as .mrk.json:
    medseg segment head.nrrd -o cyst.seg.nrrd --segment cyst --prompts F.mrk.json

  By name, in a CT; the segment gets name, colour and DICOM codes, clicks may correct it:
    medseg segment chest.nii.gz -o lungs.seg.nrrd --text lung --exclude 3,-40,250

  Go on tomorrow; the other segments of the file are kept, and so are their voxels:
    medseg segment abdomen.nii.gz -o liver.seg.nrrd --edit liver.seg.nrrd --segment liver \\
           --exclude 22,5,88

coordinates:
  ras   millimetres towards right, anterior, superior (3D Slicer, NIfTI)
  lps   millimetres towards left, posterior, superior (DICOM, ITK)
  ijk   voxel indices from 0, fastest axis first; a box runs from the centre of one corner
        voxel to the centre of the other, both included
  In a film (2D + time, such as an echocardiogram) the third number is the frame, from 0.
  Files of --prompts carry their own frame; --coords does not touch them.

A --scribble MASK is a painted label map: 1 (or its only value) is a stroke in the structure,
2 a stroke outside it. --edit goes on from a segment, keeps the others of the file, and never
takes a voxel that another segment has.

The suffix of OUT decides its kind: .seg.nrrd is a 3D Slicer segmentation that also keeps the
prompts and the model for --edit; .nii.gz, .nii and .nrrd are label maps. An existing OUT is
replaced, but only when the new one is complete.
"""

MODELS_HELP = """\
List the models, what each can do, and its licences. With an ACTION: published models on this
computer. Nothing is fetched unless you ask for it.
"""

MODELS_EXAMPLES = """\
examples:
  medseg models published
  medseg models fetch sam2.1-tiny
  medseg models import medsam2 MedSAM2_latest.pt
"""

EVALUATE_HELP = """\
Measure a model on IMAGE with simulated clicks: the first at the most interior point of a
structure of LABELS, each next one in the middle of the largest error, to include or exclude.
The same clicks come out every time.
"""

EVALUATE_EXAMPLES = """\
example:
  medseg evaluate ct.nii.gz organs.nii.gz --labels 1,5 --clicks 5

columns: Dice (1 is perfect) after so many clicks, clicks until Dice reaches 0.85 and 0.90
(one that never gets there counts as --clicks in the mean), seconds per click.
"""

SERVE_HELP = """\
Answer 3D Slicer, this package's client and nnInteractive clients over HTTP, many users at once.
It listens to this machine only, unless it gets tokens and TLS files (or --behind-proxy).
"""

SERVE_EXAMPLES = """\
examples:
  For yourself, on this machine:
    medseg serve

  For a department; every line of the token file is 'name:token':
    python -c 'import secrets; print("ct-room:" + secrets.token_urlsafe(32))' > tokens
    chmod 600 tokens
    medseg serve --host 0.0.0.0 --token-file tokens --tls-cert cert.pem --tls-key key.pem

  Behind nginx on the same machine, which does the TLS:
    medseg serve --token-file tokens --behind-proxy

tokens come from --token-file, or the environment: MEDSEG_TOKEN_FILE (a path) or MEDSEG_TOKENS
('name:token', several with commas between). They cannot be given as an option, where every user
of the machine could read them. Change the file and send SIGHUP to rotate them.

The first line on stderr that begins with 'medseg serves at' tells the URL. Log lines follow, one
for each request; they hold no image, name, prompt, identifier or token. SIGTERM or Ctrl+C lets
running prompts finish; a second one ends the server at once. /readyz, /healthz and /metrics are
there for whoever watches it, /openapi.json tells all messages. docs/server.md has more.
"""


class _Parser(argparse.ArgumentParser):
    """Errors in one sentence, without the usage block."""

    def error(self, message: str) -> NoReturn:
        text = message[:1].upper() + message[1:]
        self.exit(2, f"medseg: {text.rstrip('.')}. See '{self.prog} --help'.\n")


def join_negative_numbers(argv: Sequence[str]) -> list[str]:
    """``--point -1,2,3`` as ``--point=-1,2,3``, since argparse reads ``-1,2,3`` as an option."""
    joined: list[str] = []
    for word in argv:
        if joined and joined[-1] in _COORDINATE_OPTIONS and _NEGATIVE.match(word):
            joined[-1] += f"={word}"
        else:
            joined.append(word)
    return joined


def parser() -> argparse.ArgumentParser:
    """The whole command line."""
    top = _Parser(
        prog="medseg",
        description="Segment medical images from a few prompts. Nothing leaves this machine "
        "unless you name a --server.",
        epilog="'medseg segment --help' explains the prompts, with examples.",
        allow_abbrev=False,
    )
    top.add_argument("--version", action="version", version=f"medseg {__version__}")
    commands = top.add_subparsers(dest="command", required=True, metavar="COMMAND")
    _segment(commands)
    _propagate(commands)
    _track(commands)
    _evaluate(commands)
    _models(commands)
    _setup(commands)
    _serve(commands)
    return top


def _command(
    commands: Any, name: str, short: str, text: str, examples: str = ""
) -> argparse.ArgumentParser:
    made: argparse.ArgumentParser = commands.add_parser(
        name,
        help=short,
        description=text,
        epilog=examples,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    return made


def _segment(commands: Any) -> None:
    this = _command(
        commands, "segment", "segment one structure from prompts", SEGMENT_HELP, SEGMENT_EXAMPLES
    )
    this.add_argument("image", metavar="IMAGE", help="the image to segment")
    this.add_argument("-o", "--output", metavar="OUT", required=True, help="the file to write")
    this.add_argument("--segment", metavar="NAME", help="name of the segment (default: Segment)")
    this.add_argument("--edit", metavar="SEG", help="go on from --segment of this .seg.nrrd")
    options.add_prompts(this)
    options.add_image(this)
    this.add_argument("--model", metavar="NAME", default="default", help="see 'medseg models'")
    remote.add_options(this)
    options.add_output(this, "one JSON object per prompt on stdout: seconds, volume, changed box")


def _propagate(commands: Any) -> None:
    this = _command(
        commands,
        "propagate",
        "carry structures from some slices to the others",
        follow_options.PROPAGATE_HELP,
        follow_options.PROPAGATE_EXAMPLES,
    )
    follow_options.add_propagate(this)


def _track(commands: Any) -> None:
    this = _command(
        commands,
        "track",
        "follow structures through time",
        follow_options.TRACK_HELP,
        follow_options.TRACK_EXAMPLES,
    )
    follow_options.add_track(this)


def _evaluate(commands: Any) -> None:
    this = _command(
        commands, "evaluate", "measure a model with clicks", EVALUATE_HELP, EVALUATE_EXAMPLES
    )
    this.add_argument("image", metavar="IMAGE", help="the image")
    this.add_argument("labels_file", metavar="LABELS", help="its true label map or .seg.nrrd")
    this.add_argument("--labels", metavar="1,5,...", help="only these label values or names")
    this.add_argument("--clicks", metavar="N", type=int, default=10, help="clicks per structure")
    this.add_argument(
        "--model", metavar="NAME", action="append", help="see 'medseg models'; may be repeated"
    )
    options.add_image(this)
    remote.add_options(this)
    options.add_output(this, "one JSON object per model and structure on stdout")


def _models(commands: Any) -> None:
    this = _command(commands, "models", "list, fetch, remove models", MODELS_HELP, MODELS_EXAMPLES)
    remote.add_options(this, sends_images=False)
    this.add_argument("--json", action="store_true", help="one JSON object per model")
    store.add_actions(this, _Parser)


def _setup(commands: Any) -> None:
    this = _command(commands, "setup", "install what models need", setup.HELP, setup.EXAMPLES)
    setup.add_actions(this, _Parser)


def _serve(commands: Any) -> None:
    this = _command(commands, "serve", "serve models to others", SERVE_HELP, SERVE_EXAMPLES)
    this.add_argument("--host", metavar="NAME", default="127.0.0.1", help="address to listen at")
    this.add_argument("--port", metavar="N", type=int, default=1527, help="0 finds a free one")
    this.add_argument("--token-file", metavar="FILE", help="who may come in: lines 'name:token'")
    this.add_argument("--tls-cert", metavar="FILE", help="certificate (chain), PEM")
    this.add_argument("--tls-key", metavar="FILE", help="its key without a password, PEM")
    this.add_argument(
        "--behind-proxy", action="store_true", help="a reverse proxy does the TLS; see docs"
    )
    models = this.add_argument_group("models")
    models.add_argument("--device", choices=DEVICES, default="auto", help="where models run")
    models.add_argument(
        "--model", metavar="NAME", action="append", help="offer only this one; may be repeated"
    )
    limits = this.add_argument_group("limits")
    for name, metavar, kind, default, text in (
        ("--max-image-gb", "GB", float, 4.0, "largest image before compression"),
        ("--images-gb", "GB", float, 8.0, "memory for all images together"),
        ("--max-sessions", "N", int, 64, "sessions open at once"),
        ("--lease-minutes", "MIN", float, 15.0, "a session that nobody uses is given up then"),
        ("--patience", "S", float, 30.0, "wait so long for slow clients"),
        ("--grace", "S", float, 30.0, "when stopped, jobs may go on so long"),
    ):
        told = f"{text} (default: {default:g})"
        limits.add_argument(name, metavar=metavar, type=kind, default=default, help=told)
    ray_options.add_options(this)
    this.add_argument("--cache", metavar="DIR", help="keep images here over a restart")
    this.add_argument(
        "--log-format", choices=("json", "text"), default="json", help="form of the log lines"
    )
