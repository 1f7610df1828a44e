"""What must be so after any fault, read from outside: the config repository, the forge's own log, the API."""

from collections import Counter
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta

from sqlalchemy import create_engine

from tests.faults.fleets import LABELS, STAGES, Fleet, Message, manifest_path, tag_in
from tests.faults.forge import WatchedGitHub
from tests.faults.processes import Fluxbridge
from tests.invariants import violations
from tests.servers.pulls import Pull

Place = tuple[str, str]


def nothing_is_lost(fluxbridge: Fluxbridge, acknowledged: Iterable[tuple[Message, str]]) -> None:
    """Each acknowledged webhook is kept once and worked off."""
    kept = {one["id"]: one for one in fluxbridge.items("/deliveries")}
    told = list(acknowledged)
    lost = [f"{message} ({number})" for message, number in told if number not in kept]
    assert not lost, f"acknowledged and gone: {lost}"
    unfinished = [(str(message), kept[number]) for message, number in told if kept[number]["state"] != "done"]
    assert not unfinished, f"acknowledged and not worked off: {unfinished}"
    strays = kept.keys() - {number for _, number in told}
    assert not strays, f"kept and never acknowledged: {[kept[number] for number in strays]}"


def newest_are_proposed(fleet: Fleet, github: WatchedGitHub) -> None:
    """The newest tag of each app is proposed once a stage, nothing else is, and each pull request is whole."""
    proposed: dict[Place, list[str]] = {(stage, app): [] for stage in STAGES for app in fleet.apps}
    for pull in github.pulls():
        if pull.is_open:
            for place, tag in _changes(fleet, github, pull).items():
                proposed[place].append(tag)
            assert set(pull.labels) == set(LABELS), f"pull request {pull.number} has the labels {pull.labels}"
    expected = {(stage, app): [fleet.newest[app]] for stage in STAGES for app in fleet.apps}
    wrong = {place: tags for place, tags in proposed.items() if tags != expected[place]}
    assert not wrong, f"open are {wrong}, should be { ({place: expected[place] for place in wrong}) }"


def each_is_opened_once(github: WatchedGitHub) -> None:
    """No branch had a second pull request while nobody closed or merged one, and no second head lies about."""
    heads = Counter(pull.head for pull in github.pulls())
    assert len(github.opened()) == len(github.pulls())
    doubled = {head: count for head, count in heads.items() if count > 1}
    assert not doubled, f"opened more than once: {doubled}"
    branches = github.repository.git("for-each-ref", "--format=%(refname)", "refs/heads/fluxbridge").decode()
    strays = {line.removeprefix("refs/heads/") for line in branches.splitlines()} - heads.keys()
    assert not strays, f"branches without a pull request: {strays}"


def no_promotion_is_doubled(fluxbridge: Fluxbridge) -> None:
    """A tag went the way into a stage once."""
    ways = Counter((one["stage"], one["policy"], one["tag"]) for one in fluxbridge.items("/promotions"))
    doubled = {way: count for way, count in ways.items() if count > 1}
    assert not doubled, f"promoted more than once: {doubled}"


def database_is_sound(fluxbridge: Fluxbridge) -> None:
    """The program's own look at its database finds nothing, nor does the oracle."""
    told = list(fluxbridge.items("/integrity"))
    assert not told, told
    settings = fluxbridge.settings
    engine = create_engine(settings.database.connect_url(settings.data_dir))
    try:
        with engine.begin() as connection:
            lease = timedelta(seconds=settings.work.lease_s)
            found = violations(connection, now=datetime.now(UTC), lease=lease)
    finally:
        engine.dispose()
    assert not found, found


def _changes(fleet: Fleet, github: WatchedGitHub, pull: Pull) -> Mapping[Place, str]:
    """The places that a pull request changes, with the tags it brings there."""
    changes = {}
    for stage in STAGES:
        for app in fleet.apps:
            path = manifest_path(stage, app)
            before, after = (tag_in(github.repository.text(commit, path)) for commit in (pull.base, pull.head_sha))
            if before != after:
                changes[stage, app] = after
    assert len(changes) == 1, f"pull request {pull.number} changes {changes}"
    return changes
