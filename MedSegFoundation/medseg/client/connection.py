"""One HTTP exchange with a server: sent, tried again, checked, and decoded.

Everything may be sent twice: requests carry an id, images a digest, and who deletes what is gone
already has what he wants. One `requests.Session` per thread keeps connections open.
"""

from __future__ import annotations

import ssl
import threading
import weakref
from collections.abc import Generator
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from urllib.parse import quote

import requests
from requests.adapters import HTTPAdapter

from ..errors import AccessError, InputError, RemoteError
from ..protocol.messages import VERSIONS
from . import answers, diagnose
from .address import Address
from .patience import Backoff, Patience, Timeout, Transient

JSON, OCTETS = "application/json", "application/octet-stream"
#: Most bytes of one line of a stream; a packed mask of the largest image fits.
_LONGEST_LINE = 1 << 30


def path(*parts: str | int) -> str:
    """``path("jobs", name)`` is "/v1/jobs/name"."""
    return "/".join(["/v1", *(quote(str(part), safe="") for part in parts)])


_SENDERS = 2


class Connection:
    """Blocking; may be used from any thread."""

    def __init__(
        self,
        address: Address,
        token: str | None,
        ca: str | None,
        timeout: Timeout,
        backoff: Backoff,
    ) -> None:
        self.address = address
        self._backoff = backoff
        self._token = _checked_token(token)
        self._timeout = timeout
        self._ca = ca
        if ca is not None:
            _tls_context(ca)  # better refused now than at the first request
        self._local = threading.local()
        self._sessions: weakref.WeakSet[requests.Session] = weakref.WeakSet()
        self._lock = threading.Lock()
        self._met = False
        #: For whoever sends several bodies at once; its threads keep their connections.
        self.senders = ThreadPoolExecutor(_SENDERS, "medseg-send")

    def call(self, method: str, path: str, body: Any = None, *, work: bool = False) -> Any:
        """The decoded answer; tried again as long as that can help.

        ``body``: bytes, or data to be sent as JSON. ``work``: a model may run before the answer.
        """
        patience = self.patience(work=work)
        while True:
            try:
                return self.once(method, path, body, work=work)
            except Transient as failure:
                self.wait(patience, failure)

    def patience(self, *, work: bool = False) -> Patience:
        """Where a model runs, a proxy may break off the wait for the answer, again and again."""
        return Patience(self._backoff, self._timeout.work if work else 0.0)

    def wait(self, patience: Patience, failure: Transient) -> None:
        """Wait before another attempt; a server that never answered is not waited for."""
        if not self._met:
            raise failure.problem
        patience.wait(failure)

    def once(self, method: str, path: str, body: Any = None, *, work: bool = False) -> Any:
        """The decoded answer to a single attempt; `Transient` when another may succeed."""
        with self._send(method, path, body, work=work) as response:
            try:
                content = response.content
            except (requests.RequestException, OSError) as error:
                raise self._failure(error) from error
            return answers.decoded(response, content, self.address)

    def lines(self, path: str) -> Generator[bytes, None, None]:
        """The lines of an answer as they come, empty ones (keep-alive) too; one attempt."""
        with self._send("GET", path, None, work=False, stream=True) as response:
            answers.check_lines(response, self.address)
            rest = b""
            try:
                for part in response.iter_content(1 << 16):
                    *whole, rest = (rest + part).split(b"\n")
                    yield from whole
                    if len(rest) > _LONGEST_LINE:
                        raise RemoteError(f"{self.address} sent a line that is too long.")
            except (requests.RequestException, OSError) as error:
                raise self._failure(error) from error

    def close(self) -> None:
        """Let go of all connections."""
        with self._lock:
            for session in self._sessions:
                session.close()
        self.senders.shutdown()

    def _send(
        self, method: str, path: str, body: Any, *, work: bool, stream: bool = False
    ) -> requests.Response:
        kind = {"data": body} if isinstance(body, bytes) else {"json": body}
        headers = {"Content-Type": OCTETS} if isinstance(body, bytes) else {}
        read = self._timeout.work if work else self._timeout.read
        try:
            response: requests.Response = self._session().request(
                method,
                self.address.url + path,
                headers=headers,
                timeout=(self._timeout.connect, read),
                allow_redirects=False,
                verify=self._ca or True,
                stream=True,
                **kind,
            )
        except (requests.RequestException, OSError, UnicodeError) as error:
            raise self._failure(error) from error
        try:
            answers.check(response, self.address, has_token=self._token is not None)
        except BaseException:
            response.close()
            raise
        self._met = True
        return response

    def _failure(self, error: BaseException) -> Exception:
        problem, passing = diagnose.unreachable(error, self.address)
        if not self._met and diagnose.dropped(error):
            problem = diagnose.no_answer(self.address)
        return Transient(problem) if passing else problem

    def _session(self) -> requests.Session:
        session: requests.Session | None = getattr(self._local, "session", None)
        if session is None:
            session = self._local.session = self._new_session()
            with self._lock:
                self._sessions.add(session)
        return session

    def _new_session(self) -> requests.Session:
        session = requests.Session()
        session.trust_env = not self.address.loopback  # proxies of the environment
        session.auth = self._authorise
        session.headers["Medseg-Versions"] = ", ".join(map(str, VERSIONS))
        session.headers["Accept"] = f"{JSON}, application/problem+json, application/x-ndjson"
        if self.address.scheme == "https":
            session.mount("https://", _Adapter(_tls_context(self._ca)))
        return session

    def _authorise(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        """Also without a token: requests would else take passwords from ~/.netrc."""
        if self._token is not None:
            request.headers["Authorization"] = f"Bearer {self._token}"
        return request


class _Adapter(HTTPAdapter):
    """Verifies with a given TLS context, through a proxy too."""

    def __init__(self, context: ssl.SSLContext) -> None:
        self._context = context
        super().__init__()

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        super().init_poolmanager(*args, ssl_context=self._context, **kwargs)

    def proxy_manager_for(self, *args: Any, **kwargs: Any) -> Any:
        return super().proxy_manager_for(*args, ssl_context=self._context, **kwargs)


def _tls_context(ca: str | None) -> ssl.SSLContext:
    """Trusts the CA bundle, or else what this computer trusts; always verifies."""
    try:
        return ssl.create_default_context(cafile=ca)
    except (OSError, ssl.SSLError) as error:
        raise InputError(
            f"'{ca}' cannot be used as a CA bundle; give a PEM file with certificates."
        ) from error


def _checked_token(token: str | None) -> str | None:
    if token is None:
        return None
    text = token.strip()
    if not text or not text.isascii() or not text.isprintable() or " " in text:
        raise AccessError("The token is empty or holds blanks or odd characters; copy it again.")
    return text
