"""Which tags of an image matter now: those in Git, those that policies choose, and those in open pull requests."""

from collections.abc import Set as AbstractSet

from sqlalchemy import Connection

from app.core.flux.objects import PolicyName
from app.core.images import ImageName
from app.db import fields, lanes, policies, promotions, selections


def tags_in_use(connection: Connection, image: ImageName) -> AbstractSet[str]:
    """The tags of an image of which only their manifests, asked for, tell that they are gone."""
    choices = (row.stored_choice for row in selections.of_image(connection, image))
    found = {choice.tag for choice in choices if choice is not None and choice.tag is not None}
    users = policies.of_repository(connection, image)
    found |= {row.selected_tag for row in users if row.selected_tag is not None}
    names = {(row.lane, str(PolicyName(row.root, row.namespace, row.name))) for row in users}
    for lane in {*lanes.lanes_of_image(connection, image), *(lane for lane, _ in names)}:
        found |= {row.tag for row in promotions.open_in(connection, lane) if (lane, row.policy) in names}
    return found | {tag for _, tag in fields.in_git(connection, repository=str(image))}
