"""What Flux would apply is built before and after an edit, by the real kubectl."""

import base64
import json
import subprocess
import tempfile
from pathlib import Path

import pytest

from app.clients.flux.kubectl import BuildDidNotEnd, Kubectl, KubectlMissing, KustomizeBuilds
from app.clients.git.mirror import Mirror
from app.clients.git.remote import Remote
from app.core.errors import NotFound
from app.core.manifests.kinds.markers import find_markers, set_fields
from app.core.ports import BuildCheck, ManifestBuilder
from tests.clients.git.git_worlds import open_mirror
from tests.parts import required_kubectl
from tests.servers.bare_repository import BareRepository

GOLDEN = Path(__file__).parents[2] / "golden" / "kustomize"
OVERLAY = "apps/prod"
NOT_THERE = "there are no files in this folder"


@pytest.fixture(scope="session")
def kubectl() -> Path:
    return required_kubectl()


class World:
    """A config repository, a mirror of it, and its builder."""

    def __init__(self, folder: Path, kubectl: Path) -> None:
        self.repository = BareRepository.create(folder / "config.git")
        self.folder, self.kubectl = folder, kubectl

    def commit(self, files: dict[str, str], *, branch: str = "main", mode: str = "100644") -> str:
        return self.repository.commit(branch, files, mode=mode)

    def mirror(self) -> Mirror:
        mirror = open_mirror(Remote(url=str(self.repository.path)), self.folder / "mirror.git")
        mirror.fetch()
        return mirror

    def check(self, before: str, after: str, *paths: str) -> tuple[BuildCheck, ...]:
        builder: ManifestBuilder = KustomizeBuilds(self.mirror(), Kubectl(self.kubectl, timeout_s=60))
        return builder.check_builds(before, after, paths)

    def problem(self, files: dict[str, str], path: str) -> str:
        """Why a folder of these files does not build."""
        commit = self.commit(files)
        [check] = self.check(commit, commit, path)
        assert check.problem_before == check.problem_after
        assert check.problem_after is not None
        return check.problem_after


@pytest.fixture
def world(tmp_path: Path, kubectl: Path) -> World:
    """An empty config repository."""
    return World(tmp_path, kubectl)


def golden() -> dict[str, str]:
    return {
        str(file.relative_to(GOLDEN)): file.read_bytes().decode()
        for file in sorted(GOLDEN.rglob("*"))
        if file.is_file()
    }


def edited(files: dict[str, str], new: str) -> dict[str, str]:
    """The files with every marked tag set."""
    after = {}
    for path, text in files.items():
        fields = find_markers(text.encode()).fields
        after[path] = set_fields(text.encode(), {field.start: new for field in fields}).decode()
    return after


def built(kubectl: Path, folder: Path, files: dict[str, str], path: str) -> list[str]:
    """The lines that kubectl builds from a folder."""
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(text.encode())
    done = subprocess.run([kubectl, "kustomize", folder / path], capture_output=True, text=True, check=True)
    return done.stdout.splitlines()


@pytest.mark.parametrize("path", ["apps/base", OVERLAY, "apps/flow"])
@pytest.mark.parametrize("new", ["2.4.0", "1.10", "0777", "on"])
def test_what_kustomize_builds_differs_only_in_the_image(kubectl: Path, tmp_path: Path, path: str, new: str) -> None:
    files = golden()
    before = built(kubectl, tmp_path / "before", files, path)
    after = built(kubectl, tmp_path / "after", edited(files, new), path)
    changed = [(old.strip(), line.strip()) for old, line in zip(before, after, strict=True) if old != line]
    assert changed
    assert all(old.startswith(("image: ", "- image: ")) for old, _ in changed)
    assert all(line.endswith(f"registry.acme.example/web:{new}") for _, line in changed)


def test_an_edit_that_builds_is_told_for_each_path(world: World) -> None:
    files = golden()
    before = world.commit(files)
    after = world.commit(edited(files, "1.10"))
    checks = world.check(before, after, "apps/base", OVERLAY, "apps/plain")
    assert checks == tuple(BuildCheck(path, None, None) for path in ("apps/base", OVERLAY, "apps/plain"))
    assert not any(check.is_broken_by_edit for check in checks)


