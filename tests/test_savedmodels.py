"""Metanetworks by name, by folder, and by default; and that a wheel brings them along."""

from __future__ import annotations

import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from gmn_tf import savedmodels
from gmn_tf.errors import RunError

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture
def shipped(tmp_path, monkeypatch):
    """An installation that comes with two metanetworks, in its two places."""
    inside, beside = tmp_path / "package" / "_savedmodels", tmp_path / "savedmodels"
    for folder in (inside / "accuracy-small", beside / savedmodels.DEFAULT):
        folder.mkdir(parents=True)
        (folder / "metadata.json").write_text("{}")
    (beside / "unfinished").mkdir()
    monkeypatch.setattr(savedmodels, "FOLDERS", (inside, beside))
    return inside, beside


def test_names_and_the_default(shipped):
    inside, beside = shipped
    assert savedmodels.names() == ["accuracy-diverse", "accuracy-small"]
    assert savedmodels.resolve() == beside / "accuracy-diverse"
    assert savedmodels.resolve("accuracy-small") == inside / "accuracy-small"


def test_folders_win_over_names(shipped, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert savedmodels.resolve(tmp_path / "package") == tmp_path / "package"
    Path("accuracy-small").mkdir()
    assert savedmodels.resolve("accuracy-small") == Path("accuracy-small")


def test_unknown_names_and_paths_are_one_sentence(shipped, tmp_path, monkeypatch):
    for model in ("accuracy-none", "unfinished", tmp_path / "none" / "accuracy-small"):
        with pytest.raises(RunError, match=r"found nothing.*accuracy-diverse, accuracy-small"):
            savedmodels.resolve(model)
    monkeypatch.setattr(savedmodels, "FOLDERS", (tmp_path / "empty",))
    with pytest.raises(RunError, match=r"without its general metanetwork 'accuracy-diverse' \(none comes"):
        savedmodels.resolve()


def test_the_checkout_is_one_of_the_places():
    assert ROOT / "savedmodels" in savedmodels.FOLDERS


def test_a_wheel_brings_them_along(tmp_path):
    """Built from a package of one file, with this repository's pyproject.toml and setup.py."""
    source = tmp_path / "source"
    (source / "gmn_tf").mkdir(parents=True)
    (source / "gmn_tf" / "__init__.py").write_text('__version__ = "1.0"\n')
    for name in ("pyproject.toml", "setup.py", "README.md"):
        shutil.copy(ROOT / name, source / name)
    variables = source / "savedmodels" / "one" / "variables"
    variables.mkdir(parents=True)
    (variables / "variables.index").write_bytes(b"\0")
    (source / "savedmodels" / ".one.partial").mkdir()
    (source / "savedmodels" / ".one.partial" / "half").write_bytes(b"\0")
    command = [sys.executable, "setup.py", "-q", "bdist_wheel", "--dist-dir", str(tmp_path / "dist")]
    done = subprocess.run(command, cwd=source, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    (wheel,) = (tmp_path / "dist").glob("*.whl")
    inside = [name for name in zipfile.ZipFile(wheel).namelist() if name.startswith("gmn_tf/")]
    assert sorted(inside) == ["gmn_tf/__init__.py", "gmn_tf/_savedmodels/one/variables/variables.index"]
