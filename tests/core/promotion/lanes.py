"""States of a lane for tests of planning, built from real manifests."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cache

from app.core.facts import BuildResult
from app.core.flux.objects import Policy
from app.core.flux.scanning import scan_file
from app.core.flux.tree import FluxTree, assemble
from app.core.policies.selection import compile_policy
from app.core.promotion.holds import Hold, HoldKind
from app.core.promotion.planning import plan
from app.core.promotion.plans import Plan
from app.core.promotion.requests import Request
from app.core.promotion.rules import Rules
from app.core.promotion.rules_reading import read_rules
from app.core.promotion.state import FieldState, LaneState, OpenPullRequest, PolicyState
from app.core.promotion.tags import BuildReport, TagState
from app.core.promotion.text_images import other_images

NOW = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
POLICY = "flux-system/app"
TWO_STAGES = b"""
stages:
  staging: {paths: [apps/staging]}
  production: {paths: [apps/production], requires: {build: success}}
"""


# Laws read the same few files again and again.
_rules, _scanned = cache(read_rules), cache(scan_file)


def digest(tag: str) -> str:
    """A digest of its own for each tag."""
    return "sha256:" + tag.encode().hex().rjust(64, "0")[-64:]


def policy_file(choice: str = "semver: {range: '>=0.0.1-0'}", *, name: str = "app") -> bytes:
    """An ImageRepository and its ImagePolicy."""
    return f"""
apiVersion: image.toolkit.fluxcd.io/v1
kind: ImageRepository
metadata: {{name: {name}, namespace: flux-system}}
spec: {{image: registry.acme.example/team/{name}}}
---
apiVersion: image.toolkit.fluxcd.io/v1
kind: ImagePolicy
metadata: {{name: {name}, namespace: flux-system}}
spec:
  imageRepositoryRef: {{name: {name}}}
  policy: {{{choice}}}
""".encode()


def deployment(tag: str, *, name: str = "app") -> bytes:
    """A manifest with one marked image."""
    image = f"registry.acme.example/team/{name}:{tag}"
    return f'kind: Deployment\nspec:\n  image: {image} # {{"$imagepolicy": "flux-system:{name}"}}\n'.encode()


def report(
    tag: str, result: BuildResult = BuildResult.SUCCESS, *, number: int = 1, is_barred: bool = False
) -> BuildReport:
    """That a build named this tag with its digest."""
    return BuildReport(
        build_id=f"build-{number}",
        job="team/app/main",
        number=number,
        result=result,
        tag=tag,
        digest=digest(tag),
        is_barred=is_barred,
        started_at=None,
        finished_at=NOW - timedelta(minutes=5) + timedelta(seconds=number),
        recorded_at=NOW - timedelta(minutes=4),
    )


def tag_state(
    tag: str, *reports: BuildReport, is_gone: bool = False, age: timedelta = timedelta(minutes=6)
) -> TagState:
    """A tag that was pushed a while ago."""
    return TagState(tag=tag, digest=digest(tag), first_seen_at=NOW - age, is_gone=is_gone, reports=reports)


@dataclass(frozen=True)
class Lane:
    """A lane with one policy, in the words of a test."""

    files: Mapping[str, bytes]
    tags: Sequence[TagState] = ()
    rules: bytes | None = TWO_STAGES
    holds: tuple[Hold, ...] = ()
    requests: tuple[Request, ...] = ()
    pulls: tuple[OpenPullRequest, ...] = ()
    changed_spec: bool = False
    waits_for: str | None = None
    began: Mapping[tuple[str, str, str], datetime] = field(default_factory=dict)
    is_observing: bool = False
    update_every: timedelta = timedelta(0)
    taken: Mapping[str, int | None] = field(default_factory=dict)
    lent: Mapping[str, int] = field(default_factory=dict)

    def state(self) -> LaneState:
        """Read the files as a lane run does."""
        rules = _rules(self.rules)
        tree = assemble({path: _scanned(path, content) for path, content in self.files.items()}, roots=rules.roots)
        return LaneState(
            prefix="fluxbridge",
            base="main",
            rules=rules,
            policies=tuple(self._policy(policy, tree, rules) for policy in tree.policies),
            holds=self.holds,
            requests=self.requests,
            open_pull_requests=self.pulls,
            began=self.began,
            is_observing=self.is_observing,
            update_every=self.update_every,
            taken=self.taken,
            lent=self.lent,
        )

    def plan(self, *, after: timedelta = timedelta(0)) -> Plan:
        """Plan at the time of the tests, or later."""
        return plan(self.state(), NOW + after)

    def _policy(self, policy: Policy, tree: FluxTree, rules: Rules) -> PolicyState:
        others = other_images([one for one in tree.fields if one.policy == policy.name], policy)
        fields = tuple(
            FieldState(one, stage.name, is_same_spec=not self.changed_spec, other_image=others.get(one))
            for one in tree.fields
            if one.policy == policy.name and (stage := rules.stage_of(one.file)) is not None
        )
        if policy.problem is not None:
            return PolicyState(policy=policy, problem=policy.problem, fields=fields)
        assert policy.spec is not None
        compiled = compile_policy(policy.spec)
        known = {one.tag: one for one in self.tags}
        for one in fields:
            if one.own_tag is not None and one.own_tag not in known:
                known[one.own_tag] = tag_state(one.own_tag)
        selection = compiled.select([tag for tag, one in known.items() if not one.is_gone])
        return PolicyState(
            policy=policy,
            compiled=compiled,
            selection=selection,
            waits_for=self.waits_for,
            tags=known,
            fields=fields,
            repository=policy.image,
        )


def app_lane(
    *tags: TagState, staging: str = "1.0.0", production: str = "1.0.0", choice: str = "semver: {range: '>=0.0.1'}"
) -> Lane:
    """One app in two stages."""
    files = {
        "images/app.yaml": policy_file(choice),
        "apps/staging/app.yaml": deployment(staging),
        "apps/production/app.yaml": deployment(production),
    }
    return Lane(files, tags)


def pull(number: int, stage: str, tag: str, *, group: str = POLICY) -> OpenPullRequest:
    """An open pull request of ours."""
    return OpenPullRequest(number=number, stage=stage, group=group, tags={group: tag})


def hold(stage: str, tag: str) -> Hold:
    """A person closed the pull request for this tag."""
    return Hold(
        id="hold-1",
        stage=stage,
        policy=POLICY,
        tags=(tag,),
        kind=HoldKind.CLOSED,
        who="mira",
        why="pull request 3 was closed",
        since=NOW - timedelta(days=1),
    )
