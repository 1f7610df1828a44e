"""Sessions of pages: the commands print what the page shows."""

import json
import re
import textwrap
from pathlib import Path

from tests.docs.check_example import lay_out
from tests.docs.pages import block, blocks, fits, page, session
from tests.docs.shell import Shell
from tests.end_to_end.bridge import ENVIRONMENT, fleet, running_bridge

DEPLOYMENT = """\
apiVersion: apps/v1
kind: Deployment
metadata:
  name: web
spec:
  selector:
    matchLabels: {app: web}
  template:
    metadata:
      labels: {app: web}
    spec:
      containers:
        - name: web
          image: ghcr.io/acme/web:1.4.2 # {"$imagepolicy": "flux-system:web"}
"""


def test_edit_prints_what_its_page_shows(tmp_path: Path) -> None:
    written, edited = session(block(page("edit.md"), "console", "selections.yaml"))
    files = {
        "selections.yaml": written[1],
        "apps/web/deployment.yaml": DEPLOYMENT,
        "charts/web/templates/web.yaml": "kind: Deployment\nspec:\n  {{- if .Values.web }}\n  a: 1\n  {{- end }}\n",
    }
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    command, shown = edited
    # Its exit code is 1, for one of the two is not there.
    printed = Shell(tmp_path).type(f"{command} || test $? = 1")
    assert printed == shown


def test_check_prints_what_its_page_shows(tmp_path: Path) -> None:
    lay_out(tmp_path / "fleet")
    [(command, shown)] = session(block(page("check.md"), "console", "--repo-only"))
    assert fits(shown, Shell(tmp_path).type(f"{command} || test $? = 1"))
    told = json.loads(Shell(tmp_path).type(f"{command} --json || test $? = 1"))
    example = json.loads(block(page("check.md"), "json", "left_out"))
    assert example.keys() == told.keys()
    assert example["roots"] == told["roots"]
    assert all(one in told[key] for key in ("policies", "fields", "left_out") for one in example[key])


def test_policy_evaluate_prints_what_its_page_shows(tmp_path: Path) -> None:
    [shown] = blocks(page("policies.md"), "console")
    Shell(tmp_path).follow(shown)


def test_explain_prints_what_its_page_shows(tmp_path: Path) -> None:
    found = re.search(r"^ {4}\$ .*\n(?: {4}.*\n|\n)+", page("explain.md"), re.MULTILINE)
    assert found is not None
    [(command, shown)] = session(textwrap.dedent(found[0]).rstrip() + "\n")
    tags = ("1.0.0", "1.1.0", "1.2.0-rc.1", "latest")
    with running_bridge(tmp_path, "sqlite", files=fleet(staging="1.1.0"), tags=tags, mode="observe"):
        pass
    printed = Shell(tmp_path, ENVIRONMENT).type(command)
    assert fits(re.sub(r"sha256:[0-9a-f]+…", "sha256:…", shown), printed), printed
