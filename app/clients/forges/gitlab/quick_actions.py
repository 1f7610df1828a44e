r"""Texts that GitLab takes as texts only.

In a description or a comment GitLab carries out each line that begins with a slash and the name of a command, such as
`/merge`, and takes it out of the text, carriage returns too. A backslash before a slash is Markdown for the slash
itself, so no line of ours begins with one. In a block of code the backslash shows; that nothing is carried out counts
for more. https://docs.gitlab.com/user/project/quick_actions/
"""

import re

# Any blank before the slash counts, and any end of a line: what GitLab takes away may be what keeps a slash from it.
_SLASH = re.compile(r"((?:^|[\n\r\v\f\x1c-\x1e\x85\u2028\u2029])[^\S\n]*\\*)/")
_ESCAPED_SLASH = re.compile(r"((?:^|[\n\r\v\f\x1c-\x1e\x85\u2028\u2029])[^\S\n]*\\*)\\/")


def without_actions(text: str) -> str:
    r"""Write a text so that nothing of it is carried out.

    >>> without_actions("Moves web.\n/merge\n  \\/close and a/b")
    'Moves web.\n\\/merge\n  \\\\/close and a/b'
    """
    return _SLASH.sub(r"\1\\/", text)


def as_given(text: str) -> str:
    r"""The text that was so written.

    >>> as_given(without_actions("/a\n\\/b\r\n /c")) == "/a\n\\/b\r\n /c"
    True
    """
    return _ESCAPED_SLASH.sub(r"\1/", text)
