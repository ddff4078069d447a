"""An nnInteractive server (protocol 2) as a model, through its official client.

Needs ``pip install 'medseg[nninteractive]'`` and a server: MEDSEG_NNINTERACTIVE_URL names it,
MEDSEG_NNINTERACTIVE_KEY is its key when it asks for one. The server keeps the state of a session;
here the mask is a function of image, start mask and prompts all the same: prompts that the server
has not seen are sent, one prediction each, and when others than these were the last it has seen,
it is taken back or starts over.
"""

from __future__ import annotations

import os
import weakref
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.util import find_spec
from typing import Any

import numpy as np

from ..client.address import Address, parse
from ..client.consent import Consent
from ..errors import (
    AccessError,
    ConnectionProblem,
    ExpiredError,
    FullError,
    MedsegError,
    ModelError,
    PromptError,
    RemoteError,
    TooLargeError,
    UnsupportedPromptError,
)
from ..image import Image, Mask
from ..model import Capabilities, Progress
from ..prompts import Box, Lasso, Point, Prompt, Scribble, to_dict
from ..protocol.images import wire_dtype
from . import nninteractive_voxels as voxels

URL, KEY = "MEDSEG_NNINTERACTIVE_URL", "MEDSEG_NNINTERACTIVE_KEY"
#: Longest wait in seconds for one prediction; on a CPU it takes minutes.
PATIENCE = 600.0
_CAPABILITIES = Capabilities(
    prompts=frozenset({"point", "box", "scribble", "lasso"}),
    dimensions=frozenset({"2d", "3d"}),
    start_mask=True,
    normalises=True,
    colour=False,
    licence="Apache-2.0",
    weights_licence="set by the server; the published weights are CC BY-NC-SA 4.0",
)


def nninteractive(device: str) -> NNInteractive:
    """The server of the environment; ``device`` is the server's affair."""
    url = os.environ.get(URL)
    if not url:
        raise ModelError(f"Set {URL} to the address of an nnInteractive server.")
    return NNInteractive(url, os.environ.get(KEY))


class NNInteractive:
    """The model behind a server; nothing is asked of the server before an image is opened.

    ``consent``: images are sent to another machine only after the user agreed to that.
    ``insecure``: allow plain http:// to another machine. Raises `InputError` for an address that
    is not usable and `ModelError` without the client package.
    """

    name = "nninteractive"
    version = "2"
    weights_hash: str | None = None
    capabilities = _CAPABILITIES

    def __init__(
        self,
        url: str,
        key: str | None = None,
        *,
        consent: Consent | None = None,
        insecure: bool = False,
    ) -> None:
        if find_spec("nnInteractive") is None:
            raise ModelError(
                "nnInteractive needs its client; run: pip install 'medseg[nninteractive]'"
            )
        self.address = parse(url, insecure=insecure)
        self._key = key
        self._consent = consent or Consent()

    def agree(self) -> None:
        """The user agrees that images are sent there; remembered for good."""
        self._consent.grant(str(self.address))

    def open(self, image: Image) -> OpenNNInteractive:
        """Send the image; raises the errors of `medseg.errors.RemoteError`."""
        self._consent.check(self.address)
        return OpenNNInteractive(image, self.address, self._key)


