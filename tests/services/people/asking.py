"""One lane and whoever asks for tags in it, with a registry and clusters that do as a test says."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from app.core.errors import FluxbridgeError
from app.core.facts import RevisionApplied
from app.core.ports import PullRequest
from app.core.promotion.requests import RequestKind
from app.db import catalogue, holds, requests, revisions
from app.db.database import Database
from app.db.promotions import PromotionState
from app.db.requests import RequestFilters, RequestRow
from app.services.people.asked_places import Asking
from app.services.people.request import Asked, AskedRequest, ask, withdraw
from app.services.reading.requests import RequestView
from app.services.reading.requests import request as read_request
from tests.services.lanes import IMAGE, LANE, Lane

MINUTE = timedelta(minutes=1)
APP = "flux-system/app"


def after(*tags: str) -> pytest.MarkDecorator:
    """Have these tags let in, one after the other, before the people of a test come."""
    return pytest.mark.parametrize("people", [tags], indirect=True, ids=["-".join(tags)])


@dataclass
class People:
    """A lane, and people who ask for tags in one of its stages."""

    lane: Lane
    policy: str = APP
    stage: str = "all"
    commits: dict[str, str] = field(default_factory=dict)
    """The base head after each tag was merged."""

    def moved(self, folder: Path, database: Database) -> "People":
        """The same people on copies of their lane's folder and database; see histories.py."""
        return replace(self, lane=self.lane.moved(folder, database), commits=dict(self.commits))

    @property
    def forge(self) -> Any:
        """The forge with the methods by which people merge and close."""
        return self.lane.forge

    @property
    def asking(self) -> Asking:
        """What answers them."""
        lane = self.lane
        return Asking(database=lane.database, systems=lane.systems, scans=lane.scans, clock=lambda: lane.now)

    def ask(self, kind: RequestKind, *, who: str = "ada", is_dry_run: bool = False, **named: Any) -> AskedRequest:
        """Ask for something; the lane does not run yet."""
        policy = None if "from_stage" in named else self.policy
        asked = Asked(**{"kind": kind, "stage": self.stage, "why": "loses orders", "policy": policy, **named})
        return ask(self.asking, asked, who=who, is_dry_run=is_dry_run)

    def back(self, to: str | None = None, **named: Any) -> AskedRequest:
        """Ask for a rollback."""
        return self.ask(RequestKind.ROLLBACK, **{"tag": to, **named})

    def forward(self, tag: str | None = None, **named: Any) -> AskedRequest:
        """Ask for a promotion."""
        return self.ask(RequestKind.PROMOTION, **{"tag": tag, **named})

    def refused(self, kind: RequestKind = RequestKind.ROLLBACK, **named: Any) -> str:
        """Why nothing is asked for: in one line, with nothing written."""
        before = [one.request.id for one in self.requests()]
        with pytest.raises(FluxbridgeError) as error:
            self.ask(kind, **named)
        assert [one.request.id for one in self.requests()] == before
        assert "\n" not in str(error.value)
        return str(error.value)

    def withdraw(self, request: str) -> RequestView:
        """Take a request back."""
        with self.lane.database.transaction() as connection:
            return withdraw(connection, request, who="ada", why="mended", now=self.lane.now)

    def run(self) -> list[PullRequest]:
        """Run the lane twice, a minute apart; returns what is open then."""
        for _ in range(2):
            self.lane.now += MINUTE
            self.lane.run()
        return self.lane.open_pulls()

    def opened(self) -> PullRequest:
        """Run the lane; returns the one pull request that is open then."""
        (pull,) = self.run()
        return pull

    def merge(self, number: int | None = None) -> None:
        """Merge what is open, or one of it, and let the lane see it."""
        for one in self.lane.open_pulls():
            if number in {None, one.number}:
                self.forge.merge(one.number, by="mira")
        self.run()

    def close(self, number: int) -> None:
        """Close a pull request and let the lane see it."""
        self.lane.now += MINUTE
        self.forge.close(number, by="mira")
        self.run()

    def let_in(self, *tags: str) -> None:
        """Push tags, one after the other, and merge each; the lane sees each once."""
        for tag in tags:
            self.lane.now += MINUTE
            self.lane.push(tag)
            self.lane.run()
            self.lane.now += MINUTE
            for one in self.lane.open_pulls():
                self.forge.merge(one.number, by="mira")
            self.lane.run()
            self.commits[tag] = self.lane.config.head("main") or ""

    def tell(self, tag: str, *, is_failure: bool = False, cluster: str = "staging") -> None:
        """A cluster tells that it applied the base head as of a tag, or failed to; the lane runs."""
        self.lane.now += MINUTE
        told = RevisionApplied(
            cluster=cluster,
            commit=self.commits[tag],
            at=self.lane.now,
            kind="Kustomization",
            namespace="flux-system",
            name="apps",
            revision=f"main@sha1:{self.commits[tag]}",
            is_failure=is_failure,
            reason="ReconciliationFailed" if is_failure else "ReconciliationSucceeded",
            message="",
        )
        with self.lane.database.transaction() as connection:
            root = f"clusters/{cluster}"
            revisions.note(connection, told, repo="fleet", root=root, received_at=self.lane.now)
        self.lane.run()

    def delete(self, tag: str) -> None:
        """A tag goes from the registry, which tells of it."""
        self.lane.registry.gone.add(tag)
        with self.lane.telling_of(tag) as connection:
            catalogue.note_missing(connection, IMAGE, tag, is_deleted=True, asked_at=self.lane.now)

    def requests(self) -> Sequence[RequestRow]:
        """Every request, newest first."""
        with self.lane.database.transaction() as connection:
            return requests.page(connection, RequestFilters(), limit=50).items

    def state(self, request: str) -> str:
        """Where a request stands."""
        return self.shown(request).state

    def shown(self, request: str) -> RequestView:
        """A request as people are shown it."""
        with self.lane.database.transaction() as connection:
            return read_request(connection, request)

    def held(self) -> list[tuple[str, str | None, tuple[str, ...] | None]]:
        """What is held: of which kind, of which policy, but for which tags."""
        with self.lane.database.transaction() as connection:
            return [(one.kind, one.policy, one.tags) for one in holds.active(connection, LANE)]

    def states(self) -> dict[str, PromotionState]:
        """Where the newest promotion of each tag stands in the stage."""
        rows = [one for one in self.lane.promotions() if one.stage == self.stage]
        return {one.tag: one.state for one in reversed(rows)}

    def in_stage(self, stage: str) -> "People":
        """The same people, of another stage."""
        return replace(self, stage=stage)
