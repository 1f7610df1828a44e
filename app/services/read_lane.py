"""Read a lane at its base head: rules, Flux's objects, fields, and what the database knows about each policy."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection

from app.core.flux.objects import Policy
from app.core.flux.tree import Field, FluxTree, Report, assemble
from app.core.images import ImageName
from app.core.policies.selection import CompiledPolicy, InvalidPolicy
from app.core.ports import ConfigRepository, TreeEntry
from app.core.promotion.gates import BuildReport, TagState, is_admissible
from app.core.promotion.rules import RULES_FILE, InvalidRules, Rules, read_rules
from app.core.promotion.state import FieldState, PolicyState
from app.db import builds, catalogue, fields
from app.db.catalogue import KnownTag
from app.services.ready_policies import ReadyPolicies
from app.services.scans import REGULAR_FILES, Scans
from app.services.systems import Systems

Texts = dict[tuple[str, str, str], set[str]]


@dataclass(frozen=True, slots=True, kw_only=True)
class LaneView:
    """A config repository at one commit, as its rules and Flux's objects describe it."""

    commit: str
    committed_at: datetime
    entries: Mapping[str, TreeEntry]
    rules: Rules
    rules_problem: str | None
    tree: FluxTree
    staged: tuple[tuple[Field, str], ...]
    reports: tuple[Report, ...]


def view_at(repository: ConfigRepository, scans: Scans, commit: str, *, are_rules_required: bool = False) -> LaneView:
    """Read one commit. Unreadable rules are a problem of the view, not an error."""
    entries = repository.tree(commit)
    rules, problem = _rules_at(repository, entries, are_rules_required=are_rules_required)
    tree = assemble(scans.of(repository, entries), roots=rules.roots)
    staged: list[tuple[Field, str]] = []
    reports = list(tree.reports)
    for one in tree.fields:
        stage = rules.stage_of(one.file)
        if stage is None:
            reports.append(Report(one.file, one.marked.line, f"sets {one.policy}, but is in no stage: not edited"))
        else:
            staged.append((one, stage.name))
    return LaneView(
        commit=commit,
        committed_at=repository.commit(commit).committed_at,
        entries=entries,
        rules=rules,
        rules_problem=problem,
        tree=tree,
        staged=tuple(staged),
        reports=tuple(reports),
    )


def _rules_at(
    repository: ConfigRepository, entries: Mapping[str, TreeEntry], *, are_rules_required: bool
) -> tuple[Rules, str | None]:
    entry = entries.get(RULES_FILE)
    if entry is None:
        missing = f"{RULES_FILE} is not on the base branch, and the server says `rules: required`"
        return Rules(), missing if are_rules_required else None
    if entry.mode not in REGULAR_FILES:
        return Rules(), f"{RULES_FILE} is not a regular file"
    try:
        return read_rules(repository.blobs([entry.blob])[entry.blob]), None
    except InvalidRules as error:
        return Rules(), str(error)


@dataclass(frozen=True, slots=True)
class ImageKnowledge:
    """What the database knows of one repository; None instead of it: it was never listed in full."""

    tags: tuple[KnownTag, ...]
    reports: tuple[BuildReport, ...]


Knowledge = Mapping[ImageName, ImageKnowledge | None]


def images_of(view: LaneView, systems: Systems) -> list[ImageName]:
    """The repositories that a view's policies choose from, where their registry is configured."""
    found = {systems.known_as(policy.image) for policy in view.tree.policies if policy.image is not None}
    return sorted(image for image in found if systems.registry_of(image) is not None)


def read_image(connection: Connection, image: ImageName) -> ImageKnowledge | None:
    """Read what is known of one repository."""
    if not catalogue.is_listed(connection, image):
        return None
    return ImageKnowledge(tuple(catalogue.tags_of(connection, image)), tuple(builds.reports_of(connection, image)))


def read_texts(connection: Connection, lane: str) -> Texts:
    """Read under which specs each field's text was first seen, by policy, file and text."""
    texts: Texts = defaultdict(set)
    for row in fields.of(connection, lane):
        texts[row.policy, row.file, row.text].add(row.spec_hash)
    return texts


