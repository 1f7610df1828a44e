"""Questions to the server: what is where, what moved, what is going on."""

import json
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote

import typer

from app.cli.clusters import in_clusters, one_line
from app.cli.names import NoSuchLane, NothingCalledSo, names_tag, policy_path, refuse_unknown, told_by_name
from app.cli.reach import Api, reach
from app.cli.storms import storm_line
from app.cli.tables import fetch_all, instant, show_rows, show_table
from app.cli.terminal import say
from app.cli.untold import untold
from app.core.builds.runs import build_name
from app.core.errors import Invalid, NotFound
from app.core.promotion.applying import is_deployer_place

_MIB = 1024 * 1024
_MOST_SEARCHED = 1_000


class ToldOfEveryPolicy(Invalid):
    """An option that narrows down policies was given for a tag."""

    def __init__(self, text: str) -> None:
        super().__init__(f"{text[:200]!r} is a tag, whose history is of every policy: leave out --repo and --root")


def stages(repo: str | None, stage: str | None, policy: str | None, *, as_json: bool) -> None:
    """Show what is where: image, tag, build, who let it in, and where Flux applied it."""
    with reach() as api:
        found = fetch_all(api, "/stages", None, repo=repo, stage=stage, policy=policy)
        if not found:
            _refuse_unknown(api, {"repo": repo, "stage": stage, "policy": policy})
    rows = [
        (
            one["stage"],
            one["policy"],
            one["tag"] or "-",
            _named(one),
            f"#{one['pull_request']['number']}" if one["pull_request"] else one["origin"] or "-",
            one["merged_by"] or "-",
            in_clusters(one["applied"], one["tag"]),
            _decided(one),
        )
        for one in found
    ]
    head = ("STAGE", "POLICY", "TAG", "BUILD", "PULL", "LET IN BY", "APPLIED IN", "DECIDED")
    is_decided = any(row[-1] != "-" for row in rows)
    shown = rows if is_decided else [row[:-1] for row in rows]
    show_rows(found, shown, head if is_decided else head[:-1], as_json=as_json)


def _decided(one: Any) -> str:
    """What people asked for in a stage, and what they hold there."""
    told = (one_line(one["asked"]) if one["asked"] else "", f"held: {one_line(one['held'])}" if one["held"] else "")
    return "; ".join(filter(None, told)) or "-"


def _named(one: Any) -> str:
    """The build of a stage's tag, and whether something speaks against that tag."""
    named = _build(one["build"]) if one["build"] else "-"
    return f"{named} (doubtful: {one_line(one['doubtful'])})" if one["doubtful"] else named


def promotions(wanted: Mapping[str, str | None], *, limit: int, as_json: bool) -> None:
    """Show what moved, or wants to: the promotions that fit what is wanted, newest first."""
    with reach() as api:
        found = fetch_all(api, "/promotions", limit, **wanted)
        if not found:
            _refuse_unknown(api, wanted)
    rows = [
        (
            instant(one["updated_at"]),
            one["state"],
            one["stage"],
            one["policy"],
            f"{one['from_tag'] or '-'} -> {one['tag']}",
            f"#{one['pull_request']['number']}" if one["pull_request"] else "-",
            f"{one['reason']}; clusters: {in_clusters(one['applied'], one['tag'])}"
            if one["applied"]
            else one["reason"],
        )
        for one in found
    ]
    show_rows(found, rows, ("CHANGED", "STATE", "STAGE", "POLICY", "TAGS", "PULL", "WHY"), as_json=as_json)


def history(name: str, *, repo: str | None, root: str | None, limit: int, as_json: bool) -> None:
    """Show what happened to a tag, or to the tags that a policy moved to last, from build to cluster."""
    if names_tag(name) and (repo, root) != (None, None):
        raise ToldOfEveryPolicy(name)
    with reach() as api:
        if names_tag(name):
            found = _history_of_tag(api, name)
        else:
            found = _history_of_policy(api, name, {"repo": repo, "root": root, "limit": limit})
    if as_json:
        typer.echo(json.dumps(found, indent=2))
        return
    say(f"{found['image']}:{found['tag']}" if found["tag"] else name, bold=True)
    rows = [
        (
            instant(one["at"]),
            one["tag"],
            one["stage"] or "-",
            one["what"] + (f" in {one['cluster']}" if one["cluster"] else ""),
            one["who"],
            "  ".join(" ".join(words.split()) for words in (one["words"], one["link"]) if words),
        )
        for one in found["happenings"]
    ]
    show_rows([], rows, ("TIME", "TAG", "STAGE", "WHAT", "BY", "DETAILS"), as_json=False)


