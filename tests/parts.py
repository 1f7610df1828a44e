"""Programs and packages that some tests need and a machine may lack."""

import importlib.util
import os
import shutil

import pytest


def require_program(name: str, install: str) -> str:
    """Return the program's path; skip (fail under FLUXBRIDGE_REQUIRE_ALL) naming the install command."""
    found = shutil.which(name) or shutil.which(name, path="/usr/sbin:/usr/local/sbin")
    if found is None:
        _lack(f"{name} is not installed: {install}")
    assert found is not None
    return found


def require_package(name: str, install: str) -> str:
    """Return the folder of an importable package; skip (fail under FLUXBRIDGE_REQUIRE_ALL) otherwise."""
    spec = importlib.util.find_spec(name)
    if spec is None or not spec.submodule_search_locations:
        _lack(f"the package {name} is not installed: {install}")
    assert spec is not None
    assert spec.submodule_search_locations
    return spec.submodule_search_locations[0]


def _lack(reason: str) -> None:
    if os.environ.get("FLUXBRIDGE_REQUIRE_ALL") == "1":
        pytest.fail(reason)
    pytest.skip(reason)
