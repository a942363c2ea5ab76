"""Adds to the wheel what the commands need outside a checkout: the suites with their small data, and the pinned downloads."""

import shutil
from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py

SHIPPED = ("suites/**/*.yaml", "suites/data/*.csv", "requirements/zoo.txt")
"""Files that lie beside the package in a checkout, and in the package in a wheel; see bench/system/shipped.py."""


class WithSuites(build_py):
    """Builds the package, and copies the files of `SHIPPED` into it."""

    def run(self) -> None:
        super().run()
        if self.editable_mode:  # the checkout has them
            return
        for path in (path for pattern in SHIPPED for path in Path().glob(pattern)):
            target = Path(self.build_lib) / "bench" / path
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, target)


setup(cmdclass={"build_py": WithSuites})
