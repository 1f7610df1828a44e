"""What a config repository tells about the rules that it will have, and what it leaves open."""

import re
from collections import Counter, defaultdict
from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from app.core.flux.estate import Estate
from app.core.flux.image_objects import read_automation
from app.core.flux.objects import Policy
from app.core.flux.tree import FluxTree
from app.core.flux.written import ScannedFile, WrittenAutomation
from app.core.kustomize.objects import KubeObject
from app.core.promotion.first_rules.stages import FirstStages, propose_stages

# What Kubernetes lets an object be called; anything else may mean more than itself as a pattern.
_POLICY_NAME = re.compile(r"[a-z0-9.-]+/[a-z0-9.-]+")
_GROUP_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,62}")


@dataclass(frozen=True, slots=True)
class FirstRoot:
    """A root with the variables that were given for it, and those that still have no value."""

    path: str
    variables: tuple[tuple[str, str], ...] = ()
    missing: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class FoundAutomation:
    """An ImageUpdateAutomation of Flux as these roots have it; no roots: as it is written, and no root brings it in."""

    written: WrittenAutomation
    file: str
    roots: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class FirstGroup:
    """Policies (`namespace/name`) that an automation brings together so far."""

    name: str
    policies: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Unusable:
    """Why policies cannot be used, and which; all of them in clusters, or all in none that is known."""

    why: str
    is_nowhere: bool
    policies: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class FirstRules:
    """Rules to begin with, and all that a person should decide about them. `fields` counts those of each file.

    `roots` are empty where no Kustomization tells any.
    """

    roots: tuple[FirstRoot, ...]
    stages: FirstStages
    fields: Mapping[str, int]
    automations: tuple[FoundAutomation, ...]
    policies: int
    unusable: tuple[Unusable, ...]
    groups: tuple[FirstGroup, ...] = ()

    @property
    def active_automations(self) -> frozenset[tuple[str, str, str]]:
        """The ImageUpdateAutomations that write today: file, namespace and name."""
        active = (one for one in self.automations if one.roots and not one.written.is_suspended)
        return frozenset((one.file, one.written.namespace, one.written.name) for one in active)

    def count(self, files: Sequence[str]) -> int:
        """How many fields these files have."""
        return sum(self.fields[file] for file in files)


def propose_rules(
    tree: FluxTree,
    estate: Estate,
    files: Mapping[str, ScannedFile],
    variables: Mapping[str, Mapping[str, str]] | None = None,
) -> FirstRules:
    """Propose rules for a tree, of whose clusters these variables are known, by root."""
    fields = Counter([*(one.file for one in tree.fields), *(one.file for one in tree.refused)])
    # What only lies below a folder that is built counts for nothing here: nobody applies it.
    reached = estate.policies.roots.exact
    automations = tuple(_automations(estate, files))
    return FirstRules(
        roots=tuple(_roots(estate, variables or {})),
        stages=propose_stages(fields, {file: reached.holding(file) for file in fields}, estate.roots),
        fields=fields,
        automations=automations,
        groups=tuple(_groups(automations, tree.policies)),
        policies=len(tree.policies),
        unusable=tuple(_unusable(tree.policies, reached)),
    )


def _unusable(policies: Iterable[Policy], reached: Container[str]) -> Iterator[Unusable]:
    """Those that most policies share come first."""
    found: dict[tuple[str, bool], list[str]] = defaultdict(list)
    for one in policies:
        if one.problem is not None:
            found[one.problem, one.file not in reached].append(str(one.name))
    for (why, is_nowhere), names in sorted(found.items(), key=lambda item: (-len(item[1]), item[0])):
        yield Unusable(why, is_nowhere, tuple(sorted(names)))


def _roots(estate: Estate, variables: Mapping[str, Mapping[str, str]]) -> Iterator[FirstRoot]:
    if all(cluster.by_itself is not None and not cluster.root for cluster in estate.clusters):
        return
    missing: dict[str, set[str]] = defaultdict(set)
    for one in estate.waiting:
        if one.root is not None:
            missing[one.root].add(one.variable)
    for root in estate.roots:
        given = variables.get(root, {})
        yield FirstRoot(root, tuple(sorted(given.items())), tuple(sorted(missing[root] - given.keys())))


def _groups(automations: Iterable[FoundAutomation], policies: Sequence[Policy]) -> Iterator[FirstGroup]:
    """What automations select by labels, or push to a branch of their own; a policy that several select is in none.

    Of two automations that would give one name the first by namespace has it.
    """
    members: dict[tuple[str, str], set[str]] = defaultdict(set)
    for one in automations:
        written = one.written
        if one.roots and (written.selector or written.push_branch):
            members[written.namespace, written.name] |= set(_selected(written, policies))
    claims = Counter(policy for its in members.values() for policy in its)
    names: set[str] = set()
    for (_, automation), its in sorted(members.items()):
        name = automation.replace(".", "-")
        alone = tuple(sorted(policy for policy in its if claims[policy] == 1))
        if len(alone) > 1 and name not in names and _GROUP_NAME.fullmatch(name):
            names.add(name)
            yield FirstGroup(name, alone)


def _selected(written: WrittenAutomation, policies: Iterable[Policy]) -> Iterator[str]:
    for one in policies:
        name, labels = f"{one.name.namespace}/{one.name.name}", dict(one.labels)
        is_its = one.name.namespace == written.namespace and all(each.admits(labels) for each in written.selector)
        if is_its and _POLICY_NAME.fullmatch(name):
            yield name


def _automations(estate: Estate, files: Mapping[str, ScannedFile]) -> Iterator[FoundAutomation]:
    roots: dict[tuple[str, WrittenAutomation], list[str]] = defaultdict(list)
    for cluster in estate.clusters:
        for one in cluster.applied:
            if one.one.kind == "ImageUpdateAutomation":
                roots[one.one.file, read_automation(one.one.value)].append(cluster.root)
    brought_in = {file for file, _ in roots}
    for file, scanned in files.items():
        for value in scanned.flux.objects if file not in brought_in else ():
            if KubeObject.of(value, file).kind == "ImageUpdateAutomation":
                roots[file, read_automation(value)] = []
    for file, written in sorted(roots, key=lambda one: (one[0], one[1].namespace, one[1].name, roots[one])):
        yield FoundAutomation(written, file, tuple(dict.fromkeys(roots[file, written])))
