"""The pull requests of a project on GitLab, which calls them merge requests."""
