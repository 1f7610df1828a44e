"""The images of containers in objects with a pod spec."""

from collections.abc import Iterator

from app.core.images import ImageReference, InvalidImage
from app.core.manifests.kinds.declared import Containers, DeclaredField, FieldScan
from app.core.manifests.kinds.field_paths import Every, Key, Step
from app.core.manifests.kinds.yaml_paths import Found, follow, scalar_field
from app.core.manifests.places import Miss, Part, Problem
from app.core.manifests.text.nodes import MappingNode
from app.core.manifests.text.scalars import Scalar
from app.core.manifests.text.yaml_files import YamlFile

_TEMPLATE = ("spec", "template", "spec")
_POD_SPECS = {
    "Pod": ("spec",),
    "PodTemplate": ("template", "spec"),
    "CronJob": ("spec", "jobTemplate", "spec", "template", "spec"),
    **dict.fromkeys(
        ("Deployment", "StatefulSet", "DaemonSet", "ReplicaSet", "ReplicationController", "Job"), _TEMPLATE
    ),
}
_LISTS = ("initContainers", "containers", "ephemeralContainers")


def find_containers(file: YamlFile, selector: Containers) -> FieldScan:
    """Find the image of every container, whosever it is; what is no image reference, as a variable, is left out."""
    results = [one for found in _objects(file) for one in _images(file, selector, found)]
    fields = sorted((one for one in results if isinstance(one, DeclaredField)), key=lambda field: field.start)
    return FieldScan(tuple(fields), tuple(one for one in results if isinstance(one, Problem)))


def _objects(file: YamlFile) -> Iterator[MappingNode]:
    return (one for one in file.objects() if one.text("kind") in _POD_SPECS)


def _images(file: YamlFile, selector: Containers, one: MappingNode) -> Iterator[DeclaredField | Problem]:
    for name in _LISTS:
        keys = (*_POD_SPECS[one.text("kind")], name)
        steps: tuple[Step, ...] = (*map(Key, keys), Every(), Key("image"))
        for found in follow(file, one, steps):
            match found:
                case Found(Scalar() as scalar, _) if _is_image(scalar.value):
                    yield scalar_field(file, selector, scalar, Part.REFERENCE, found.where)
                case Found() | Miss():
                    pass
                case Problem():
                    yield found


def _is_image(text: str) -> bool:
    try:
        ImageReference.parse(text)
    except InvalidImage:
        return False
    return True
