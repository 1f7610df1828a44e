"""Whether a pattern can match in the middle of a tag: Flux searches, so only `^` and `$` pin a pattern down."""

import re
from dataclasses import dataclass, field

_TOKEN = re.compile(
    r"(?P<quotation>\\Q(?>.*?(?:\\E|\Z)))"
    r"|(?P<start>\^|\\A)|(?P<end>\$|\\z)|(?P<dot>\.)"
    r"|\\.|\[\^?+\]?+(?>\[:[a-z^]*:\]|\\.|[^\]\\])*+(?:\]|\Z)"
    r"|(?P<flags>\(\?[a-zA-Z-]+\))|(?P<open>\((?:\?P?<[^>]*>|\?[a-zA-Z-]*:)?)|(?P<close>\))|(?P<bar>\|)"
    r"|(?P<quantifier>(?P<count>[*+?]|\{[0-9]+(?:,[0-9]*)?\})(?P<lazy>\??))"
    r"|.",
    re.DOTALL,
)
_SWAPS_GREED = re.compile(r"\(\?[a-zA-Z]*U")


@dataclass(frozen=True, slots=True)
class Anchors:
    """Whether every match begins at the start of the text, and whether every match ends at its end."""

    at_start: bool
    at_end: bool


@dataclass(slots=True)
class _Group:
    """A group while it is read: its finished alternatives, and the present one by its first and last part."""

    finished: list[Anchors] = field(default_factory=list)
    first: Anchors | None = None
    last: Anchors | None = None
    length: int = 0

    def add(self, part: Anchors) -> None:
        """Take the next part of the present alternative."""
        self.length += 1
        self.last = part
        self.first = part if self.length == 1 else self.first

    def replace_last(self, part: Anchors) -> None:
        """Give the part that was added last other anchors."""
        self.last = part
        self.first = part if self.length == 1 else self.first

    def finish_alternative(self) -> None:
        """End the present alternative; an empty one is pinned nowhere."""
        at_start = self.first is not None and self.first.at_start
        self.finished.append(Anchors(at_start, self.last is not None and self.last.at_end))
        self.first, self.last, self.length = None, None, 0

    def close(self) -> Anchors:
        """End the group: it is pinned where each of its alternatives is."""
        self.finish_alternative()
        return Anchors(all(one.at_start for one in self.finished), all(one.at_end for one in self.finished))


_NOWHERE = Anchors(at_start=False, at_end=False)


def anchors_of(pattern: str) -> Anchors:
    """Tell where a pattern, which compiles, is pinned down in texts of one line.

    `.*` at either end pins it as well, for it reaches the end of the text by itself.

    >>> anchors_of("^v(.*)$"), anchors_of("^main-([0-9]+)"), anchors_of("^a|b$").at_start
    (Anchors(at_start=True, at_end=True), Anchors(at_start=True, at_end=False), False)
    """
    groups = [_Group()]
    is_dot = False
    is_greedy = not _SWAPS_GREED.search(pattern)
    for token in _TOKEN.finditer(pattern):
        kind = token.lastgroup if token.lastgroup not in {"count", "lazy"} else "quantifier"
        if kind == "quantifier":
            groups[-1].replace_last(_repeated(groups[-1].last, token, is_dot=is_dot, is_greedy=is_greedy))
        elif kind == "open":
            groups.append(_Group())
        elif kind == "close" and len(groups) > 1:
            closed = groups.pop().close()
            groups[-1].add(closed)
        elif kind == "bar":
            groups[-1].finish_alternative()
        elif kind != "flags":
            groups[-1].add(Anchors(at_start=kind == "start", at_end=kind == "end"))
        is_dot = kind == "dot"
    return groups[0].close()


def _repeated(part: Anchors | None, token: re.Match[str], *, is_dot: bool, is_greedy: bool) -> Anchors:
    count = token["count"]
    if is_dot and count in {"*", "+"}:
        return Anchors(at_start=True, at_end=is_greedy and not token["lazy"])
    is_optional = count in {"*", "?"} or re.match(r"\{0+\b", count) is not None
    return _NOWHERE if part is None or is_optional else part
