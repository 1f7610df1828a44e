"""Call Flux's Receivers after a merge: no lane waits for a cluster, and what fails costs nothing but time."""

from datetime import datetime

from sqlalchemy import Connection

from app.db import outbox
from app.db.outbox import Channel, ClaimedTelling, Telling
from app.services.systems import ConfigRepo, Systems
from app.services.telling.unwanted import Unwanted, still_told


def tell_flux(connection: Connection, repo: ConfigRepo, *, branch: str, commit: str, now: datetime) -> None:
    """Have every Receiver of a config repository called, for its branch is at this commit.

    A Receiver that was not reached since an earlier commit hears of this one only: it fetches what is there anyway.
    """
    for receiver in repo.receivers:
        payload = {"repo": repo.name, "receiver": receiver.name, "revision": f"{branch}@sha1:{commit}"}
        target = f"{repo.name}/{receiver.name}"
        key = f"{target}:{branch}"
        outbox.tell_newest(
            connection, Telling(channel=Channel.RECEIVER, target=target, key=key, payload=payload), now=now
        )


def call_receiver(systems: Systems, claim: ClaimedTelling) -> None:
    """Call one Receiver; once more changes nothing. Raises Unwanted, and what the Receiver raises."""
    repo = still_told(systems, claim.payload["repo"])
    name = claim.payload["receiver"]
    receiver = next((one for one in repo.receivers if one.name == name), None)
    if receiver is None:
        raise Unwanted(f"config repository {repo.name} has no receiver {name} any more")
    receiver.call(claim.payload["revision"])
