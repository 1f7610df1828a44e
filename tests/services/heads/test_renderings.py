"""What kustomize made of a folder is asked for once, and again only where something differs that it was made of."""

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from app.clients.flux.kustomize_renderer import KustomizeRenderer
from app.core.kustomize.rendered import Wanted
from app.core.ports import RenderedManifests, TreeEntry
from app.services.heads.renderings import Renderings, TreeRenderings
from app.services.heads.scans import Scans
from app.services.heads.view import HeadView, view_of
from tests.clients.flux.test_kustomize_oracle import POLICY
from tests.parts import required_kubectl

APP = b'image: registry.acme.example/app:%s # {"$imagepolicy": "flux-system:eu-app"}\n'
DEPLOYMENT = b"apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: app}\n"
REPOSITORY = b"""apiVersion: image.toolkit.fluxcd.io/v1
kind: ImageRepository
metadata: {name: app}
spec: {image: registry.acme.example/app}
"""
NAMED = (
    b"nameReference:\n"
    b"  - {kind: ImageRepository, fieldSpecs: [{kind: ImagePolicy, path: spec/imageRepositoryRef/name}]}\n"
)
FILES = {
    "apps/kustomization.yaml": b"resources: [app.yaml, policy.yaml, repository.yaml]\nnamePrefix: eu-\n"
    b"namespace: flux-system\nconfigurations: [named.yaml]\n",
    "apps/named.yaml": NAMED,
    "apps/app.yaml": DEPLOYMENT + APP % b"1.0.0",
    "apps/policy.yaml": POLICY % b"app",
    "apps/repository.yaml": REPOSITORY,
    "other/app.yaml": APP % b"1.0.0",
}


@dataclass
class Watched:
    """The real renderer, and how often it was asked."""

    renderer: KustomizeRenderer
    asked: int = 0

    def render(self, folder: str, files: Mapping[str, bytes]) -> RenderedManifests:
        self.asked += 1
        return self.renderer.render(folder, files)


@dataclass
class Repository:
    """Blobs by their ids."""

    contents: dict[str, bytes] = field(default_factory=dict)

    def tree(self, files: Mapping[str, bytes]) -> dict[str, TreeEntry]:
        ids = {path: hashlib.sha1(content).hexdigest() for path, content in files.items()}  # noqa: S324 (as git's)
        self.contents |= {ids[path]: content for path, content in files.items()}
        return {path: TreeEntry("100644", blob) for path, blob in ids.items()}

    def blobs(self, ids: Iterable[str]) -> Mapping[str, bytes]:
        return {one: self.contents[one] for one in ids}


@dataclass
class World:
    """A config repository whose heads are read one after the other."""

    renderer: Watched
    scans: Scans
    repository: Repository = field(default_factory=Repository)

    def read(self, files: Mapping[str, bytes]) -> HeadView:
        return view_of(self.repository, self.scans, self.repository.tree(files))


@pytest.fixture
def world() -> World:
    renderer = Watched(KustomizeRenderer(required_kubectl()))
    return World(renderer, Scans(renderer=renderer))


def said(view: HeadView) -> list[tuple[str, str, str | None]]:
    return [(str(one.name), one.file, one.problem) for one in view.tree.policies]


def test_a_policy_that_is_given_another_name_is_used_by_it(world: World) -> None:
    view = world.read(FILES)
    assert said(view) == [("flux-system/eu-app", "apps/policy.yaml", None)]
    assert {one.file for one in view.tree.fields} == {"apps/app.yaml", "other/app.yaml"}
    assert view.tree.reports == ()


def test_another_head_asks_for_nothing_that_is_as_it_was(world: World) -> None:
    first = world.read(FILES)
    asked = world.renderer.asked
    assert asked == 1
    second = world.read({**FILES, "other/app.yaml": APP % b"1.1.0"})
    assert (world.renderer.asked, second.tree.policies is first.tree.policies) == (asked, True)
    assert world.read(FILES).tree.policies is first.tree.policies
    assert world.renderer.asked == asked


def test_a_tag_in_the_folder_is_one_question_and_no_other_reading(world: World) -> None:
    first = world.read(FILES)
    second = world.read({**FILES, "apps/app.yaml": DEPLOYMENT + APP % b"1.1.0"})
    assert (world.renderer.asked, second.tree.policies is first.tree.policies) == (2, True)


def test_what_differs_in_what_is_followed_is_read(world: World) -> None:
    world.read(FILES)
    assert said(world.read({**FILES, "apps/named.yaml": b"nameReference: []\n"})) == [
        (
            "flux-system/eu-app",
            "apps/policy.yaml",
            "its ImageRepository flux-system/app is not in the repository",
        )
    ]
    broken = world.read({**FILES, "apps/app.yaml": b"no: object\n"})
    assert "not rendered: " in (broken.tree.policies[0].problem or "")
    assert "app.yaml" in (broken.tree.policies[0].problem or "")


def wanted(folder: str = "apps") -> Wanted:
    files = frozenset(path for path in FILES if path.startswith("apps/"))
    return Wanted(folder=folder, top="apps/kustomization.yaml", files=files)


def test_what_could_not_be_asked_is_asked_again_ten_minutes_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    now, repository = 0.0, Repository()
    entries = repository.tree(FILES)
    renderings = Renderings(KustomizeRenderer(), now=lambda: now)

    def problem() -> str | None:
        return TreeRenderings(renderings, repository, entries)(wanted()).problem

    assert problem() == "kubectl is not on the PATH: install it, and what it makes of this folder is read"
    (tmp_path / "kubectl").symlink_to(required_kubectl())
    now = 599.0
    assert problem() is not None
    now = 600.0
    assert problem() is None


def test_a_tree_whose_folders_take_too_long_is_rendered_no_further() -> None:
    now, repository = 0.0, Repository()
    entries = repository.tree(FILES)

    class Slow(Watched):
        def render(self, folder: str, files: Mapping[str, bytes]) -> RenderedManifests:
            nonlocal now
            now += 61.0
            return super().render(folder, files)

    renderer = Slow(KustomizeRenderer(required_kubectl()))
    renderings = Renderings(renderer, now=lambda: now)
    render = TreeRenderings(renderings, repository, entries)
    problems = [render(wanted(folder)).problem for folder in ("apps", "apps/one", "apps/two", "apps")]
    assert problems[0] is problems[3] is None
    assert problems[2] == "rendering other folders took more than 120 s"
    assert renderer.asked == 2


def test_a_folder_of_too_many_files_is_not_handed_out() -> None:
    files = {f"apps/{number}.yaml": b"" for number in range(5_001)}
    repository = Repository()
    renderer = Watched(KustomizeRenderer())
    render = TreeRenderings(Renderings(renderer), repository, repository.tree(files))
    many = Wanted(folder="apps", top="apps/kustomization.yaml", files=frozenset(files))
    assert render(many).problem == "it is made of more than 5000 files"
    assert renderer.asked == 0
