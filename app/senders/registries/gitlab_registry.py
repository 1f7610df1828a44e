"""GitLab's container registry: a fork of Distribution whose notifications are read and proven as that one's.

What it has besides (`rename`, keys of `meta` and `actor`) changes no tag that could be told here.
"""

from dataclasses import replace

from app.senders.registries.distribution import DISTRIBUTION

GITLAB_REGISTRY = replace(DISTRIBUTION, kind="gitlab-registry")
