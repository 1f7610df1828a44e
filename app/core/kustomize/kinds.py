"""The kinds of objects that are followed into clusters; of everything else nothing is asked."""

from collections.abc import Mapping, Sequence

from app.core.manifests.text.documents import Value
from app.core.manifests.text.values import written_at

FOLLOWED: Mapping[str, str] = {
    "ImagePolicy": "image.toolkit.fluxcd.io",
    "ImageRepository": "image.toolkit.fluxcd.io",
    "ImageUpdateAutomation": "image.toolkit.fluxcd.io",
    "Kustomization": "kustomize.toolkit.fluxcd.io",
    "GitRepository": "source.toolkit.fluxcd.io",
    "OCIRepository": "source.toolkit.fluxcd.io",
    "Bucket": "source.toolkit.fluxcd.io",
    "ExternalArtifact": "source.toolkit.fluxcd.io",
    "ArtifactGenerator": "source.extensions.fluxcd.io",
    "HelmRelease": "helm.toolkit.fluxcd.io",
    "HelmRepository": "source.toolkit.fluxcd.io",
    "ConfigMap": "",
}
"""Each kind with its API group."""

PARTLY = frozenset({"ConfigMap", "HelmRelease"})
"""The kinds of which a part is known only: of ConfigMaps what may be variables, of HelmReleases all but `LEFT_OUT`."""

LEFT_OUT: Mapping[str, Sequence[tuple[str, ...]]] = {
    "HelmRelease": (("spec", "values"), ("spec", "postRenderers"), ("spec", "chart", "spec", "version"))
}
"""What is not carried along, by kind: what is long, and what edits set, so that another tag is no other object."""


def carried(one: dict[str, Value]) -> dict[str, Value]:
    """An object without what is left out of its kind."""
    for path in LEFT_OUT.get(written_at(one, "kind"), ()):
        one = _without(one, path)
    return one


def is_left_out(kind: str, pointer: str) -> bool:
    """Whether a JSON pointer leads into what is left out of a kind."""
    return any(f"{pointer}/".startswith(f"/{'/'.join(path)}/") for path in LEFT_OUT.get(kind, ()))


def _without(value: dict[str, Value], path: Sequence[str]) -> dict[str, Value]:
    inside = value.get(path[0])
    if len(path) == 1:
        return {key: one for key, one in value.items() if key != path[0]}
    return {**value, path[0]: _without(inside, path[1:])} if isinstance(inside, dict) else value
