"""First tables."""

import sqlalchemy as sa
from alembic import op

revision = "first_tables"
down_revision = None
branch_labels = None
depends_on = None

_TABLES = (
    "builds",
    "deliveries",
    "fields",
    "holds",
    "lane_images",
    "lanes",
    "policies",
    "promotion_events",
    "promotions",
    "pull_requests",
    "pushed_heads",
    "pushes",
    "repositories",
    "revisions",
    "tags",
    "applications",
    "build_artifacts",
)


def upgrade() -> None:
    """Make every table."""
    _builds()
    _deliveries()
    _fields()
    _holds()
    _lane_images()
    _lanes()
    _policies()
    _promotion_events()
    _promotions()
    _pull_requests()
    _pushed_heads()
    _pushes()
    _repositories()
    _revisions()
    _tags()
    _applications()
    _build_artifacts()


def downgrade() -> None:
    """Drop every table, those that refer to others first."""
    for table in reversed(_TABLES):
        op.drop_table(table)


def _builds() -> None:
    op.create_table(
        "builds",
        sa.Column("id", sa.String(length=32), nullable=False),
        sa.Column("controller", sa.String(length=64), nullable=False),
        sa.Column("job", sa.String(length=1000), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("result", sa.String(length=16), nullable=False),
        sa.Column("url", sa.Text(), nullable=True),
        sa.Column("started_at", sa.BigInteger(), nullable=True),
        sa.Column("finished_at", sa.BigInteger(), nullable=True),
        sa.Column("commit", sa.String(length=64), nullable=True),
        sa.Column("branch", sa.Text(), nullable=True),
        sa.Column("git_tag", sa.Text(), nullable=True),
        sa.Column("git_url", sa.Text(), nullable=True),
        sa.Column("change_id", sa.Text(), nullable=True),
        sa.Column("is_ours", sa.Boolean(), nullable=False),
        sa.Column("tests", sa.JSON(), nullable=True),
        sa.Column("parameters", sa.JSON(), nullable=False),
        sa.Column("source", sa.String(length=64), nullable=False),
        sa.Column("delivery_id", sa.String(length=32), nullable=True),
        sa.Column("recorded_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_builds")),
        sa.UniqueConstraint("controller", "job", "number", name=op.f("uq_builds_controller_job_number")),
    )


