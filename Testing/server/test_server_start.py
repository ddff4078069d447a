"""Who may start a server where, who may come in, and how it stops."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from ipaddress import ip_address
from pathlib import Path

import pytest
import requests
from conftest import ANNA, BEN
from serving import WAIT, Api, Running, is_problem, picture, point, surroundings

IMAGE = picture()


Options = tuple[str, ...]


def check_refusals(cases: dict[str, Options], **environment: str) -> None:
    """Servers with these options must not start: one sentence with that word, and code 2."""
    command = [sys.executable, "-m", "medseg.cli", "serve", "--port", "0"]
    around = surroundings(**environment)
    started = {
        word: subprocess.Popen([*command, *options], env=around, stderr=subprocess.PIPE, text=True)
        for word, options in cases.items()
    }
    try:
        for word, process in started.items():
            _, said = process.communicate(timeout=WAIT)
            assert process.returncode == 2, said
            assert said.startswith("medseg: ")
            assert said.count("\n") == 1
            assert word in said
    finally:
        for process in started.values():
            process.kill()
            process.communicate()


@pytest.fixture(scope="module")
def tokens(folder: Path) -> Path:
    path = folder / "tokens"
    path.touch(mode=0o600)
    path.write_text(f"anna:{ANNA}\n")
    return path


@pytest.fixture(scope="module")
def tls(folder: Path) -> tuple[Path, Path]:
    """A certificate for 127.0.0.1, made here, and its key."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "medseg test")])
    now = datetime.now(timezone.utc)
    place = x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))])
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(place, critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    cert, secret = folder / "cert.pem", folder / "key.pem"
    cert.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    secret.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    return cert, secret


def test_others_need_a_token_and_tls(tokens: Path) -> None:
    check_refusals({"only with a token": ("--host", "0.0.0.0"), "give it": ("--behind-proxy",)})
    check_refusals({"or --behind-proxy": ("--host", "0.0.0.0", "--token-file", str(tokens))})


def test_unusable_tokens_are_told(folder: Path) -> None:
    weak, readable = folder / "weak", folder / "readable"
    weak.touch(mode=0o600)
    weak.write_text("anna:short\n")
    readable.write_text(f"anna:{ANNA}\n")
    readable.chmod(0o644)
    check_refusals(
        {
            "is weak": ("--token-file", str(weak)),
            "chmod 600": ("--token-file", str(readable)),
            "cannot be read": ("--token-file", str(folder / "absent")),
        }
    )
    check_refusals({"chmod 600": ()}, MEDSEG_TOKEN_FILE=str(readable))
    check_refusals({"holds no token": ()}, MEDSEG_TOKENS="")
    check_refusals({"is weak": ()}, MEDSEG_TOKENS="anna:aaaaaaaaaaaaaaaaaaaaaaaa")


def test_other_reasons_not_to_start(folder: Path, tls: tuple[Path, Path]) -> None:
    cert = str(tls[0])
    with socket.create_server(("127.0.0.1", 0)) as taken:
        check_refusals(
            {
                "needs both": ("--tls-cert", cert),
                "belong together": ("--tls-cert", cert, "--tls-key", cert),
                "No such file": ("--tls-cert", cert, "--tls-key", str(folder / "absent")),
                "no address": ("--host", "host.invalid", "--behind-proxy"),
                "65535": ("--port", "70000"),
                "above 0": ("--lease-minutes", "0"),
                "There is no model": ("--model", "nonsense"),
                "is taken": ("--port", str(taken.getsockname()[1])),
            },
            MEDSEG_TOKENS=f"anna:{ANNA}",
        )


def test_a_missing_package_is_told(folder: Path) -> None:
    fake = folder / "fake"
    fake.mkdir()
    (fake / "fastapi.py").write_text("raise ModuleNotFoundError('gone', name='fastapi')\n")
    check_refusals({"'fastapi'; run: pip install 'medseg[server]'": ()}, PYTHONPATH=str(fake))


def test_help_teaches() -> None:
    told = subprocess.run(
        [sys.executable, "-m", "medseg.cli", "serve", "--help"],
        env=surroundings(),
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    for word in ("examples:", "token_urlsafe", "--behind-proxy", "SIGHUP", "/metrics"):
        assert word in told


def test_wrong_tokens_are_refused(server: Running) -> None:
    for header in (None, "Bearer wrong-token-3f9Qx71LmW", f"Basic {ANNA}", ANNA, "Bearer"):
        with Api(server.url) as api:
            headers = {} if header is None else {"Authorization": header}
            for path in ("/v1/welcome", "/v1/nowhere", "/metrics"):
                answer = api.send("GET", path, headers=headers)
                assert is_problem(answer, 401, "token")
                assert answer.headers["WWW-Authenticate"] == "Bearer"
            assert api.get("/healthz").status_code == 200


def test_alone_everybody_on_this_machine_is_one_user(folder: Path) -> None:
    with Running(folder, "--model", "painter", "--model", "slow") as server:
        with Api(server.url) as api:
            session = api.open(IMAGE, "default")
            assert api.click(session, 0, 5, 5, 5).status_code == 200
            welcome = api.get("/v1/welcome").json()
            assert [m["name"] for m in welcome["models"]] == ["painter", "slow"]
            assert welcome["default_model"] == "painter"
            assert is_problem(
                api.post("/v1/sessions", {"image": "x", "model": "hungry"}), 422, "slow"
            )
            for name, status in (("evil.example", 421), ("localhost:1", 200), ("[::1]:1", 200)):
                answer = api.send("GET", "/v1/welcome", headers={"Host": name})
                assert answer.status_code == status
        assert server.stop() == 0


def test_tls_is_verified_and_tokens_rotate(folder: Path, tls: tuple[Path, Path]) -> None:
    cert, key = map(str, tls)
    path = folder / "rotating"
    path.touch(mode=0o600)
    path.write_text(f"anna:{ANNA}\n")
    options = ("--tls-cert", cert, "--tls-key", key, "--token-file", str(path))
    with (
        Running(folder, *options) as server,
        Api(server.url, ANNA, verify=cert) as old,
        Api(server.url, BEN, verify=cert) as new,
        Api(server.url, ANNA) as trusting,
    ):
        assert server.url.startswith("https://127.0.0.1:")
        with pytest.raises(requests.exceptions.SSLError):
            trusting.get("/v1/welcome")
        image = old.upload(IMAGE)
        path.write_text(f"anna:{ANNA}\nanna:{BEN}\n")
        hang_up(server, "tokens-read")
        assert new.get(f"/v1/images/{image}").json()["ready"]
        path.write_text("anna:short\n")
        hang_up(server, "tokens-not-read")
        assert old.get("/v1/welcome").status_code == 200
        path.write_text(f"anna:{BEN}\n")
        hang_up(server, "tokens-read")
        assert old.get("/v1/welcome").status_code == 401
        assert new.get("/v1/welcome").status_code == 200
        assert server.stop() == 0


def hang_up(server: Running, expected: str) -> None:
    """Send SIGHUP and wait until the log says what came of it."""
    before = len(server.lines())
    server.process.send_signal(signal.SIGHUP)
    end = time.monotonic() + WAIT
    while expected not in [line["event"] for line in server.lines()[before:]]:
        assert time.monotonic() < end
        time.sleep(0.02)


@pytest.fixture
def slow_server(folder: Path) -> Iterator[Running]:
    with Running(folder, "--grace", "0.6", MEDSEG_TEST_SECONDS="0.4") as server:
        yield server


def test_a_running_prompt_is_answered_before_the_end(slow_server: Running) -> None:
    api, other = Api(slow_server.url), Api(slow_server.url)
    session = api.open(IMAGE, "slow")
    other.get("/healthz")  # its connection is there before the end begins
    answers: list[requests.Response] = []
    thread = threading.Thread(target=lambda: answers.append(api.click(session, 0, 5, 5, 5)))
    thread.start()
    wait_for_work(other)
    slow_server.process.send_signal(signal.SIGTERM)
    while (ready := other.get("/readyz")).status_code == 200:
        time.sleep(0.01)
    assert ready.json() == {"status": "stopping"}
    assert is_problem(other.post("/v1/sessions", {"image": "x"}), 503, "about to stop")
    thread.join()
    assert answers[0].status_code == 200
    assert answers[0].json()["voxels"] > 0
    assert slow_server.process.wait(WAIT) == 0


def wait_for_work(api: Api) -> None:
    """Until a prompt is in work beside the request that asks."""
    while "medseg_requests_in_work 2" not in api.get("/metrics").text:
        time.sleep(0.01)


def test_a_running_job_tells_what_it_has_before_the_end(slow_server: Running) -> None:
    api = Api(slow_server.url)
    session = api.open(IMAGE, "slow")
    objects = [{"name": f"o{n}", "prompts": [point(5, 5, 5)]} for n in range(100)]
    wanted = {"request": "j", "kind": "batch", "objects": objects}
    story = api.events(api.post(f"/v1/sessions/{session}/jobs", wanted).json()["job"])
    assert next(story)["event"] == "frame"
    slow_server.process.send_signal(signal.SIGTERM)
    assert list(story)[-1]["event"] == "cancelled"
    assert slow_server.process.wait(WAIT) == 0


def test_a_second_signal_ends_it_at_once(folder: Path) -> None:
    with Running(folder, MEDSEG_TEST_SECONDS="30") as server:
        api, other = Api(server.url), Api(server.url)
        session = api.open(IMAGE, "slow")

        def click() -> None:
            with pytest.raises(requests.exceptions.ConnectionError):
                api.click(session, 0, 5, 5, 5)

        thread = threading.Thread(target=click)
        thread.start()
        wait_for_work(other)
        server.process.send_signal(signal.SIGINT)
        while other.get("/readyz").status_code == 200:
            time.sleep(0.01)
        server.process.send_signal(signal.SIGINT)
        assert server.process.wait(WAIT) == 1
        thread.join()
