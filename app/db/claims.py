"""Claims: which worker may work off a row of a queue, and until when. The only entrance to owner, lease and fence.

A queue is a table with the columns `owner`, `lease_until` and `fence`. Its rows are free while nobody owns them or the
lease has ended. The fence grows by one with each claim and whenever a claim is taken away: what a worker that lost its
claim writes is written nowhere. The lease says when others may take over, the fence who is right.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Protocol

from sqlalchemy import (
    Column,
    ColumnElement,
    Connection,
    Integer,
    Select,
    Table,
    bindparam,
    or_,
    select,
    update,
)
from sqlalchemy.sql.dml import ReturningUpdate, Update

from app.db.tables import Instant


class Claimed(Protocol):
    """What a worker holds of a row; it has the row's key under the name of the table's column."""

    @property
    def owner(self) -> str:
        """Who holds it."""

    @property
    def fence(self) -> int:
        """The row's fence when it was taken."""


class Queue:
    """The claims on the rows of one table; `due` is the column that says from when on a row is to be worked off.

    `noted` are columns that a claim sets beside its own and that are empty while nobody holds the row.
    """

    def __init__(self, table: Table, *, key: Column[str], due: Column[datetime], noted: tuple[str, ...] = ()) -> None:
        self._table, self._key, self._due = table, key, due
        self._freed: dict[str, Any] = dict.fromkeys(("owner", "lease_until", *noted))
        self._owned = update(table).where(
            key == bindparam("its_key"),
            table.c.owner == bindparam("its_owner"),
            table.c.fence == bindparam("its_fence"),
        )
        self._renew = self._owned.values(lease_until=bindparam("until", type_=Instant))
        self._release = self._owned.values(**self._freed, fence=table.c.fence + 1)
        self._held = select(table.c.owner, table.c.fence).where(key == bindparam("its_key"))

    @property
    def is_free(self) -> ColumnElement[bool]:
        """Whether nobody holds a row at the time that is bound to `now`."""
        lease_until = self._table.c.lease_until
        return or_(lease_until.is_(None), lease_until < bindparam("now", type_=Instant))

    def next_due(
        self, *wanted: ColumnElement[bool], by: tuple[ColumnElement[Any], ...] = (), due_by: str = "now"
    ) -> Select[Any]:
        """The query for the keys of at most `most` rows that are due, are free and that nobody claims just now.

        Those that have been due longest come first, within what they are sorted `by` before. `due_by` is the name to
        which the time is bound that counts for being due, where that is another than `now`.
        """
        is_due = self._due <= bindparam(due_by, type_=Instant)
        return (
            select(self._key)
            .where(is_due, self.is_free, *wanted)
            .order_by(*by, self._due, self._key)
            .limit(bindparam("most", type_=Integer))
            .with_for_update(skip_locked=True)
        )

    def free(self) -> Select[Any]:
        """The query for the key that is bound to `its_key`, due or not, if it is free and nobody claims it now."""
        return (
            select(self._key).where(self._key == bindparam("its_key"), self.is_free).with_for_update(skip_locked=True)
        )

    def taking(self, chosen: Select[Any] | None = None, **noted: Any) -> ReturningUpdate[Any]:
        """The statement that takes one row, or those whose keys are bound to `keys`, for `by` `until` a time."""
        is_chosen = (
            self._key == chosen.scalar_subquery()
            if chosen is not None
            else self._key.in_(bindparam("keys", expanding=True))
        )
        taken = {"owner": bindparam("by"), "lease_until": bindparam("until", type_=Instant)}
        values = {**taken, "fence": self._table.c.fence + 1, **noted}
        return update(self._table).where(is_chosen).values(values).returning(*self._table.c)

    def still_owned(self, connection: Connection, claim: Claimed, *, locks: bool) -> bool:
        """Tell whether a claim holds now; with `locks` other writers of the row wait until the transaction ends."""
        held = self._held.with_for_update() if locks else self._held
        row = connection.execute(held, {"its_key": self._key_of(claim)}).one_or_none()
        return row is not None and (row.owner, row.fence) == (claim.owner, claim.fence)

    def renew(self, connection: Connection, claim: Claimed, *, now: datetime, lease: timedelta) -> bool:
        """Prolong the lease; false when the claim no longer holds, also after what it was taken for has ended."""
        asked = {**self._its(claim), "until": now + lease}
        return connection.execute(self._renew, asked).rowcount == 1

    def end(self, connection: Connection, claim: Claimed, **values: Any) -> bool:
        """Write these values and give the row back; false, and nothing written, when the claim no longer holds."""
        return self.write(connection, claim, **self._freed, **values)

    def ending(self, *names: str) -> Update:
        """The statement by which `end_all` writes these columns and gives rows back."""
        return self._owned.values({**self._freed, **{name: bindparam(f"now_{name}") for name in names}})

    def end_all(
        self, connection: Connection, ending: Update, ended: Sequence[tuple[Claimed, Mapping[str, Any]]]
    ) -> bool:
        """End many with one statement; false when one of the claims no longer holds: only its row is not written."""
        rows = [
            {**self._its(claim), **{f"now_{name}": value for name, value in values.items()}} for claim, values in ended
        ]
        return not rows or connection.execute(ending, rows).rowcount == len(rows)

    def write(self, connection: Connection, claim: Claimed, **values: Any) -> bool:
        """Write these values while the row is held; false, and nothing written, when the claim no longer holds."""
        return connection.execute(self._owned.values(**values), self._its(claim)).rowcount == 1

    def release(self, connection: Connection, claim: Claimed) -> None:
        """Give a row back before its end: whoever takes it is free to, and this claim writes nothing any more."""
        connection.execute(self._release, self._its(claim))

    def release_all(self, connection: Connection) -> None:
        """Clear all leases and raise their fences: for a process that knows itself to be alone."""
        is_held = self._table.c.owner.is_not(None)
        connection.execute(update(self._table).where(is_held).values(**self._freed, fence=self._table.c.fence + 1))

    def _its(self, claim: Claimed) -> dict[str, Any]:
        return {"its_key": self._key_of(claim), "its_owner": claim.owner, "its_fence": claim.fence}

    def _key_of(self, claim: Claimed) -> str:
        key: str = getattr(claim, self._key.name)
        return key
