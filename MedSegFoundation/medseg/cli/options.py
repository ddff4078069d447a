"""Options that several commands have."""

from __future__ import annotations

import argparse
from typing import Any

from ..registry import DEVICES


class InOrder(argparse.Action):
    """Collects options of all kinds into one list ``given``, in the order they were typed."""

    def __call__(
        self, parser: Any, namespace: Any, values: Any, option_string: str | None = None
    ) -> None:
        kind = str(option_string).lstrip("-")
        namespace.given = [*(namespace.given or []), (kind, values)]


def add_prompts(this: argparse.ArgumentParser) -> None:
    prompts = this.add_argument_group("prompts")
    for name, metavar, text in (
        ("--point", "R,A,S", "a place in the structure"),
        ("--exclude", "R,A,S", "a place outside the structure"),
        ("--box", "R0,A0,S0,R1,A1,S1", "a box around the structure, loose or tight"),
        ("--line", "R0,A0,S0,R1,A1,S1", "its longest diameter in a slice (RECIST)"),
        ("--scribble", "MASK", "a painted label map: 1 inside, 2 outside the structure"),
        ("--text", "WORDS", "the name of the structure, if the model knows it ('medseg models')"),
        ("--exclude-text", "WORDS", "the name of what to take away again"),
        ("--prompts", "FILE", "prompts from medseg JSON or a Slicer .mrk.json"),
    ):
        prompts.add_argument(name, metavar=metavar, help=text, action=InOrder, dest="given")
    prompts.add_argument(
        "--coords", choices=("ras", "lps", "ijk"), default="ras", help="what the numbers mean"
    )


def add_image(this: argparse.ArgumentParser) -> None:
    group = this.add_argument_group("image")
    group.add_argument("--series", metavar="UID", help="the series, when a folder has several")
    group.add_argument(
        "--frame", metavar="N", type=int, help="the time point of a 4D image, from 0"
    )
    group.add_argument(
        "--uneven",
        choices=("refuse", "resample"),
        default="refuse",
        help="what to do with DICOM slices at uneven distances",
    )
    group.add_argument("--grey", action="store_true", help="turn a colour image to grey")


def add_output(this: argparse.ArgumentParser, json_help: str) -> None:
    this.add_argument("--device", choices=DEVICES, default="auto", help="where the model runs")
    this.add_argument("--quiet", action="store_true", help="say nothing but errors")
    this.add_argument("--json", action="store_true", help=json_help)
