"""A database of the version that read single files, over a repository whose clusters say otherwise: nothing is lost.

`tests/golden/before-clusters` was written by that version. Two clusters share a base policy, which one of them patches
(its name becomes two); another policy has its range patched; a Kustomization that its folder's kustomization.yaml does
not list brought a folder in (its policy gets another root).
"""

import json
import subprocess
from contextlib import closing
from pathlib import Path

import pytest
from alembic import command
from sqlalchemy import JSON, Boolean, Connection, MetaData, insert

from app.clients.forges.local.forge import LocalForge
from app.clients.git.command import GitCommand
from app.clients.git.mirror import Mirror
from app.clients.git.remote import Remote
from app.core.promotion.holds import Hold
from app.db import holds, pull_requests
from app.db.database import Database
from app.db.migrations import configuration
from app.db.promotions import PromotionState
from app.services.upkeep.copy_database import copy_database
from tests.servers.bare_repository import BareRepository
from tests.services.lanes import LANE, NOW, Lane

BEFORE = Path(__file__).parents[2] / "golden" / "before-clusters"
LEGACY, STAGING, PRODUCTION = 8, 6, 5
# The last schema that has each of its columns.
_SCHEMA = "holds_of_people"


def _load(connection: Connection) -> None:
    known = MetaData()
    known.reflect(connection)
    for name, written in json.loads((BEFORE / "rows.json").read_text()).items():
        columns = [known.tables[name].columns[column] for column in written["columns"]]
        for row in written["rows"]:
            values = {column.name: _value(column.type, value) for column, value in zip(columns, row, strict=True)}
            connection.execute(insert(known.tables[name]).values(values))


def _value(kind: object, value: object) -> object:
    if value is None:
        return None
    if isinstance(kind, JSON):
        return json.loads(str(value))
    return bool(value) if isinstance(kind, Boolean) else value


@pytest.fixture
def lane(tmp_path: Path, database: Database) -> Lane:
    """The lane as the version before left it."""
    path = tmp_path / "fleet.git"
    subprocess.run(["git", "clone", "--quiet", "--mirror", BEFORE / "fleet.bundle", path], check=True)
    config = BareRepository(path)
    mirror = Mirror(
        Remote(url=str(path)),
        GitCommand(tmp_path / "mirror.git", 30),
        base_branches=["main"],
        prefix="fluxbridge",
        identity=("Fluxbridge", "fluxbridge@localhost"),
    )
    with closing(Database(f"sqlite:///{tmp_path}/before.db")) as written:
        with written.transaction(is_bounded=False) as connection:
            command.upgrade(configuration(connection), _SCHEMA)
            _load(connection)
        written.migrate()
        copy_database(written, database)
    return Lane(database, config, mirror, LocalForge(path, clock=lambda: NOW))


def _held(lane: Lane) -> list[Hold]:
    with lane.database.transaction() as connection:
        return list(holds.active(connection, LANE))


def _open(lane: Lane) -> dict[int, str]:
    return {pull.number: pull.head_sha for pull in lane.open_pulls()}


@pytest.mark.parametrize("moved", [{}, {"README.md": "Ask the platform team.\n"}], ids=["same head", "head has moved"])
def test_nothing_closes_or_opens_and_no_hold_is_lost(lane: Lane, moved: dict[str, str]) -> None:
    before, (held,) = _open(lane), _held(lane)
    assert (set(before), held.policy) == ({LEGACY, STAGING}, "images/base:flux-system/app")
    if moved:
        lane.config.commit("main", moved)
    for _ in range(3):
        lane.run()
    assert _open(lane) == before
    (now,) = _held(lane)
    assert (now.policy, now.stage, now.tags) == ("clusters/prod:flux-system/app", held.stage, held.tags)
    texts = {path: lane.config.text("main", path) for path in ("apps/prod/app.yaml", "apps/prod/narrow.yaml")}
    assert [text.count(":1.1.0") for text in texts.values()] == [1, 0]
    assert ":1.2.0" in texts["apps/prod/narrow.yaml"]


def test_history_and_what_is_open_go_by_the_names_of_now(lane: Lane) -> None:
    lane.run()
    with lane.database.transaction() as connection:
        rows = {row.number: (row.group, dict(row.tags)) for row in pull_requests.open_in(connection, LANE)}
    assert rows == {
        LEGACY: ("legacy:flux-system/legacy", {"legacy:flux-system/legacy": "1.2.0"}),
        STAGING: ("clusters/staging:flux-system/app", {"clusters/staging:flux-system/app": "1.2.0"}),
    }
    merged = {row.policy for row in lane.promotions() if row.state is PromotionState.MERGED}
    assert merged == {
        *("clusters/prod:flux-system/app", "clusters/staging:flux-system/app"),
        *("clusters/prod:flux-system/narrow", "legacy:flux-system/legacy"),
    }


def test_what_people_do_with_them_counts_as_ever(lane: Lane) -> None:
    lane.run()
    forge = LocalForge(lane.config.path, clock=lambda: NOW)
    forge.reopen(PRODUCTION, by="mira")
    lane.run()
    assert (_held(lane), set(_open(lane))) == ([], {LEGACY, STAGING, PRODUCTION})
    forge.merge(STAGING, by="mira")
    lane.run()
    assert ":1.2.0" in lane.config.text("main", "apps/staging/app.yaml")
    assert set(_open(lane)) == {LEGACY, PRODUCTION}
