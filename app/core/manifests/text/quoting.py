"""How a text is written as a YAML scalar, so that every reader gets the same string back."""

import json
import re

# What YAML 1.1, the core schema of YAML 1.2 or Go's readers (`0b-1`) take for null, boolean, number, date,
# merge key or default value.
_NO_TEXT = re.compile(
    r"""
      ~ | null | true | false | yes | no | on | off | y | n | << | =
    | [-+]? 0b [-+]? [01_]+ | [-+]? 0x [0-9a-f_]+ | [-+]? 0o? [-+]? [0-7_]+
    | [-+]? [0-9][0-9_]* (?: \.[0-9_]* )? (?: e[-+]?[0-9]+ )? | [-+]? \.[0-9][0-9_]* (?: e[-+]?[0-9]+ )?
    | [-+]? [0-9][0-9_]* (?: :[0-5]?[0-9] )+ (?: \.[0-9_]* )?
    | [-+]? \.inf | \.nan
    | [0-9]{4}-[0-9]{1,2}-[0-9]{1,2}
      (?: (?: t | [ \t]+ ) [0-9]{1,2}:[0-9]{1,2}:[0-9]{1,2} (?: \.[0-9]* )? (?: [ \t]* (?: z | [-+][0-9]{1,2}(?::?[0-9]{2})? ) )? )?
    """,  # noqa: E501 - a date with its time is one alternative
    re.IGNORECASE | re.VERBOSE,
)
_STRING_TAGS = frozenset({"!", "tag:yaml.org,2002:str"})
_PLAIN = re.compile(r"[A-Za-z0-9_](?:[A-Za-z0-9_./@+~:-]*[A-Za-z0-9_./@+~-])?")


def reads_as_text(plain: str) -> bool:
    """Tell whether an unquoted scalar is a string to readers of YAML 1.1 and of YAML 1.2.

    >>> [text for text in ("1.2.3", "1.10", "on", "2024-01-02", "0777", "v1", "") if reads_as_text(text)]
    ['1.2.3', 'v1']
    """
    # Go's readers skip every underscore of what begins as a number.
    bare = plain if plain.startswith("_") else plain.replace("_", "")
    return plain != "" and not _NO_TEXT.fullmatch(plain) and not _NO_TEXT.fullmatch(bare)


def is_string(*, tag: str | None, style: str, value: str) -> bool:
    """Tell whether YAML reads a scalar as a string, by its explicit tag, its quotes or its text."""
    if tag is not None:
        return tag in _STRING_TAGS
    return style != "" or reads_as_text(value)


def write_plain(text: str) -> str:
    """Write a text without quotes where that is safe everywhere, else in double quotes.

    >>> print(write_plain("ghcr.io/acme/app:1.10"), write_plain("1.10"), write_plain("a: b"))
    ghcr.io/acme/app:1.10 "1.10" "a: b"
    """
    if _PLAIN.fullmatch(text) and reads_as_text(text):
        return text
    return write_double_quoted(text)


def write_single_quoted(text: str) -> str:
    """Write a text of one line in single quotes."""
    return "'" + text.replace("'", "''") + "'"


def write_double_quoted(text: str) -> str:
    """Write a text in double quotes; JSON's escapes are YAML's."""
    return json.dumps(text, ensure_ascii=False)
