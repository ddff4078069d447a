"""The store of images: chunks in any order, bounded memory, a cache that may fail."""

import os
import subprocess
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import service_kit as kit
from medseg import InputError, errors
from medseg.protocol import images as wire
from medseg.protocol.messages import SessionRequest
from medseg.service import Service, Settings
from service_kit import Follower, an_image, point

SIZE = an_image().array.nbytes


@pytest.fixture(autouse=True)
def _plugin(monkeypatch):
    monkeypatch.syspath_prepend(kit.PLUGIN)


@pytest.fixture
def backend():
    with Service() as service:
        yield service.backend("a")


def pieces(image, codec="zlib"):
    made = wire.offer(image, [codec], 200)
    return made, [wire.encode_chunk(image, made, n) for n in range(wire.chunk_count(made))]


def test_chunks_come_in_any_order_and_twice(backend):
    image = an_image()
    made, chunks = pieces(image)
    status = backend.offer_image(made)
    assert status.missing == list(range(len(chunks)))
    for n in reversed(range(1, len(chunks))):
        for _ in range(2):
            status = backend.put_chunk(made.digest, n, chunks[n])
            assert status.missing == list(range(n))
    assert backend.offer_image(made).missing == [0]
    assert backend.image_status(made.digest).missing == [0]
    with pytest.raises(errors.NotFoundError, match="not arrived completely"):
        backend.open_session(SessionRequest(made.digest, "painter"))
    assert backend.put_chunk(made.digest, 0, chunks[0]).ready
    assert backend.put_chunk(made.digest, 0, b"late and damaged").ready
    assert backend.offer_image(made).ready


def test_chunks_may_come_from_many_threads(backend):
    image = an_image(shape=(40, 9, 10))
    made, chunks = pieces(image)
    backend.offer_image(made)
    with ThreadPoolExecutor(8) as pool:
        numbers = [*range(len(chunks))] * 3
        list(pool.map(lambda n: backend.put_chunk(made.digest, n, chunks[n]), numbers))
    assert backend.image_status(made.digest).ready


def test_what_arrives_is_what_was_sent(backend):
    image = an_image()
    name = kit.upload(backend, image)
    arrived = backend._service.images.take("a", name)
    assert np.array_equal(arrived.array, image.array)
    assert np.array_equal(arrived.affine, image.affine)


def test_another_image_than_offered_is_dropped(backend):
    made, _ = pieces(an_image(0))
    _, chunks = pieces(an_image(1))
    backend.offer_image(made)
    for n, chunk in enumerate(chunks[:-1]):
        backend.put_chunk(made.digest, n, chunk)
    with pytest.raises(InputError, match="not the one that was offered"):
        backend.put_chunk(made.digest, len(chunks) - 1, chunks[-1])
    with pytest.raises(errors.NotFoundError):
        backend.image_status(made.digest)
    kit.upload(backend, an_image(0))


def test_a_damaged_chunk_can_be_sent_again(backend):
    made, chunks = pieces(an_image())
    backend.offer_image(made)
    with pytest.raises(InputError, match="damaged"):
        backend.put_chunk(made.digest, 0, chunks[0][:-3])
    with pytest.raises(InputError, match="no chunk"):
        backend.put_chunk(made.digest, len(chunks), chunks[0])
    for n, chunk in enumerate(chunks):
        status = backend.put_chunk(made.digest, n, chunk)
    assert status.ready


def test_an_offer_cut_in_another_way_starts_over(backend):
    image = an_image()
    made, chunks = pieces(image)
    backend.offer_image(made)
    backend.put_chunk(made.digest, 0, chunks[0])
    other = wire.offer(image, ["raw"], 300)
    assert backend.offer_image(other).missing == list(range(wire.chunk_count(other)))
    kit.upload(backend, image, 300, "raw")