def policy_states(connection: Connection, lane: str, view: LaneView, systems: Systems) -> tuple[PolicyState, ...]:
    """Every policy of a view as `judge` sees it, all read in one transaction: for views of few policies."""
    knowledge = {image: read_image(connection, image) for image in images_of(view, systems)}
    return judge(view, systems, knowledge, read_texts(connection, lane), ReadyPolicies())


def judge(
    view: LaneView, systems: Systems, knowledge: Knowledge, texts: Texts, ready: ReadyPolicies
) -> tuple[PolicyState, ...]:
    """Every policy of a view with its fields, its tags and its selection."""
    by_policy: dict[str, list[tuple[Field, str]]] = defaultdict(list)
    for one, stage in view.staged:
        by_policy[str(one.policy)].append((one, stage))
    states: list[PolicyState] = []
    for policy in view.tree.policies:
        staged = by_policy.get(str(policy.name), [])
        states.append(_judge_policy(policy, staged, view, texts, _Known(systems, knowledge, ready)))
    return tuple(states)


@dataclass(frozen=True, slots=True)
class _Known:
    systems: Systems
    images: Knowledge
    ready: ReadyPolicies


def _judge_policy(
    policy: Policy, staged: Sequence[tuple[Field, str]], view: LaneView, texts: Texts, known: _Known
) -> PolicyState:
    compiled, problem = _compile(policy, known.ready)
    if compiled is None or policy.image is None:
        return PolicyState(policy=policy, problem=problem, fields=tuple(FieldState(one, st) for one, st in staged))
    states = tuple(_field_state(policy, one, stage, texts) for one, stage in staged)
    image = known.systems.known_as(policy.image)
    if known.systems.registry_of(image) is None:
        return PolicyState(policy=policy, compiled=compiled, waits_for="registry not configured", fields=states)
    knowledge = known.images[image]
    if knowledge is None:
        return PolicyState(policy=policy, compiled=compiled, waits_for="catalogue not listed", fields=states)
    tags = _tag_states(knowledge)
    in_git = {one.tag for one in states if one.tag is not None}
    for tag in in_git - tags.keys():
        tags[tag] = TagState(tag=tag, digest=None, first_seen_at=view.committed_at)
    candidates = [tag for tag, one in tags.items() if not one.is_gone and (tag in in_git or is_admissible(one))]
    return PolicyState(
        policy=policy, compiled=compiled, selection=compiled.select(candidates), tags=tags, fields=states
    )


def _compile(policy: Policy, ready: ReadyPolicies) -> tuple[CompiledPolicy | None, str | None]:
    if policy.problem is not None or policy.spec is None:
        return None, policy.problem or "the policy says nothing to choose by"
    try:
        return ready.of(policy.spec), None
    except InvalidPolicy as error:
        return None, str(error)


def spec_hash(policy: Policy) -> str:
    """What a text in Git came under: the policy's spec and the image that it names."""
    return f"{policy.spec.fingerprint() if policy.spec else 'none'}:{policy.image_text}"


def _field_state(policy: Policy, one: Field, stage: str, texts: Texts) -> FieldState:
    known = texts.get((str(policy.name), one.file, one.marked.text), set())
    present = spec_hash(policy)
    came_under = present if not known or present in known else min(known)
    return FieldState(one, stage, is_same_spec=came_under == present, came_under=came_under)


def _tag_states(knowledge: ImageKnowledge) -> dict[str, TagState]:
    by_tag: dict[str, list[BuildReport]] = defaultdict(list)
    by_digest: dict[str, list[BuildReport]] = defaultdict(list)
    for report in knowledge.reports:
        by_tag[report.tag].append(report)
        if report.digest is not None:
            by_digest[report.digest].append(report)
    states: dict[str, TagState] = {}
    for known in knowledge.tags:
        reports = {
            (one.build_id, one.tag, one.digest): one
            for one in [*by_tag.get(known.tag, []), *by_digest.get(known.digest or "", [])]
        }
        states[known.tag] = TagState(
            tag=known.tag,
            digest=known.digest,
            first_seen_at=known.first_seen_at,
            is_gone=known.is_gone,
            reports=tuple(reports.values()),
        )
    return states