class OpenNNInteractive:
    """An image that the server holds, and what it was last told about it."""

    def __init__(self, image: Image, address: Address, key: str | None) -> None:
        self._image = image
        self._address = address
        self._key = key
        self._connect()

    def segment(
        self, prompts: Sequence[Prompt], start: Mask | None = None, progress: Progress | None = None
    ) -> Mask:
        """See `medseg.model.OpenImage`."""
        try:
            return self._segment(prompts, start, progress)
        except ExpiredError:
            self._connect()
            return self._segment(prompts, start, progress)

    def _connect(self) -> None:
        from nnInteractive.inference.remote import nnInteractiveRemoteInferenceSession

        array = self._image.array
        with _told(self._address):
            self._client: Any = nnInteractiveRemoteInferenceSession(
                self._address.url, self._key, read_timeout=PATIENCE
            )
            self._let_go = weakref.finalize(self, self._client.close)
            self._client.set_image(array.astype(wire_dtype(array), copy=False)[None])
            self._buffer = np.zeros(self._image.shape, np.uint8)
            self._client.set_target_buffer(self._buffer)
        self._forget()

    def _forget(self) -> None:
        """Of what the server has seen nothing is sure: start over the next time."""
        self._sent: list[Prompt] | None = None
        self._start: Mask | None = None

    def _segment(
        self, prompts: Sequence[Prompt], start: Mask | None, progress: Progress | None
    ) -> Mask:
        try:
            done = self._stand_before(prompts, start)
            for number in range(done, len(prompts)):
                self._send(prompts[number])
                self._sent = list(prompts[: number + 1])
                if progress:
                    progress((number + 1) / len(prompts))
        except BaseException:
            self._forget()
            raise
        return self._buffer.astype(bool)

    def _stand_before(self, prompts: Sequence[Prompt], start: Mask | None) -> int:
        """Let the server have seen only the first of these prompts; returns how many."""
        sent = self._sent
        if sent is not None and _same_mask(start, self._start):
            common = _common(sent, prompts)
            if common == len(sent):
                return common
            if common == len(sent) - 1 and self._ask("undo"):
                self._sent = sent[:-1]
                return common
        if start is None:
            self._ask("reset_interactions")
        else:
            self._ask("add_initial_seg_interaction", start.astype(np.uint8))
        self._sent, self._start = [], None if start is None else start.copy()
        return 0

    def _send(self, prompt: Prompt) -> None:
        client, image = self._client, self._image
        if isinstance(prompt, Point):
            self._ask("add_point_interaction", voxels.point_index(image, prompt), prompt.include)
        elif isinstance(prompt, Box):
            solid = bool(client.supported_interactions.get("bbox3d"))
            intervals = voxels.box_intervals(image, prompt, solid)
            self._ask("add_bbox_interaction", intervals, prompt.include)
        elif isinstance(prompt, Scribble):
            thickness = client.preferred_scribble_thickness
            drawing, place = voxels.scribble_drawing(image, prompt, thickness)
            self._ask("add_scribble_interaction", drawing, prompt.include, interaction_bbox=place)
        elif isinstance(prompt, Lasso):
            drawing, place = voxels.lasso_drawing(image, prompt)
            self._ask("add_lasso_interaction", drawing, prompt.include, interaction_bbox=place)
        else:
            raise UnsupportedPromptError(f"nnInteractive cannot do {prompt.kind} prompts.")

    def _ask(self, method: str, *given: Any, **named: Any) -> Any:
        with _told(self._address):
            return getattr(self._client, method)(*given, **named)


def _common(sent: Sequence[Prompt], prompts: Sequence[Prompt]) -> int:
    """How many prompts both lists begin with."""
    for number, (a, b) in enumerate(zip(sent, prompts, strict=False)):
        if a is not b and to_dict(a) != to_dict(b):
            return number
    return min(len(sent), len(prompts))


def _same_mask(a: Mask | None, b: Mask | None) -> bool:
    if a is None or b is None:
        return a is b
    return np.array_equal(a, b)


@contextmanager
def _told(address: Address) -> Iterator[None]:
    """Errors of the client as ours."""
    import httpx
    from nnInteractive.inference.remote import remote_session as remote

    try:
        yield
    except remote.SessionExpiredError as error:
        raise ExpiredError(f"The nnInteractive server {address} gave the session up.") from error
    except remote.ServerAtCapacityError as error:
        raise FullError(f"The nnInteractive server {address} is full; try again later.") from error
    except httpx.HTTPStatusError as error:
        raise _refusal(error, address) from error
    except httpx.TimeoutException as error:
        raise ConnectionProblem(
            f"The nnInteractive server {address} did not answer in time; try again."
        ) from error
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise ConnectionProblem(
            f"The nnInteractive server {address} cannot be reached ({error}); is it running?"
        ) from error
    except (KeyError, TypeError, ValueError, RuntimeError) as error:  # of an answer
        raise RemoteError(
            f"What answers at {address} is no nnInteractive server of version 2 ({error!r})."
        ) from error


def _refusal(error: Any, address: Address) -> MedsegError:
    """``error``: an answer of the server with a status of 400 or more."""
    status = error.response.status_code
    if status in (401, 403):
        return AccessError(f"The nnInteractive server {address} does not accept the key ({KEY}).")
    if status == 413:
        return TooLargeError(f"The image is too large for the server {address}; crop it first.")
    try:
        detail = error.response.json()["detail"]
    except (ValueError, KeyError, TypeError):
        detail = f"status {status}"
    if status in (400, 422):
        return PromptError(f"The nnInteractive server refused this: {detail}")
    return RemoteError(f"The nnInteractive server {address} failed: {detail}")
