"""The table of docs/senders.md that the senders themselves make: between `<!-- senders -->` and `<!-- end -->`."""

import re
from collections.abc import Iterator

from app.senders import SENDERS
from app.senders.sender import PROOF_WORDS, Sender

_MARKED = re.compile(r"(<!-- senders -->\n).*?(<!-- end -->)", re.DOTALL)
_HEAD = "| kind | proven by | tells |\n|---|---|---|\n"


def with_senders(text: str) -> str:
    """The page with its table made anew."""
    return _MARKED.sub(rf"\1{_HEAD}{''.join(_rows())}\2", text)


def _rows() -> Iterator[str]:
    for kind, sender in sorted(SENDERS.items()):
        proofs = " or ".join(f"`{PROOF_WORDS[each]}`" for each in sender.needs)
        yield f"| [`{kind}`](#kind-{kind}) | {proofs} | {_told(sender)} |\n"


def _told(sender: Sender) -> str:
    return "; ".join(f"**{event}**: {', '.join(fields)}" for event, fields in sender.tells.items())
