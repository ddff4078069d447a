"""Servers that behave badly, a line that can be cut, and certificates of our own."""

from __future__ import annotations

import contextlib
import datetime
import ipaddress
import json
import secrets
import socket
import ssl
import subprocess
import sys
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from medseg.client import Backoff
from medseg.errors import FullError
from medseg.protocol.messages import Limits, Welcome, encode
from medseg.protocol.problems import to_problem
from serving import surroundings

sys.path.insert(0, str(Path(__file__).parents[1] / "engine"))  # session_contract, phantoms

JSON, PROBLEM = "application/json", "application/problem+json"
FULL = to_problem(FullError("The server is full; try again later."))
WELCOME = Welcome(
    "9.9", [1], ["zlib", "raw"], ["cpu"], [], "painter", [], Limits(1 << 30, 1 << 20, 1 << 20, 4, 9)
)
#: Waits for a server that is being started again.
QUICK = Backoff(attempts=1000, first=0.005, longest=0.05, total=30.0)


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No proxy, password or agreement of whoever runs the tests."""
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY", "REQUESTS_CA_BUNDLE"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)
    for name in ("CURL_CA_BUNDLE", "NETRC", "MEDSEG_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.setenv("APPDATA", str(tmp_path / "config"))


Answer = tuple[int, dict[str, str], bytes]


def answer(data: Any, status: int = 200, kind: str = JSON, **headers: str) -> Answer:
    body = data if isinstance(data, bytes) else json.dumps(data).encode()
    return status, {"Content-Type": kind, **headers}, body


def page(status: int, **headers: str) -> Answer:
    """What a reverse proxy shows."""
    return answer(b"<html><h1>Something</h1></html>", status, "text/html", **headers)


class Stub:
    """Answers what ``reply(number, method, path)`` says; ``seen`` holds what was asked."""

    def __init__(
        self, reply: Callable[[int, str, str], Answer], context: ssl.SSLContext | None = None
    ) -> None:
        stub = self
        self.seen: list[tuple[str, str, dict[str, str], bytes]] = []

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def handle_one_request(self) -> None:
                with contextlib.suppress(OSError):
                    super().handle_one_request()

            def do(self) -> None:
                length = int(self.headers.get("Content-Length", 0))
                body = self.rfile.read(length)
                stub.seen.append((self.command, self.path, dict(self.headers), body))
                status, headers, content = reply(len(stub.seen), self.command, self.path)
                self.send_response(status)
                for name, value in {"Content-Length": str(len(content)), **headers}.items():
                    self.send_header(name.replace("_", "-"), value)
                self.end_headers()
                self.wfile.write(content)

            do_GET = do_POST = do_PUT = do_DELETE = do  # noqa: N815

            def log_message(self, *what: Any) -> None:
                pass

        class Server(ThreadingHTTPServer):
            daemon_threads = True

            def handle_error(self, *what: Any) -> None:
                """Whoever hangs up in the middle is part of the tests."""

        self._server = Server(("127.0.0.1", 0), Handler)
        if context is not None:
            self._server.socket = context.wrap_socket(
                self._server.socket, server_side=True, do_handshake_on_connect=False
            )
        self.port = self._server.server_address[1]
        self.url = f"http{'s' if context else ''}://127.0.0.1:{self.port}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,))
        self._thread.start()

    def __enter__(self) -> Stub:
        return self

    def __exit__(self, *why: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


def greeting(number: int, method: str, path: str) -> Answer:
    """A server that only says welcome."""
    return answer(encode(WELCOME))


class Line:
    """A TCP line to a server on this machine that counts bytes and can be cut.

    ``up``, ``down``: bytes so far. ``cut_at``: at so many bytes upwards, all is cut, once.
    """

    def __init__(self, port: int) -> None:
        self.target = port
        self.up = self.down = 0
        self.cut_at: int | None = None
        self.cuts = 0
        self._open: set[socket.socket] = set()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        threading.Thread(target=self._accept, daemon=True).start()

    def __enter__(self) -> Line:
        return self

    def __exit__(self, *why: object) -> None:
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self.cut()

    def cut(self) -> None:
        """End every connection; new ones are let through."""
        self.cuts += 1
        for end in list(self._open):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                near, _ = self._listener.accept()
                try:
                    self._begin(near)
                    far = socket.create_connection(("127.0.0.1", self.target))
                except OSError:
                    near.close()
                    continue
                self._open |= {near, far}
                for ends in ((near, far, True), (far, near, False)):
                    threading.Thread(target=self._carry, args=ends, daemon=True).start()

    def _begin(self, near: socket.socket) -> None:
        """Before the other end is called."""

    def _carry(self, source: socket.socket, target: socket.socket, upwards: bool) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(1 << 14):
                if upwards:
                    self.up += len(data)
                    if self.cut_at is not None and self.up >= self.cut_at:
                        self.cut_at = None
                        self.cut()
                else:
                    self.down += len(data)
                target.sendall(data)
        for end in (source, target):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
            end.close()
            self._open.discard(end)


class Tunnel(Line):
    """A proxy as hospitals have: whatever server is asked for, it leads to ours."""

    def _begin(self, near: socket.socket) -> None:
        head = b""
        while not head.endswith(b"\r\n\r\n"):
            head += near.recv(1)
        near.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")


class Authority:
    """A certificate authority such as a hospital has."""

    def __init__(self, folder: Path, name: str = "Test Hospital CA") -> None:
        self.folder = folder
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        self.certificate = self._sign(self._name, self._key, [], 0, 2, authority=True)
        self.path = folder / f"{name.replace(' ', '-')}.pem"
        self.path.write_bytes(self.certificate.public_bytes(serialization.Encoding.PEM))

    def issue(self, host: str, first_day: int = -1, last_day: int = 1) -> tuple[Path, Path]:
        """Certificate and key for a host name or address, valid between two days from today."""
        key = ec.generate_private_key(ec.SECP256R1())
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, host)])
        try:
            alternative: x509.GeneralName = x509.IPAddress(ipaddress.ip_address(host))
        except ValueError:
            alternative = x509.DNSName(host)
        made = self._sign(name, key, [alternative], first_day, last_day, authority=False)
        stem = f"{host}{first_day}{last_day}"
        paths = self.folder / f"{stem}.pem", self.folder / f"{stem}.key"
        paths[0].write_bytes(made.public_bytes(serialization.Encoding.PEM))
        paths[1].write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.PKCS8,
                serialization.NoEncryption(),
            )
        )
        return paths

    def context(self, host: str, first_day: int = -1, last_day: int = 1) -> ssl.SSLContext:
        """For a server with such a certificate."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*self.issue(host, first_day, last_day))
        return context

    def _sign(
        self,
        subject: x509.Name,
        key: ec.EllipticCurvePrivateKey,
        names: list[x509.GeneralName],
        first_day: int,
        last_day: int,
        *,
        authority: bool,
    ) -> x509.Certificate:
        now = datetime.datetime.now(datetime.timezone.utc)
        public = self._key.public_key()
        builder = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self._name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now + datetime.timedelta(days=first_day, hours=-1))
            .not_valid_after(now + datetime.timedelta(days=last_day))
            .add_extension(x509.BasicConstraints(ca=authority, path_length=None), critical=True)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(public), False)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), False)
        )
        if authority:
            usage = [False, False, False, False, False, True, True, False, False]
            builder = builder.add_extension(x509.KeyUsage(*usage), critical=True)
        if names:
            builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
        return builder.sign(self._key, hashes.SHA256())


