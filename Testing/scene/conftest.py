"""A real MRML scene, a small volume in it, and a session with a model that answers at once."""

from importlib.util import find_spec

import pytest

if find_spec("slicer") is None:
    collect_ignore_glob = ["test_scene_*.py"]


@pytest.fixture
def scene():
    from medseg_scene import ensure

    scene = ensure()
    scene.Clear(0)
    yield scene
    scene.Clear(0)


@pytest.fixture
def model():
    from scene_kit import Balls

    return Balls()


@pytest.fixture
def volume(scene):
    from scene_kit import add_volume

    return add_volume()


@pytest.fixture
def segmentation(volume):
    from scene_kit import add_segmentation

    return add_segmentation(volume)


@pytest.fixture
def session(volume, segmentation, model):
    from medseg_scene import SceneSession

    return SceneSession(volume, segmentation, model)


@pytest.fixture
def at(session):
    """A click on the voxel (k, j, i) of the session's image."""
    from medseg import Point

    return lambda k, j, i, include=True: Point(session.image.ijk_to_ras([i, j, k]), include)


@pytest.fixture(scope="session")
def shared_kit():
    """One helper process for all live tests: starting one takes longer than most of them."""
    from live_kit import Kit, environment

    kit = Kit(env=environment(MEDSEG_TEST_SECONDS="0.002"))
    yield kit
    kit.close()


@pytest.fixture
def kit(shared_kit):
    shared_kit.companion.start()
    return shared_kit


@pytest.fixture
def live(kit, volume, segmentation):
    from live_kit import Live

    session = Live(kit, volume, segmentation)
    yield session
    session.close()


@pytest.fixture(scope="session")
def shared_owner():
    """One helper process for all tests of desks."""
    from desk_kit import environment
    from medseg_scene import CompanionOwner

    owner = CompanionOwner(env=environment(MEDSEG_TEST_SECONDS="0.002"))
    yield owner
    owner.close()


@pytest.fixture
def bench(shared_owner, volume, segmentation):
    from desk_kit import Bench

    bench = Bench(shared_owner, volume, segmentation)
    yield bench
    bench.close()


@pytest.fixture
def desk(bench):
    return bench.desk
