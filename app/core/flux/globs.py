"""Patterns for paths of a repository: `*` and `?` within one name, `**` for any number of folders."""

import re
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import accumulate
from typing import Protocol

import re2

# Paths are matched as the lines of one text, by an engine without backtracking: milliseconds for 10,000 of them.
_TOKENS = re.compile(r"(?P<folders>(?:(?<=/)|^)\*\*/)|(?P<rest>(?:(?<=/)|^)\*\*$)|(?P<star>\*)|(?P<one>\?)")
_WRITTEN = {"folders": r"(?:[^/\n]+/)*", "rest": r"[^\n]+", "star": r"[^/\n]*", "one": r"[^/\n]"}


class _Match(Protocol):
    def group(self) -> bytes: ...


class _Program(Protocol):
    def finditer(self, text: bytes, /) -> Iterator[_Match]: ...


class PathList:
    """Paths in which many globs are looked for; what begins as a glob does is found without a search.

    >>> paths = PathList(["apps/values.yaml", "apps/a/b/values.yaml", "a.env", "a/b.env"])
    >>> sorted(paths.matching("apps/**/values.yaml")), sorted(paths.matching("?.env"))
    (['apps/a/b/values.yaml', 'apps/values.yaml'], ['a.env'])
    """

    def __init__(self, paths: Iterable[str]) -> None:
        self._lines = sorted({_as_line(path) for path in paths if "\n" not in path})
        self._text = b"\n".join(self._lines)
        self._starts = list(accumulate((len(line) + 1 for line in self._lines), initial=0))
        self._found: dict[str, frozenset[str]] = {}

    def matching(self, glob: str) -> frozenset[str]:
        """The paths that a glob matches as a whole."""
        if glob not in self._found:
            self._found[glob] = frozenset(self._search(glob))
        return self._found[glob]

    def _search(self, glob: str) -> Iterator[str]:
        wildcard = _TOKENS.search(glob)
        prefix = _as_line(glob[: wildcard.start()] if wildcard else glob)
        first = bisect_left(self._lines, prefix)
        if wildcard is None:
            found = self._lines[first : first + 1] == [prefix]
            return iter([glob] if found else [])
        last = bisect_right(self._lines, prefix, lo=first, key=lambda line: line[: len(prefix)])
        if first == last:
            return iter([])
        stretch = self._text[self._starts[first] : self._starts[last] - 1]
        return (match.group().decode("utf-8", "surrogateescape") for match in _compile(glob).finditer(stretch))


def compile_globs(globs: Sequence[str]) -> Callable[[str], bool]:
    """A test of single paths: whether one of the globs matches the whole."""
    programs = [_compile(glob) for glob in dict.fromkeys(globs)]

    def is_matched(path: str) -> bool:
        line = _as_line(path)
        return b"\n" not in line and any(next(program.finditer(line), None) for program in programs)

    return is_matched


def _as_line(path: str) -> bytes:
    return path.encode("utf-8", "surrogateescape")


def _compile(glob: str) -> _Program:
    options = re2.Options()
    options.log_errors = False
    program: _Program = re2.compile(f"(?m)^{_as_pattern(glob)}$".encode(), options)
    return program


def _as_pattern(glob: str) -> str:
    pieces = []
    done = 0
    for token in _TOKENS.finditer(glob):
        pieces += [re.escape(glob[done : token.start()]), _WRITTEN[token.lastgroup or ""]]
        done = token.end()
    return "".join((*pieces, re.escape(glob[done:])))
