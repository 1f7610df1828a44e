"""A generated config repository of any size, as a company with one cluster and many teams would have it."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from tests.servers.bare_repository import BareRepository

REGISTRY = "registry.acme.example"
_TEAMS = 20
_WHO = "Ada <ada@acme.example> 1790000000 +0000"

_POLICY = """\
apiVersion: image.toolkit.fluxcd.io/v1
kind: ImageRepository
metadata:
  name: {name}
  namespace: flux-system
spec:
  image: {registry}/{team}/{name}
  interval: 5m
---
apiVersion: image.toolkit.fluxcd.io/v1
kind: ImagePolicy
metadata:
  name: {name}
  namespace: flux-system
spec:
  imageRepositoryRef:
    name: {name}
  policy:
    semver:
      range: ">=1.0.0"
"""
_DEPLOYMENT = """\
# Deployed by team {team}.
apiVersion: apps/v1
kind: Deployment
metadata:
  name: {name}
  namespace: {team}
  labels:
    app.kubernetes.io/name: {name}
    app.kubernetes.io/part-of: {team}
spec:
  replicas: 3
  revisionHistoryLimit: 5
  selector:
    matchLabels:
      app.kubernetes.io/name: {name}
  template:
    metadata:
      labels:
        app.kubernetes.io/name: {name}
      annotations:
        prometheus.io/scrape: "true"
    spec:
      serviceAccountName: {name}
      containers:
        - name: app
          image: {registry}/{team}/{name}:{tag}{marker}
          imagePullPolicy: IfNotPresent
          args: ["--port", "8080", "--log-level=info"]
          ports:
            - name: http
              containerPort: 8080
              protocol: TCP
          env:
            - name: DATABASE_URL
              valueFrom:
                secretKeyRef:
                  name: {name}-database
                  key: url
            - name: REGION
              value: eu-central-1
          readinessProbe:
            httpGet:
              path: /healthz
              port: http
            initialDelaySeconds: 5
          resources:
            requests:
              cpu: 100m
              memory: 128Mi
            limits:
              memory: 256Mi
          securityContext:
            runAsNonRoot: true
            readOnlyRootFilesystem: true
"""
_KUSTOMIZE = """\
apiVersion: kustomize.config.k8s.io/v1beta1
kind: Kustomization
namespace: {team}
resources:
{resources}"""
_SYNC = """\
apiVersion: source.toolkit.fluxcd.io/v1
kind: GitRepository
metadata:
  name: flux-system
  namespace: flux-system
spec:
  url: https://git.acme.example/acme/fleet.git
---
"""
_KUSTOMIZATION = """\
apiVersion: kustomize.toolkit.fluxcd.io/v1
kind: Kustomization
metadata:
  name: {name}
  namespace: flux-system
spec:
  interval: 10m
  path: ./{path}
  prune: true
  sourceRef:
    kind: GitRepository
    name: flux-system
"""


@dataclass(frozen=True, slots=True)
class Shape:
    """So many manifests in all, so many policies among them, each of which sets one marked field."""

    files: int
    policies: int


def team_of(number: int) -> str:
    """The team of an app."""
    return f"team-{number % _TEAMS:02}"


def marked_file(number: int) -> str:
    """The file with the field of a policy."""
    return f"apps/{team_of(number)}/app-{number:04}/deployment.yaml"


def manifests(shape: Shape) -> Mapping[str, str]:
    """Every file by its path: an app's folder has its kustomization.yaml, its marked file and plain ones."""
    files = {"clusters/prod/flux-system/gotk-sync.yaml": _SYNC + _flux("flux-system", "clusters/prod")}
    for number in range(_TEAMS):
        files[f"clusters/prod/{team_of(number)}.yaml"] = _flux(team_of(number), f"apps/{team_of(number)}")
    plain = shape.files - len(files) - 3 * shape.policies
    for number in range(shape.policies):
        files |= dict(_app(number, plain // shape.policies + (number < plain % shape.policies)))
    return files


def _flux(name: str, path: str) -> str:
    return _KUSTOMIZATION.format(name=name, path=path)


def _app(number: int, plain: int) -> Iterator[tuple[str, str]]:
    name, team = f"app-{number:04}", team_of(number)
    parts = {f"part-{part}.yaml": f"{name}-{part}" for part in range(plain)}
    listed = "".join(f"  - {one}\n" for one in ("deployment.yaml", *parts))
    yield f"clusters/prod/images/{name}.yaml", _POLICY.format(name=name, team=team, registry=REGISTRY)
    yield f"apps/{team}/{name}/kustomization.yaml", _KUSTOMIZE.format(team=team, resources=listed)
    yield marked_file(number), deployment(number, "1.0.0")
    for file, part in parts.items():
        yield (
            f"apps/{team}/{name}/{file}",
            _DEPLOYMENT.format(name=part, team=team, registry=REGISTRY, tag="1.0.0", marker=""),
        )


def deployment(number: int, tag: str) -> str:
    """The marked file of an app at a tag."""
    name = f"app-{number:04}"
    marker = f' # {{"$imagepolicy": "flux-system:{name}"}}'
    return _DEPLOYMENT.format(name=name, team=team_of(number), registry=REGISTRY, tag=tag, marker=marker)


def create(folder: Path, shape: Shape) -> BareRepository:
    """Write such a repository with one commit on main."""
    repository = BareRepository.create(folder)
    commit(repository, manifests(shape))
    repository.git("symbolic-ref", "HEAD", "refs/heads/main")
    return repository


def commit(repository: BareRepository, files: Mapping[str, str], message: str = "A change") -> str:
    """Put files on top of main, as a person's push would."""
    parent = repository.head("main")
    lines = [f"commit refs/heads/main\ncommitter {_WHO}\ndata {len(message)}\n{message}\n"]
    lines += [f"from {parent}\n"] if parent else []
    lines += [f"M 644 inline {path}\ndata {len(text.encode())}\n{text}\n" for path, text in files.items()]
    repository.git("fast-import", "--quiet", stdin="".join(lines).encode())
    return repository.head("main") or ""