def _history_of_tag(api: Api, name: str) -> Any:
    found = api.get("/images/tags/history", tag=name)
    if not found["happenings"]:
        images = [one["image"] for one in fetch_all(api, "/images", _MOST_SEARCHED)]
        if found["image"] not in images:
            raise NothingCalledSo("image", found["image"], images)
        tags = [one["tag"] for one in fetch_all(api, "/images/tags", _MOST_SEARCHED, image=found["image"])]
        raise NothingCalledSo(f"tag of {found['image']}", found["tag"], tags)
    return found


def _history_of_policy(api: Api, name: str, query: dict[str, Any]) -> Any:
    path, root = policy_path(name)
    with told_by_name():
        return api.get(f"{path}/history", **{**query, "root": query["root"] or root})


def plan(repo: str | None, branch: str | None, *, as_json: bool) -> None:
    """Show what each lane's last run planned: which pull requests should exist, and why the others do not."""
    with reach() as api:
        known = api.get("/lanes")["items"]
        lanes = [one for one in known if repo in {None, one["repo"]} and branch in {None, one["branch"]}]
        if known and not lanes:
            raise NoSuchLane(repo, branch, [_lane_name(one) for one in known])
        plans = [(lane, _find_plan(api, lane)) for lane in lanes]
    if as_json:
        shown = [{"repo": lane["repo"], "branch": lane["branch"], **one} for lane, one in plans if one]
        typer.echo(json.dumps(shown, indent=2))
        return
    for lane, one in plans:
        _print_plan(lane, one)
    if not plans:
        typer.echo("No lane is known yet: `fluxbridge serve` runs each of them at its start.")


def status(*, as_json: bool) -> None:
    """Show deliveries, promotions and lanes: what waits, what runs, what failed."""
    with reach() as api:
        found = api.get("/status")
        lanes = api.get("/lanes")["items"]
    if as_json:
        typer.echo(json.dumps({**found, "lanes": lanes}, indent=2))
        return
    for storm in found["waits_for_person"]:
        say(f"WAITS {storm_line(storm['sweep'], storm)}")
    for name, told in _numbers(found):
        say(f"{name:<15}{told}")
    for line in (*_troubles(found), *untold(found)):
        say(line)
    typer.echo()
    rows = [
        (
            _lane_name(one),
            _lane_state(one, found["lane_leases_s"].get(_lane_name(one))),
            instant(one["last_run_at"]),
            instant(one["due_at"]),
            str(one["attempts"]),
            " ".join((one["last_error"] or "-").split()),
        )
        for one in lanes
    ]
    show_table(rows, ("LANE", "STATE", "LAST RUN", "NEXT RUN", "FAILURES", "LAST ERROR"))
    for lane, problem in ((one, problem) for one in lanes for problem in one["problems"]):
        if problem != lane["last_error"]:
            say(f"{_lane_name(lane)}: to be mended: {' '.join(problem.split())}")


def _numbers(found: Any) -> Iterator[tuple[str, str]]:
    """The numbers of the metrics, a line for each thing."""
    yield "deliveries", _with_age(_counts(found["deliveries"]), "oldest waiting", found["oldest_delivery_s"])
    yield "bodies", _bodies(found["body_bytes"], found["bodies_dropped"])
    yield "promotions", _counts(found["promotions"])
    yield "applications", _counts(found["applications"])
    yield "pull requests", f"{found['open_pull_requests']} open"
    yield "lanes due", _with_age(f"{found['lanes_due']} of {found['lanes']}", "longest", found["oldest_due_s"])
    yield "retries", _counts(found["retries"])
    yield "given up", _counts(found["given_up"])
    yield "ignored", _counts(_limits(found["ignored"]))
    yield "sweeps", _counts(found["sweeps"])
    yield "sweeps found", _counts(found["sweep_found"])
    yield "storms", str(found["storms"] or "none")
    yield (
        "owed",
        _with_age(f"{found['owed_answers'] or 'no'} answers of registries", "oldest", found["oldest_owed_answer_s"]),
    )
    telling = found["outbox"]
    yield "to be told", _with_age(_counts(telling["waiting"]), "oldest", telling["oldest_s"])
    yield "told", _counts(telling["told"])
    yield "stalled", _counts(found["stalled"])
    latency = found["webhook_to_pull_request"]
    if latency["count"]:
        within = next(bound for bound, count in latency["at_most"].items() if count * 2 >= latency["count"])
        mean_s = latency["sum_s"] / latency["count"]
        told = f"{latency['count']} pull requests, opened {mean_s:.1f} s after their webhook on average"
        yield "latency", f"{told}, half within {within} s"


