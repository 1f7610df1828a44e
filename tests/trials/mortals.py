"""Runs that die at any of their steps, and what must be so of the branches in between and of everything at rest."""

import random
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

from app.core.errors import Conflict, Unavailable
from app.core.facts import BuildResult
from app.core.ports import PullRequestState
from app.db.promotions import PromotionState
from app.services.lane.reconcile import reconcile
from tests.trials.crews import MIRA, Crew


@dataclass
class Mortal:
    """A run's systems and its clock; at the so-manieth step it dies: before a call, after it, or when it looks up."""

    left: int

    def step(self) -> None:
        """One step further."""
        self.left -= 1
        if self.left == 0:
            raise Unavailable("it died here")

    def clock(self, now: Callable[[], datetime]) -> datetime:
        """The time, if it lives to see it."""
        self.step()
        return now()


@dataclass
class Dying:
    """A real system around each of whose calls the run may die."""

    real: Any
    mortal: Mortal

    def __getattr__(self, name: str) -> Any:
        real = getattr(self.real, name)

        def called(*given: Any, **named: Any) -> Any:
            self.mortal.step()
            answer = real(*given, **named)
            self.mortal.step()
            return answer

        return called if callable(real) else real


@dataclass
class Watched:
    """A real mirror that looks after each push at what our branch carries."""

    real: Any
    look: Callable[[], None]

    def __getattr__(self, name: str) -> Any:
        return getattr(self.real, name)

    def push(self, updates: Any) -> Any:
        answer = self.real.push(updates)
        self.look()
        return answer


@dataclass
class Life:
    """One app behind a gate, those who act by chance, and what the branch has carried since it was made."""

    here: Crew
    chance: random.Random
    branch: str
    newest: int = 0
    built: dict[str, BuildResult] = field(default_factory=dict)
    carried: str | None = None
    builds: int = 0
    deaths: int = 0

    def __post_init__(self) -> None:
        self.here.lane.repository = Watched(self.here.lane.repository, self.look)

    def step(self) -> None:
        """Something happens."""
        act = self.chance.choice([self.push, self.push, self.build, self.build, self.merge, self.close, self.reopen])
        act()
        for _ in range(self.chance.randint(0, 2)):
            self.die()
        if self.chance.random() < 1 / 2:
            self.here.run(1)

    def push(self) -> None:
        """A newer tag comes."""
        self.newest += 1
        self.here.lane.push(_tag(self.newest))

    def build(self) -> None:
        """The build of a tag is told; sometimes that of one that was built before, and it fails."""
        if self.newest:
            self.tell(_tag(self.chance.randint(max(1, self.newest - 2), self.newest)))

    def tell(self, tag: str) -> None:
        """A build of this tag ended."""
        self.builds += 1
        result = self.chance.choice([BuildResult.SUCCESS, BuildResult.SUCCESS, BuildResult.FAILURE])
        self.built[tag] = result
        self.here.build(tag, result, number=self.builds)

    def merge(self) -> None:
        """Mira merges what is open."""
        for pull in self.here.open_ones():
            try:
                self.here.host.merge(pull.number)
            except Conflict:
                continue

    def close(self) -> None:
        """Mira closes what is open."""
        for pull in self.here.open_ones():
            self.here.host.close(pull.number)

    def reopen(self) -> None:
        """Mira reopens what was closed last, if she may."""
        closed = [one for one in self.here.host.shown() if one.state == PullRequestState.CLOSED]
        for pull in closed[-1:]:
            try:
                self.here.host.reopen(pull.number)
            except Conflict:
                continue

    def die(self) -> None:
        """A run dies at one of its steps, or ends before it comes to that."""
        lane, mortal = self.here.lane, Mortal(self.chance.randint(1, 60))
        real = (lane.repository, lane.forge)
        lane.repository, lane.forge = Dying(lane.repository, mortal), Dying(lane.forge, mortal)
        try:
            run = lane.claim(f"run {self.deaths}")
            reconcile(replace(run, clock=lambda: mortal.clock(run.clock)))
        except Unavailable:
            self.deaths += 1
        lane.repository, lane.forge = real
        lane.now += timedelta(hours=2)

    def look(self) -> None:
        """The branch never goes back, but from a tag whose build failed."""
        before, self.carried = self.carried, self._on_branch()
        if before is None or self.carried is None or self._may_not_enter(before):
            return
        assert _number(self.carried) >= _number(before), f"{before} went back to {self.carried}"

    def rest(self) -> None:
        """Every build is told, and the lane runs until nothing is left to do."""
        for number in range(1, self.newest + 1):
            if _tag(number) not in self.built:
                self.tell(_tag(number))
        self.here.run(4)

    def check(self) -> None:
        """Each merge is known with its number and its tag, and what should be open is, once."""
        history = {(one.pull_request, one.tag, one.merged_by) for one in self._promotions(PromotionState.MERGED)}
        merged = {one.number for one in self.here.host.shown() if one.state == PullRequestState.MERGED}
        assert {number for number, _, _ in history} == merged
        assert {who for _, _, who in history} <= {MIRA}
        assert self._promotions(PromotionState.PROPOSED, PromotionState.WAITING) <= self._promotions_open()
        assert [self.here.tag_on(one.head) for one in self.here.open_ones()] == self._wanted()

    def _wanted(self) -> list[str]:
        present = _number(self.here.tag_on("main"))
        refused = {tag for _, _, tags in self.here.held() for tag in tags or ()}
        for tag in map(_tag, range(self.newest, present, -1)):
            if tag in refused:
                return []
            if self.built[tag] is BuildResult.SUCCESS:
                return [tag]
        return []

    def _promotions(self, *states: PromotionState) -> set[Any]:
        return {one for one in self.here.lane.promotions() if one.state in states}

    def _promotions_open(self) -> set[Any]:
        numbers = {one.number for one in self.here.open_ones()}
        return {one for one in self.here.lane.promotions() if one.pull_request in numbers}

    def _may_not_enter(self, tag: str) -> bool:
        return self.built.get(tag) is not BuildResult.SUCCESS or tag in {
            t for _, _, tags in self.here.held() for t in tags or ()
        }

    def _on_branch(self) -> str | None:
        return self.here.tag_on(self.branch) if self.here.config.head(self.branch) is not None else None


def _tag(number: int) -> str:
    return f"1.{number}.0"


def _number(tag: str) -> int:
    return int(tag.split(".")[1])
