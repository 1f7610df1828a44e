"""The settings that a command works with."""

import os

from app.logs import configure
from app.settings.loading import load, settings_path
from app.settings.models import Settings


def read_settings() -> Settings:
    """Read the settings file; only warnings are logged beside the command's own words. Raises InvalidSettings."""
    settings = load(settings_path(os.environ), os.environ)
    configure("warning", "text")
    return settings


def read_settings_to_serve() -> Settings:
    """Read the settings file of a command that logs as it says there. Raises InvalidSettings."""
    settings = load(settings_path(os.environ), os.environ)
    configure(settings.log.level, settings.log.format)
    return settings
