"""`uv run python -m tests.docs.write`: write anew what pages have from the program."""

from tests.docs.command_reference import with_commands
from tests.docs.errors_reference import with_errors
from tests.docs.forges_reference import with_forges
from tests.docs.pages import ROOT
from tests.docs.senders_reference import with_senders
from tests.docs.settings_reference import with_tables

if __name__ == "__main__":
    for name, written in (
        ("configuration.md", with_tables),
        ("cli.md", with_commands),
        ("senders.md", with_senders),
        ("forges.md", with_forges),
        ("troubleshooting.md", with_errors),
    ):
        page = ROOT / "docs" / name
        page.write_text(written(page.read_text(encoding="utf-8")), encoding="utf-8")
