"""A config repository of several apps in two stages, the images of its apps, and who tells of them."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from app.demo.registry import DemoRegistry
from tests.end_to_end.bridge import build_report, deployment, kustomization, manifest, policy, registry_event, signed

FIRST_TAG = "1.0.0"
STAGES = ("staging", "production")
LABELS = ("automated", "images")
_RULES = """\
stages:
  staging: {paths: [apps/staging], labels: [automated, images]}
  production: {paths: [apps/production], labels: [automated, images], requires: {build: success}}
limits: {open: 100}
"""


@dataclass(frozen=True, slots=True)
class Message:
    """One webhook as its sender sends it, again and again until it is answered with 202."""

    source: str
    about: str
    body: bytes
    headers: Mapping[str, str]

    def __str__(self) -> str:
        return f"{self.about} from {self.source}"


@dataclass(slots=True)
class Fleet:
    """The apps by name, their images in a registry, and the newest tag of each."""

    registry: DemoRegistry
    apps: tuple[str, ...]
    newest: dict[str, str] = field(default_factory=dict)
    _builds: int = 0

    def __post_init__(self) -> None:
        for app in self.apps:
            self.put(app, FIRST_TAG)
            self.newest[app] = FIRST_TAG

    def put(self, app: str, tag: str, *, made: str = "first") -> str:
        """Push an image and tell nobody; returns its digest, another for each time that it was made."""
        return self.registry.put(f"team/{app}", tag, manifest(f"{app}:{tag} {made}"))

    def push(self, app: str, tag: str, *, made: str = "first", result: str = "SUCCESS") -> list[Message]:
        """Push an image; the registry tells of it, and the build that made it."""
        digest = self.put(app, tag, made=made)
        self.newest[app] = max(self.newest[app], tag, key=version)
        self._builds += 1
        body, headers = registry_event(f"team/{app}", tag, digest, host=self.registry.host)
        image = f"registry.acme.example/team/{app}"
        report = build_report(
            tag,
            digest=digest,
            number=self._builds,
            result=result,
            job=f"team/{app}/main",
            build_url=f"https://ci.acme.example/job/team/job/{app}/job/main/{self._builds}/",
            images=[{"repository": image, "tag": tag, "digest": digest}],
        )
        about = f"{app}:{tag}"
        return [Message("registry", about, body, headers), Message("ci", about, report, signed(report))]

    def push_all(self, number: int) -> Iterator[Message]:
        """Push the next version of every app."""
        for app in self.apps:
            yield from self.push(app, f"1.{number}.0")

    def files(self) -> dict[str, str]:
        """What the config repository holds at first."""
        sync = {
            f"clusters/{stage}/{name}.yaml": text
            for stage in STAGES
            for name, text in {
                "sync": kustomization("flux-system", f"clusters/{stage}"),
                "apps": kustomization("apps", f"apps/{stage}") + "---\n" + kustomization("images", "images"),
            }.items()
        }
        images = {f"images/{app}.yaml": policy(app, path=f"team/{app}") for app in self.apps}
        manifests = {
            manifest_path(stage, app): deployment(FIRST_TAG, name=app, path=f"team/{app}")
            for stage in STAGES
            for app in self.apps
        }
        return {".fluxbridge.yaml": _RULES, **sync, **images, **manifests}


def manifest_path(stage: str, app: str) -> str:
    """Where the field of an app in a stage is."""
    return f"apps/{stage}/{app}.yaml"


def tag_in(text: str) -> str:
    """The tag that a manifest of ours has."""
    line = next(line for line in text.splitlines() if "image:" in line)
    return line.split("#")[0].strip().rpartition(":")[2]


def version(tag: str) -> tuple[int, ...]:
    """A tag in its order."""
    return tuple(map(int, tag.split(".")))
