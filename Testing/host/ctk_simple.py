# ruff: noqa: N801, N802, N815
"""CTK widgets that add little to Qt's, and the loader that knows them all."""

from __future__ import annotations

from PySide6 import QtGui, QtUiTools, QtWidgets
from PySide6.QtCore import Property, Signal

from .modules import made, provides


@provides("ctk")
class ctkComboBox(QtWidgets.QComboBox):
    """A combo box with a text for "nothing chosen"."""

    defaultText = Property(str, lambda s: s.placeholderText(), lambda s, v: s.setPlaceholderText(v))


@provides("ctk")
class ctkCheckBox(QtWidgets.QCheckBox):
    """A check box."""


@provides("ctk")
class ctkPushButton(QtWidgets.QPushButton):
    """A push button."""


@provides("ctk")
class ctkMenuButton(QtWidgets.QPushButton):
    """A push button with a menu."""


@provides("ctk")
class ctkSearchBox(QtWidgets.QLineEdit):
    """A line for what to look for."""


@provides("ctk")
class ctkMessageBox(QtWidgets.QMessageBox):
    """A message box; modal ones are refused by the tests' host."""

    def exec(self) -> int:
        raise RuntimeError(f"a test would wait for a modal dialog: {self.text()!r}")


@provides("ctk")
class ctkFittedTextBrowser(QtWidgets.QTextBrowser):
    """A text browser that grows with its text."""


@provides("ctk")
class ctkSettingsPanel(QtWidgets.QWidget):
    """A page of the settings dialog."""


@provides("ctk")
class ctkColorPickerButton(QtWidgets.QPushButton):
    """A button that shows a colour."""

    colorChanged = Signal(QtGui.QColor)

    def __init__(self, *args: object) -> None:
        super().__init__(*args)
        self._colour = QtGui.QColor("black")

    def setColor(self, colour: QtGui.QColor) -> None:
        if colour != self._colour:
            self._colour = QtGui.QColor(colour)
            self.colorChanged.emit(self._colour)

    color = Property(QtGui.QColor, lambda s: s._colour, setColor)


@provides("qt")
class QUiLoader(QtUiTools.QUiLoader):
    """Makes what a .ui file names, the application's own widgets too."""

    def createWidget(
        self, kind: str, parent: QtWidgets.QWidget | None = None, name: str = ""
    ) -> QtWidgets.QWidget | None:
        for classes in made.values():
            if kind in classes:
                widget = classes[kind](parent)
                widget.setObjectName(name)
                return widget
        return super().createWidget(kind, parent, name)
