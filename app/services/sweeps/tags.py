"""Look for tags: list every repository that a policy names."""

from collections import defaultdict
from functools import partial

from app.core.images import ImageName
from app.db import policies
from app.services.list_repository import list_repository
from app.services.look import Look


def sweep_tags(look: Look) -> None:
    """List each repository that policies name, where its registry is configured."""
    with look.database.transaction() as connection:
        named = [ImageName(*name.split("/", 1)) for name in policies.repositories(connection)]
    by_registry: dict[str, list[ImageName]] = defaultdict(list)
    for image in named:
        if look.systems.registry_of(image) is not None:
            by_registry[image.registry].append(image)
    look.let_go_of_others(str(image) for images in by_registry.values() for image in images)
    for host, images in by_registry.items():
        look.each(f"registry {host}", {str(image): partial(list_repository, look, image) for image in images})
