"""Which environment the files of a config repository are for: by their folders, their names, and who applies them."""

import re
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import reduce
from typing import TypeAlias

# Alike in one line; the lines go from where people try things out to where customers are.
_USUAL = (
    ("sandbox", "sbox", "sbx", "snd"),
    ("dev", "develop", "development"),
    ("int", "integration"),
    ("test", "testing", "tst"),
    ("qa",),
    ("demo",),
    ("ithc",),
    ("sit",),
    ("uat",),
    ("perf", "performance"),
    ("stg", "stage", "staging"),
    ("preprod", "pre", "pre-prod", "preproduction"),
    ("prod", "prd", "production"),
    ("live",),
)
_KEYS = {name: names[0] for names in _USUAL for name in names}
_RANKS = {names[0]: rank for rank, names in enumerate(_USUAL)}
_NUMBER = re.compile(r"[0-9]+")
_NO_LETTERS = re.compile(r"[^a-z0-9]+")
_LAST = re.compile(r".+[-_.](?P<word>[^-_.]+)")
_FIRST = re.compile(r"(?P<word>[^-_.]+)[-_.].+")
_LONGEST_NAME = 63
_WHOLE = "{}"

_Kind: TypeAlias = tuple[str, int | str]


def stage_name(word: str) -> str:
    """A word as the rules take it for a stage's name; empty where nothing of it can stand there.

    >>> stage_name("Prod_EU"), stage_name("…")
    ('prod-eu', '')
    """
    return _NO_LETTERS.sub("-", word.lower()).strip("-")[:_LONGEST_NAME].rstrip("-")


def key_of(word: str) -> str:
    """What is alike for all spellings of one environment.

    >>> key_of("prd"), key_of("Production"), key_of("prod-eu")
    ('prod', 'prod', 'prod-eu')
    """
    name = stage_name(word)
    return _KEYS.get(name, name)


def rank_of(key: str) -> tuple[int, str]:
    """Where an environment stands among others, from the first to the last that a tag comes to."""
    parts = [_RANKS[_KEYS[part]] for part in key.split("-") if part in _KEYS]
    return _RANKS.get(key, max(parts, default=len(_RANKS))), key


def environments_of_roots(roots: Sequence[str]) -> Mapping[str, str]:
    """The words that tell roots apart, by root: a usual name of an environment, else the last folder that is no number.

    >>> environments_of_roots(["clusters/prod/00", "clusters/test/00"])
    {'clusters/prod/00': 'prod', 'clusters/test/00': 'test'}
    >>> environments_of_roots(["clusters/eu/flux", "clusters/us/flux"])
    {'clusters/eu/flux': 'eu', 'clusters/us/flux': 'us'}
    """
    folders = {root: root.split("/") for root in roots}
    shared = reduce(set.intersection, map(set, folders.values())) if folders else set()
    found = {}
    for root, names in folders.items():
        usual = [name for name in names if stage_name(name) in _KEYS]
        apart = [name for name in names if name not in shared and not _NUMBER.fullmatch(name) and stage_name(name)]
        if usual or apart:
            found[root] = (usual or apart)[-1]
    return found


@dataclass(frozen=True, slots=True)
class Place:
    """Where a file's path names an environment: a folder, by its index, or the file itself, by a form as `values-{}`.

    `word` is the environment as it is spelled there.
    """

    file: str
    index: int
    word: str
    form: str = ""

    @property
    def key(self) -> str:
        """The environment."""
        return key_of(self.word)

    def kinds(self) -> Iterator[_Kind]:
        """What this place has in common with places of other files."""
        if self.form:
            yield "file", self.form
            return
        yield "from the top", self.index
        yield "from the file", self.file.count("/") - self.index


