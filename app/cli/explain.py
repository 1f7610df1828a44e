"""`fluxbridge explain`: why a policy selects what it selects, and what becomes of that in each stage."""

import json
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import typer

from app.cli.explain_tag import print_story
from app.cli.names import names_tag, policy_path, told_by_name
from app.cli.reach import Api, reach
from app.cli.terminal import printable, say, section
from app.core.errors import Invalid, NotFound
from app.services.reading.policies import PolicyDetails
from app.services.reading.policy_explained import (
    LeftOut,
    PolicyExplanation,
    SelectionExplanation,
    StageExplanation,
    TagExplanation,
    explain_tags,
)
from app.services.reading.tag_explained import TagStory

_LARGEST_FILE = 64 * 1024 * 1024
_COLOURS = {"chosen": typer.colors.GREEN, "lost": None}
_OUTCOMES = {"there": typer.colors.GREEN, "pass": typer.colors.GREEN, "wait": typer.colors.YELLOW}


class TwoQuestions(Invalid):
    """Two options that exclude each other were given."""

    def __init__(self) -> None:
        super().__init__("--tags and --push answer two questions: give one of them")


class NotOfATag(Invalid):
    """An option about one policy was given for a tag."""

    def __init__(self, text: str) -> None:
        super().__init__(
            f"{text[:200]!r} is a tag, which is explained for every policy: leave out --tags, --push, --repo and --root"
        )


class UnreadableTags(Invalid):
    """The file with the tags cannot be used."""

    def __init__(self, file: Path, problem: str) -> None:
        super().__init__(f"{file}: {problem}; it needs one tag a line, or a JSON list of strings")


class MissingTags(NotFound):
    """There is no file with the tags."""

    def __init__(self, file: Path, problem: str) -> None:
        super().__init__(f"{file} cannot be read ({problem}): name a file with tags")


def explain(  # noqa: PLR0913 (one option a question)
    name: str, *, repo: str | None, root: str | None, tags: Path | None, push: str | None, as_json: bool
) -> None:
    """Show why a policy selects what it selects, or why a tag is or is not proposed."""
    if names_tag(name):
        if (repo, root, tags, push) != (None, None, None, None):
            raise NotOfATag(name)
        _explain_tag(name, as_json=as_json)
        return
    if tags is not None and push is not None:
        raise TwoQuestions
    listed = None if tags is None else read_tags(tags)
    with reach() as api:
        found = _ask(api, name, {"repo": repo, "root": root, "push": push}, listed)
    if as_json:
        typer.echo(json.dumps(found.model_dump(mode="json"), indent=2))
    else:
        _print(found)


def _explain_tag(name: str, *, as_json: bool) -> None:
    with reach() as api:
        found = TagStory.model_validate(api.get("/images/tags/explain", tag=name))
    if as_json:
        typer.echo(json.dumps(found.model_dump(mode="json"), indent=2))
    else:
        print_story(found)


def read_tags(file: Path) -> Sequence[str]:
    """The tags in a file: a JSON list of strings, else one on each line that is not blank."""
    try:
        with file.open("rb") as opened:
            content = opened.read(_LARGEST_FILE + 1)
    except OSError as error:
        raise MissingTags(file, error.strerror or type(error).__name__) from error
    if len(content) > _LARGEST_FILE:
        raise UnreadableTags(file, f"larger than {_LARGEST_FILE // 1024 // 1024} MiB")
    text = content.decode("utf-8-sig", "surrogateescape")
    if not text.lstrip().startswith("["):
        return [line for line in text.replace("\r\n", "\n").split("\n") if line.strip()]
    try:
        listed = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise UnreadableTags(file, "it begins like JSON and is none") from error
    if not all(isinstance(one, str) for one in listed):
        raise UnreadableTags(file, "its list holds more than strings")
    return list(listed)


def _ask(api: Api, name: str, query: dict[str, str | None], listed: Sequence[str] | None) -> PolicyExplanation:
    path, root = policy_path(name)
    if query["root"] is None:
        query["root"] = root
    with told_by_name():
        return _explained(api, path, query, listed)