class Nursery:
    """Starts servers without the seconds that loading packages takes: forked from one that has.

    Each is a process of its own that runs the real ``medseg serve``; all end with the nursery.
    """

    _PROGRAM = """
import json, os, signal, sys
import medseg.cli.serve, medseg.models.embedded.classical, medseg.server.run
from medseg.cli import main
signal.signal(signal.SIGCHLD, signal.SIG_IGN)
print("ready", flush=True)
children = []
for line in sys.stdin:
    child = os.fork()
    if child == 0:
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        os.dup2(os.open(os.devnull, os.O_RDWR), 0)
        os._exit(main(json.loads(line)))
    children.append(child)
    print(child, flush=True)
for child in children:
    try:
        os.kill(child, signal.SIGKILL)
    except ProcessLookupError:
        pass
"""

    def __init__(self, folder: Path, **environment: str) -> None:
        self._log = (folder / "nursery.log").open("wb")
        self._mother = subprocess.Popen(
            [sys.executable, "-c", self._PROGRAM],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._log,
            text=True,
            env=surroundings(**environment),
        )
        assert self._mother.stdout is not None
        assert self._mother.stdout.readline() == "ready\n", (folder / "nursery.log").read_text()

    def __enter__(self) -> Nursery:
        return self

    def __exit__(self, *why: object) -> None:
        with self._mother:
            assert self._mother.stdin is not None
            self._mother.stdin.close()
            self._mother.wait(60)
        self._log.close()

    def start(self, port: int, *options: str) -> int:
        """Start a server at that port; its process id. It may not listen yet."""
        assert self._mother.stdin is not None
        assert self._mother.stdout is not None
        words = ["serve", "--port", str(port), "--log-format", "text", *options]
        self._mother.stdin.write(json.dumps(words) + "\n")
        self._mother.stdin.flush()
        return int(self._mother.stdout.readline())


def free_port() -> int:
    """Below those that the system gives to clients: on its own machine, a client that knocks at
    one of these while nobody listens may be connected to itself, and so keep the port taken."""
    while True:
        port = secrets.randbelow(10_000) + 20_000
        with contextlib.suppress(OSError), socket.create_server(("127.0.0.1", port)):
            return port
