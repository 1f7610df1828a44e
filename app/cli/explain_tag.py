"""What `fluxbridge explain IMAGE:TAG` prints: who told of a tag, and where it stands in every policy and stage."""

from collections.abc import Iterator, Sequence

import typer

from app.cli.terminal import say, section
from app.services.reading.tag_explained import TagPolicyView, TagStory, TellingView

_GOOD = frozenset({"there", "enters"})
_OPEN = frozenset({"waits", "held", "behind"})


def print_story(found: TagStory) -> None:
    """Print what is known of a tag."""
    say(f"{found.image}:{found.tag}", bold=True)
    for line in _known(found):
        say(f"  {line}")
    _print_told("Told by", found.told)
    for policy in found.policies:
        _print_policy(policy)
    _print_history(found)
    _print_told("Deliveries that were left out, wait or failed, and name the image", found.left_out)
    if found.notes:
        section("Notes")
    for note in found.notes:
        say(f"  {note}", colour=typer.colors.YELLOW)


def _known(found: TagStory) -> Iterator[str]:
    if found.first_seen_at is not None:
        yield f"known since {found.first_seen_at:%Y-%m-%d %H:%M:%S} UTC, as {found.digest or 'a digest not known yet'}"
    if found.is_gone:
        yield "gone from the registry"
    if found.listed_at is None:
        yield "its repository was never listed in full"


def _print_told(title: str, told: Sequence[TellingView]) -> None:
    if told:
        section(title)
    for one in told:
        by = f"{one.source}, delivery {one.delivery}" if one.delivery else one.source
        say(f"  {one.at:%Y-%m-%d %H:%M:%S}  {one.what}  ({by})")


def _print_policy(policy: TagPolicyView) -> None:
    section(f"{policy.policy} in {policy.repo}:{policy.branch} selects {policy.selected_tag or 'nothing'}")
    if policy.kept_out is not None:
        say(f"  no candidate: {policy.kept_out}", colour=typer.colors.RED)
    elif policy.verdict is not None:
        say(f"  {policy.verdict}")
    for stage in policy.stages:
        colour = typer.colors.GREEN if stage.place in _GOOD and stage.doubtful is None else typer.colors.YELLOW
        say(
            f"  {stage.stage}: {stage.place}: {stage.reason}"
            + (f" (doubtful: {stage.doubtful})" if stage.doubtful is not None else ""),
            colour=colour if stage.place in _OPEN | _GOOD else typer.colors.RED,
        )
        if stage.asked is not None:
            say(f"      what comes first: {stage.asked}", colour=typer.colors.YELLOW)
        if stage.kept_back is not None:
            say(f"      but not proposed: {stage.kept_back}", colour=typer.colors.YELLOW)
        if stage.gates is not None and stage.gates.partition(": ")[2] != stage.reason:
            say(f"      its gates: {stage.gates}")
    for note in policy.notes:
        say(f"  {note}", colour=typer.colors.YELLOW)


def _print_history(found: TagStory) -> None:
    if found.promotions:
        section("What became of it")
    for one in found.promotions:
        pull = f" #{one.pull_request}" if one.pull_request is not None else ""
        say(f"  {one.updated_at:%Y-%m-%d %H:%M:%S}  {one.stage}: {one.state}{pull}: {one.reason}  ({one.policy})")
