"""Imports between the rooms of the package run one way; read from the syntax trees, nothing is imported."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parents[1] / "gmn_tf"

# What a room may import besides itself and `errors`. "gmn_tf" alone is the facade: its version, nothing else.
ALLOWED: dict[str, set[str]] = {
    "errors": set(),
    "_environment": set(),
    "graph": set(),
    "keras_layers": set(),
    "convert": {"graph", "keras_layers"},
    "zoo": {"graph", "keras_layers", "convert", "gmn_tf"},
    "inr": {"graph", "keras_layers", "convert", "zoo", "gmn_tf"},
    "layers": {"graph"},
    "models": {"graph", "layers"},
    "tasks": {"graph", "zoo", "inr"},
    "training": {"graph", "convert", "zoo", "inr", "layers", "models", "tasks", "gmn_tf"},
    "comparison": {"zoo", "inr", "models", "tasks", "training", "gmn_tf"},
    "serving_bundles": {"graph"},
    "training_distance": {"layers"},
    "serving": {"graph", "serving_bundles", "training_distance"},
    "predictor": {"graph", "convert", "training", "serving", "training_distance"},
    "savedmodels": set(),
    "provenance": {"models", "training", "zoo"},
    "export_card": {"serving", "provenance"},
    "export_check": {"graph", "zoo", "training", "serving", "training_distance"},
    "export_edits": {"graph", "zoo", "training", "serving", "export_card", "export_check"},
    "editor": {"graph", "training", "serving", "predictor"},
    "classifier": {"graph", "serving", "predictor"},
    "export_classes": {
        "graph",
        "zoo",
        "training",
        "serving",
        "training_distance",
        "export_card",
        "export_check",
    },
    "export_kinds": {
        "models",
        "zoo",
        "training",
        "serving",
        "predictor",
        "editor",
        "classifier",
        "training_distance",
        "export_card",
        "export_check",
        "export_classes",
        "export_edits",
    },
    "export_distance": {"graph", "zoo", "training", "training_distance"},
    "export": {
        "graph",
        "convert",
        "zoo",
        "models",
        "tasks",
        "training",
        "savedmodels",
        "serving",
        "predictor",
        "editor",
        "provenance",
        "export_card",
        "export_check",
        "export_distance",
        "export_kinds",
        "classifier",
        "gmn_tf",
    },
    "ranking_figure": {"training"},
    "ranking": {"convert", "zoo", "tasks", "predictor", "export", "ranking_figure"},
    "probe": {"graph", "predictor", "export"},
    "edit_file": {"graph", "inr", "training", "predictor", "editor", "export"},
    "commands": {
        "graph",
        "convert",
        "zoo",
        "inr",
        "models",
        "tasks",
        "training",
        "training_distance",
        "export",
        "edit_file",
        "ranking",
        "gmn_tf",
    },
    "cli": {"commands", "gmn_tf"},
    "__main__": {"cli"},
}
LIGHT = (
    "tensorflow",
    "tensorflow_gnn",
    "keras",
    "tf_keras",
    "numpy",
    "sklearn",
    "scipy",
    "matplotlib",
    "rich",
)


def room_of(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def imported(tree: ast.AST) -> set[str]:
    """Dotted names of the modules that the statements of a syntax tree import, wherever they stand."""
    names: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports are absolute here"
            module = node.module or ""
            names |= {f"{module}.{alias.name}" if module == "gmn_tf" else module for alias in node.names}
    return names


def rooms_imported(tree: ast.AST) -> set[str]:
    rooms = set()
    for name in imported(tree):
        parts = name.split(".")
        if parts[0] == "gmn_tf":
            room = parts[1] if len(parts) > 1 else "gmn_tf"
            rooms.add("gmn_tf" if room.startswith("__version__") else room)
    return rooms


FILES = sorted(path for path in PACKAGE.rglob("*.py") if path != PACKAGE / "__init__.py")


def test_every_room_is_listed():
    assert {room_of(path) for path in FILES} == set(ALLOWED)


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_imports_run_one_way(path):
    room = room_of(path)
    foreign = rooms_imported(ast.parse(path.read_text())) - ALLOWED[room] - {room, "errors"}
    assert not foreign, f"{path.relative_to(PACKAGE)} imports {sorted(foreign)}, which {room} may not know"


def test_the_allowed_imports_have_no_cycle():
    open_rooms, done = dict(ALLOWED), {"gmn_tf"}
    while ready := [room for room, needs in open_rooms.items() if needs <= done]:
        done |= set(ready)
        for room in ready:
            del open_rooms[room]
    assert not open_rooms


@pytest.mark.parametrize(
    "path", sorted(PACKAGE.rglob("*.py")), ids=lambda path: str(path.relative_to(PACKAGE))
)
def test_files_hold_one_idea(path):
    assert len(path.read_text().splitlines()) <= 400


def test_the_command_line_imports_nothing_heavy_at_the_top():
    files = [PACKAGE / "cli.py", PACKAGE / "__init__.py", *(PACKAGE / "commands").glob("*.py")]
    for path in files:
        tree = ast.parse(path.read_text())
        tree.body = [node for node in tree.body if isinstance(node, (ast.Import, ast.ImportFrom))]
        heavy = {name.split(".")[0] for name in imported(tree)} & set(LIGHT)
        assert not heavy, f"{path.name} imports {heavy} at the top"


def test_conversion_and_its_layers_know_no_tensorflow_at_the_top():
    """They work under any Keras backend: TensorFlow only where a function needs it."""
    for room in ("graph", "convert", "keras_layers"):
        for path in (PACKAGE / room).rglob("*.py"):
            tree = ast.parse(path.read_text())
            tree.body = [node for node in tree.body if isinstance(node, (ast.Import, ast.ImportFrom))]
            names = {name.split(".")[0] for name in imported(tree)}
            assert not names & {"tensorflow", "tensorflow_gnn", "tf_keras"}, path.name


def test_the_check_sees_a_forbidden_import():
    tree = ast.parse("from gmn_tf.cli import main\nimport gmn_tf.zoo.store\nfrom gmn_tf import export")
    assert rooms_imported(tree) == {"cli", "zoo", "export"}
