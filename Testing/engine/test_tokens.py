"""Tokens on disk, and what a GUI process loads to ask about models, servers and environments."""

import stat
import subprocess
import sys

import pytest
from medseg import InputError
from medseg.client.address import parse
from medseg.errors import AccessError
from medseg.tokens import Tokens

SERVER = parse("https://gpu.example:1527")
posix = pytest.mark.skipif(sys.platform == "win32", reason="POSIX permissions")


@pytest.fixture
def tokens(tmp_path):
    return Tokens(tmp_path / "tokens")


def test_a_token_is_kept_for_its_server_only(tokens):
    tokens.save(SERVER, " secret-1 \n")
    assert tokens.read(SERVER) == "secret-1"
    assert tokens.read(parse("https://gpu.example:1528")) is None
    tokens.save(SERVER, "secret-2")
    assert tokens.read(SERVER) == "secret-2"
    tokens.save(SERVER, "")
    assert tokens.read(SERVER) is None
    assert list(tokens.folder.iterdir()) == []


@posix
def test_only_its_user_can_read_it(tokens):
    tokens.save(SERVER, "secret")
    assert stat.S_IMODE(tokens.path(SERVER).stat().st_mode) == 0o600
    assert stat.S_IMODE(tokens.folder.stat().st_mode) == 0o700
    tokens.path(SERVER).chmod(0o644)
    with pytest.raises(AccessError, match="chmod 600"):
        tokens.read(SERVER)


@pytest.mark.parametrize("text", ["two words", "accént"])
def test_what_is_no_token_is_refused(tokens, text):
    with pytest.raises(InputError, match="no blanks and no accents"):
        tokens.save(SERVER, text)


def test_an_ipv6_address_is_a_file_name(tokens):
    tokens.save(parse("https://[::1]:8443"), "secret")
    assert [p.name for p in tokens.folder.iterdir()] == ["___1__8443.token"]


def test_nothing_heavy_is_loaded_to_ask():
    code = (
        "import sys; from medseg.store import Store; from medseg.install import Environments; "
        "from medseg.tokens import Tokens; from medseg.client.consent import Consent; "
        "Store('none').copy('medsam2'); Environments('none').current(); "
        "print(sorted({'requests', 'SimpleITK', 'scipy', 'torch'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
