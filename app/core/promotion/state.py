"""The whole present state of a lane, as `plan` sees it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from app.core.flux.objects import Policy, PolicyName
from app.core.flux.tree import Field, Report
from app.core.images import ImageName
from app.core.manifests.places import Part
from app.core.policies.selection import CompiledPolicy, Selection
from app.core.promotion.field_texts import digest_in, tag_in
from app.core.promotion.holds import Hold
from app.core.promotion.requests import Request
from app.core.promotion.rules import Rules
from app.core.promotion.tags import TagState

_SILENT_ON_TAGS = (Part.NAME, Part.DIGEST)


@dataclass(frozen=True, slots=True)
class FieldState:
    """A field with the stage it belongs to.

    `is_same_spec` is false when the policy's spec has changed since the field's present text was first seen there;
    `came_under` is the hash of the spec of then, None for a text that no run has seen yet. `other_image` is the image
    that the text is of, as written, where that is not the policy's: a tag of another image is neither before nor after
    any of the policy's, and no candidate.
    """

    field: Field
    stage: str
    is_same_spec: bool = True
    came_under: str | None = None
    other_image: str | None = None

    @property
    def tag(self) -> str | None:
        """The tag that the field's text names; None where it names none (name and digest fields, odd texts)."""
        return tag_in(self.field.marked.part, self.field.marked.text)

    @property
    def digest(self) -> str | None:
        """The digest that the field's text names."""
        return digest_in(self.field.marked.part, self.field.marked.text)

    @property
    def own_tag(self) -> str | None:
        """The tag of the policy's own image that the field's text names."""
        return self.tag if self.other_image is None else None

    @property
    def shown(self) -> str | None:
        """The tag that it has, with the image where that is another; None where it names no tag."""
        return f"{self.other_image}:{self.tag}" if self.other_image and self.tag else self.tag

    def has(self, tag: str) -> bool:
        """Tell whether nothing that the field's text says of the tag is against it: names and digests say nothing."""
        return self.field.marked.part in _SILENT_ON_TAGS or self.own_tag == tag


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyState:
    """A policy with all that decides about it. `waits_for` is set while its repository is not known in full.

    `is_unlisted` tells that it waits because no list of it was ever whole. `refused` says by stage why none of its
    fields there is set: one of them cannot be. `proposed_digests` are the digests, by tag, that open pull requests of
    ours would bring, `asked_digests` those that a person asked for. `with_changes` is what it selects where tags of
    change requests may enter, None where no stage of its takes them. `barred_tags` are examples of the tags that it
    matches, where only builds of change requests made all of these. `near_misses` are what the files of its fields have
    that looks like a marker and sets nothing. `repository` is its image under its registry's own host.
    """

    policy: Policy
    compiled: CompiledPolicy | None = None
    selection: Selection | None = None
    problem: str | None = None
    waits_for: str | None = None
    is_unlisted: bool = False
    tags: Mapping[str, TagState] = field(default_factory=dict)
    fields: tuple[FieldState, ...] = ()
    refused: Mapping[str, str] = field(default_factory=dict)
    proposed_digests: Mapping[str, str] = field(default_factory=dict)
    asked_digests: Mapping[str, str] = field(default_factory=dict)
    with_changes: Selection | None = None
    barred_tags: tuple[str, ...] = ()
    near_misses: tuple[Report, ...] = ()
    repository: ImageName | None = None

    @property
    def chosen_tags(self) -> tuple[str, ...]:
        """What it selects, in whichever stage."""
        chosen = (one.tag for one in (self.selection, self.with_changes) if one is not None)
        return tuple(dict.fromkeys(tag for tag in chosen if tag is not None))

    @property
    def name(self) -> PolicyName:
        """The policy's name in its lane."""
        return self.policy.name


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenPullRequest:
    """A pull request of ours that is open now, with the tag that its branch's head would bring for each policy.

    `left_because` is set where a person took it over: nothing is pushed to its branch, and it is not closed. `given_at`
    is when we pushed that head. `request` is the one that it carries out, and `ended` why that is open no more.
    """

    number: int
    stage: str
    group: str
    tags: Mapping[str, str]
    branch: str = ""
    left_because: str | None = None
    given_at: datetime | None = None
    request: str | None = None
    ended: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class LaneState:
    """What a lane run looks at: policies, fields, tags, builds, holds and open pull requests at the base head.

    `began` tells since when a (stage, policy, tag) has been wanted: the oldest is proposed first. `taken` are branches
    that hold a person's work, each with the pull request that is open from it; `lent` are those from which one goes
    into another base, with its number. A pull request gets a newer tag at most once in `update_every`. `published` has
    for builds that named tags of policies which move by build all that each published of such: tags by policy.
    `requests` are those that are open, oldest first: of a policy in a stage at most one.
    """

    prefix: str
    base: str
    rules: Rules
    policies: tuple[PolicyState, ...]
    holds: tuple[Hold, ...] = ()
    requests: tuple[Request, ...] = ()
    open_pull_requests: tuple[OpenPullRequest, ...] = ()
    began: Mapping[tuple[str, str, str], datetime] = field(default_factory=dict)
    taken: Mapping[str, int | None] = field(default_factory=dict)
    lent: Mapping[str, int] = field(default_factory=dict)
    is_observing: bool = False
    update_every: timedelta = timedelta(0)
    published: Mapping[str, Mapping[str, frozenset[str]]] = field(default_factory=dict)

    def open_pull_request(self, *, stage: str, group: str) -> OpenPullRequest | None:
        """The one that is open for a place; one that is ours before one that people took over."""
        found = [pull for pull in self.open_pull_requests if (pull.stage, pull.group) == (stage, group)]
        return min(found, key=lambda pull: (pull.left_because is not None, pull.number), default=None)