def _troubles(found: Any) -> Iterator[str]:
    """What is not as it should be in clusters, and which events of Flux and builds of deployers count for nothing."""
    for one in found["troubles"]:
        yield f"not applied    {one['stage']} {one['policy']}: {in_clusters([one['cluster_state']], one['tag'])}"
    for one in found["outbox"]["troubles"]:
        again = f"again at {instant(one['due_at'])}" if one["due_at"] else "failed for good"
        yield f"not told       {one['channel']} to {one['target']}, {again}: {one_line(one['error'] or '')}"
    for one in found["unused"]:
        more = f" and {one['count'] - 1} more" if one["count"] > 1 else ""
        who = "jenkins" if is_deployer_place(one["object"]) else "flux"
        yield f"{f'{who}, unused':<14} {one['cluster']}: {one['object']}{more}: {one_line(one['why'])}"
    for cluster, count in found["flux_dropped"].items():
        yield f"flux, dropped  {cluster}: {count} objects that count for nothing, beyond those that are kept"


def _limits(ignored: dict[str, int]) -> dict[str, int]:
    """By source and limit, as `ci:jobs`, in words."""
    parts = ((label.rpartition(":"), count) for label, count in ignored.items())
    return {f"beyond {limit} of source {source}": count for (source, _, limit), count in parts}


def _bodies(kept: dict[str, int], dropped: dict[str, int]) -> str:
    """How much is kept of ended deliveries, and of which sources more came in a day than is kept."""
    told = f"{sum(kept.values()) / _MIB:.1f} MiB kept"
    beyond = ", ".join(f"{count} of source {source}" for source, count in dropped.items())
    return f"{told}; dropped beyond retention.bodies_day_bytes: {beyond}" if beyond else told


def _with_age(told: str, name: str, age_s: float) -> str:
    return f"{told}; {name} {age_s:.0f} s" if age_s else told


def _lane_state(lane: Any, lease_s: float | None) -> str:
    if lease_s is not None:
        return f"running {lease_s:.0f}s"
    return "running" if lane["is_running"] else "due" if _is_due(lane) else "idle"


def replay(ids: list[str]) -> None:
    """Interpret deliveries again, whatever became of them."""
    with reach() as api:
        for one in ids:
            api.post(f"/deliveries/{quote(one, safe='')}/replay")
            say(f"{one} is interpreted again.")


def _refuse_unknown(api: Api, wanted: Mapping[str, str | None]) -> None:
    """Where nothing was found: is something called so at all? Raises NothingCalledSo."""
    present = fetch_all(api, "/stages", None)
    refuse_unknown(
        wanted, {what: sorted({one[what] for one in present}) for what in ("repo", "stage", "policy", "image")}
    )


def _find_plan(api: Api, lane: Any) -> Any | None:
    try:
        return api.get(f"/lanes/{lane['repo']}/plan", branch=lane["branch"])
    except NotFound:
        return None


def _print_plan(lane: Any, one: Any | None) -> None:
    if one is None:
        say(f"{_lane_name(lane)} has no plan yet" + (f": {lane['last_error']}" if lane["last_error"] else "."))
        return
    say(f"{_lane_name(lane)} at {one['commit'][:12]}", bold=True)
    if one["broken_off"]:
        again = f"; tried again at {instant(one['tried_again_at'])}" if one["tried_again_at"] else ""
        say(f"  the last run did not end: {' '.join(one['broken_off'].split())}{again}")
    if one["problem"]:
        say(f"  nothing can be planned: {one['problem']}")
    for each in one["proposals"]:
        because = f": {each['put_off_because']}" if each["put_off_because"] else ""
        put_off = f"; put off{because}" if each["is_put_off"] else ""
        say(f"  pull request: {each['title']}  ({each['branch']}{put_off})")
        for change in each["changes"]:
            say(f"      {change['file']}:{change['line']}  {change['old']} -> {change['new']}")
    for each in one["closures"]:
        put_off = f"  (put off: {each['put_off']})" if each["put_off"] else ""
        say(f"  close #{each['number']}: {each['reason']}{put_off}")
    for each in one["outcomes"]:
        tag = f" {each['tag']}" if each["tag"] else ""
        step = f"; what you can do: {each['next_step']}" if each["next_step"] else ""
        say(f"  {each['stage']}/{each['policy']}: {each['standing']}{tag}: {each['reason']}{step}")
    for each in one["noticed"]:
        say(f"  noticed {each['file']}:{each['line'] or 1}: {each['what']}")


def _build(build: Any) -> str:
    return build_name(build["job"], build["number"], run=build["run"])


def _lane_name(lane: Any) -> str:
    return f"{lane['repo']}:{lane['branch']}"


def _is_due(lane: Any) -> bool:
    return lane["due_at"] is not None and datetime.fromisoformat(lane["due_at"]) <= datetime.now(UTC)


def _counts(found: dict[str, int]) -> str:
    return ", ".join(f"{count} {state}" for state, count in found.items() if count) or "none"
