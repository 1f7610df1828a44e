"""Why lists of repositories are none, or not whole: it stands with the repository until a good list comes."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import Connection, and_, func, literal, or_, select, update

from app.core.images import ImageName
from app.db.catalogue import KnownRepository, know_repository, known_repository, repositories
from app.db.tables import Instant

_LONGEST_PROBLEM = 1000


def note(connection: Connection, image: ImageName, problem: str, *, asked_at: datetime) -> bool:
    """Write down why the list that was asked for at `asked_at` is none, or not whole; true where none was known.

    What was asked for later stands.
    """
    know_repository(connection, image, asked_at)
    asked, of_image = literal(asked_at, Instant), repositories.c.image == str(image)
    is_newest = and_(
        or_(repositories.c.listed_at.is_(None), repositories.c.listed_at <= asked),
        or_(repositories.c.listing_failed_at.is_(None), repositories.c.listing_failed_at <= asked),
    )
    before = connection.execute(select(repositories.c.listing_problem).where(of_image)).scalar()
    told = {"listing_problem": problem[:_LONGEST_PROBLEM], "listing_failed_at": asked_at}
    changed = connection.execute(update(repositories).where(of_image, is_newest).values(told)).rowcount
    return before is None and bool(changed)


def some(connection: Connection, *, limit: int) -> Sequence[KnownRepository]:
    """The repositories whose newest list is none, or not whole."""
    wanted = select(repositories).where(repositories.c.listing_problem.is_not(None))
    return [known_repository(row) for row in connection.execute(wanted.order_by(repositories.c.image).limit(limit))]


def count(connection: Connection) -> int:
    """How many repositories have such a list."""
    wanted = select(func.count()).select_from(repositories).where(repositories.c.listing_problem.is_not(None))
    return connection.execute(wanted).scalar_one()
