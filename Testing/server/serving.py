"""A real server process, and the plainest client that can talk to it."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import requests
from medseg.image import Image
from medseg.protocol import images
from medseg.protocol.messages import encode

PLUGIN = Path(__file__).parents[1] / "plugin"
WAIT = 60.0


class Running:
    """``python -m medseg.cli serve --port 0 ...``; always ended on leaving the context."""

    def __init__(self, folder: Path, *options: str, **environment: str) -> None:
        self.log = folder / f"server-{time.monotonic_ns()}.log"
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "medseg.cli", "serve", "--port", "0", *options],
                stderr=log,
                env=surroundings(**environment),
            )

    def __enter__(self) -> Running:
        try:
            self.url = self._await_url()
        except BaseException:
            self.process.kill()
            raise
        return self

    def __exit__(self, *why: object) -> None:
        self.process.kill()
        self.process.wait()

    @property
    def port(self) -> int:
        return int(self.url.rpartition(":")[2])

    def lines(self) -> list[dict[str, Any]]:
        """What the server has logged so far."""
        text = self.log.read_text()
        return [json.loads(line) for line in text.splitlines() if line.startswith("{")]

    def stop(self) -> int:
        """Ask it to stop; its exit code."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(WAIT)

    def memory_mb(self) -> float:
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        found = re.search(r"VmRSS:\s+(\d+)", status)
        assert found
        return int(found[1]) / 1024

    def _await_url(self) -> str:
        end = time.monotonic() + WAIT
        while time.monotonic() < end and self.process.poll() is None:
            found = re.search(r"medseg serves at (\S+)\n", self.log.read_text())
            if found:
                return found[1]
            time.sleep(0.02)
        raise AssertionError(f"The server did not start: {self.log.read_text()}")


def surroundings(**more: str) -> dict[str, str]:
    """The environment with the test models, and without tokens of whoever runs the tests."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith("MEDSEG_")}
    paths = [str(PLUGIN), *filter(None, [kept.get("PYTHONPATH")])]
    return {**kept, "PYTHONPATH": os.pathsep.join(paths), **more}


class Api:
    """Sends and shows; every method returns the response, or what the name says."""

    def __init__(self, url: str, token: str | None = None, **options: Any) -> None:
        self.url = url
        self.http = requests.Session()
        self.http.trust_env = False
        if token:
            self.http.headers["Authorization"] = f"Bearer {token}"
        for name, value in options.items():
            setattr(self.http, name, value)

    def __enter__(self) -> Api:
        return self

    def __exit__(self, *why: object) -> None:
        self.http.close()

    def send(self, method: str, path: str, body: Any = None, **options: Any) -> requests.Response:
        if body is not None:
            options["json"] = body if isinstance(body, dict) else encode(body)
        return self.http.request(method, self.url + path, timeout=WAIT, **options)

    def get(self, path: str) -> requests.Response:
        return self.send("GET", path)

    def post(self, path: str, body: Any, **options: Any) -> requests.Response:
        return self.send("POST", path, body, **options)

    def put_chunk(self, name: str, index: int, data: bytes) -> requests.Response:
        return self.send(
            "PUT",
            f"/v1/images/{name}/chunks/{index}",
            data=data,
            headers={"Content-Type": "application/octet-stream"},
        )

    def upload(self, image: Image, chunk_bytes: int = images.CHUNK_BYTES) -> str:
        """Its name, when all chunks are there."""
        made = images.offer(image, images.codecs(), chunk_bytes)
        status = self.post("/v1/images", made).json()
        for index in status["missing"]:
            sent = self.put_chunk(status["image"], index, images.encode_chunk(image, made, index))
            assert sent.status_code == 200, sent.text
        assert self.get(f"/v1/images/{status['image']}").json()["ready"]
        return str(status["image"])

    def open(self, image: Image, model: str = "painter") -> str:
        """The id of a new session."""
        opened = self.post("/v1/sessions", {"image": self.upload(image), "model": model})
        assert opened.status_code == 200, opened.text
        return str(opened.json()["session"])

    def act(self, session: str, revision: int, action: str, **data: Any) -> requests.Response:
        named = {"request": f"r{revision}-{action}", "revision": revision, "action": action}
        return self.post(f"/v1/sessions/{session}/actions", {**named, **data})

    def click(self, session: str, revision: int, *ras: float) -> requests.Response:
        return self.act(session, revision, "add", prompts=[point(*ras)])

    def events(self, job: str, after: int = 0) -> Iterator[dict[str, Any]]:
        """The lines of a job, as they come."""
        with self.http.get(
            f"{self.url}/v1/jobs/{job}/events?after={after}", stream=True, timeout=WAIT
        ) as answer:
            assert answer.headers["Content-Type"].startswith("application/x-ndjson")
            for line in answer.iter_lines():
                if line:
                    yield json.loads(line)


def point(*ras: float) -> dict[str, Any]:
    return {"kind": "point", "include": True, "position": list(ras)}


def picture(seed: int = 0, shape: Sequence[int] = (8, 16, 20)) -> Image:
    """Noise as int16 on a 1 mm grid."""
    voxels = np.random.default_rng(seed).integers(-1000, 1000, shape)
    return Image(voxels.astype(np.int16), name="SECRET-NAME")


def is_problem(answer: requests.Response, status: int, word: str = "") -> bool:
    """It is a problem document of that status, with ``word`` in the sentence."""
    told = answer.json()
    return (
        answer.status_code == status == told["status"]
        and answer.headers["Content-Type"] == "application/problem+json"
        and told["type"].startswith("urn:medseg:problem:")
        and word in told["detail"]
    )
