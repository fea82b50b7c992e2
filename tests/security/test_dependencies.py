"""What is installed is what was chosen: every package that this one needs is pinned."""

from __future__ import annotations

import re
from collections.abc import Iterator
from configparser import ConfigParser
from functools import cache
from importlib.metadata import distribution, version

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.conftest import ROOT

# What `make install` installs; `oracle` is for whoever compares valuations.
EXTRAS = ("demo", "dev")
# By every virtual environment of Python 3.11.
BROUGHT_ALONG = {"setuptools"}


@cache
def pins() -> dict[str, str]:
    lines = (ROOT / "constraints.txt").read_text().splitlines()
    return {canonicalize_name(name): pinned for name, _, pinned in (line.partition("==") for line in lines)}


def our_requirements() -> list[Requirement]:
    config = ConfigParser()
    config.read(ROOT / "setup.cfg")
    extras = [config["options.extras_require"][extra] for extra in EXTRAS]
    lines = "\n".join([config["options"]["install_requires"], *extras]).split()
    return [Requirement(line) for line in lines]


def requirements_of(name: str, extras: set[str]) -> Iterator[Requirement]:
    for requirement in map(Requirement, distribution(name).requires or ()):
        marker = requirement.marker
        if marker is None or any(marker.evaluate({"extra": extra}) for extra in {"", *extras}):
            yield requirement


@cache
def needed() -> list[Requirement]:
    """Ours, and those of what we need, as far as they go."""
    waiting, found = our_requirements(), {}
    while waiting:
        requirement = waiting.pop()
        if str(requirement) not in found:
            found[str(requirement)] = requirement
            waiting += requirements_of(requirement.name, requirement.extras)
    assert len(found) > 100
    return list(found.values())


def test_every_package_that_is_needed_is_pinned_to_what_is_installed() -> None:
    names = {canonicalize_name(requirement.name) for requirement in needed()}
    installed = {name: version(name) for name in names - BROUGHT_ALONG}

    assert {name: pins().get(name) for name in installed} == installed


def test_a_pin_names_one_version() -> None:
    lines = (ROOT / "constraints.txt").read_text().splitlines()

    assert [line for line in lines if not re.fullmatch(r"[A-Za-z0-9_.-]+==[0-9][A-Za-z0-9.]*", line)] == []


def test_what_is_installed_fits_together() -> None:
    """As `pip check` finds, of what is needed here: other things may live in the same environment."""
    unfit = [
        f"{requirement} is {version(requirement.name)}"
        for requirement in needed()
        if not requirement.specifier.contains(version(requirement.name), prereleases=True)
    ]

    assert unfit == []
