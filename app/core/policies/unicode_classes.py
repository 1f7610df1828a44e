r"""Classes of Unicode (`\p{Lu}`) by every name that Go takes for them: the RE2 library knows one name of each.

Source: Go's regexp/syntax since 1.25. Case does not count, nor do `_`, `-` and blanks, and general categories have long
names too.
"""

import re
from functools import lru_cache

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
# What the library has no name for, as what may stand in brackets: the class and, where it can be written, its opposite.
_WRITTEN_OUT = {
    "Lc": (r"\p{Lu}\p{Ll}\p{Lt}", ""),
    "Casedletter": (r"\p{Lu}\p{Ll}\p{Lt}", ""),
    "Ascii": (r"\x00-\x7f", r"\x{80}-\x{10ffff}"),
}
_TOO_LARGE = {"Cn", "Unassigned", "Assigned"}
_SEPARATORS = re.compile("[-_ ]")
# In a pattern: quotations and brackets as a whole, classes, other escapes; within brackets: classes and other escapes.
_CLASS = r"\\(?P<sign>[pP])(?:\{(?P<name>[^}]*)\}|(?P<letter>[^{]))"
_IN_PATTERN = re.compile(
    rf"\\Q(?>.*?(?:\\E|\Z))|{_CLASS}|\\.|(?P<brackets>\[\^?+\]?+(?>\[:[a-z^]*:\]|\\.|[^\]\\])*+(?:\]|\Z))", re.DOTALL
)
_IN_BRACKETS = re.compile(rf"{_CLASS}|\\.", re.DOTALL)


class InexpressibleClass(ValueError):
    """A class that Go takes and the RE2 library cannot be told of."""


def spell_classes(pattern: str) -> str:
    r"""Write each class of Unicode as the RE2 library knows it; what it cannot know is left. Raises InexpressibleClass.

    >>> spell_classes(r"\p{greek}\pl\P{Lowercase_Letter}[\p{LC}_]\p{ascii}")
    '\\p{Greek}\\p{L}\\P{Ll}[\\p{Lu}\\p{Ll}\\p{Lt}_][\\x00-\\x7f]'
    """
    return _IN_PATTERN.sub(_respelt, pattern)


def _respelt(found: re.Match[str]) -> str:
    if found["brackets"]:
        return _IN_BRACKETS.sub(lambda inside: _class(inside, is_inside=True), found["brackets"])
    return _class(found, is_inside=False)


def _class(found: re.Match[str], *, is_inside: bool) -> str:
    if not found["sign"]:
        return found[0]
    written = found["name"] if found["name"] is not None else found["letter"]
    is_inverted = (found["sign"] == "P") != written.startswith("^")
    name = _SEPARATORS.sub("", written.removeprefix("^")).capitalize()
    sign = "P" if is_inverted else "p"
    if name in _TOO_LARGE:
        raise InexpressibleClass(
            f"{found[0][:80]} is not supported here: name the classes that are meant, such as \\pL"
        )
    if name in _WRITTEN_OUT:
        return _written_out(found[0], *_WRITTEN_OUT[name], is_inverted=is_inverted, is_inside=is_inside)
    for known in (_CATEGORIES.get(name, name), written.removeprefix("^")):
        if _is_known(known):
            return f"\\{sign}{{{known}}}"
    return found[0]


def _written_out(written: str, inside: str, opposite: str, *, is_inverted: bool, is_inside: bool) -> str:
    if not is_inside:
        return f"[{'^' if is_inverted else ''}{inside}]"
    if is_inverted and not opposite:
        raise InexpressibleClass(f"{written} is not supported within brackets: write it without them")
    return opposite if is_inverted else inside


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
