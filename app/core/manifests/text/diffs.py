"""The difference that an edit makes, as a unified diff."""

import difflib
from collections.abc import Iterator

from app.core.manifests.text.parsing import encoding_of

_NO_NEWLINE = "\\ No newline at end of file\n"


def unified_diff(path: str, before: bytes, after: bytes) -> str:
    r"""The unified diff of one file, which `git apply` and `patch -p1` take; empty where nothing differs.

    Of a file in UTF-16 it has the characters, for people to read.

    >>> print(unified_diff("a.yaml", b"a: 1\r\nb: 2", b"a: 1\r\nb: 3").replace("\r", "^M"), end="")
    --- a/a.yaml
    +++ b/a.yaml
    @@ -1,2 +1,2 @@
     a: 1^M
    -b: 2
    \ No newline at end of file
    +b: 3
    \ No newline at end of file
    """
    lines = difflib.unified_diff(_lines(before), _lines(after), _name("a", path), _name("b", path))
    return "".join(line if line.endswith("\n") else f"{line}\n{_NO_NEWLINE}" for line in lines)


def _lines(content: bytes) -> list[str]:
    """Lines that end with a line feed only; the other line ends of Unicode are part of them, as for git."""
    return list(_split(content.decode(encoding_of(content))))


def _split(text: str) -> Iterator[str]:
    *whole, last = text.split("\n")
    yield from (f"{line}\n" for line in whole)
    if last:
        yield last


def _name(side: str, path: str) -> str:
    name = f"{side}/{path}"
    if not name.isprintable() or any(mark in name for mark in '"\\'):
        return _quoted(name)
    # A tab ends a name with spaces for `patch`.
    return f"{name}\t" if " " in name else name


def _quoted(name: str) -> str:
    r"""As git quotes a name: bytes that are no printable ASCII as octal escapes.

    >>> print(_quoted('a/caf\u00e9 "x".yaml'))
    "a/caf\303\251 \042x\042.yaml"
    """
    # A name of a disk that is not UTF-8 has its bytes as lone surrogates.
    raw = name.encode("utf-8", "surrogateescape")
    return (
        '"'
        + "".join(chr(byte) if 0x20 <= byte < 0x7F and byte not in b'"\\' else f"\\{byte:03o}" for byte in raw)
        + '"'
    )