def test_memory_is_bounded_and_the_longest_unused_goes():
    with Service(Settings(store_bytes=3 * SIZE)) as service:
        backend = service.backend("a")
        names = [kit.upload(backend, an_image(n)) for n in range(3)]
        backend.image_status(names[0])
        Follower(backend, an_image(1))
        names.append(kit.upload(backend, an_image(3)))
        assert service.counters()["image_bytes"] == 3 * SIZE
        with pytest.raises(errors.NotFoundError):
            backend.image_status(names[2])
        assert all(backend.image_status(names[n]).ready for n in (0, 1, 3))
        Follower(backend, an_image(0))
        Follower(backend, an_image(3))
        for put in (backend.put_image, lambda image: kit.upload(backend, image)):
            with pytest.raises(errors.FullError, match="no memory for another image"):
                put(an_image(4))
        assert all(backend.image_status(names[n]).ready for n in (0, 1, 3))


def test_an_image_beyond_the_limit_is_refused():
    with Service(Settings(image_bytes=SIZE - 1)) as service:
        backend = service.backend("a")
        for put in (backend.put_image, lambda image: kit.upload(backend, image)):
            with pytest.raises(errors.TooLargeError, match="crop it first"):
                put(an_image())


@pytest.fixture
def small(tmp_path):
    """Settings with a cache that holds two images and their descriptions."""
    return Settings(cache=tmp_path / "cache", cache_bytes=3 * SIZE)


def known(settings, *images, user="a"):
    """Which images a fresh service has, without any being sent."""
    with Service(settings) as service:
        backend = service.backend(user)
        return [backend.offer_image(wire.offer(i, ["zlib"], 200)).ready for i in images]


def fill(settings, *images):
    with Service(settings) as service:
        for image in images:
            kit.upload(service.backend("a"), image)
            Follower(service.backend("a"), image).add(point(1, 1, 1))


def test_a_restart_keeps_images(small):
    fill(small, an_image(0))
    assert known(small, an_image(0), an_image(1)) == [True, False]
    assert known(small, an_image(0), user="b") == [False]
    (path,) = small.cache.iterdir()
    assert oct(path.stat().st_mode & 0o777) == "0o600" or os.name == "nt"


def test_the_cache_is_bounded(small):
    fill(small, *(an_image(n) for n in range(4)))
    assert len(list(small.cache.iterdir())) == 2
    assert known(small, an_image(3)) == [True]


@pytest.mark.parametrize("damage", [b"", b"{}\n", b"no json\nxx", None])
def test_a_damaged_file_in_the_cache_is_as_good_as_none(small, damage):
    fill(small, an_image(0))
    (path,) = small.cache.iterdir()
    whole = path.read_bytes()
    path.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]) if damage is None else damage)
    assert known(small, an_image(0)) == [False]
    fill(small, an_image(0))
    assert known(small, an_image(0)) == [True]


def off_lines(caplog):
    return [r for r in caplog.records if r.message == "image cache is switched off"]


def test_a_full_disk_only_switches_the_cache_off(tiny_disk, caplog):
    settings = Settings(cache=tiny_disk)
    large = [an_image(n, (40, 40, 40)) for n in range(3)]
    fill(settings, *large)
    assert len(off_lines(caplog)) == 1
    assert list(tiny_disk.iterdir()) == []


def test_a_folder_that_cannot_be_written_only_switches_the_cache_off(tmp_path, caplog):
    (tmp_path / "file").write_text("in the way")
    fill(Settings(cache=tmp_path / "file" / "cache"), an_image(0), an_image(1))
    assert len(off_lines(caplog)) == 1


def test_a_read_only_disk_still_gives_what_it_has(tiny_disk, caplog):
    settings = Settings(cache=tiny_disk)
    fill(settings, an_image(0))
    again = ["mount", "-o", "remount,ro", str(tiny_disk)]
    subprocess.run(again, check=True, capture_output=True)
    assert known(settings, an_image(0)) == [True]
    fill(settings, an_image(1), an_image(2))
    assert len(off_lines(caplog)) == 1
