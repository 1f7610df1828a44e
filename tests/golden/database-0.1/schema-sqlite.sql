CREATE TABLE alembic_version (
	version_num VARCHAR(32) NOT NULL, 
	CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num)
);
CREATE TABLE deliveries (
	id VARCHAR(32) NOT NULL, 
	source VARCHAR(64) NOT NULL, 
	kind VARCHAR(64) NOT NULL, 
	external_id VARCHAR(200) NOT NULL, 
	headers JSON NOT NULL, 
	body BLOB NOT NULL, 
	received_at BIGINT NOT NULL, 
	state VARCHAR(16) NOT NULL, 
	due_at BIGINT NOT NULL, 
	attempts INTEGER NOT NULL, 
	tries INTEGER NOT NULL, 
	owner VARCHAR(64), 
	lease_until BIGINT, 
	fence INTEGER NOT NULL, 
	outcome TEXT, 
	error TEXT, 
	ended_at BIGINT, dropped_at BIGINT, unpacked_bytes INTEGER, 
	CONSTRAINT pk_deliveries PRIMARY KEY (id), 
	CONSTRAINT uq_deliveries_source_external_id UNIQUE (source, external_id)
);
CREATE INDEX ix_deliveries_source_id ON deliveries (source, id);
CREATE INDEX ix_deliveries_state_due_at ON deliveries (state, due_at);
CREATE TABLE fields (
	lane VARCHAR(400) NOT NULL, 
	ordinal INTEGER NOT NULL, 
	stage VARCHAR(64) NOT NULL, 
	policy TEXT NOT NULL, 
	image TEXT NOT NULL, 
	file TEXT NOT NULL, 
	line INTEGER NOT NULL, 
	text TEXT NOT NULL, 
	tag TEXT, 
	spec_hash TEXT NOT NULL, 
	"commit" VARCHAR(64) NOT NULL, 
	seen_at BIGINT NOT NULL, 
	CONSTRAINT pk_fields PRIMARY KEY (lane, ordinal)
);
CREATE TABLE holds (
	id VARCHAR(32) NOT NULL, 
	lane VARCHAR(400) NOT NULL, 
	stage VARCHAR(64) NOT NULL, 
	policy TEXT NOT NULL, 
	tags JSON NOT NULL, 
	kind VARCHAR(16) NOT NULL, 
	who TEXT NOT NULL, 
	why TEXT NOT NULL, 
	since BIGINT NOT NULL, 
	pull_request INTEGER, 
	lifted_at BIGINT, 
	CONSTRAINT pk_holds PRIMARY KEY (id)
);
CREATE INDEX ix_holds_lane_lifted_at ON holds (lane, lifted_at);
CREATE TABLE lane_images (
	image VARCHAR(400) NOT NULL, 
	lane VARCHAR(400) NOT NULL, 
	CONSTRAINT pk_lane_images PRIMARY KEY (image, lane)
);
CREATE TABLE lanes (
	"key" VARCHAR(400) NOT NULL, 
	repo VARCHAR(64) NOT NULL, 
	branch VARCHAR(255) NOT NULL, 
	due_at BIGINT, 
	wanted BIGINT NOT NULL, 
	owner VARCHAR(64), 
	lease_until BIGINT, 
	fence BIGINT NOT NULL, 
	attempts INTEGER NOT NULL, 
	last_error TEXT, 
	last_head VARCHAR(64), 
	last_run_at BIGINT, 
	next_look_at BIGINT, 
	"plan" TEXT, claimed_at BIGINT, problem TEXT, 
	CONSTRAINT pk_lanes PRIMARY KEY ("key")
);
CREATE INDEX ix_lanes_due_at ON lanes (due_at);
CREATE TABLE policies (
	lane VARCHAR(400) NOT NULL, 
	root TEXT NOT NULL, 
	namespace VARCHAR(255) NOT NULL, 
	name VARCHAR(255) NOT NULL, 
	file TEXT NOT NULL, 
	image TEXT NOT NULL, 
	spec TEXT NOT NULL, 
	stages JSON NOT NULL, 
	selected_tag VARCHAR(128), 
	status TEXT NOT NULL, 
	reason TEXT NOT NULL, repository VARCHAR(400), 
	CONSTRAINT pk_policies PRIMARY KEY (lane, root, namespace, name)
);
CREATE INDEX ix_policies_namespace_name ON policies (namespace, name);
CREATE TABLE promotion_events (
	id INTEGER NOT NULL, 
	lane VARCHAR(400) NOT NULL, 
	seq INTEGER NOT NULL, 
	promotion_id VARCHAR(32) NOT NULL, 
	at BIGINT NOT NULL, 
	what VARCHAR(16) NOT NULL, 
	who TEXT NOT NULL, 
	reason TEXT NOT NULL, 
	previous_hash VARCHAR(64) NOT NULL, 
	hash VARCHAR(64) NOT NULL, 
	CONSTRAINT pk_promotion_events PRIMARY KEY (id), 
	CONSTRAINT uq_promotion_events_lane_seq UNIQUE (lane, seq)
);
CREATE INDEX ix_promotion_events_promotion_id ON promotion_events (promotion_id);
CREATE TABLE pull_requests (
	lane VARCHAR(400) NOT NULL, 
	number INTEGER NOT NULL, 
	branch TEXT NOT NULL, 
	stage VARCHAR(64) NOT NULL, 
	"group" TEXT NOT NULL, 
	url TEXT NOT NULL, 
	title TEXT NOT NULL, 
	state VARCHAR(16) NOT NULL, 
	head_sha VARCHAR(64) NOT NULL, 
	tags JSON NOT NULL, 
	opened_at BIGINT NOT NULL, 
	ended_at BIGINT, 
	ended_by TEXT, text_hash VARCHAR(64), 
	CONSTRAINT pk_pull_requests PRIMARY KEY (lane, number)
);
CREATE INDEX ix_pull_requests_lane_state ON pull_requests (lane, state);
CREATE TABLE pushed_heads (
	lane VARCHAR(400) NOT NULL, 
	sha VARCHAR(64) NOT NULL, 
	branch TEXT NOT NULL, 
	base_sha VARCHAR(64) NOT NULL, 
	tags JSON NOT NULL, 
	recorded_at BIGINT NOT NULL, 
	CONSTRAINT pk_pushed_heads PRIMARY KEY (lane, sha)
);
CREATE INDEX ix_pushed_heads_sha ON pushed_heads (sha);
CREATE TABLE repositories (
	image VARCHAR(400) NOT NULL, 
	first_seen_at BIGINT NOT NULL, 
	listed_at BIGINT, 
	listing_wanted_at BIGINT, version INTEGER DEFAULT '0' NOT NULL, listing_problem TEXT, listing_failed_at BIGINT, 
	CONSTRAINT pk_repositories PRIMARY KEY (image)
);
CREATE INDEX ix_repositories_listing_wanted_at ON repositories (listing_wanted_at);
CREATE TABLE revisions (
	cluster VARCHAR(64) NOT NULL, 
	kind VARCHAR(64) NOT NULL, 
	namespace VARCHAR(255) NOT NULL, 
	name VARCHAR(255) NOT NULL, 
	repo VARCHAR(64) NOT NULL, 
	root TEXT NOT NULL, 
	revision TEXT NOT NULL, 
	"commit" VARCHAR(64), 
	is_failure BOOLEAN NOT NULL, 
	reason TEXT NOT NULL, 
	message TEXT NOT NULL, 
	at BIGINT NOT NULL, 
	received_at BIGINT NOT NULL, 
	is_examined BOOLEAN NOT NULL, began_at BIGINT, branch TEXT, delivery_id VARCHAR(32), unused TEXT, underway_reason TEXT, underway_message TEXT, underway_revision TEXT, underway_at BIGINT, 
	CONSTRAINT pk_revisions PRIMARY KEY (cluster, kind, namespace, name)
);
CREATE INDEX ix_revisions_repo_is_examined ON revisions (repo, is_examined);
CREATE TABLE applications (
	id INTEGER NOT NULL, 
	promotion_id VARCHAR(32) NOT NULL, 
	cluster VARCHAR(64) NOT NULL, 
	kustomization VARCHAR(512) NOT NULL, 
	state VARCHAR(16) NOT NULL, 
	revision TEXT NOT NULL, 
	"commit" VARCHAR(64) NOT NULL, 
	message TEXT NOT NULL, 
	at BIGINT NOT NULL, 
	recorded_at BIGINT NOT NULL, newest_revision TEXT, newest_commit VARCHAR(64), newest_at BIGINT, is_repeat BOOLEAN DEFAULT 0 NOT NULL, 
	CONSTRAINT pk_applications PRIMARY KEY (id), 
	CONSTRAINT fk_applications_promotion_id FOREIGN KEY(promotion_id) REFERENCES promotions (id)
);
CREATE INDEX ix_applications_promotion_id ON applications (promotion_id, cluster, kustomization, id);
CREATE TABLE selections (
	image VARCHAR(400) NOT NULL, 
	spec_hash VARCHAR(64) NOT NULL, 
	spec TEXT NOT NULL, 
	engine INTEGER NOT NULL, 
	standing TEXT, 
	CONSTRAINT pk_selections PRIMARY KEY (image, spec_hash)
);
CREATE INDEX ix_policies_repository ON policies (repository);
CREATE TABLE schedules (
	name VARCHAR(64) NOT NULL, 
	next_at BIGINT, 
	owner VARCHAR(64), 
	lease_until BIGINT, 
	fence BIGINT NOT NULL, 
	last_started_at BIGINT, 
	last_ended_at BIGINT, 
	last_found INTEGER, 
	last_error TEXT, 
	CONSTRAINT pk_schedules PRIMARY KEY (name)
);
CREATE INDEX ix_schedules_next_at ON schedules (next_at);
CREATE TABLE sweep_marks (
	sweep VARCHAR(64) NOT NULL, 
	"key" VARCHAR(1200) NOT NULL, 
	mark BIGINT NOT NULL, 
	looked_at BIGINT NOT NULL, 
	CONSTRAINT pk_sweep_marks PRIMARY KEY (sweep, "key")
);
CREATE TABLE held_back (
	sweep VARCHAR(64) NOT NULL, 
	"key" VARCHAR(1200) NOT NULL, 
	found INTEGER NOT NULL, 
	sample TEXT NOT NULL, 
	held_at BIGINT NOT NULL, 
	CONSTRAINT pk_held_back PRIMARY KEY (sweep, "key")
);
CREATE TABLE measures (
	name VARCHAR(64) NOT NULL, 
	label VARCHAR(128) NOT NULL, 
	value BIGINT NOT NULL, 
	CONSTRAINT pk_measures PRIMARY KEY (name, label)
);
CREATE TABLE forge_budgets (
	forge VARCHAR(400) NOT NULL, 
	spent_until BIGINT NOT NULL, 
	blocked_until BIGINT, 
	why TEXT, 
	CONSTRAINT pk_forge_budgets PRIMARY KEY (forge)
);
CREATE INDEX ix_deliveries_dropped_at_ended_at ON deliveries (dropped_at, ended_at);
CREATE INDEX ix_deliveries_state_id ON deliveries (state, id);
CREATE TABLE "builds" (
	id VARCHAR(32) NOT NULL, 
	controller VARCHAR(64) NOT NULL, 
	job VARCHAR(1000) NOT NULL, 
	number INTEGER NOT NULL, 
	result VARCHAR(16) NOT NULL, 
	url TEXT, 
	started_at BIGINT, 
	finished_at BIGINT, 
	"commit" VARCHAR(64), 
	branch TEXT, 
	git_tag TEXT, 
	git_url TEXT, 
	change_id TEXT, 
	is_ours BOOLEAN NOT NULL, 
	tests JSON, 
	parameters JSON NOT NULL, 
	source VARCHAR(64) NOT NULL, 
	delivery_id VARCHAR(32), 
	recorded_at BIGINT NOT NULL, 
	run INTEGER DEFAULT '1' NOT NULL, 
	life INTEGER DEFAULT '1' NOT NULL, 
	CONSTRAINT pk_builds PRIMARY KEY (id), 
	CONSTRAINT uq_builds_controller_job_number_run UNIQUE (controller, job, number, run)
);
CREATE INDEX ix_builds_job_id ON builds (job, id);
CREATE INDEX ix_builds_controller_job_life ON builds (controller, job, life);
CREATE TABLE standings (
	lane VARCHAR(400) NOT NULL, 
	stage VARCHAR(64) NOT NULL, 
	policy TEXT NOT NULL, 
	cluster VARCHAR(64) NOT NULL, 
	kustomization VARCHAR(512) NOT NULL, 
	is_expected BOOLEAN NOT NULL, 
	promotion_id VARCHAR(32), 
	since BIGINT, 
	hindrance TEXT, 
	newest_id INTEGER, 
	running_id INTEGER, 
	CONSTRAINT pk_standings PRIMARY KEY (lane, stage, policy, cluster, kustomization)
);
CREATE TABLE "tags" (
	image VARCHAR(400) NOT NULL, 
	tag VARCHAR(128) NOT NULL, 
	digest VARCHAR(255), 
	first_seen_at BIGINT NOT NULL, 
	looked_at BIGINT, 
	is_deleted BOOLEAN NOT NULL, 
	digest_at BIGINT, told_at BIGINT, refuted_at BIGINT, missed_at BIGINT, missed_before_at BIGINT, 
	CONSTRAINT pk_tags PRIMARY KEY (image, tag)
);
CREATE INDEX ix_tags_image_digest ON tags (image, digest);
CREATE TABLE "pushes" (
	id INTEGER NOT NULL, 
	image VARCHAR(400) NOT NULL, 
	tag VARCHAR(128) NOT NULL, 
	digest VARCHAR(255) NOT NULL, 
	first_seen_at BIGINT NOT NULL, 
	at BIGINT, 
	source VARCHAR(64) NOT NULL, 
	delivery_id VARCHAR(32), 
	CONSTRAINT pk_pushes PRIMARY KEY (id), 
	CONSTRAINT uq_pushes_image_tag_digest UNIQUE (image, tag, digest)
);
CREATE TABLE "build_artifacts" (
	id INTEGER NOT NULL, 
	build_id VARCHAR(32) NOT NULL, 
	kind VARCHAR(16) NOT NULL, 
	image VARCHAR(400) NOT NULL, 
	tag VARCHAR(128) NOT NULL, 
	digest VARCHAR(255) NOT NULL, 
	recorded_at BIGINT NOT NULL, 
	CONSTRAINT pk_build_artifacts PRIMARY KEY (id), 
	CONSTRAINT uq_build_artifacts_build_id_image_tag_digest UNIQUE (build_id, image, tag, digest), 
	CONSTRAINT fk_build_artifacts_build_id FOREIGN KEY(build_id) REFERENCES builds (id)
);
CREATE INDEX ix_build_artifacts_image_tag ON build_artifacts (image, tag);
CREATE INDEX ix_build_artifacts_image_digest ON build_artifacts (image, digest);
CREATE TABLE "promotions" (
	id VARCHAR(32) NOT NULL, 
	lane VARCHAR(400) NOT NULL, 
	repo VARCHAR(64) NOT NULL, 
	stage VARCHAR(64) NOT NULL, 
	policy TEXT NOT NULL, 
	image TEXT NOT NULL, 
	tag VARCHAR(128) NOT NULL, 
	digest VARCHAR(255), 
	from_tag TEXT, 
	state VARCHAR(16) NOT NULL, 
	reason TEXT NOT NULL, 
	origin VARCHAR(16) NOT NULL, 
	pull_request INTEGER, 
	branch TEXT, 
	head_sha VARCHAR(64), 
	merge_commit VARCHAR(64), 
	merged_by TEXT, 
	merged_at BIGINT, 
	build_id VARCHAR(32), 
	began_at BIGINT NOT NULL, 
	updated_at BIGINT NOT NULL, 
	CONSTRAINT pk_promotions PRIMARY KEY (id)
);
CREATE INDEX ix_promotions_lane_state ON promotions (lane, state);
CREATE INDEX ix_promotions_lane_stage_policy ON promotions (lane, stage, policy, id);
CREATE UNIQUE INDEX uq_promotions_open ON promotions (lane, stage, policy, tag) WHERE state IN ('waiting', 'proposed');
CREATE INDEX ix_promotions_state_id ON promotions (state, id);
CREATE TABLE owed_looks (
	image VARCHAR(400) NOT NULL, 
	reference VARCHAR(255) NOT NULL, 
	is_deletion BOOLEAN NOT NULL, 
	since BIGINT NOT NULL, 
	wanted_at BIGINT NOT NULL, 
	due_at BIGINT NOT NULL, 
	tries INTEGER NOT NULL, 
	error TEXT, 
	source VARCHAR(64) NOT NULL, 
	delivery_id VARCHAR(32), 
	CONSTRAINT pk_owed_looks PRIMARY KEY (image, reference)
);
CREATE INDEX ix_owed_looks_due_at ON owed_looks (due_at);
CREATE INDEX ix_deliveries_state_source_due_at ON deliveries (state, source, due_at);
CREATE TABLE kept_bodies (
	source VARCHAR(64) NOT NULL, 
	day INTEGER NOT NULL, 
	bytes BIGINT NOT NULL, 
	CONSTRAINT pk_kept_bodies PRIMARY KEY (source, day)
);
