"""A registry that answers as a test says, and what is owed of it."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import timedelta

from app.db import owed_answers
from app.db.database import Database
from app.db.owed_answers import OwedAnswer
from app.services.catalogue.ready_policies import ReadyPolicies
from app.services.sweeps.watch import Watch
from app.services.systems import Systems
from tests.services.intake.webhooks import Site
from tests.services.lanes import IMAGE, NOW, Lane


@dataclass
class Scripted:
    """Repositories as a test says; an error stands in place of what cannot be asked. `during` happens while it asks."""

    tags_of: dict[str, list[str] | Exception] = field(default_factory=dict)
    digests: dict[tuple[str, str], str | Exception | None] = field(default_factory=dict)
    during: Callable[[str], None] = lambda _: None
    asked: list[str] = field(default_factory=list)

    def tags(self, path: str) -> list[str]:
        found = self.tags_of.get(path, [])
        if isinstance(found, Exception):
            raise found
        return found

    def digest(self, path: str, reference: str) -> str | None:
        self.asked.append(f"{path}:{reference}")
        found = self.digests.get((path, reference))
        self.during(reference)
        if isinstance(found, Exception):
            raise found
        return found


def owed(database: Database) -> list[OwedAnswer]:
    with database.transaction() as connection:
        return list(owed_answers.due(connection, NOW + timedelta(days=365), limit=100))


def sweeper_of(site: Site) -> Watch:
    return Watch(site.database, site.systems, lambda: site.now, ReadyPolicies())


def over(lane: Lane, registry: Scripted) -> Systems:
    return replace(lane.systems, registries={IMAGE.registry: registry})


def titles(lane: Lane) -> list[str]:
    lane.run()
    return [pull.title for pull in lane.open_pulls()]
