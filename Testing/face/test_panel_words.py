"""Whatever a user reads on floor 3 can be translated: it goes through ``_()`` as a literal."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2] / "MedSegFoundation"
FILES = sorted(
    [*ROOT.glob("*.py"), *ROOT.glob("medseg_face/**/*.py"), *ROOT.glob("medseg_effects/**/*.py")]
)
#: What Qt and Slicer show of their arguments.
SHOWN = {
    *("addItem", "addItems", "addTab", "addRow", "addAction", "insertItem"),
    *("setText", "setTitle", "setToolTip", "setStatusTip", "setWhatsThis", "setPlaceholderText"),
    *("setWindowTitle", "setSuffix", "setPrefix", "setSpecialValueText", "setFormat"),
    *("setAccessibleName", "setAccessibleDescription", "setLabelText", "setHeaderLabels"),
    *("QLabel", "QPushButton", "QToolButton", "QCheckBox", "QRadioButton", "QGroupBox", "QAction"),
    *("QTableWidgetItem", "QStandardItem", "ctkCollapsibleButton", "addLabeledOptionsWidget"),
    *("errorDisplay", "warningDisplay", "infoDisplay", "showStatusMessage", "named", "usable"),
}
#: Properties and keywords that are shown.
PROPERTIES = {"text", "toolTip", "title", "placeholderText", "suffix", "prefix", "format"}
PROSE = re.compile(r"[A-Za-z]{2,} [A-Za-z]{2,}")
WORD = re.compile(r"[A-Za-z]{2}")
#: The same in all languages: signatures of signals, addresses, command lines of ours.
CODE = re.compile(r"^(\w+\([\w:,* ]*\)|https?://\S*|medseg .*)$")
#: Names that are never translated: the extension's, its effects', its makers'.
NAMES = re.compile(r"^\w*MedSeg\w*( \w+)?$")


def untranslated(tree: ast.Module) -> list[tuple[int, str]]:
    """Lines and texts of literals that a user would read untranslated."""
    passed = _passed_over(tree)
    found = []
    for node in ast.walk(tree):
        texts = _texts(node)
        shown = isinstance(node, ast.Constant) and isinstance(node.value, str)
        texts += [node] if shown and PROSE.search(node.value) else []
        found += [
            (text.lineno, text.value)
            for text in texts
            if id(text) not in passed and WORD.search(text.value)
            if not (CODE.match(text.value) or NAMES.match(text.value))
        ]
    return sorted(set(found))


def _texts(node: ast.AST) -> list[ast.Constant]:
    """Literals that a call or an assignment shows."""
    shown: list[ast.expr] = []
    if isinstance(node, ast.Call):
        name = node.func.attr if isinstance(node.func, ast.Attribute) else _name(node.func)
        shown += node.args if name in SHOWN else []
        shown += [k.value for k in node.keywords if k.arg in PROPERTIES and name != "put_choice"]
    if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Attribute):
        shown += [node.value] if node.targets[0].attr in PROPERTIES else []
    shown += [e for s in shown if isinstance(s, (ast.List, ast.Tuple)) for e in s.elts]
    return [s for s in shown if isinstance(s, ast.Constant) and isinstance(s.value, str)]


def _name(node: ast.expr) -> str:
    return node.id if isinstance(node, ast.Name) else ""


def _passed_over(tree: ast.Module) -> set[int]:
    """Docstrings, what is in ``_()`` or ``translate()``, and what only a programmer reads."""
    skipped: set[int] = set()
    for node in ast.walk(tree):
        inner: list[ast.AST] = []
        if isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef)):
            inner += node.body[:1] if ast.get_docstring(node) else []
        elif isinstance(node, ast.Call) and _name(node.func) in ("_", "translate"):
            inner += node.args
        elif isinstance(node, (ast.Raise, ast.Assert, ast.Compare)):
            inner.append(node)
        elif isinstance(node, ast.Dict):
            inner += [key for key in node.keys if key is not None]
        for part in inner:
            skipped |= {id(n) for n in ast.walk(part)}
    return skipped


def calls(tree: ast.Module) -> list[ast.Call]:
    return [n for n in ast.walk(tree) if isinstance(n, ast.Call) and _name(n.func) == "_"]


@pytest.mark.parametrize("path", FILES, ids=lambda p: p.relative_to(ROOT).as_posix())
def test_what_is_read_is_translatable(path):
    tree = ast.parse(path.read_text(encoding="utf-8"))
    assert untranslated(tree) == []


@pytest.mark.parametrize("path", FILES, ids=lambda p: p.relative_to(ROOT).as_posix())
def test_only_whole_literals_are_translated(path):
    for call in calls(ast.parse(path.read_text(encoding="utf-8"))):
        assert len(call.args) == 1, f"line {call.lineno}"
        assert isinstance(call.args[0], ast.Constant), f"line {call.lineno}: not a literal"
        assert call.args[0].value.strip(), f"line {call.lineno}: nothing to translate"


@pytest.mark.parametrize(
    ("source", "texts"),
    [
        ('b.setText("Go")', ["Go"]),
        ('b.setText(_("Go"))', []),
        ('b.text = "Go on"', ["Go on"]),
        ('x = "two words"', ["two words"]),
        ('x = f"{n} more models"', [" more models"]),
        ('"""A docstring here."""', []),
        ('raise ValueError("not for users")', []),
        ('x = {"not here": _("Not here")}[row.state]', []),
        ('name = "MedSeg Point"', []),
        ('b.connect("clicked(bool)", f)', []),
        ('form.addRow("Size:", w)', ["Size:"]),
        ('combo.addItems(["One", _("Two")])', ["One"]),
    ],
)
def test_the_check_itself(source, texts):
    assert [text for _, text in untranslated(ast.parse(source))] == texts