def _deliveries() -> None:
    op.create_table(
        "deliveries",
        sa.Column("id", sa.String(length=32), nullable=False),
        sa.Column("source", sa.String(length=64), nullable=False),
        sa.Column("kind", sa.String(length=64), nullable=False),
        sa.Column("external_id", sa.String(length=200), nullable=False),
        sa.Column("headers", sa.JSON(), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.Column("received_at", sa.BigInteger(), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("due_at", sa.BigInteger(), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("tries", sa.Integer(), nullable=False),
        sa.Column("owner", sa.String(length=64), nullable=True),
        sa.Column("lease_until", sa.BigInteger(), nullable=True),
        sa.Column("fence", sa.Integer(), nullable=False),
        sa.Column("outcome", sa.Text(), nullable=True),
        sa.Column("error", sa.Text(), nullable=True),
        sa.Column("ended_at", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_deliveries")),
        sa.UniqueConstraint("source", "external_id", name=op.f("uq_deliveries_source_external_id")),
    )
    op.create_index("ix_deliveries_source_id", "deliveries", ["source", "id"], unique=False)
    op.create_index("ix_deliveries_state_due_at", "deliveries", ["state", "due_at"], unique=False)


def _fields() -> None:
    op.create_table(
        "fields",
        sa.Column("lane", sa.String(length=400), nullable=False),
        sa.Column("ordinal", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("stage", sa.String(length=64), nullable=False),
        sa.Column("policy", sa.Text(), nullable=False),
        sa.Column("image", sa.Text(), nullable=False),
        sa.Column("file", sa.Text(), nullable=False),
        sa.Column("line", sa.Integer(), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("tag", sa.Text(), nullable=True),
        sa.Column("spec_hash", sa.Text(), nullable=False),
        sa.Column("commit", sa.String(length=64), nullable=False),
        sa.Column("seen_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("lane", "ordinal", name=op.f("pk_fields")),
    )


def _holds() -> None:
    op.create_table(
        "holds",
        sa.Column("id", sa.String(length=32), nullable=False),
        sa.Column("lane", sa.String(length=400), nullable=False),
        sa.Column("stage", sa.String(length=64), nullable=False),
        sa.Column("policy", sa.Text(), nullable=False),
        sa.Column("tags", sa.JSON(), nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("who", sa.Text(), nullable=False),
        sa.Column("why", sa.Text(), nullable=False),
        sa.Column("since", sa.BigInteger(), nullable=False),
        sa.Column("pull_request", sa.Integer(), nullable=True),
        sa.Column("lifted_at", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_holds")),
    )
    op.create_index("ix_holds_lane_lifted_at", "holds", ["lane", "lifted_at"], unique=False)


def _lane_images() -> None:
    op.create_table(
        "lane_images",
        sa.Column("image", sa.String(length=400), nullable=False),
        sa.Column("lane", sa.String(length=400), nullable=False),
        sa.PrimaryKeyConstraint("image", "lane", name=op.f("pk_lane_images")),
    )


def _lanes() -> None:
    op.create_table(
        "lanes",
        sa.Column("key", sa.String(length=400), nullable=False),
        sa.Column("repo", sa.String(length=64), nullable=False),
        sa.Column("branch", sa.String(length=255), nullable=False),
        sa.Column("due_at", sa.BigInteger(), nullable=True),
        sa.Column("first_at", sa.BigInteger(), nullable=True),
        sa.Column("wanted", sa.BigInteger(), nullable=False),
        sa.Column("owner", sa.String(length=64), nullable=True),
        sa.Column("lease_until", sa.BigInteger(), nullable=True),
        sa.Column("fence", sa.BigInteger(), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("last_error", sa.Text(), nullable=True),
        sa.Column("last_head", sa.String(length=64), nullable=True),
        sa.Column("last_run_at", sa.BigInteger(), nullable=True),
        sa.Column("next_look_at", sa.BigInteger(), nullable=True),
        sa.Column("plan", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_lanes")),
    )
    op.create_index("ix_lanes_due_at", "lanes", ["due_at"], unique=False)


def _policies() -> None:
    op.create_table(
        "policies",
        sa.Column("lane", sa.String(length=400), nullable=False),
        sa.Column("root", sa.Text(), nullable=False),
        sa.Column("namespace", sa.String(length=255), nullable=False),
        sa.Column("name", sa.String(length=255), nullable=False),
        sa.Column("file", sa.Text(), nullable=False),
        sa.Column("image", sa.Text(), nullable=False),
        sa.Column("spec", sa.Text(), nullable=False),
        sa.Column("stages", sa.JSON(), nullable=False),
        sa.Column("selected_tag", sa.String(length=128), nullable=True),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("lane", "root", "namespace", "name", name=op.f("pk_policies")),
    )
    op.create_index("ix_policies_namespace_name", "policies", ["namespace", "name"], unique=False)


def _promotion_events() -> None:
    op.create_table(
        "promotion_events",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("lane", sa.String(length=400), nullable=False),
        sa.Column("seq", sa.Integer(), nullable=False),
        sa.Column("promotion_id", sa.String(length=32), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("what", sa.String(length=16), nullable=False),
        sa.Column("who", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("previous_hash", sa.String(length=64), nullable=False),
        sa.Column("hash", sa.String(length=64), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_promotion_events")),
        sa.UniqueConstraint("lane", "seq", name=op.f("uq_promotion_events_lane_seq")),
    )
    op.create_index("ix_promotion_events_promotion_id", "promotion_events", ["promotion_id"], unique=False)


def _promotions() -> None:
    op.create_table(
        "promotions",
        sa.Column("id", sa.String(length=32), nullable=False),
        sa.Column("lane", sa.String(length=400), nullable=False),
        sa.Column("repo", sa.String(length=64), nullable=False),
        sa.Column("stage", sa.String(length=64), nullable=False),
        sa.Column("policy", sa.Text(), nullable=False),
        sa.Column("image", sa.Text(), nullable=False),
        sa.Column("tag", sa.String(length=128), nullable=False),
        sa.Column("digest", sa.String(length=80), nullable=True),
        sa.Column("from_tag", sa.Text(), nullable=True),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("origin", sa.String(length=16), nullable=False),
        sa.Column("pull_request", sa.Integer(), nullable=True),
        sa.Column("branch", sa.Text(), nullable=True),
        sa.Column("head_sha", sa.String(length=64), nullable=True),
        sa.Column("merge_commit", sa.String(length=64), nullable=True),
        sa.Column("merged_by", sa.Text(), nullable=True),
        sa.Column("merged_at", sa.BigInteger(), nullable=True),
        sa.Column("build_id", sa.String(length=32), nullable=True),
        sa.Column("began_at", sa.BigInteger(), nullable=False),
        sa.Column("updated_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_promotions")),
    )
    op.create_index("ix_promotions_lane_stage_policy", "promotions", ["lane", "stage", "policy", "id"], unique=False)
    op.create_index("ix_promotions_lane_state", "promotions", ["lane", "state"], unique=False)
    op.create_index(
        "uq_promotions_open",
        "promotions",
        ["lane", "stage", "policy", "tag"],
        unique=True,
        sqlite_where=sa.text("state IN ('waiting', 'proposed')"),
        postgresql_where=sa.text("state IN ('waiting', 'proposed')"),
    )


def _pull_requests() -> None:
    op.create_table(
        "pull_requests",
        sa.Column("lane", sa.String(length=400), nullable=False),
        sa.Column("number", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("branch", sa.Text(), nullable=False),
        sa.Column("stage", sa.String(length=64), nullable=False),
        sa.Column("group", sa.Text(), nullable=False),
        sa.Column("url", sa.Text(), nullable=False),
        sa.Column("title", sa.Text(), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("head_sha", sa.String(length=64), nullable=False),
        sa.Column("tags", sa.JSON(), nullable=False),
        sa.Column("opened_at", sa.BigInteger(), nullable=False),
        sa.Column("ended_at", sa.BigInteger(), nullable=True),
        sa.Column("ended_by", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("lane", "number", name=op.f("pk_pull_requests")),
    )
    op.create_index("ix_pull_requests_lane_state", "pull_requests", ["lane", "state"], unique=False)


def _pushed_heads() -> None:
    op.create_table(
        "pushed_heads",
        sa.Column("lane", sa.String(length=400), nullable=False),
        sa.Column("sha", sa.String(length=64), nullable=False),
        sa.Column("branch", sa.Text(), nullable=False),
        sa.Column("base_sha", sa.String(length=64), nullable=False),
        sa.Column("tags", sa.JSON(), nullable=False),
        sa.Column("recorded_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("lane", "sha", name=op.f("pk_pushed_heads")),
    )
    op.create_index("ix_pushed_heads_sha", "pushed_heads", ["sha"], unique=False)


def _pushes() -> None:
    op.create_table(
        "pushes",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("image", sa.String(length=400), nullable=False),
        sa.Column("tag", sa.String(length=128), nullable=False),
        sa.Column("digest", sa.String(length=80), nullable=False),
        sa.Column("first_seen_at", sa.BigInteger(), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=True),
        sa.Column("source", sa.String(length=64), nullable=False),
        sa.Column("delivery_id", sa.String(length=32), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_pushes")),
        sa.UniqueConstraint("image", "tag", "digest", name=op.f("uq_pushes_image_tag_digest")),
    )


def _repositories() -> None:
    op.create_table(
        "repositories",
        sa.Column("image", sa.String(length=400), nullable=False),
        sa.Column("first_seen_at", sa.BigInteger(), nullable=False),
        sa.Column("listed_at", sa.BigInteger(), nullable=True),
        sa.Column("listing_wanted_at", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("image", name=op.f("pk_repositories")),
    )
    op.create_index("ix_repositories_listing_wanted_at", "repositories", ["listing_wanted_at"], unique=False)


def _revisions() -> None:
    op.create_table(
        "revisions",
        sa.Column("cluster", sa.String(length=64), nullable=False),
        sa.Column("kind", sa.String(length=64), nullable=False),
        sa.Column("namespace", sa.String(length=255), nullable=False),
        sa.Column("name", sa.String(length=255), nullable=False),
        sa.Column("repo", sa.String(length=64), nullable=False),
        sa.Column("root", sa.Text(), nullable=False),
        sa.Column("revision", sa.Text(), nullable=False),
        sa.Column("commit", sa.String(length=64), nullable=True),
        sa.Column("is_failure", sa.Boolean(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("message", sa.Text(), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("received_at", sa.BigInteger(), nullable=False),
        sa.Column("is_examined", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("cluster", "kind", "namespace", "name", name=op.f("pk_revisions")),
    )
    op.create_index("ix_revisions_repo_is_examined", "revisions", ["repo", "is_examined"], unique=False)


def _tags() -> None:
    op.create_table(
        "tags",
        sa.Column("image", sa.String(length=400), nullable=False),
        sa.Column("tag", sa.String(length=128), nullable=False),
        sa.Column("digest", sa.String(length=80), nullable=True),
        sa.Column("first_seen_at", sa.BigInteger(), nullable=False),
        sa.Column("looked_at", sa.BigInteger(), nullable=True),
        sa.Column("is_deleted", sa.Boolean(), nullable=False),
        sa.Column("missed_listings", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("image", "tag", name=op.f("pk_tags")),
    )


def _applications() -> None:
    op.create_table(
        "applications",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("promotion_id", sa.String(length=32), nullable=False),
        sa.Column("cluster", sa.String(length=64), nullable=False),
        sa.Column("kustomization", sa.String(length=512), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("revision", sa.Text(), nullable=False),
        sa.Column("commit", sa.String(length=64), nullable=False),
        sa.Column("message", sa.Text(), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("recorded_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["promotion_id"], ["promotions.id"], name=op.f("fk_applications_promotion_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_applications")),
    )
    op.create_index(
        "ix_applications_promotion_id", "applications", ["promotion_id", "cluster", "kustomization", "id"], unique=False
    )


def _build_artifacts() -> None:
    op.create_table(
        "build_artifacts",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("build_id", sa.String(length=32), nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("image", sa.String(length=400), nullable=False),
        sa.Column("tag", sa.String(length=128), nullable=False),
        sa.Column("digest", sa.String(length=80), nullable=False),
        sa.Column("recorded_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["build_id"], ["builds.id"], name=op.f("fk_build_artifacts_build_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_build_artifacts")),
        sa.UniqueConstraint(
            "build_id", "image", "tag", "digest", name=op.f("uq_build_artifacts_build_id_image_tag_digest")
        ),
    )
    op.create_index("ix_build_artifacts_image_tag", "build_artifacts", ["image", "tag"], unique=False)
