"""Which policies a tree has, and which of them a marker means."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from posixpath import commonpath, dirname

from app.core.flux.clusters import Applied, Cluster
from app.core.flux.image_objects import read_policy, read_repository
from app.core.flux.objects import Policy, PolicyName
from app.core.flux.reach import Below, Reached
from app.core.flux.spec_texts import Unreadable
from app.core.flux.substitution import variables_in
from app.core.flux.written import WrittenPolicy, WrittenRepository
from app.core.images import ImageName, InvalidImage
from app.core.kustomize.objects import KubeObject

WAITS = "it waits for the variable"
NO_NAMESPACE = (
    "it has no namespace: neither metadata.namespace nor a kustomization.yaml nor a targetNamespace names one; add "
    "metadata.namespace"
)


@dataclass(frozen=True, slots=True)
class Roots:
    """What the roots of a tree reach, turned round: which roots reach a file.

    A file that no build names belongs to the roots that build a folder above it.
    """

    exact: Reached
    loose: Below

    @classmethod
    def of(cls, clusters: Sequence[Cluster]) -> "Roots":
        """Index what each root builds."""
        exact = Reached((cluster.root, build) for cluster in clusters for build in cluster.builds())
        return cls(exact, Below({cluster.root: cluster.folders() for cluster in clusters}))

    def reaching(self, file: str) -> frozenset[str]:
        """The roots that bring a file into their cluster."""
        return self.exact.holding(file) or self.loose.holding(file)

    def may_share(self, file: str, other: str) -> bool:
        """Tell whether two files may be in one cluster: a root reaches both, or none is known to reach one of them."""
        one, another = self.reaching(file), self.reaching(other)
        return bool(one & another) or not one or not another

    def owner_of(self, file: str) -> str:
        """The root part of the name of an object in this file: its one root, else its folder."""
        roots = self.reaching(file)
        return next(iter(roots)) if len(roots) == 1 else dirname(file)


@dataclass(frozen=True, slots=True)
class Waiting:
    """An object that waits for a variable whose value is not known in a root; None: no root brings it in."""

    variable: str
    root: str | None
    what: str


@dataclass(frozen=True, slots=True)
class _Rooted:
    """A policy, and the roots that have it so."""

    policy: Policy
    roots: frozenset[str]


@dataclass(frozen=True, slots=True)
class Policies:
    """Every policy of a tree; two objects of one full name are one policy that cannot be used."""

    roots: Roots
    all: tuple[Policy, ...]
    waiting: tuple[Waiting, ...]
    _objects: Mapping[tuple[str, str], Sequence[_Rooted]] = field(repr=False)
    _elsewhere: Mapping[tuple[str, str], str] = field(default_factory=dict, repr=False)

    def meant_by(self, namespace: str, policy: str, file: str) -> Policy:
        """The policy that a marker in a file means by these. Raises Unreadable where that is none, or not clear."""
        named = self._objects.get((namespace, policy), ())
        roots = self.roots.reaching(file)
        found = [one.policy for one in named if roots & one.roots] or _nearest(file, named)
        name = f"{namespace}/{policy}"
        if len(found) > 1:
            sharing = ", ".join(sorted(root or "the repository" for root in roots))
            places = " and ".join(sorted(str(one.name) + " in " + one.file for one in found))
            raise Unreadable(f"several policies are named {name} for this file, which {sharing} reach: {places}")
        if found:
            return found[0]
        if named:
            places = ", ".join(sorted(one.policy.file for one in named))
            raise Unreadable(
                f"no root of this file has a policy named {name}, and elsewhere there are several: {places}"
            )
        if (namespace, policy) in self._elsewhere:
            place = self._elsewhere[namespace, policy]
            raise Unreadable(f"the field names {name}, whose ImagePolicy in {place} no kustomization.yaml lists")
        raise Unreadable(f"the field names {name}, but no ImagePolicy of that name is in the repository")


class PolicyFinder:
    """Names every policy of all clusters and joins it with its ImageRepository."""

    def __init__(self, clusters: Sequence[Cluster], outside: Iterable[KubeObject], roots: Roots) -> None:
        self._clusters, self._roots = clusters, roots
        self._outside = [Applied(one, variables_in(one.value)) for one in outside]
        self._repositories: dict[tuple[str, str], list[tuple[str | None, str, WrittenRepository]]] = defaultdict(list)
        self._waiting: dict[Waiting, None] = {}
        for root, one in self._all("ImageRepository"):
            written = self._repository(root, one)
            if written.namespace:
                self._repositories[written.namespace, written.name].append((root, one.one.file, written))

    def find(self, declared: Sequence[Policy], unlisted: Iterable[KubeObject]) -> Policies:
        """Every policy; `declared` are complete, `unlisted` are written and no objects."""
        by_place: dict[tuple[str, str, str], dict[Policy, set[str]]] = defaultdict(lambda: defaultdict(set))
        for root, one in self._all("ImagePolicy"):
            policy = self._met(root, one)
            if root is None and policy.problem is not None and WAITS not in policy.problem:
                continue  # it is in no cluster, and none could use it
            place = (policy.file, policy.name.namespace, policy.name.name)
            roots = by_place[place][replace(policy, name=PolicyName("", *place[1:]))]
            roots |= {root} if root is not None else set()
        rooted = [found for place in sorted(by_place) for found in self._named(place, by_place[place])]
        rooted += (_Rooted(one, self._roots.reaching(one.file)) for one in declared)
        by_name: dict[PolicyName, list[Policy]] = defaultdict(list)
        by_short_name: dict[tuple[str, str], list[_Rooted]] = defaultdict(list)
        for found in rooted:
            by_name[found.policy.name].append(found.policy)
            if found.policy.name.namespace:
                by_short_name[found.policy.name.namespace, found.policy.name.name].append(found)
        return Policies(
            self._roots,
            tuple(_one_of(same) for same in by_name.values()),
            tuple(self._waiting),
            _usable(by_short_name, by_name),
            {(one.namespace, one.name): one.file for one in unlisted},
        )

    def _named(self, place: tuple[str, str, str], found: Mapping[Policy, set[str]]) -> Iterator[_Rooted]:
        """One policy where all roots have it alike, else one for each way, by a root that has it so."""
        file, namespace, name = place
        if len(found) == 1:
            (policy, roots), *_ = found.items()
            root = next(iter(roots)) if len(roots) == 1 else dirname(file)
            yield _Rooted(replace(policy, name=PolicyName(root, namespace, name)), frozenset(roots))
            return
        for policy, roots in found.items():
            for root in sorted(roots) or [dirname(file)]:
                yield _Rooted(replace(policy, name=PolicyName(root, namespace, name)), frozenset({root} & roots))

    def _all(self, kind: str) -> Iterator[tuple[str | None, Applied]]:
        """The objects of a kind in all clusters, by their roots, and those that are in none."""
        for cluster in self._clusters:
            yield from ((cluster.root, one) for one in cluster.applied if one.one.kind == kind)
        yield from ((None, one) for one in self._outside if one.one.kind == kind)

    def _repository(self, root: str | None, applied: Applied) -> WrittenRepository:
        written = read_repository(applied.one.value)
        problem = applied.problem or self._problem(root, applied, written.problem)
        return replace(written, problem=problem) if problem else written

    def _problem(self, root: str | None, applied: Applied, problem: str | None) -> str | None:
        """Why an object cannot be used: a variable of it that is not known, or else what is not followed."""
        named = {variable for variable in applied.missing if variable in (problem or "")}
        for variable in sorted(named):
            self._waiting[Waiting(variable, root, f"{applied.one.kind} {applied.one.name}")] = None
        return waits_for(named) if named else problem or applied.one.doubt

    def _met(self, root: str | None, applied: Applied) -> Policy:
        one = applied.one
        written = read_policy(one.value, missing=applied.missing)
        problem = applied.problem or self._problem(root, applied, written.problem)
        if not written.name:
            problem = problem or "it has no metadata.name"
        if not written.namespace:
            problem = problem or NO_NAMESPACE
        return self._joined(root, one.file, written, problem)

    def _joined(self, root: str | None, file: str, written: WrittenPolicy, problem: str | None) -> Policy:
        image_text, image, spec = "", None, written.spec
        if problem is None:
            try:
                repository = self._repository_of(root, written)
                image_text, image, problem = _image(repository)
                exclusions = repository.exclusion_list
                spec = replace(spec, exclusion_list=exclusions) if spec and exclusions else spec
            except Unreadable as error:
                problem = str(error)
        return Policy(
            name=PolicyName("", written.namespace, written.name),
            file=file,
            image=image,
            image_text=image_text,
            spec=spec,
            digest_reflection=written.digest_reflection,
            digest_interval=written.digest_interval,
            labels=written.labels,
            problem=problem,
            is_suspended=written.is_suspended,
        )

    def _repository_of(self, root: str | None, written: WrittenPolicy) -> WrittenRepository:
        """The ImageRepository of a policy: of those named so the one in the policy's root, else the only one."""
        key = (written.repository_namespace or written.namespace, written.repository_name)
        named = self._repositories.get(key, ())
        near = [one for one in named if one[0] == root] or named
        kinds = {(one.image, one.exclusion_list, one.problem) for _, _, one in near}
        if len(kinds) > 1:
            places = " and ".join(sorted({file for _, file, _ in near}))
            raise Unreadable(f"its ImageRepository {'/'.join(key)} is written several ways: in {places}")
        if not near:
            raise Unreadable(f"its ImageRepository {'/'.join(key)} is not in the repository")
        return near[0][2]


