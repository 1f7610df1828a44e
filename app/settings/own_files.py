"""What a running server leaves in its data folder for the command line of its machine."""

from pathlib import Path

from app.settings.models import Settings


def token_file(settings: Settings) -> Path:
    """Where the running server leaves the token for this machine's command line."""
    return settings.data_dir / "token"


def address_file(settings: Settings) -> Path:
    """Where the running server leaves the URL by which this machine's command line reaches it."""
    return settings.data_dir / "address"
