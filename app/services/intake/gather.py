"""Ask Jenkins and the registries what unsigned senders only hinted at, before anything is written down."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Literal, assert_never

from app.core.builds.change_requests import change_request_of
from app.core.errors import NotFound, Unavailable
from app.core.facts import (
    Artifact,
    BranchMoved,
    BuildFinished,
    BuildMentioned,
    BuildResult,
    Fact,
    ImagePushed,
    PullRequestChanged,
    RevisionApplied,
    RevisionUnderway,
    TagDeleted,
)
from app.core.images import ImageName, InvalidImage, is_hinted_digest, is_tag
from app.core.receipt import no_later_than
from app.services.intake.deployments import with_deployed_commit
from app.services.systems import Source, Systems

PART = 100
"""So many facts and questions are small enough for one transaction."""
_LONGEST_RUN = timedelta(hours=24)
Settled = BuildFinished | ImagePushed | BranchMoved | PullRequestChanged | RevisionApplied | RevisionUnderway


class StillRunning(Unavailable):
    """Jenkins says that a build which was reported as ended is still running."""

    def __init__(self, fact: BuildMentioned) -> None:
        super().__init__(f"build {fact.job} #{fact.number} is still running; it is looked at again")


@dataclass(frozen=True, slots=True)
class Question:
    """What a registry has to be asked, for somebody only hinted at it: a tag, a digest, or with "" the repository."""

    image: ImageName
    reference: str
    is_deletion: bool = False


@dataclass(slots=True)
class Gathered:
    """Facts that count, what the registries have to say to them, and what was left out with the reason.

    `limits` are the limits of the source that something was left out for, once for each thing.
    """

    facts: list[Settled] = field(default_factory=list)
    questions: list[Question] = field(default_factory=list)
    ignored: list[str] = field(default_factory=list)
    limits: list[str] = field(default_factory=list)

    @property
    def size(self) -> int:
        """How much there is to write down."""
        return len(self.facts) + len(self.questions)

    def refuse(self, source: Source, limit: Literal["jobs", "images", "config_repo"], what: str) -> None:
        """Leave out what a source may not speak for."""
        self.limits.append(limit)
        self.ignored.append(f"source {source.name} may not speak for {what}")

    def join(self, other: "Gathered") -> None:
        """Take in what was gathered besides."""
        self.facts += other.facts
        self.questions += other.questions
        self.ignored += other.ignored
        self.limits += other.limits


def gather(
    facts: Iterable[Fact], source: Source, systems: Systems, *, received_at: datetime, now: datetime
) -> Sequence[Gathered]:
    """Settle every fact of a delivery; a few facts together, each with what a registry has to be asked for it.

    Each part is small enough for one transaction, and there is one at least. Raises Unavailable or Refused when a
    Jenkins cannot be asked; no registry is asked here, and so none holds a delivery up.
    """
    parts = [Gathered()]
    for told in facts:
        found, fact = Gathered(), no_later_than(received_at, told)
        match fact:
            case BuildMentioned() | BuildFinished() if not source.may_report_job(fact.job):
                found.refuse(source, "jobs", _build_words(fact, systems))
            case BuildMentioned():
                read_back = _read_back(fact, systems, age=now - received_at)
                settle_build(_reported(no_later_than(now, read_back), fact), source, systems, found)
            case BuildFinished():
                settle_build(fact, source, systems, found)
            case ImagePushed():
                _settle_push(replace(fact, image=systems.known_as(fact.image)), source, systems, found)
            case TagDeleted():
                _settle_deletion(replace(fact, image=systems.known_as(fact.image)), source, systems, found)
            case BranchMoved() | PullRequestChanged():
                _settle_forge_event(fact, source, systems, found)
            case RevisionApplied() | RevisionUnderway():
                found.facts.append(fact)
            case _:
                assert_never(fact)
        if parts[-1].size >= PART:
            parts.append(Gathered())
        parts[-1].join(found)
    return parts


def _build_words(fact: BuildMentioned | BuildFinished, systems: Systems) -> str:
    """A job, with the images that its build would have counted for."""
    report = fact if isinstance(fact, BuildFinished) else fact.report
    named = report.artifacts if report is not None else ()
    images = ", ".join(f"{systems.known_as(one.image)}:{one.tag}" for one in named)
    return f"job {fact.job}" + (f", so not for {images}" if images else "")


def _settle_forge_event(
    fact: BranchMoved | PullRequestChanged, source: Source, systems: Systems, found: Gathered
) -> None:
    """What a forge tells counts for our config repositories only: webhooks of an organisation tell of all there are."""
    repos = list(systems.config_repos_at(fact.repository))
    if any(map(source.may_report_on, repos)):
        found.facts.append(fact)
    elif repos:
        found.refuse(source, "config_repo", f"repository {fact.repository}")
    else:
        found.ignored.append(f"no config repository is {fact.repository}; was it renamed, or its forge.repository?")


def _read_back(fact: BuildMentioned, systems: Systems, *, age: timedelta) -> BuildFinished:
    """The build as Jenkins tells it; `unknown` where Jenkins has it no more or it never ends."""
    unknown = BuildFinished(controller=fact.controller, job=fact.job, number=fact.number, result=BuildResult.UNKNOWN)
    try:
        build = systems.jenkins[fact.controller].build(fact.job, fact.number)
    except NotFound:
        return unknown
    if build is None:
        if age < _LONGEST_RUN and not _is_of_running_build(fact):
            raise StillRunning(fact)
        return unknown
    return with_named_image(build)


def _is_of_running_build(fact: BuildMentioned) -> bool:
    """Whether it is a report that names no result, so that nothing has to be waited for."""
    return fact.report is not None and fact.report.result is BuildResult.UNKNOWN


def _reported(build: BuildFinished, fact: BuildMentioned) -> BuildFinished:
    """A build as Jenkins tells it, with what only the build itself knows. It says nothing that Jenkins can say.

    A change request is believed as well: it only ever bars what the build published.
    """
    report = fact.report
    if report is None:
        return build
    return replace(
        build,
        change_id=build.change_id or change_request_of(report),
        tests=build.tests or report.tests,
        parameters={**report.parameters, **build.parameters},
        artifacts=report.artifacts,
    )


def with_named_image(build: BuildFinished) -> BuildFinished:
    """A build as Jenkins tells it, with the image that its parameters name, if they do."""
    artifact = _named_in_parameters(build)
    return replace(build, artifacts=(artifact,)) if artifact else build


def _named_in_parameters(build: BuildFinished) -> Artifact | None:
    """The image that a build names in its parameters IMAGE, IMAGE_TAG and IMAGE_DIGEST, as Jenkins shows them."""
    name, tag = build.parameters.get("IMAGE"), build.parameters.get("IMAGE_TAG")
    digest = build.parameters.get("IMAGE_DIGEST") or None
    if not name or not tag or not is_tag(tag) or (digest is not None and not is_hinted_digest(digest)):
        return None
    try:
        return Artifact("image", ImageName.parse(name), tag, digest)
    except InvalidImage:
        return None


def settle_build(build: BuildFinished, source: Source, systems: Systems, found: Gathered) -> None:
    """Add a build to what was found, with those of its images that the source may speak for.

    A job that deploys makes none, whoever tells of it.
    """
    deployers = systems.deployers_of(build.controller, build.job)
    if deployers:
        _settle_deployment(build, source, deployers[0], systems, found)
        return
    kept: list[Artifact] = []
    for named in build.artifacts:
        artifact = replace(named, image=systems.known_as(named.image))
        if not source.may_report_image(artifact.image):
            found.refuse(source, "images", f"image {artifact.image}:{artifact.tag}")
            continue
        kept.append(artifact)
        _ask(Question(artifact.image, artifact.tag), systems, found)
    found.facts.append(replace(build, artifacts=tuple(kept)))


def _settle_deployment(
    build: BuildFinished, source: Source, deployer: Source, systems: Systems, found: Gathered
) -> None:
    named = ", ".join(f"{systems.known_as(one.image)}:{one.tag}" for one in build.artifacts)
    if named:
        found.ignored.append(f"job {build.job} deploys (sources.{deployer.name}), so its builds make no image: {named}")
    deployed = with_deployed_commit(build, source, systems) if source.is_deployer else build
    found.facts.append(replace(deployed, artifacts=()))


def _settle_push(push: ImagePushed, source: Source, systems: Systems, found: Gathered) -> None:
    if not source.may_report_image(push.image):
        found.refuse(source, "images", f"image {push.image}:{push.tag}")
        return
    found.facts.append(push)
    _ask(Question(push.image, push.tag), systems, found)


def _settle_deletion(deletion: TagDeleted, source: Source, systems: Systems, found: Gathered) -> None:
    """A deletion counts once the registry no longer has the tag: the sender is a hint like any other."""
    if not source.may_report_image(deletion.image):
        found.refuse(source, "images", f"image {deletion.image}{f':{deletion.tag}' if deletion.tag else ''}")
        return
    reference = deletion.tag or deletion.digest or ""
    if not _ask(Question(deletion.image, reference, is_deletion=True), systems, found):
        found.ignored.append(f"no registry is configured that could say what {deletion.image} still has")


def _ask(question: Question, systems: Systems, found: Gathered) -> bool:
    is_askable = systems.registry_of(question.image) is not None
    if is_askable:
        found.questions.append(question)
    return is_askable
