"""The YAML of `.fluxbridge.yaml` as plain values, bounded before it costs anything."""

from collections.abc import Iterable, Iterator
from itertools import islice

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError
from ruamel.yaml.events import AliasEvent, Event, NodeEvent, ScalarEvent

from app.core.errors import Invalid
from app.core.flux.from_rules import RULES_FILE
from app.core.manifests.text.parsing import Unparsable, bounded_events, decode, read_events
from app.core.manifests.text.stand_ins import explain_stand_in

_LARGEST = 256 * 1024
# About 2,500 stages with their gates; reading so many takes two seconds, once for each version of the file.
_MOST_NODES = 30_000
_MERGE = "<<"
# Half characters: what they stand in is refused by its key, which tells more.
_READ_BY_THE_SLOW_PARSER = "invalid Unicode character escape code"
# What the parser raises: its own errors, and others where a text does not fit the !! tag that it is given.
_UNREADABLE = (YAMLError, ValueError, RecursionError, LookupError, TypeError, AttributeError, AssertionError)


class InvalidRules(Invalid):
    """The rules of a lane cannot be used, so the lane proposes nothing until they are mended."""

    def __init__(self, problem: str) -> None:
        # What the parsers say may hold half surrogates out of the file.
        self.problem = problem.encode("utf-8", "backslashreplace").decode()
        super().__init__(f"{RULES_FILE}: {self.problem}; nothing is proposed until this is mended on the base branch")


def read_document(content: bytes) -> object:
    """Read the file's one document; None where it is empty. Raises InvalidRules.

    Values that stand for others (aliases and merge keys) are refused: a few hundred bytes of them come to billions.
    """
    if len(content) > _LARGEST:
        raise InvalidRules(f"larger than {_LARGEST // 1024} KiB")
    stand_in = explain_stand_in(content)
    if stand_in is not None:
        raise InvalidRules(stand_in)
    _refuse_what_grows(content)
    try:
        document: object = YAML(typ="safe", pure=True).load(content)
    except _UNREADABLE as error:
        raise InvalidRules(f"not readable as YAML: {' '.join(str(error).split())[:300]}") from error
    return document


def _refuse_what_grows(content: bytes) -> None:
    """Look at the parser's events, which cost little however the text is made."""
    try:
        nodes = list(islice(_nodes(content), _MOST_NODES + 1))
    except Unparsable as error:
        raise InvalidRules(f"not readable as YAML: {str(error)[:300]}") from error
    except _UNREADABLE as error:
        raise InvalidRules(f"not readable as YAML: {' '.join(str(error).split())[:300]}") from error
    if len(nodes) > _MOST_NODES:
        raise InvalidRules(f"it has more than {_MOST_NODES} values: name less in it, or use patterns")
    for node in nodes:
        is_merge = isinstance(node, ScalarEvent) and node.value == _MERGE and not node.style
        if isinstance(node, AliasEvent) or is_merge or node.anchor is not None:
            line = node.start_mark.line + 1
            raise InvalidRules(f"line {line}: anchors, aliases and merge keys are not taken here: write the value out")


def _nodes(content: bytes) -> Iterator[NodeEvent]:
    characters = decode(content).characters
    events: Iterable[Event]
    try:
        events = read_events(characters)
    except Unparsable as error:
        if _READ_BY_THE_SLOW_PARSER not in str(error):
            raise
        events = bounded_events(YAML(typ="safe", pure=True), characters)
    return (event for event in events if isinstance(event, NodeEvent))
