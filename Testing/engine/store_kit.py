"""A hub on 127.0.0.1 that breaks off, lies and forgets when told to; and one model on it."""

from __future__ import annotations

import hashlib
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from medseg.store import Approvals, Entry, File, Store

CONTENT = bytes(range(256)) * 4096  # 1 MiB
CONFIG = b'{"image_size": 512}'
FILES = {"model.safetensors": CONTENT, "config.json": CONFIG}


def entry(name="tiny", **changes):
    """A published model with two files."""
    facts = {
        "title": "Tiny", "adapter": "sam2", "needs": "sam", "licence": "Apache-2.0",
        "weights_licence": "Apache-2.0", "non_commercial": False, "megabytes": 1.0,
        "hub": "lab/tiny", "source": "a test", "advice": "For tests.",
        "files": tuple(File(n) for n in sorted(FILES)),
    }  # fmt: skip
    return Entry(name, **{**facts, **changes})


def sha256(data):
    return hashlib.sha256(data).hexdigest()


def store(folder, *entries, shared=()):
    approvals = Approvals(folder.parent / "licences.json")
    return Store(folder, shared, entries=entries or [entry()], approvals=approvals)


class Hub(ThreadingHTTPServer):
    """Serves FILES below /lab/tiny/resolve/main/. What it does wrong is set before a request.

    ``breaks``: byte counts after which the next answers are broken off. ``codes``: statuses of
    the next answers. ``etag``: None leaves it out. ``ranges``: False ignores them. ``hold``: an
    event without which weights stop half-way, for 30 seconds at most.
    """

    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), _Handler)
        self.files = dict(FILES)
        self.breaks, self.codes, self.headers = [], [], {}
        self.etag, self.ranges = '"one"', True
        self.asked = []
        self.hold = None
        self.thread = threading.Thread(target=self.serve_forever, args=(0.05,), daemon=True)
        self.thread.start()

    @property
    def url(self):
        return f"http://127.0.0.1:{self.server_port}"

    def handle_error(self, request, client_address):
        """A client that went away is part of the tests."""

    def stop(self):
        self.shutdown()
        self.thread.join()
        self.server_close()


class _Handler(BaseHTTPRequestHandler):
    def log_message(self, *_):
        pass

    def do_GET(self):
        hub = self.server
        name = self.path.rsplit("/", 1)[1]
        hub.asked.append((name, self.headers.get("Range")))
        if hub.codes:
            self.send_error(hub.codes.pop(0))
            return
        content, start = hub.files[name], 0
        asked = self.headers.get("Range")
        if asked and hub.ranges and self.headers.get("If-Range") == hub.etag:
            start = int(asked.removeprefix("bytes=").rstrip("-"))
        self.send_response(206 if start else 200)
        if start:
            last = len(content) - 1
            self.send_header("Content-Range", f"bytes {start}-{last}/{len(content)}")
        for key, value in hub.headers.items():
            self.send_header(key, value)
        if hub.etag:
            self.send_header("ETag", hub.etag)
        self.send_header("Content-Length", str(len(content) - start))
        self.end_headers()
        body = content[start:]
        if hub.breaks and name == "model.safetensors":
            body = body[: hub.breaks.pop(0)]
        held = hub.hold is not None and name != "config.json"
        half = len(body) // 2
        for part in (body[: half // 2], body[half // 2 : half]):
            self.wfile.write(part)
            self.wfile.flush()
            if held:
                hub.hold.wait(0.3)
        if held:
            hub.hold.wait(30)
        self.wfile.write(body[half:])
