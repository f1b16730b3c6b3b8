"""Builds the wheel: for every Python 3, for one platform. All else is in pyproject.toml."""

from pathlib import Path

from setuptools import Distribution, setup
from setuptools.command.bdist_wheel import bdist_wheel

if not any((Path(__file__).parent / "convoy/_lib").glob("libconvoy.*")):
    raise SystemExit("convoy/_lib holds no library: build the wheel with build_wheel.sh")


class Binary(Distribution):
    """Holds a library, but no module that is compiled for one Python."""

    def has_ext_modules(self) -> bool:
        return True


class Wheel(bdist_wheel):
    """Names the wheel accordingly."""

    def get_tag(self) -> "tuple[str, str, str]":
        return ("py3", "none", super().get_tag()[2])


setup(distclass=Binary, cmdclass={"bdist_wheel": Wheel})
