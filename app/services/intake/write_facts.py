"""Write facts down: builds, pushes, moved branches, pull requests and applied revisions; and what is owed to them."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import assert_never
from urllib.parse import unquote

from sqlalchemy import Connection

from app.core.builds.change_requests import change_request_of
from app.core.facts import (
    Artifact,
    BranchMoved,
    BuildFinished,
    ImagePushed,
    PullRequestChanged,
    RevisionApplied,
    RevisionUnderway,
)
from app.core.images import ImageName, is_tag
from app.core.promotion.branches import is_of_base, is_under
from app.db import builds, catalogue, lanes, owed_answers, pushed_heads, pushes, revisions
from app.db.owed_answers import NewlyOwed, OwedAnswer
from app.db.pushes import NewPush
from app.services.catalogue.keep_selections import keep_all_selections
from app.services.catalogue.ready_policies import ReadyPolicies
from app.services.intake.deployments import deployment_of
from app.services.intake.gather import Gathered, Question
from app.services.systems import ConfigRepo, Source, Systems

_GRACE = timedelta(seconds=10)


@dataclass(frozen=True, slots=True)
class Written:
    """What came of writing facts: the lanes that they concern, those of them that are due now, and what is owed.

    The others are due once a registry has answered, or could not.
    """

    lanes: frozenset[str]
    due: frozenset[str]
    owed: tuple[OwedAnswer, ...]


@dataclass(frozen=True, slots=True)
class FactWriter:
    """Writes facts of one source down within one transaction; collects the lanes and the tags that they concern.

    `delivery_id` is None where no delivery brought them. `received_at` is when they were heard of, or asked for.
    `ignored` tells what is written down and counts for nothing.
    """

    connection: Connection
    systems: Systems
    source: Source
    delivery_id: str | None
    now: datetime
    received_at: datetime
    touched: dict[ImageName, set[str]] = field(default_factory=lambda: defaultdict(set))
    pushed: list[NewPush] = field(default_factory=list)
    ignored: list[str] = field(default_factory=list)
    deployed: list[RevisionApplied] = field(default_factory=list)

    def write(self, gathered: Gathered, ready: ReadyPolicies) -> Written:
        """Write everything down, move the stored choices along and mark lanes due. Idempotent."""
        return write_together([(self, gathered)], ready)[0]

    def write_gathered(self, gathered: Gathered) -> set[str]:
        """Write down what was gathered, but for its builds; returns lanes.

        The caller holds the images, and writes down what was pushed.
        """
        keys = {key for one in self.deployed for key in self._told_by_cluster(one)}
        for fact in gathered.facts:
            match fact:
                case BuildFinished():
                    self._build(fact)
                case ImagePushed():
                    self._push(fact)
                case BranchMoved():
                    keys |= self._branch(fact)
                case PullRequestChanged():
                    keys |= self._pull_request(fact)
                case RevisionApplied() | RevisionUnderway():
                    keys |= self._told_by_cluster(fact)
                case _:
                    assert_never(fact)
        return keys

    def owed_by(self, question: Question) -> NewlyOwed:
        """What a registry is to be asked, as it is written down."""
        return NewlyOwed(
            image=question.image,
            reference=question.reference,
            is_deletion=question.is_deletion,
            source=self.source.name,
            delivery_id=self.delivery_id,
            at=self.now,
        )

    def record_build(self, told: BuildFinished) -> Sequence[Artifact]:
        """Record a build; returns all that it named, now or before."""
        build = replace(told, change_id=change_request_of(told))
        recorded = builds.record(
            self.connection,
            build,
            is_ours=self._is_ours(build),
            source=self.source.name,
            delivery_id=self.delivery_id,
            now=self.now,
            received_at=self.received_at,
        )
        if self.source.is_deployer:
            self._note_deployment(recorded.build_id, told)
        return builds.artifacts_of(self.connection, recorded.build_id)

    def _note_deployment(self, build_id: str, told: BuildFinished) -> None:
        """What follows for the source's cluster from all that is known of a deployer's build.

        Its commit is the one that this source's config repository had, of a job that deploys several.
        """
        known, repo = builds.find(self.connection, build_id), self._config_repo()
        if known is None or repo is None:
            return
        build = replace(known, commit=told.commit or known.commit, branch=told.branch or known.branch)
        found = deployment_of(build, self.source, self.systems, repo, received_at=self.received_at)
        if isinstance(found, RevisionApplied):
            self.deployed.append(found)
        else:
            self.ignored.append(found)

    def touch_build(self, artifact: Artifact) -> None:
        """What a build says counts for the tag that it named and for every tag of that digest."""
        self.touched[artifact.image].add(artifact.tag)
        if artifact.digest is not None:
            self.touched[artifact.image] |= set(catalogue.tags_with(self.connection, artifact.image, [artifact.digest]))

    def _build(self, build: BuildFinished) -> None:
        for artifact in build.artifacts:
            self._note_push(artifact.image, artifact.tag, artifact.digest, at=build.finished_at)

    def _push(self, push: ImagePushed) -> None:
        self._note_push(push.image, push.tag, push.digest, at=push.at)

    def _note_push(self, image: ImageName, tag: str, digest: str | None, *, at: datetime | None) -> None:
        if is_tag(tag):
            self.touched[image].add(tag)
            self.pushed.append(
                NewPush(
                    image=image,
                    tag=tag,
                    digest=digest,
                    at=at,
                    told_at=self.received_at,
                    seen_at=self.now,
                    source=self.source.name,
                    delivery_id=self.delivery_id,
                )
            )

    def _branch(self, moved: BranchMoved) -> set[str]:
        keys: set[str] = set()
        for repo in self._repos_at(moved.repository):
            if moved.branch in repo.branches:
                keys.add(lanes.key_of(repo.name, moved.branch))
            elif is_under(repo.prefix, moved.branch):
                keys |= {lanes.key_of(repo.name, branch) for branch in repo.branches}
        return keys

    def _pull_request(self, changed: PullRequestChanged) -> set[str]:
        """The lane that it goes into, and the one that it is of, whatever base a person gave it."""
        is_own = (changed.head_repository or "").casefold() == changed.repository.casefold()
        return {
            lanes.key_of(repo.name, branch)
            for repo in self._repos_at(changed.repository)
            for branch in repo.branches
            if branch == changed.base_branch or (is_own and is_of_base(repo.prefix, branch, changed.head_branch))
        }

    def _told_by_cluster(self, told: RevisionApplied | RevisionUnderway) -> set[str]:
        repo = self._config_repo()
        if repo is None:
            return set()
        match told:
            case RevisionApplied():
                return self._revision(told, repo)
            case RevisionUnderway():
                at, root = self.received_at, self.source.root
                revisions.note_underway(self.connection, told, repo=repo.name, root=root, received_at=at)
                return set()

    def _config_repo(self) -> ConfigRepo | None:
        """The one that the source's cluster applies."""
        repo = self.systems.config_repos.get(self.source.config_repo or "")
        if repo is None:
            self.ignored.append(f"source {self.source.name} names no config repository of this server")
        return repo

    def _revision(self, applied: RevisionApplied, repo: ConfigRepo) -> set[str]:
        is_new = revisions.note(
            self.connection,
            applied,
            repo=repo.name,
            root=self.source.root,
            received_at=self.received_at,
            delivery_id=self.delivery_id,
        )
        if is_new:
            return {lanes.key_of(repo.name, branch) for branch in repo.branches}
        known = revisions.find(self.connection, applied)
        if known is not None and known.unused is not None:
            self.ignored.append(known.unused)
        return set()

    def _repos_at(self, forge_repository: str) -> Iterable[ConfigRepo]:
        return filter(self.source.may_report_on, self.systems.config_repos_at(forge_repository))

    def _is_ours(self, build: BuildFinished) -> bool:
        """Tell a build of our own branch or commit: Jenkins and we must not feed each other."""
        branches = {build.branch or "", unquote(build.job.rsplit("/", 1)[-1])}
        prefixes = [repo.prefix for repo in self.systems.config_repos.values()]
        if any(is_under(prefix, branch) for prefix in prefixes for branch in branches):
            return True
        return build.commit is not None and pushed_heads.is_known(self.connection, build.commit)


