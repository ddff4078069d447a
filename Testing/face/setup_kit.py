"""The page of the module in a widget, and the folders of a user who has nothing yet."""

import sys
from pathlib import Path

import pytest
import qt
import slicer
from medseg_face import application
from medseg_face.setup.pages import Pages

sys.path[:0] = [str(Path(__file__).parents[1] / "engine")]

SCREENSHOTS = Path(__file__).parents[2] / "screenshots"
WIDTH, NARROW = 480, 350  # of Slicer's panel: as in the pictures, and as narrow as it gets


@pytest.fixture
def home(tmp_path, monkeypatch):
    """Folders of a user who has nothing yet."""
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    monkeypatch.setenv("MEDSEG_MODELS", str(tmp_path / "models"))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    return tmp_path


class Bench:
    """The whole page in a widget as wide as Slicer's panel."""

    def __init__(self, host):
        self.host = host
        self.widget = slicer.qMRMLWidget()
        layout = qt.QVBoxLayout(self.widget)
        self.pages = Pages(layout)
        self.widget.setFixedWidth(WIDTH)
        self.widget.show()
        host.turn()

    def page(self, kind):
        section = next(s for s in self.pages.sections if s._kind is kind)
        section.open()
        self.host.turn()
        return section.page

    def only(self, kind):
        """That section open, and no other."""
        for section in self.pages.sections:
            section.button.collapsed = section._kind is not kind
        self.host.turn()
        return self.page(kind)

    def spin(self, until, timeout=120.0):
        self.host.spin(until, timeout)
        self.host.turn()

    def picture(self, name):
        self.host.turn()
        self.widget.setFixedHeight(self.widget.sizeHint.height())
        self.host.turn()
        self.host.screenshot(self.widget, SCREENSHOTS / f"setup-{name}.png")
        assert self.widget.minimumSizeHint.width() <= NARROW
        self.widget.setMinimumHeight(0)
        self.widget.setMaximumHeight(16777215)


@pytest.fixture
def bench(host, home):
    application.close()
    made = Bench(host)
    yield made
    made.pages.close()
    made.widget.close()
    application.close()
