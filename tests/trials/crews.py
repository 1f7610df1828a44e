"""People at a config repository, and one lane over it: on the local forge and on GitHub, in the same words."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Any, Literal, Protocol

from app.clients.forges.local.forge import LocalForge
from app.clients.git.command import GitCommand
from app.clients.git.mirror import Mirror
from app.clients.git.remote import Remote
from app.core.facts import Artifact, BuildFinished, BuildResult
from app.db import builds, catalogue, holds, lanes, promotion_events
from app.db.collections import METADATA
from app.db.database import Database
from app.db.promotions import PromotionRow, PromotionState
from app.services.reading.plans import PlanDescription
from tests.clients.forges.github_worlds import BOT_TOKEN, connect
from tests.end_to_end.bridge import deployment, policy
from tests.servers.bare_repository import BareRepository
from tests.servers.github import GitHubServer, github_server
from tests.services.lanes import IMAGE, LANE, Lane, digest

ADA = "Ada <ada@acme.example>"
MIRA = "mira"
FILES = {"images/app.yaml": policy(), "apps/app.yaml": deployment("1.0.0")}
GATED = {**FILES, ".fluxbridge.yaml": "stages:\n  production: {paths: [apps], requires: {build: success}}\n"}

GitMergeKind = Literal["no-ff", "ff", "squash"]


@dataclass(frozen=True, slots=True)
class Shown:
    """A pull request as people see it."""

    number: int
    state: str
    head: str
    base: str
    title: str
    body: str


class Host(Protocol):
    """Where pull requests are and people act."""

    def shown(self) -> list[Shown]:
        """All of them, oldest first."""

    def merge(self, number: int) -> None:
        """Mira merges one."""

    def close(self, number: int) -> None:
        """Mira closes one."""

    def reopen(self, number: int) -> None:
        """Mira reopens one."""

    def retarget(self, number: int, base: str) -> None:
        """Mira gives one another base."""

    def edit(self, number: int, *, title: str, body: str) -> None:
        """Mira rewrites one."""

    def comments(self, number: int) -> list[str]:
        """What was said in one."""

    def moved(self, branch: str, before: str | None) -> None:
        """A branch was moved by git, and the host notices."""


@dataclass(frozen=True, slots=True)
class LocalHost:
    """The pull requests in the bare repository itself."""

    forge: LocalForge

    def shown(self) -> list[Shown]:
        found = reversed(self.forge.list_pull_requests())
        return [Shown(one.number, one.state, one.head, one.base, one.title, one.body) for one in found]

    def merge(self, number: int) -> None:
        self.forge.merge(number, by=MIRA)

    def close(self, number: int) -> None:
        self.forge.close(number, by=MIRA)

    def reopen(self, number: int) -> None:
        self.forge.reopen(number, by=MIRA)

    def retarget(self, number: int, base: str) -> None:
        self.forge.retarget(number, base=base)

    def edit(self, number: int, *, title: str, body: str) -> None:
        self.forge.edit_pull_request(number, title=title, body=body)

    def comments(self, number: int) -> list[str]:
        return [one.text for one in self.forge.comments(number)]

    def moved(self, branch: str, before: str | None) -> None:
        """Nobody notices but who looks."""


@dataclass(frozen=True, slots=True)
class GitHubHost:
    """Our GitHub."""

    server: GitHubServer

    def shown(self) -> list[Shown]:
        return [
            Shown(one.number, _state(one.is_open, one.merged_by), one.head, one.base, one.title, one.body or "")
            for one in reversed(self.server.every())
        ]

    def merge(self, number: int) -> None:
        self.server.merge(number, by=MIRA)

    def close(self, number: int) -> None:
        self.server.close(number, by=MIRA)

    def reopen(self, number: int) -> None:
        self.server.reopen(number, by=MIRA)

    def retarget(self, number: int, base: str) -> None:
        self.server.retarget(number, base, by=MIRA)

    def edit(self, number: int, *, title: str, body: str) -> None:
        self.server._pulls.edit(number, title=title, body=body, by=MIRA)

    def comments(self, number: int) -> list[str]:
        return [text for _, text in self.server.comments(number)]

    def moved(self, branch: str, before: str | None) -> None:
        self.server.notice(branch, before, by=MIRA)


def _state(is_open: bool, merged_by: str | None) -> str:  # noqa: FBT001 (two columns of a table)
    return "open" if is_open else "merged" if merged_by else "closed"


@dataclass
class Crew:
    """A lane and those who work in its config repository."""

    lane: Lane
    host: Host

    @property
    def config(self) -> BareRepository:
        """The config repository."""
        return self.lane.config

    def run(self, times: int = 2) -> None:
        """Run until nothing is left to do; time passes between the runs."""
        for _ in range(times):
            self.lane.run()
            self.lane.now += timedelta(seconds=1)

    def propose(self, tag: str) -> Shown:
        """A tag is pushed and the lane runs; returns the newest pull request that is open into main."""
        self.lane.push(tag)
        self.run()
        return self.open_ones()[-1]

    def open_ones(self, base: str = "main") -> list[Shown]:
        """What is open into a base branch."""
        return [one for one in self.host.shown() if one.state == "open" and one.base == base]

    def find(self, number: int) -> Shown:
        """One pull request."""
        return next(one for one in self.host.shown() if one.number == number)

    def push_to(self, branch: str, files: Mapping[str, str]) -> str:
        """A person pushes a commit to a branch."""
        before = self.config.head(branch)
        commit = self.config.commit(branch, files)
        self.host.moved(branch, before)
        return commit

    def move(self, branch: str, commit: str, *, is_noticed: bool = True) -> None:
        """A person moves a branch to a commit."""
        before = self.config.head(branch)
        self.config.git("update-ref", f"refs/heads/{branch}", commit)
        if is_noticed:
            self.host.moved(branch, before)

    def delete(self, branch: str) -> None:
        """A person deletes a branch."""
        before = self.config.head(branch)
        self.config.delete_branch(branch)
        self.host.moved(branch, before)

    def merge_by_git(self, branch: str, how: GitMergeKind, *, is_noticed: bool = True) -> str:
        """Ada merges a branch into main in her clone and pushes; returns the commit that did it."""
        main, head = self.config.head("main") or "", self.config.head(branch) or ""
        parents = {"no-ff": ("-p", main, "-p", head), "squash": ("-p", main), "ff": ()}[how]
        commit = head
        if parents:
            tree = self.config.git("merge-tree", "--write-tree", main, head).decode().split("\n", 1)[0]
            commit = self.config.git("commit-tree", tree, *parents, stdin=b"Merge\n").decode().strip()
        self.move("main", commit, is_noticed=is_noticed)
        return commit

    def build(self, tag: str, result: BuildResult = BuildResult.SUCCESS, *, number: int = 1) -> None:
        """A build of this tag ended."""
        told = BuildFinished(
            controller="main",
            job="team/app/main",
            number=number,
            result=result,
            finished_at=self.lane.now,
            artifacts=(Artifact("image", IMAGE, tag, digest(tag)),),
        )
        with self.lane.telling_of(tag) as connection:
            builds.record(connection, told, is_ours=False, source="ci", delivery_id=None, now=self.lane.now)

    def lose(self, tag: str) -> None:
        """A tag is gone from its registry."""
        with self.lane.telling_of(tag) as connection:
            catalogue.note_missing(connection, IMAGE, tag, is_deleted=True, asked_at=self.lane.now)

    def promotion(self, tag: str) -> PromotionRow:
        """The newest promotion of a tag."""
        return next(one for one in self.lane.promotions() if one.tag == tag)

    def states(self) -> dict[str, PromotionState]:
        """Where the newest promotion of each tag stands."""
        return {one.tag: one.state for one in reversed(self.lane.promotions())}

    def events(self, tag: str) -> list[tuple[str, str]]:
        """What happened to the newest promotion of a tag, and by whom."""
        promotion = self.promotion(tag)
        with self.lane.database.transaction() as connection:
            found = promotion_events.of_promotion(connection, promotion.id)
        return [(one.what, one.who) for one in found]

    def held(self) -> list[tuple[str, str | None, tuple[str, ...] | None]]:
        """What is held: by whom, where, which tags."""
        with self.lane.database.transaction() as connection:
            return [(hold.who, hold.stage, hold.tags) for hold in holds.active(connection, LANE)]

    def plan(self) -> PlanDescription:
        """What the last run planned."""
        return PlanDescription.model_validate_json(self.lane_row().plan or "")

    def lane_row(self) -> Any:
        """The lane as the last run left it."""
        with self.lane.database.transaction() as connection:
            return lanes.find(connection, LANE)

    def tag_on(self, branch: str) -> str:
        """The tag in the app's manifest on a branch."""
        line = next(line for line in self.config.text(branch, "apps/app.yaml").splitlines() if "image:" in line)
        return line.partition("#")[0].rpartition(":")[2].strip()

    def forget(self) -> None:
        """The data folder is lost: the database knows nothing of what we did."""
        with self.lane.database.transaction() as connection:
            for name in ("pull_requests", "pushed_heads", "promotions", "promotion_events", "holds", "fields"):
                connection.execute(METADATA.tables[name].delete())


Open = Callable[..., Crew]


@contextmanager
def crews(folder: Path, database: Database, kind: str) -> Iterator[Open]:
    """Opens a lane over files on this kind of forge."""
    if kind == "local":

        def opened(files: Mapping[str, str] = FILES) -> Crew:
            lane = Lane.create(folder, database, files)
            forge: Any = lane.forge
            return Crew(lane, LocalHost(forge))

        yield opened
        return
    with github_server(folder, {"fluxbridge-bot": BOT_TOKEN, MIRA: "ghp_mira"}) as server:

        def opened(files: Mapping[str, str] = FILES) -> Crew:
            lane = Lane.create(folder, database, files)
            server.push("main", files, by=MIRA)
            lane = replace(lane, config=server.repository, forge=connect(server.api_url))
            lane.repository = Mirror(
                Remote(url=server.git_url, credentials=lambda: ("x-access-token", BOT_TOKEN)),
                GitCommand(folder / "github-mirror.git", 30),
                base_branches=["main"],
                prefix="fluxbridge",
                identity=("Fluxbridge", "fluxbridge@localhost"),
            )
            return Crew(lane, GitHubHost(server))

        yield opened
