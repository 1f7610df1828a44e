"""Follows declared paths through YAML, and makes fields of the scalars and image mappings that they lead to."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from app.core.images import is_digest
from app.core.manifests.kinds.declared import DeclaredField, FieldScan, Selector, YamlPath
from app.core.manifests.kinds.field_paths import Every, Index, Key, Named, Step, join_steps
from app.core.manifests.kinds.overriding import neighbours_of
from app.core.manifests.places import Miss, Part, Problem, Refusal
from app.core.manifests.text.excerpts import NoExcerpt
from app.core.manifests.text.nodes import AliasNode, MappingNode, Node, SequenceNode
from app.core.manifests.text.partial_text import excerpt_of, has_excerpt
from app.core.manifests.text.scalars import Scalar
from app.core.manifests.text.seals import why_sealed
from app.core.manifests.text.yaml_files import YamlFile
from app.core.policies.verdicts import quoted

_PARTS = {
    "tag": Part.TAG,
    "digest": Part.DIGEST,
    "repository": Part.NAME,
    "image": Part.REFERENCE,
    "newTag": Part.TAG,
    "newName": Part.NAME,
}
_HELM_RELEASE = "HelmRelease"
_NO_PART = f"it is not clear which part of the image belongs here: declare part as one of {', '.join(Part)}"


@dataclass(frozen=True, slots=True)
class Found:
    """A node that a path leads to, with the steps that were taken: each `*` as the key or number that it met."""

    node: Node
    steps: tuple[Step, ...]

    @property
    def where(self) -> str:
        """The place in words."""
        return join_steps(self.steps)


def find_at_path(file: YamlFile, selector: YamlPath) -> FieldScan:
    """Find the fields at a path."""
    tops: list[Node] = [*file.documents]
    if selector.kind or selector.name:
        tops = [one for one in file.objects() if is_object(one, kind=selector.kind, name=selector.name)]
        if not tops:
            named = f" named {quoted(selector.name)}" if selector.name else ""
            return FieldScan(problems=(Miss(1, f"no {selector.kind or 'object'}{named} is in the file"),))
    by_top = [list(_results_at(file, selector, top)) for top in tops]
    hits = [top for top, results in zip(tops, by_top, strict=True) if not all(isinstance(one, Miss) for one in results)]
    if selector.kind == _HELM_RELEASE and not selector.name and len(hits) > 1:
        what = f"{len(hits)} HelmReleases of the file have {selector.path}: say which by `name`"
        return FieldScan(problems=(Problem(file.line_of(hits[1]), what),))
    return _as_scan([one for results in by_top for one in results], selector)


def _results_at(file: YamlFile, selector: YamlPath, top: Node) -> Iterator[DeclaredField | Problem]:
    for one in follow(file, top, selector.path.steps):
        if isinstance(one, Found):
            yield from _fields_at(file, selector, one)
        else:
            yield one


def _as_scan(results: Sequence[DeclaredField | Problem], selector: YamlPath) -> FieldScan:
    """What was found; where that is nothing at all, the first place where it was missed."""
    fields = tuple(one for one in results if isinstance(one, DeclaredField))
    problems = tuple(one for one in results if isinstance(one, Problem) and not isinstance(one, Miss))
    if not fields and not problems:
        misses = [one for one in results if isinstance(one, Miss)]
        problems = (*misses[:1],) or (Miss(1, f"nothing stands at {selector.path}: the file is empty"),)
    return FieldScan(fields, problems)


def follow(
    file: YamlFile, node: Node, steps: tuple[Step, ...], done: tuple[Step, ...] = ()
) -> Iterator[Found | Problem]:
    """Every node that the steps lead to from here, and why they lead nowhere: a Miss where nothing stands there."""
    if isinstance(node, AliasNode):
        what = f"{join_steps(done) or 'the document'} is what stands at &{node.name}: declare the place where that is"
        yield Refusal(file.line_of(node), what)
    elif not steps:
        yield Found(node, done)
    else:
        step, *rest = steps
        children = list(_children(node, step))
        if not children:
            yield Miss(file.line_of(node), _why_nothing(node, step, done))
        elif isinstance(step, Key) and len(children) > 1:
            where = join_steps((*done, step))
            yield Refusal(file.line_of(children[-1][1]), f"{where} is written {len(children)} times: keep one of them")
        else:
            for taken, child in children:
                yield from follow(file, child, tuple(rest), (*done, taken))


def is_object(one: MappingNode, *, kind: str, name: str) -> bool:
    """Tell whether a mapping is an object of this kind and name; empty is any."""
    metadata = one.mapping("metadata")
    named = metadata.text("name") if metadata is not None else ""
    return kind in ("", one.text("kind")) and name in ("", named)


def _children(node: Node, step: Step) -> Iterator[tuple[Step, Node]]:
    match node:
        case MappingNode():
            yield from _values(node, step)
        case SequenceNode():
            yield from _items(node, step)
        case _:
            return


def _values(mapping: MappingNode, step: Step) -> Iterator[tuple[Step, Node]]:
    for key, value in mapping.pairs:
        if isinstance(key, Scalar) and (step == Key(key.value) or (step == Every() and key.value != "<<")):
            yield Key(key.value), value


def _items(sequence: SequenceNode, step: Step) -> Iterator[tuple[Step, Node]]:
    for number, item in enumerate(sequence.items):
        match step:
            case Every() | Index():
                if step in (Every(), Index(number)):
                    yield Index(number), item
            case Named(value, key):
                if isinstance(item, MappingNode) and item.text(key) == value:
                    yield step, item
            case _:
                return


def _why_nothing(node: Node, step: Step, done: tuple[Step, ...]) -> str:
    where, here = join_steps((*done, step)), join_steps(done) or "the document"
    match node:
        case MappingNode() if node.is_merged:
            return f"nothing stands at {where}; if it comes with << into {here}, declare the place where it is written"
        case MappingNode() | SequenceNode():
            return f"nothing stands at {where}"
        case _:
            return f"nothing stands at {where}: {here} is a single value"


def _fields_at(file: YamlFile, selector: YamlPath, found: Found) -> list[DeclaredField | Problem]:
    wrong = Miss if selector.path.steps[-1] == Every() else Problem
    if _is_template(file, found.node):
        return [Refusal(file.line_of(found.node), f"{found.where} is not edited: its value is a template ({{{{)")]
    match found.node:
        case Scalar() as scalar:
            part = selector.part or (_usual_part(found.steps) if selector.pattern is None else Part.TAG)
            if part is None:
                return [Problem(file.line_of(scalar), f"{found.where}: {_NO_PART}")]
            return [scalar_field(file, selector, scalar, part, found.where, pattern=selector.pattern)]
        case MappingNode() as mapping if selector.part is None and selector.pattern is None:
            if not mapping.find("tag") and not mapping.find("digest"):
                return [wrong(file.line_of(mapping), f"{found.where} is a mapping with neither tag nor digest")]
            return _image_mapping(file, selector, mapping, found)
        case other:
            kind = "a list" if isinstance(other, SequenceNode) else "a mapping"
            return [wrong(file.line_of(other), f"{found.where} is {kind}: the path must lead to a single value")]


def _usual_part(steps: tuple[Step, ...]) -> Part | None:
    return _PARTS.get(steps[-1].name) if isinstance(steps[-1], Key) else None


def _image_mapping(
    file: YamlFile, selector: YamlPath, mapping: MappingNode, found: Found
) -> list[DeclaredField | Problem]:
    """The tag, digest and repository of an image as Helm charts have it; a repository beside a registry stays."""
    keys = ["tag", "digest"] if mapping.text("registry") else ["repository", "tag", "digest"]
    return together(
        one for key in keys for one in field_of_key(file, selector, mapping, key, part=_PARTS[key], steps=found.steps)
    )


def together(results: Iterable[DeclaredField | Problem]) -> list[DeclaredField | Problem]:
    """Fields that only make sense together: where one of them has a problem, the others are none either."""
    found = list(results)
    return [one for one in found if isinstance(one, Problem)] or found


def field_of_key(  # noqa: PLR0913 - what a field is made of
    file: YamlFile, selector: Selector, mapping: MappingNode, key: str, *, part: Part, steps: tuple[Step, ...]
) -> Iterator[DeclaredField | Problem]:
    """The field that a key of a mapping is, where it is there; a digest that is none yet is optional."""
    for one in follow(file, mapping, (Key(key),), steps):
        match one:
            case Found(Scalar() as scalar, _):
                is_optional = part is Part.DIGEST and not is_digest(scalar.value)
                has_own_digest = bool(mapping.find("digest"))
                yield scalar_field(
                    file, selector, scalar, part, one.where, is_optional=is_optional, has_own_digest=has_own_digest
                )
            case Found(node, _):
                yield Refusal(file.line_of(node), f"{one.where} is not a single value")
            case Miss():
                pass
            case Problem():
                yield one


def scalar_field(  # noqa: PLR0913 - what a field is made of
    file: YamlFile,
    selector: Selector,
    scalar: Scalar,
    part: Part,
    where: str,
    *,
    pattern: str | None = None,
    is_optional: bool = False,
    has_own_digest: bool = False,
) -> DeclaredField | Problem:
    """The field that a scalar is, or what its pattern picks out of it, or why it is none.

    `has_own_digest`: its digest has a key of its own beside it.
    """
    line = file.line_of(scalar)
    start, end, text = scalar.start, scalar.end, scalar.value
    if pattern is not None and not has_excerpt(pattern, text):
        return Miss(line, f"{where} is not edited: the pattern {pattern!r} is not found in the value")
    why = _why_refused(file, scalar)
    if why is not None:
        return Refusal(line, f"{where} is not edited: {why}", text)
    if pattern is not None:
        try:
            start, end = excerpt_of(file.text, scalar, pattern)
        except NoExcerpt as error:
            return Refusal(line, f"{where} is not edited: {error}", text)
        text = file.text.characters[start:end]
        line = file.text.line_of(start)
    before = file.text.bytes_before
    is_text = scalar.is_text or pattern is not None
    return DeclaredField(
        selector,
        part if has_own_digest else part.as_in(text),
        where,
        before[start],
        before[end],
        line,
        text,
        is_text=is_text,
        is_optional=is_optional,
    )


def with_neighbours(file: YamlFile, scan: FieldScan) -> FieldScan:
    """What was found in a file, each field with what decides in its place."""
    found = neighbours_of(file, [one.start for one in scan.fields if not one.is_missing])
    if not found:
        return scan
    fields = (one if one.is_missing else replace(one, neighbours=found.get(one.start, ())) for one in scan.fields)
    return FieldScan(tuple(fields), scan.problems)


def _why_refused(file: YamlFile, scalar: Scalar) -> str | None:
    if "{{" in scalar.value:
        return "its value is a template ({{)"
    if scalar.tag is not None and not scalar.is_text:
        return "its value has an explicit type; remove the !! tag"
    return why_sealed(file.seals, scalar)


def _is_template(file: YamlFile, node: Node) -> bool:
    """Whether a node is `{{ … }}` without quotes, which YAML takes for mappings."""
    return isinstance(node, MappingNode) and file.text.characters.startswith("{{", node.outer_start)