def test_an_edit_that_breaks_a_build_is_told_in_kustomizes_words(world: World) -> None:
    files = golden()
    name = f"{OVERLAY}/kustomization.yaml"
    before = world.commit(files)
    after = world.commit({name: files[name].replace('newTag: "2.3.9"', "newTag: 1.10")})
    [check] = world.check(before, after, OVERLAY)
    assert check.problem_before is None
    assert check.problem_after is not None
    assert "cannot unmarshal number into Go struct field Image.images.newTag of type string" in check.problem_after
    assert check.is_broken_by_edit
    assert str(Path(tempfile.gettempdir())) not in check.problem_after
    assert "\n" not in check.problem_after


def test_what_did_not_build_before_is_not_blamed_on_the_edit(world: World) -> None:
    before = world.commit({"app/kustomization.yaml": "resources: [absent.yaml]\n"})
    after = world.commit({"app/web.yaml": "kind: Deployment\n"})
    [check] = world.check(before, after, "app")
    assert "absent.yaml" in (check.problem_before or "")
    assert not check.is_broken_by_edit


def test_a_folder_without_a_kustomization_builds_as_flux_generates_one(world: World) -> None:
    part = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: %s}\n"
    commit = world.commit(
        {
            "app/a.yaml": part % "a",
            "app/deep/b.yml": part % "b",
            "app/base/kustomization.yaml": "resources: [c.yaml]\n",
            "app/base/c.yaml": part % "c",
            "app/base/values.yaml": "no: object\n",
            "app/README.md": "# none\n",
        }
    )
    assert world.check(commit, commit, "app", "") == (BuildCheck("app", None, None), BuildCheck("", None, None))
    assert "values.yaml" in world.problem({"app/values.yaml": "no: object\n"}, "app")


def test_a_file_may_become_a_folder_and_back(world: World) -> None:
    part = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\n"
    one = world.commit({"x/kustomization.yaml": "resources: [a.yaml]\n", "x/a.yaml": part})
    world.repository.git("branch", "fluxbridge/one", one)
    world.repository.delete_branch("main")
    two = world.commit({"x/kustomization.yaml": "resources: [a.yaml/b.yaml]\n", "x/a.yaml/b.yaml": part})
    assert world.check(one, two, "x") == (BuildCheck("x", None, None),)
    assert world.check(two, one, "x") == (BuildCheck("x", None, None),)


@pytest.mark.parametrize("path", ["nowhere", "../..", "/etc", "--help"])
def test_a_folder_that_is_not_in_the_commit_is_told(world: World, path: str) -> None:
    commit = world.commit(golden())
    assert world.check(commit, commit, path) == (BuildCheck(path, NOT_THERE, NOT_THERE),)


def test_a_commit_that_is_not_there_is_an_error(world: World) -> None:
    commit = world.commit(golden())
    with pytest.raises(NotFound):
        world.check(commit, "ab" * 20, OVERLAY)


@pytest.mark.parametrize(
    ("kustomization", "says"),
    [
        pytest.param("resources: ['https://example.com/a.yaml']", "names a remote resource", id="a file of the web"),
        pytest.param("resources: ['https://example.com/acme/base?ref=v1']", "a remote res", id="a base of the web"),
        pytest.param("resources: ['git@example.com:acme/base.git']", "names a remote resource", id="a base of git"),
        pytest.param("helmCharts: [{name: x}]", "helm", id="helm"),
        pytest.param("generators: [exec.yaml]", "builds are without plugins", id="exec"),
        pytest.param("configMapGenerator: [{name: x, files: [../../secret]}]", "is not in or below", id="a file above"),
        pytest.param(
            "configMapGenerator: [{name: x, files: [/etc/passwd]}]", "outside of the repository", id="another file"
        ),
        pytest.param("resources: [link.yaml]", "link.yaml", id="a symbolic link"),
    ],
)
def test_nothing_is_fetched_run_or_read_from_elsewhere(world: World, kustomization: str, says: str) -> None:
    runs = "{config.kubernetes.io/function: 'exec: {path: ./x}'}"
    plugin = f"apiVersion: v1\nkind: Exec\nmetadata: {{name: x, annotations: {runs}}}\n"
    world.commit({"a/b/link.yaml": "/etc/passwd"}, mode="120000")
    files = {"a/b/kustomization.yaml": f"{kustomization}\n", "a/b/exec.yaml": plugin, "secret": "x"}
    assert says in world.problem(files, "a/b")


