"""How long these tests run: briefly in the gate, longer where the environment says so."""

import os

import pytest

ROUNDS = int(os.environ.get("FLUXBRIDGE_FAULT_ROUNDS", "3"))
"""How often a server is killed in one test; other tests scale with it."""
IS_LONG = ROUNDS > 5
SEED = int(os.environ.get("FLUXBRIDGE_FAULT_SEED", "1"))
timeout = pytest.mark.timeout(0 if IS_LONG else 120)


def on(*gate: str) -> pytest.MarkDecorator:
    """Run on these kinds of database in the gate, and on both in a long run."""
    return pytest.mark.parametrize("database_url", ["sqlite", "postgresql"] if IS_LONG else gate, indirect=True)
