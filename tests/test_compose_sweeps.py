"""What the settings say of sweeps is what the sweeps go by."""

from contextlib import closing
from datetime import timedelta
from pathlib import Path

import pytest

from app.compose.systems import compose_systems
from app.services.sweeps import SWEEPS
from app.services.systems import Systems
from app.settings.loading import load
from app.settings.server import Sweeps as Settings

TEXT = """
jenkins:
  main: {url: "https://ci.acme.example", sweep_jobs: ["acme/*", "shop/*"]}
  other: {url: "https://ci.acme.example/other"}
config_repos:
  fleet:
    url: https://github.com/acme/fleet.git
    branch: main
    forge: {kind: github, repository: acme/fleet, token: {env: T}, writes_per_hour: 90}
  quiet:
    url: https://github.com/acme/quiet.git
    branch: main
    forge: {kind: github, repository: acme/quiet, token: {env: T}, writes_per_hour: 90}
  here: {url: ./fleet.git, branch: main, forge: {kind: local}}
sweeps: {max_new: 7, builds: never}
retention: {bodies_days: 3, bodies_day_bytes: 9000}
"""


@pytest.fixture
def systems(tmp_path: Path) -> Systems:
    path = tmp_path / "fluxbridge.yaml"
    path.write_text(TEXT, encoding="utf-8")
    systems = compose_systems(load(path, {"T": "token"}))
    with closing(systems):
        return systems


def test_the_rules_of_sweeps_are_those_of_the_settings(systems: Systems) -> None:
    rules = systems.sweeps
    assert rules.jobs == {"main": ("acme/*", "shop/*")}
    assert (rules.max_new, rules.bodies_kept) == (7, timedelta(days=3))
    assert rules.bodies_day_bytes == 9000
    assert set(rules.schedules) == set(SWEEPS) - {"builds"}


def test_only_a_local_forge_shows_pull_requests_among_its_refs(systems: Systems) -> None:
    assert {name: repo.refs_show_pull_requests for name, repo in systems.config_repos.items()} == {
        "fleet": False,
        "quiet": False,
        "here": True,
    }


def test_repos_with_one_token_share_one_budget(systems: Systems) -> None:
    budgets = {name: repo.forge_budget for name, repo in systems.config_repos.items()}
    assert budgets["fleet"] == budgets["quiet"]
    assert budgets["here"] == "local"


def test_every_sweep_has_a_schedule_of_its_own() -> None:
    assert set(Settings().schedules) == set(SWEEPS)