def test_a_repository_gives_kubectl_no_options(world: World, tmp_path: Path) -> None:
    ran = tmp_path / "ran"
    program = tmp_path / "helm"
    program.write_text(f"#!/bin/sh\n/usr/bin/touch {ran}\n", encoding="utf-8")
    program.chmod(0o755)
    options = [
        {"name": name, "default": value} for name, value in (("enable-helm", "true"), ("helm-command", str(program)))
    ]
    kuberc = {
        "apiVersion": "kubectl.config.k8s.io/v1beta1",
        "kind": "Preference",
        "defaults": [{"command": "kustomize", "options": options}],
    }
    files = {".kube/kuberc": json.dumps(kuberc), "a/kustomization.yaml": "helmCharts: [{name: x, version: '1'}]\n"}
    assert "must specify --enable-helm" in world.problem(files, "a")
    assert not ran.exists()


@pytest.mark.parametrize(
    "kustomization",
    [
        "resources: [URL]",
        "resources: [LOCALHOST]",
        "resources: [CAPITALS]",
        'resources: ["URL\\n"]',
        "resources: [!!binary BASE64]",
        "resources: [!of-mine URL]",
        "%YAML 1.1\n---\nresources: [URL]",
        "openapi: {path: URL}",
        "crds: [URL]",
        "configMapGenerator: [{name: x, files: [a=URL]}]",
        "configMapGenerator: [{name: x, envs: [URL]}]",
        "commonAnnotations: {a: &a URL}\nresources: [*a]",
        "transformers: [plugin.yaml]",
        "Transformers: [plugin.yaml]",
        "resources: [../c]",
    ],
)
def test_no_server_of_this_machine_is_asked(world: World, asked: tuple[str, list[str]], kustomization: str) -> None:
    url, paths = asked
    for word, text in (
        ("URL", url),
        ("LOCALHOST", url.replace("127.0.0.1", "localhost")),
        ("CAPITALS", url.replace("http", "HTTP")),
        ("BASE64", base64.b64encode(url.encode()).decode()),
    ):
        kustomization = kustomization.replace(word, text)
    files = {
        "a/b/kustomization.yaml": f"{kustomization}\n",
        "a/b/plugin.yaml": f"apiVersion: builtin\nkind: PatchTransformer\nmetadata: {{name: x}}\npath: {url}\n",
        "a/c/kustomization.yml": f"components:\n- {url}\n",
    }
    assert world.problem(files, "a/b").startswith("kustomization a/")
    assert world.problem(files, "a").startswith("kustomization a/")
    assert paths == []


def test_urls_that_are_no_paths_and_what_others_name_hinder_no_build(world: World) -> None:
    url = "https://example.com/x"
    kustomization = (
        f"resources: [../base]\ncommonAnnotations: {{a: '{url}'}}\n"
        f"configMapGenerator: [{{name: x, literals: ['a={url}'], options: {{annotations: {{a: '{url}'}}}}}}]\n"
        f'patches:\n- target: {{kind: ConfigMap}}\n  patch: \'[{{"op": "add", "path": "/u", "value": "a={url}"}}]\'\n'
    )
    part = f"apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: a, annotations: {{a: '{url}'}}}}\n"
    files = {
        "a/kustomization.yaml": kustomization,
        "base/kustomization.yaml": "resources: [a.yaml]\n",
        "base/a.yaml": part,
        "other/kustomization.yaml": f"resources: ['{url}']\n",
    }
    commit = world.commit(files)
    assert world.check(commit, commit, "a") == (BuildCheck("a", None, None),)