def write_together(parts: Sequence[tuple[FactWriter, Gathered]], ready: ReadyPolicies) -> Sequence[Written]:
    """Write down what several deliveries told, in one transaction that all the writers share.

    Builds are recorded first and images held next, both in an order that two transactions share.
    """
    connection, now = parts[0][0].connection, parts[0][0].now
    named = _record_builds(parts)
    images = {artifact.image for _, artifact in named}.union(*(_images_of(gathered) for _, gathered in parts))
    catalogue.lock(connection, images, now)
    for writer, artifact in named:
        writer.touch_build(artifact)
    keys = [writer.write_gathered(gathered) for writer, gathered in parts]
    pushes.record(connection, [push for writer, _ in parts for push in writer.pushed])
    touched: dict[ImageName, set[str]] = defaultdict(set)
    for writer, _ in parts:
        for image, tags in writer.touched.items():
            touched[image] |= tags
    keep_all_selections(connection, ready, touched)
    lanes_of = lanes.lanes_of_images(connection, images)
    questions = [(writer, question) for writer, gathered in parts for question in gathered.questions]
    answers = owed_answers.owe(connection, [writer.owed_by(question) for writer, question in questions], grace=_GRACE)
    owed = {(one.image, one.reference): one for one in answers}
    written = [_written(*part, own, lanes_of, owed) for part, own in zip(parts, keys, strict=True)]
    lanes.raise_wanted(connection, frozenset[str]().union(*(one.due for one in written)), now=now)
    return written


def _record_builds(parts: Sequence[tuple[FactWriter, Gathered]]) -> Sequence[tuple[FactWriter, Artifact]]:
    told = [(writer, fact) for writer, one in parts for fact in one.facts if isinstance(fact, BuildFinished)]
    told.sort(key=lambda one: (one[1].controller, one[1].job, one[1].number))
    return [(writer, artifact) for writer, build in told for artifact in writer.record_build(build)]


def _images_of(gathered: Gathered) -> set[ImageName]:
    pushed = {fact.image for fact in gathered.facts if isinstance(fact, ImagePushed)}
    return pushed | {question.image for question in gathered.questions}


def _written(
    writer: FactWriter,
    gathered: Gathered,
    keys: set[str],
    lanes_of: Mapping[ImageName, Sequence[str]],
    owed: Mapping[tuple[ImageName, str], OwedAnswer],
) -> Written:
    asked = {question.image for question in gathered.questions}
    due = keys.union(*(lanes_of[image] for image in writer.touched if image not in asked))
    concerned = due.union(*(lanes_of[image] for image in asked))
    places = sorted({(question.image, question.reference) for question in gathered.questions})
    return Written(frozenset(concerned), frozenset(due), tuple(owed[place] for place in places))
