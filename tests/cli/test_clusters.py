"""How a cell of a table says where a tag is applied."""

from app.cli.clusters import in_clusters


def test_a_cluster_that_a_jenkins_deploys_is_shown_with_the_build() -> None:
    by_flux = {"cluster": "prod-us", "state": "applied", "message": "done", "runs": "1.5.0", "by": None}
    by_jenkins = {**by_flux, "cluster": "prod-eu", "by": "build deploy/prod #12"}
    assert in_clusters([by_flux, by_jenkins], "1.5.0") == "prod-eu by build deploy/prod #12; prod-us"
    assert in_clusters([by_jenkins], "1.6.0") == "1.5.0 in prod-eu"