@pytest.mark.parametrize("field", ["resources", "bases", "components"])
@pytest.mark.parametrize("via", ["../..", "c/../../.."])
def test_no_base_outside_of_the_commit_is_built(world: World, tmp_path: Path, field: str, via: str) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "kustomization.yaml").write_text("namePrefix: a-\n", encoding="utf-8")
    up = Path("../" * len(Path(tempfile.gettempdir()).resolve().parts)) / elsewhere.relative_to("/")
    files = {"a/kustomization.yaml": f"{field}: [{via}/{up}]\n", "a/c/x": ""}
    assert world.problem(files, "a") == "kustomization a/kustomization.yaml names a path outside of the repository"


def script(folder: Path, text: str) -> Path:
    """A program that stands in for kubectl."""
    program = folder / "kubectl"
    program.write_text(f"#!/bin/sh\n{text}\n", encoding="utf-8")
    program.chmod(0o755)
    return program


def test_a_build_that_does_not_end_is_stopped(tmp_path: Path) -> None:
    program = script(tmp_path, "/bin/cat /dev/zero | /bin/cat > /dev/null")
    with pytest.raises(BuildDidNotEnd, match=r"^kubectl kustomize did not end within 0\.2 s$"):
        Kubectl(program, timeout_s=0.2).build(tmp_path, "")


def test_a_build_that_did_not_end_is_told_apart_from_one_that_failed(world: World, tmp_path: Path) -> None:
    before = world.commit({"app/kustomization.yaml": "resources: []\n"})
    after = world.commit({"app/web.yaml": "kind: Deployment\n"})
    program = script(tmp_path, 'test ! -e "$2/web.yaml" || exec /bin/cat /dev/zero')
    [check] = KustomizeBuilds(world.mirror(), Kubectl(program, timeout_s=0.5)).check_builds(before, after, ["app"])
    assert check == BuildCheck("app", None, "kubectl kustomize did not end within 0.5 s", has_ended=False)
    assert check.is_broken_by_edit


def test_a_build_that_wants_too_much_memory_is_stopped(kubectl: Path, tmp_path: Path) -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 8)]
    data = "".join(f"  {line}\n" for line in lines)
    (tmp_path / "bomb.yaml").write_text(f"apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: a}}\ndata:\n{data}")
    (tmp_path / "kustomization.yaml").write_text("resources: [bomb.yaml]\n")
    words = Kubectl(kubectl, timeout_s=60, memory=256 << 20).build(tmp_path, "") or ""
    assert words.startswith("kubectl kustomize broke down with 256 MiB of memory: fatal error: ")
    assert "memory" in words.partition("fatal error: ")[2]
    assert "goroutine" not in words


def test_what_kubectl_says_is_cut_and_cleaned(tmp_path: Path) -> None:
    program = script(
        tmp_path, r"printf 'error: bad\033[2J\nthing in %s/a ' $2 >&2; /usr/bin/head -c 999999 /dev/zero >&2; exit 1"
    )
    words = Kubectl(program, timeout_s=60).build(tmp_path, "") or ""
    assert words == "bad [2J thing in a"


def test_kubectl_that_says_nothing_is_told_by_its_code(tmp_path: Path) -> None:
    assert "ended with code 3" in (Kubectl(script(tmp_path, "exit 3"), timeout_s=60).build(tmp_path, "") or "")


def test_kubectl_sees_nothing_of_our_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GITHUB_TOKEN", "never-to-be-seen")
    program = script(tmp_path, "/usr/bin/env >&2; exit 1")
    words = Kubectl(program, timeout_s=60).build(tmp_path, "") or ""
    assert "KUBECONFIG=/dev/null" in words
    assert "never-to-be-seen" not in words


def test_no_kubectl_is_an_operators_matter(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(KubectlMissing):
        Kubectl(tmp_path / "kubectl", timeout_s=1).build(tmp_path, "")
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(KubectlMissing, match="not on the PATH"):
        Kubectl.on_path(timeout_s=1)
    program = script(tmp_path, "exit 0")
    assert Kubectl.on_path(timeout_s=60).build(tmp_path, "") is None
    assert program.exists()