def _explained(api: Api, path: str, query: dict[str, str | None], listed: Sequence[str] | None) -> PolicyExplanation:
    if listed is None:
        return PolicyExplanation.model_validate(api.get(f"{path}/explain", **query))
    details = PolicyDetails.model_validate(api.get(path, repo=query["repo"], root=query["root"]))
    return explain_tags(details, listed, now=datetime.now(UTC))


def _print(found: PolicyExplanation) -> None:
    root = f"{found.root}:" if found.root else ""
    say(f"{root}{found.namespace}/{found.name}", bold=True)
    say(f"  {found.image}, by {found.file} in {found.repo}:{found.branch}")
    if found.problem is not None:
        say(f"  cannot be used: {found.problem}", colour=typer.colors.RED)
    if found.waits_for is not None:
        say(f"  waits: {found.waits_for}", colour=typer.colors.YELLOW)
    if found.tags is not None:
        _print_tags(found.tags)
    _print_left_out(found.left_out)
    if found.stages:
        section("Stages")
    for stage in found.stages:
        _print_stage(stage)
    _print_list("Warnings", [f"{one.place}: {one.message} ({one.kind})" for one in found.warnings])
    _print_list("Notes", found.notes)


def _print_left_out(left_out: LeftOut) -> None:
    if left_out.gone:
        section(f"Gone from the registry, and so no candidates: {left_out.gone}")
    if left_out.barred:
        section(f"No candidates, for only change requests or our own branches built them: {left_out.barred}")
        say(f"  {', '.join(left_out.barred_tags)}")


def _print_list(title: str, lines: Sequence[str]) -> None:
    if lines:
        section(title)
    for line in lines:
        say(f"  {line}", colour=typer.colors.YELLOW)


def _print_tags(tags: SelectionExplanation) -> None:
    counts = ", ".join(f"{count} {_words(kind)}" for kind, count in tags.counts.items())
    typer.echo()
    say(tags.message, colour=typer.colors.GREEN if tags.tag is not None else typer.colors.RED)
    if tags.is_tie:
        say("Flux itself would take any of the equal ones, at random.", colour=typer.colors.YELLOW)
    say(f"{tags.total} tags{': ' if counts else ''}{counts}")
    if tags.asked is not None:
        section(f"{tags.asked.tag}: {_words(tags.asked.verdict)}: {tags.asked.reason}")
    rows = [*tags.above, *([tags.chosen] if tags.chosen is not None else []), *tags.below]
    if rows:
        section("In the policy's order")
        _print_rows(rows)
    if tags.unplaced:
        section("Without a place in the order, for example")
        _print_rows(tags.unplaced)


def _print_rows(rows: Sequence[TagExplanation]) -> None:
    shown = [(printable(one.tag), _words(one.verdict), one) for one in rows]
    tag_width = max((len(tag) for tag, _, _ in shown), default=0)
    verdict_width = max((len(verdict) for _, verdict, _ in shown), default=0)
    for tag, verdict, one in shown:
        pointer = ">" if one.verdict == "chosen" else " "
        line = f"{pointer} {tag.ljust(tag_width)}  {verdict.ljust(verdict_width)}  {one.reason}"
        say(line, colour=_COLOURS.get(one.verdict, typer.colors.YELLOW))


def _print_stage(stage: StageExplanation) -> None:
    present = f" has {', '.join(stage.present)};" if stage.present else ""
    say(f"  {stage.stage}:{present} {stage.summary}")
    if stage.doubtful is not None and stage.doubtful not in stage.summary:
        say(f"      what is there is doubtful: {stage.doubtful}", colour=typer.colors.RED)
    if stage.asked is not None:
        say(f"      instead of what follows: {stage.asked}", colour=typer.colors.YELLOW)
    if stage.kept_back is not None:
        say(f"      but not proposed: {stage.kept_back}", colour=typer.colors.YELLOW)
    for step in stage.steps:
        colour = _OUTCOMES.get(step.outcome, typer.colors.RED)
        say(f"      {step.tag}  {step.outcome}: {step.reason}", colour=colour)
    if stage.untold:
        say(f"      and {stage.untold} more")


def _words(verdict: str) -> str:
    return verdict.replace("_", " ")
