"""What pyproject.toml cannot say: the trained metanetworks of savedmodels/ go into the package as data."""

import shutil
from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py

HERE = Path(__file__).resolve().parent


class BuildWithSavedModels(build_py):
    """Copies savedmodels/ to gmn_tf/_savedmodels of a wheel; an editable install reads the checkout's."""

    def run(self) -> None:
        super().run()
        source, target = HERE / "savedmodels", Path(self.build_lib) / "gmn_tf" / "_savedmodels"
        if source.is_dir() and not self.editable_mode:
            shutil.copytree(source, target, dirs_exist_ok=True, ignore=shutil.ignore_patterns(".*"))


setup(cmdclass={"build_py": BuildWithSavedModels})
