"""Which policies a tree has, and which of them a marker means."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from posixpath import dirname
from typing import Self

from app.core.flux.namespaces import Namespaces
from app.core.flux.objects import Policy, PolicyName
from app.core.flux.reach import Area, Holders
from app.core.flux.reading import Unreadable
from app.core.flux.written import ScannedFile, WrittenPolicy, WrittenRepository
from app.core.images import ImageName, InvalidImage


@dataclass(frozen=True, slots=True)
class Roots:
    """What the roots of a tree reach, turned round: which roots reach a file."""

    _holders: Holders

    @classmethod
    def with_areas(cls, areas: Mapping[str, Area]) -> Self:
        """Index what each root reaches."""
        return cls(Holders.of(areas))

    def reaching(self, file: str) -> frozenset[str]:
        """The roots that bring a file into their cluster."""
        return self._holders.holding(file)

    def may_share(self, file: str, other: str) -> bool:
        """Tell whether two files may be in one cluster: some root reaches both, or it is not known what reaches one."""
        one, another = self.reaching(file), self.reaching(other)
        return bool(one & another) or not one or not another

    def owner_of(self, file: str) -> str:
        """The root part of the name of an object in this file: its one root, else its folder."""
        roots = self.reaching(file)
        return next(iter(roots)) if len(roots) == 1 else dirname(file)


@dataclass(frozen=True, slots=True)
class _Repository:
    """An ImageRepository with its file and the roots that reach it."""

    file: str
    roots: frozenset[str]
    written: WrittenRepository


Repositories = Mapping[tuple[str, str], Sequence[_Repository]]


@dataclass(frozen=True, slots=True)
class Policies:
    """Every policy of a tree; two objects of one full name are one policy that cannot be used."""

    roots: Roots
    all: tuple[Policy, ...]
    _objects: Mapping[tuple[str, str], Sequence[Policy]] = field(repr=False)

    def meant_by(self, namespace: str, policy: str, file: str) -> Policy:
        """The policy that a marker in a file means by these. Raises Unreadable where that is none, or not clear."""
        named = self._objects.get((namespace, policy), ())
        roots = self.roots.reaching(file)
        found = [one for one in named if roots & self.roots.reaching(one.file)]
        name = f"{namespace}/{policy}"
        if len(found) > 1:
            sharing = ", ".join(sorted(root or "the repository" for root in roots))
            places = " and ".join(sorted(str(one.name) + " in " + one.file for one in found))
            raise Unreadable(f"several policies are named {name} for this file, which {sharing} reach: {places}")
        if found or len(named) == 1:
            return (found or named)[0]
        if named:
            places = ", ".join(sorted(one.file for one in named))
            raise Unreadable(
                f"no root of this file has a policy named {name}, and elsewhere there are several: {places}"
            )
        raise Unreadable(f"the field names {name}, but no ImagePolicy of that name is in the repository")


def find_policies(
    files: Mapping[str, ScannedFile], roots: Roots, namespaces: Namespaces, declared: Sequence[Policy] = ()
) -> Policies:
    """Name every policy of a tree and join it with its ImageRepository; `declared` are those that are complete."""
    repositories = _repositories(files, roots, namespaces)
    objects = [
        _policy(path, written, roots=roots, namespaces=namespaces, repositories=repositories)
        for path in sorted(files)
        for written in files[path].policies
    ]
    objects += declared
    by_name: dict[PolicyName, list[Policy]] = defaultdict(list)
    by_short_name: dict[tuple[str, str], list[Policy]] = defaultdict(list)
    for one in objects:
        by_name[one.name].append(one)
        if one.name.namespace:
            by_short_name[one.name.namespace, one.name.name].append(one)
    return Policies(roots, tuple(_one_of(same) for same in by_name.values()), _usable(by_short_name, by_name))


def _usable(
    by_short_name: Mapping[tuple[str, str], Sequence[Policy]], by_name: Mapping[PolicyName, Sequence[Policy]]
) -> Mapping[tuple[str, str], Sequence[Policy]]:
    """The objects by namespace and name, each knowing of its twins."""
    return {
        short: [
            one if len(by_name[one.name]) == 1 else replace(one, problem=_one_of(by_name[one.name]).problem)
            for one in objects
        ]
        for short, objects in by_short_name.items()
    }


def _one_of(same: Sequence[Policy]) -> Policy:
    if len(same) == 1:
        return same[0]
    places = " and ".join(one.file for one in same)
    return replace(same[0], problem=f"{same[0].name} is written more than once: in {places}; remove all but one")


def _repositories(files: Mapping[str, ScannedFile], roots: Roots, namespaces: Namespaces) -> Repositories:
    found: dict[tuple[str, str], list[_Repository]] = defaultdict(list)
    for path in sorted(files):
        for written in files[path].repositories:
            try:
                namespace = namespaces.of(path, written.namespace)
            except Unreadable:
                continue  # a policy that needs it says that it is missing
            found[namespace, written.name].append(_Repository(path, roots.reaching(path), written))
    return found


def _policy(
    path: str, written: WrittenPolicy, *, roots: Roots, namespaces: Namespaces, repositories: Repositories
) -> Policy:
    namespace = ""
    image_text, image, spec = "", None, written.spec
    problem = written.problem or (None if written.name else "it has no metadata.name")
    try:
        namespace = namespaces.of(path, written.namespace)
        if problem is None:
            key = (written.repository_namespace or namespace, written.repository_name)
            repository = _repository_of(path, key, repositories.get(key, ()), roots)
            image_text, image, problem = _image(repository)
            spec = (
                replace(spec, exclusion_list=repository.exclusion_list) if spec and repository.exclusion_list else spec
            )
    except Unreadable as error:
        problem = problem or str(error)
    return Policy(
        name=PolicyName(roots.owner_of(path), namespace, written.name),
        file=path,
        image=image,
        image_text=image_text,
        spec=spec,
        digest_reflection=written.digest_reflection,
        digest_interval=written.digest_interval,
        labels=written.labels,
        problem=problem,
    )


def _repository_of(path: str, key: tuple[str, str], named: Sequence[_Repository], roots: Roots) -> WrittenRepository:
    """The ImageRepository of a policy: of those named so the one in the policy's roots, else the only one."""
    mine = roots.reaching(path)
    near = [one for one in named if mine & one.roots] or named
    kinds = {(one.written.image, one.written.exclusion_list, one.written.problem) for one in near}
    if len(kinds) > 1:
        places = " and ".join(sorted(one.file for one in near))
        raise Unreadable(f"its ImageRepository {'/'.join(key)} is written several ways: in {places}")
    if not near:
        raise Unreadable(f"its ImageRepository {'/'.join(key)} is not in the repository")
    return near[0].written


def _image(repository: WrittenRepository) -> tuple[str, ImageName | None, str | None]:
    """The image as written, as a name, and why it is none."""
    text = repository.image
    if repository.problem:
        return text, None, f"its ImageRepository cannot be used: {repository.problem}"
    try:
        return text, ImageName.parse(text), None
    except InvalidImage as error:
        return text, None, f"spec.image of its ImageRepository cannot be used: {error}"
