"""ImagePolicy, ImageRepository and ImageUpdateAutomation as their files have them: alike in v1, v1beta2 and v1beta1."""

from collections.abc import Collection

from app.core.flux.intervals import read_interval
from app.core.flux.objects import DigestReflection
from app.core.flux.selectors import read_labels, read_selector
from app.core.flux.spec_texts import Unreadable, has_table, text_at, texts_at
from app.core.flux.written import WrittenAutomation, WrittenPolicy, WrittenRepository
from app.core.manifests.text.documents import Value
from app.core.manifests.text.values import at, written_at
from app.core.policies.spec import Alphabetical, Choice, Numerical, PolicySpec, SemVer, TagFilter

IMAGE_GROUP = "image.toolkit.fluxcd.io"
IMAGE_VERSIONS = ("v1", "v1beta2", "v1beta1")


def read_policy(written: Value, *, missing: Collection[str] = ()) -> WrittenPolicy:
    """Read an ImagePolicy, in which variables may be `missing`. What cannot be used is its `problem`."""
    namespace, name = written_at(written, "metadata", "namespace"), written_at(written, "metadata", "name")
    labels = read_labels(at(written, "metadata", "labels"))
    try:
        text_at(written, "metadata", "namespace")
        text_at(written, "metadata", "name")
        return WrittenPolicy(
            namespace=namespace,
            name=name,
            repository_namespace=text_at(written, "spec", "imageRepositoryRef", "namespace"),
            repository_name=_repository_name(written),
            spec=PolicySpec(_choice(written), _filter(written, missing)),
            digest_reflection=_digest_reflection(written),
            digest_interval=read_interval(text_at(written, "spec", "interval")),
            labels=labels,
            is_suspended=_is_suspended(written),
        )
    except Unreadable as error:
        return WrittenPolicy(namespace=namespace, name=name, labels=labels, problem=str(error))


def read_repository(written: Value) -> WrittenRepository:
    """Read an ImageRepository. What cannot be used is its `problem`."""
    namespace, name = written_at(written, "metadata", "namespace"), written_at(written, "metadata", "name")
    try:
        return WrittenRepository(
            namespace=text_at(written, "metadata", "namespace"),
            name=text_at(written, "metadata", "name"),
            image=text_at(written, "spec", "image"),
            exclusion_list=texts_at(written, "spec", "exclusionList"),
        )
    except Unreadable as error:
        return WrittenRepository(
            namespace=namespace, name=name, image=written_at(written, "spec", "image"), problem=str(error)
        )


def read_automation(written: Value) -> WrittenAutomation:
    """Read an ImageUpdateAutomation."""
    return WrittenAutomation(
        namespace=written_at(written, "metadata", "namespace"),
        name=written_at(written, "metadata", "name"),
        path=written_at(written, "spec", "update", "path"),
        is_suspended=written_at(written, "spec", "suspend").lower() == "true",
        branch=written_at(written, "spec", "git", "checkout", "ref", "branch"),
        push_branch=written_at(written, "spec", "git", "push", "branch"),
        selector=tuple(read_selector(at(written, "spec", "policySelector") or {})),
    )


def _is_suspended(written: Value) -> bool:
    """Whether `spec.suspend` is set, which policies have from v1 on: before, the API server drops it."""
    has_it = written_at(written, "apiVersion") == f"{IMAGE_GROUP}/{IMAGE_VERSIONS[0]}"
    return has_it and written_at(written, "spec", "suspend").lower() == "true"


def _repository_name(written: Value) -> str:
    name = text_at(written, "spec", "imageRepositoryRef", "name")
    if not name:
        raise Unreadable("spec.imageRepositoryRef.name is missing: it says which images the policy chooses from")
    return name


def _choice(written: Value) -> Choice:
    """The way of choosing; of several Flux takes the first in this order."""
    policy = ("spec", "policy")
    if has_table(written, *policy, "semver"):
        return SemVer(text_at(written, *policy, "semver", "range"))
    if has_table(written, *policy, "alphabetical"):
        return Alphabetical(text_at(written, *policy, "alphabetical", "order"))
    if has_table(written, *policy, "numerical"):
        return Numerical(text_at(written, *policy, "numerical", "order"))
    raise Unreadable("spec.policy chooses nothing: it needs semver, alphabetical or numerical")


def _filter(written: Value, missing: Collection[str]) -> TagFilter | None:
    if not has_table(written, "spec", "filterTags"):
        return None
    return TagFilter(text_at(written, "spec", "filterTags", "pattern"), _extract(written, missing))


def _extract(written: Value, missing: Collection[str]) -> str:
    """The expansion template, whose own syntax `${name}` is: only a variable of Flux makes it unreadable."""
    match at(written, "spec", "filterTags", "extract"):
        case str(template) if not any(f"${{{name}" in template for name in missing):
            return template
        case _:
            return text_at(written, "spec", "filterTags", "extract")


def _digest_reflection(written: Value) -> DigestReflection:
    has_interval = at(written, "spec", "interval") is not None
    match text_at(written, "spec", "digestReflectionPolicy"):
        case "Always" if not has_interval:
            raise Unreadable("spec.digestReflectionPolicy Always needs spec.interval")
        case "Always":
            return "Always"
        case "" | "Never" | "IfNotPresent" if has_interval:
            raise Unreadable("spec.interval is only allowed with spec.digestReflectionPolicy Always")
        case "IfNotPresent":
            return "IfNotPresent"
        case "" | "Never":
            return "Never"
        case other:
            raise Unreadable(f"spec.digestReflectionPolicy {other[:80]!r} is none of Never, IfNotPresent, Always")
