"""People at the fleet's GitHub: they merge, close and reopen what is open there, and what must be so afterwards."""

import random
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from tests.faults.fleets import STAGES, Fleet, Message, manifest_path, tag_in, version
from tests.faults.forge import MIRA, WatchedGitHub
from tests.faults.processes import Fluxbridge
from tests.servers.pulls import NOWHERE, Declined, Pull

Place = tuple[str, str]
_GATED = "production"


@dataclass(slots=True)
class People:
    """Those who act by chance, and builds that come late or fail; `failed` are the (app, tag) of failed builds."""

    fleet: Fleet
    github: WatchedGitHub
    chance: random.Random
    failed: set[tuple[str, str]] = field(default_factory=set)
    _late: list[Message] = field(default_factory=list)

    def push_all(self, number: int) -> Iterator[Message]:
        """The next version of every app: its build is told at once, a round later, or failed."""
        yield from self.reports_left()
        for app in self.fleet.apps:
            tag = f"1.{number}.0"
            how = self.chance.choice(["at once", "late", "late", "failed"])
            if how == "failed":
                self.failed.add((app, tag))
            event, report = self.fleet.push(app, tag, result="FAILURE" if how == "failed" else "SUCCESS")
            yield event
            if how == "late":
                self._late.append(report)
            else:
                yield report

    def reports_left(self) -> Iterator[Message]:
        """The builds that are still to be told."""
        late, self._late = self._late, []
        yield from late

    def act(self) -> None:
        """Somebody does something to one pull request in three."""
        for pull in self.github.pulls():
            if self.chance.random() < 1 / 3:
                try:
                    self._do(pull)
                except Declined:
                    continue  # it was merged, closed or given another branch meanwhile: nobody does it then

    def _do(self, pull: Pull) -> None:
        if not pull.is_open:
            if pull.closed_by == MIRA and pull.merged_by is None and pull.number == self._newest_of(pull):
                self.github.reopen(pull.number, by=MIRA)
        elif self.chance.random() < 2 / 3:
            self.github.merge(pull.number, by=MIRA)
        else:
            self.github.close(pull.number, by=MIRA)

    def _newest_of(self, pull: Pull) -> int:
        return max(one.number for one in self.github.pulls() if one.head == pull.head)

    def nothing_went_back(self) -> None:
        """No push took a branch of ours to a lower tag than it carried, but where that one's build failed."""
        wrong = [
            f"{branch}: {old} to {new}"
            for branch, before, after in self.github.pushed
            if branch.startswith("fluxbridge/") and NOWHERE not in {before, after}
            for (stage, app), old in self._carried(before, after).items()
            for new in [tag_in(self.github.repository.text(after, manifest_path(stage, app)))]
            if version(new) < version(old) and not (stage == _GATED and (app, old) in self.failed)
        ]
        assert not wrong, f"went back: {wrong}"

    def merges_are_known(self, fluxbridge: Fluxbridge) -> None:
        """Each merge is in the history with its number, who did it and the tag that its head carried, once."""
        told = {
            (one["pull_request"]["number"], one["stage"], one["tag"], one["merged_by"])
            for one in fluxbridge.items("/promotions", state="merged")
            if one["pull_request"]
        }
        wanted = {
            (pull.number, stage, tag_in(self.github.repository.text(pull.head_sha, manifest_path(stage, app))), MIRA)
            for pull in self.github.pulls()
            if pull.merged_by is not None and pull.merge_commit is not None
            for stage, app in self._places(f"{pull.merge_commit}^1", pull.merge_commit)
        }
        assert told == wanted, f"not told {wanted - told}, told and not so {told - wanted}"

    def what_is_open_is_right(self) -> None:
        """Each place has the highest tag that may enter and that nobody said no to, or one pull request for it."""
        found: dict[Place, list[str]] = {place: [] for place in self._all_places()}
        for pull in self.github.pulls():
            if pull.is_open:
                for stage, app in self._places(f"{pull.head_sha}^", pull.head_sha):
                    text = self.github.repository.text(pull.head_sha, manifest_path(stage, app))
                    found[stage, app].append(tag_in(text))
        wanted = {place: self._wanted(*place) for place in found}
        wrong = {place: (tags, wanted[place]) for place, tags in found.items() if tags != wanted[place]}
        assert not wrong, f"open and what should be: {wrong}"

    def _wanted(self, stage: str, app: str) -> list[str]:
        present = tag_in(self.github.repository.text("main", manifest_path(stage, app)))
        refused = self._refused(stage, app)
        newest = version(self.fleet.newest[app])[1]
        for tag in (f"1.{number}.0" for number in range(newest, version(present)[1], -1)):
            if tag in refused:
                return []
            if stage != _GATED or (app, tag) not in self.failed:
                return [tag]
        return []

    def _refused(self, stage: str, app: str) -> set[str]:
        """What mira closed, by what it carried, and did not reopen."""
        path = manifest_path(stage, app)
        return {
            tag_in(self.github.repository.text(pull.head_sha, path))
            for pull in self.github.pulls()
            if not pull.is_open and pull.merged_by is None and pull.closed_by == MIRA
            if (stage, app) in self._places(f"{pull.head_sha}^", pull.head_sha)
        }

    def _carried(self, before: str, after: str) -> Mapping[Place, str]:
        """What the commit before carried in the places that it, or the one after, changes over its parent."""
        text = self.github.repository.text
        places = self._places(f"{before}^", before) | self._places(f"{after}^", after)
        return {(stage, app): tag_in(text(before, manifest_path(stage, app))) for stage, app in places}

    def _places(self, before: str, after: str) -> set[Place]:
        text = self.github.repository.text
        return {
            (stage, app)
            for stage, app in self._all_places()
            if text(before, manifest_path(stage, app)) != text(after, manifest_path(stage, app))
        }

    def _all_places(self) -> list[Place]:
        return [(stage, app) for stage in STAGES for app in self.fleet.apps]