@dataclass(frozen=True, slots=True)
class Environments:
    """The environments of files, given the words of the roots that apply them.

    A place counts by how many environments are told apart there, in all files: a team called `pre` is no environment
    where each file beside is called after one.
    """

    of_roots: Mapping[str, str]
    _keys: frozenset[str]
    _told_apart: Mapping[_Kind, int]
    _others: Mapping[_Kind, int]

    @classmethod
    def of(cls, roots: Sequence[str], files: Iterable[str]) -> "Environments":
        """Look at all files at once."""
        of_roots = environments_of_roots(roots)
        keys = frozenset(map(key_of, of_roots.values()))
        names: dict[_Kind, set[str]] = defaultdict(set)
        others: dict[_Kind, set[str]] = defaultdict(set)
        for file in files:
            places = _places(file, keys)
            for place in places:
                for kind in place.kinds():
                    names[kind].add(place.key)
            for kind, word in _other_words(file, places):
                others[kind].add(word)
        return cls(of_roots, keys, _counted(names), _counted(others))

    def by_name(self, file: str, applied: frozenset[str]) -> Place | None:
        """Where its path names its environment; `applied` are those whose clusters have the file."""
        places = [place for place in _places(file, self._keys) if self._counts(place, applied)]
        return max(places, key=lambda one: (self._weight(one), self.is_of_roots(one.key), one.index), default=None)

    def applying(self, roots: Iterable[str]) -> frozenset[str]:
        """The environments of roots; one whose word is not known has the empty one."""
        return frozenset(key_of(self.of_roots[root]) if root in self.of_roots else "" for root in roots)

    def is_of_roots(self, key: str) -> bool:
        """Whether the roots tell this environment."""
        return key in self._keys

    def _weight(self, place: Place) -> int:
        return max(self._told_apart[kind] for kind in place.kinds())

    def _counts(self, place: Place, applied: frozenset[str]) -> bool:
        """Whether the word at a place means an environment there, and not a team or a part of a name."""
        if applied == {place.key}:
            return True
        kinds = list(place.kinds())
        is_alone = place.form in ("", _WHOLE) and all(kind not in self._others for kind in kinds)
        if self.is_of_roots(place.key):
            return self._weight(place) > 1 or is_alone or (place.form in ("", _WHOLE) and not applied)
        is_denied = len(applied) > 1 and place.key not in applied and applied <= _RANKS.keys()
        most = [kind for kind in kinds if place.form or self._told_apart[kind] >= self._others.get(kind, 0)]
        return (any(self._told_apart[kind] > 1 for kind in most) or is_alone) and not is_denied


def _counted(found: Mapping[_Kind, Collection[str]]) -> Mapping[_Kind, int]:
    return {kind: len(words) for kind, words in found.items()}


def _places(file: str, keys: Collection[str]) -> list[Place]:
    """Every place at which a path has a word for an environment, be it usual or one of these."""

    def is_one(word: str) -> bool:
        return stage_name(word) in _KEYS or key_of(word) in keys

    *folders, name = file.split("/")
    found = [Place(file, index, folder) for index, folder in enumerate(folders) if is_one(folder)]
    stem = name.rpartition(".")[0]
    if is_one(stem):
        return [*found, Place(file, len(folders), stem, _WHOLE)]
    for part in filter(None, (_LAST.fullmatch(stem), _FIRST.fullmatch(stem))):
        if is_one(part["word"]):
            form = f"{stem[: part.start('word')]}{_WHOLE}{stem[part.end('word') :]}"
            return [*found, Place(file, len(folders), part["word"], form)]
    return found


def _other_words(file: str, places: Sequence[Place]) -> Iterator[tuple[_Kind, str]]:
    """The words for something else in a path, with the kinds of places at which they stand."""
    *folders, name = file.split("/")
    taken = {place.index for place in places if place.form in ("", _WHOLE)}
    for index, folder in enumerate(folders):
        if index not in taken:
            yield ("from the top", index), folder
            yield ("from the file", len(folders) - index), folder
    if len(folders) not in taken:
        yield ("file", _WHOLE), name