def waits_for(missing: Iterable[str]) -> str:
    """That something waits for variables."""
    names = ", ".join(sorted(missing))
    return f"{WAITS} {names}, which only the cluster knows: give it under `roots` in .fluxbridge.yaml"


def _nearest(file: str, named: Sequence[_Rooted]) -> list[Policy]:
    """Of policies that share no root with a file the one that shares most of its folders, where it is one."""
    shared = [len(commonpath([f"/{dirname(one.policy.file)}", f"/{dirname(file)}"])) for one in named]
    nearest = [one.policy for one, length in zip(named, shared, strict=True) if length == max(shared)]
    return nearest if len(nearest) == 1 else []


def _usable(
    by_short_name: Mapping[tuple[str, str], Sequence[_Rooted]], by_name: Mapping[PolicyName, Sequence[Policy]]
) -> Mapping[tuple[str, str], Sequence[_Rooted]]:
    """The objects by namespace and name, each knowing of its twins."""
    return {
        short: [
            one
            if len(by_name[one.policy.name]) == 1
            else replace(one, policy=replace(one.policy, problem=_one_of(by_name[one.policy.name]).problem))
            for one in objects
        ]
        for short, objects in by_short_name.items()
    }


def _one_of(same: Sequence[Policy]) -> Policy:
    if len(same) == 1:
        return same[0]
    places = " and ".join(dict.fromkeys(one.file for one in same))
    return replace(same[0], problem=f"{same[0].name} is written more than once: in {places}; remove all but one")


def _image(repository: WrittenRepository) -> tuple[str, ImageName | None, str | None]:
    """The image as written, as a name, and why it is none."""
    text = repository.image
    if repository.problem:
        return text, None, f"its ImageRepository cannot be used: {repository.problem}"
    try:
        return text, ImageName.parse(text), None
    except InvalidImage as error:
        return text, None, f"spec.image of its ImageRepository cannot be used: {error}"
