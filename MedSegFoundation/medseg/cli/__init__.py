"""The command line: ``medseg segment``, ``propagate``, ``track``, ``evaluate`` and others.

Results go to stdout, everything for human eyes to stderr. Exit codes: 0 done, 1 a fault of
medseg itself, 2 something the user can put right (one sentence says what), 130 stopped.
"""

from __future__ import annotations

import errno
import os
import sys
import traceback
from collections.abc import Sequence
from importlib import import_module

from ..errors import MedsegError
from .arguments import join_negative_numbers, parser

FAULT, USER_ERROR, STOPPED = 1, 2, 130


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit code and never raises."""
    try:
        options = parser().parse_args(join_negative_numbers(sys.argv[1:] if argv is None else argv))
    except SystemExit as end:  # argparse has said why
        return int(end.code or 0)
    try:
        import_module(f".{options.command}", __package__).run(options)
        sys.stdout.flush()
    except KeyboardInterrupt:
        return _fail("Stopped; no file was touched.", STOPPED)
    except BrokenPipeError:  # the reader of our output has left, as `head` does
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except MedsegError as error:
        return _fail(str(error), USER_ERROR)
    except OSError as error:
        return _fail(_system_sentence(error), USER_ERROR)
    except MemoryError:
        return _fail("There is not enough memory for this image; crop it first.", USER_ERROR)
    except Exception as error:  # the outermost frame: a fault of ours becomes a sentence
        what = " ".join(f"{type(error).__name__}: {error}".split())
        return _fail(
            f"This is a fault of medseg ({what}); please report it with what the same command "
            "prints after 'export MEDSEG_DEBUG=1'.",
            FAULT,
        )
    return 0


def _fail(sentence: str, code: int) -> int:
    if os.environ.get("MEDSEG_DEBUG") == "1":
        traceback.print_exc()
    print(f"medseg: {sentence}", file=sys.stderr)
    return code


def _system_sentence(error: OSError) -> str:
    where = f"'{error.filename}'" if error.filename else "a file"
    if error.errno == errno.ENOSPC:
        return f"The disk is full; {where} was not written."
    return f"{error.strerror or error} ({where})."
