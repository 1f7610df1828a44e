r"""Classes of Unicode (`\p{Lu}`) by every name that Go takes for them: the RE2 library knows one name of each.

Source: Go's regexp/syntax since 1.25. Case does not count, nor do `_`, `-` and blanks, and general categories have long
names too.
"""

import re
from collections.abc import Callable
from functools import lru_cache, partial
from typing import NamedTuple, Self

import re2

# The long names of general categories by Unicode's PropertyValueAliases, without separators.
_CATEGORIES = {
    "Letter": "L",
    "Lowercaseletter": "Ll",
    "Modifierletter": "Lm",
    "Otherletter": "Lo",
    "Titlecaseletter": "Lt",
    "Uppercaseletter": "Lu",
    "Mark": "M",
    "Combiningmark": "M",
    "Spacingmark": "Mc",
    "Enclosingmark": "Me",
    "Nonspacingmark": "Mn",
    "Number": "N",
    "Decimalnumber": "Nd",
    "Digit": "Nd",
    "Letternumber": "Nl",
    "Othernumber": "No",
    "Punctuation": "P",
    "Punct": "P",
    "Connectorpunctuation": "Pc",
    "Dashpunctuation": "Pd",
    "Closepunctuation": "Pe",
    "Finalpunctuation": "Pf",
    "Initialpunctuation": "Pi",
    "Otherpunctuation": "Po",
    "Openpunctuation": "Ps",
    "Symbol": "S",
    "Currencysymbol": "Sc",
    "Modifiersymbol": "Sk",
    "Mathsymbol": "Sm",
    "Othersymbol": "So",
    "Separator": "Z",
    "Lineseparator": "Zl",
    "Paragraphseparator": "Zp",
    "Spaceseparator": "Zs",
    "Other": "C",
    "Control": "Cc",
    "Cntrl": "Cc",
    "Format": "Cf",
    "Privateuse": "Co",
    "Surrogate": "Cs",
}


class _Members(NamedTuple):
    """What stands in brackets for a class, or for all that it has not."""

    written: str
    is_all_but: bool = False

    def inverted(self) -> Self:
        return self._replace(is_all_but=not self.is_all_but)

    def alone(self) -> str:
        return f"[{'^' if self.is_all_but else ''}{self.written}]"

    def within(self, flags: str) -> str:
        """As what stands in brackets beside others."""
        return _all_but(flags, self.written) if self.is_all_but else self.written


# What the library has no name for.
_CASED = r"\p{Lu}\p{Ll}\p{Lt}"
_ASSIGNED = r"\pL\pM\pN\pP\pS\pZ\pC"
_WRITTEN_OUT = {
    "Lc": _Members(_CASED),
    "Casedletter": _Members(_CASED),
    "Ascii": _Members(r"\x00-\x7f"),
    "Assigned": _Members(_ASSIGNED),
    "Cn": _Members(_ASSIGNED, is_all_but=True),
    "Unassigned": _Members(_ASSIGNED, is_all_but=True),
}
_SEPARATORS = re.compile("[-_ ]")
# In a pattern: quotations and brackets as a whole, classes, other escapes; within brackets: classes and other escapes.
_CLASS = r"\\(?P<sign>[pP])(?:\{(?P<name>[^}]*)\}|(?P<letter>[^{]))"
_IN_PATTERN = re.compile(
    rf"\\Q(?>.*?(?:\\E|\Z))|{_CLASS}|\\.|(?P<brackets>\[\^?+\]?+(?>\[:[a-z^]*:\]|\\.|[^\]\\])*+(?:\]|\Z))", re.DOTALL
)
_IN_BRACKETS = re.compile(rf"{_CLASS}|\\.", re.DOTALL)
_IGNORES_CASE = re.compile(r"\(\?[a-zA-Z]*i")


def spell_classes(pattern: str) -> str:
    r"""Write each class of Unicode as the RE2 library knows it; what is none of Go's is left for the library to refuse.

    >>> spell_classes(r"\p{greek}\pl\P{Lowercase_Letter}[\p{LC}_]\p{Cn}")
    '\\p{Greek}\\p{L}\\P{Ll}[\\p{Lu}\\p{Ll}\\p{Lt}_][^\\pL\\pM\\pN\\pP\\pS\\pZ\\pC]'
    """
    flags = "(?i)" if _IGNORES_CASE.search(pattern) else ""
    return _IN_PATTERN.sub(partial(_respelt, flags), pattern)


def _respelt(flags: str, found: re.Match[str]) -> str:
    if found["brackets"]:
        return _IN_BRACKETS.sub(partial(_class, partial(_Members.within, flags=flags)), found["brackets"])
    return _class(_Members.alone, found)


def _class(write_out: Callable[[_Members], str], found: re.Match[str]) -> str:
    if not found["sign"]:
        return found[0]
    written = found["name"] if found["name"] is not None else found["letter"]
    is_inverted = (found["sign"] == "P") != written.startswith("^")
    written = written.removeprefix("^")
    name = _SEPARATORS.sub("", written).capitalize() if written.isascii() else written
    members = _WRITTEN_OUT.get(name)
    if members is not None:
        return write_out(members.inverted() if is_inverted else members)
    for known in (_CATEGORIES.get(name, name), written):
        if _is_known(known):
            return f"\\{'P' if is_inverted else 'p'}{{{known}}}"
    return found[0]


@lru_cache(maxsize=2 * len(_WRITTEN_OUT))
def _all_but(flags: str, members: str) -> str:
    """The ranges of what these are not, for brackets that hold more: as the library finds them in all of Unicode.

    Flags are said here, for letters in both cases are taken together before they are left out.
    """
    everything = "".join(map(chr, (*range(0xD800), *range(0xE000, 0x110000)))).encode()
    runs = (run[0].decode() for run in re2.finditer(f"{flags}[^{members}]+".encode(), everything))
    return "".join(f"\\x{{{ord(run[0]):x}}}-\\x{{{ord(run[-1]):x}}}" for run in runs)


@lru_cache(maxsize=1024)
def _is_known(name: str) -> bool:
    if not name.replace("_", "").isalpha() or not name.isascii():
        return False
    options = re2.Options()
    options.log_errors = False
    try:
        re2.compile(rf"\p{{{name}}}".encode(), options)
    except re2.error:
        return False
    return True
