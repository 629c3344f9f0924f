-- SPDX-License-Identifier: Apache-2.0
--
-- 0001_core - the tables. Who may touch them stands in 0003_access.sql; what
-- moves a session stands in 0002_functions.sql.

CREATE SCHEMA IF NOT EXISTS ventus;

CREATE DOMAIN ventus.ulid AS text COLLATE "C"
    CHECK (VALUE ~ '^[0-7][0-9A-HJKMNP-TV-Z]{25}$');

-- Who did it. Passed to every function that writes the audit log.
CREATE TYPE ventus.actor AS (
	kind       text,	-- 'key', 'system'
	id         text,	-- masked key prefix, or the daemon's name
	ip         text,
	user_agent text,
	request_id text
);

CREATE TABLE ventus.tenant (
	id                       ventus.ulid PRIMARY KEY,
	name                     text NOT NULL UNIQUE CHECK (length(name) BETWEEN 1 AND 200),
	recording_retention_days integer NOT NULL DEFAULT 30
	    CHECK (recording_retention_days BETWEEN 1 AND 3650),
	created_at               timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE ventus.workspace (
	id           ventus.ulid PRIMARY KEY,
	tenant_id    ventus.ulid NOT NULL REFERENCES ventus.tenant,
	name         text NOT NULL CHECK (length(name) BETWEEN 1 AND 200),
	status       text NOT NULL DEFAULT 'ACTIVE' CHECK (status IN ('ACTIVE', 'SUSPENDED')),
	weight       integer NOT NULL DEFAULT 1 CHECK (weight BETWEEN 1 AND 1000),
	created_at   timestamptz NOT NULL DEFAULT now(),
	UNIQUE (tenant_id, name)
);

CREATE TABLE ventus.api_key (
	id            ventus.ulid PRIMARY KEY,
	workspace_id  ventus.ulid NOT NULL REFERENCES ventus.workspace,
	name          text NOT NULL DEFAULT '' CHECK (length(name) <= 200),
	role          text NOT NULL CHECK (role IN ('viewer', 'operator', 'admin', 'system')),
	secret_sha256 bytea NOT NULL CHECK (length(secret_sha256) = 32),
	created_at    timestamptz NOT NULL DEFAULT now(),
	last_used_at  timestamptz,
	revoked_at    timestamptz
);

-- The whole life of a session: from, event, to. The only edges there are.
-- lib/model/sess.def holds the same names; a test proves that they agree.
CREATE TABLE ventus.session_edge (
	from_status    text NOT NULL,
	event          text NOT NULL,
	to_status      text NOT NULL,
	release_reason text,		-- what the row will say; NULL: stays NULL
	PRIMARY KEY (from_status, event)
);

INSERT INTO ventus.session_edge (from_status, event, to_status, release_reason) VALUES
    ('QUEUED',       'claim',              'PROVISIONING', NULL),
    ('QUEUED',       'release',            'COMPLETED',    'client_release'),
    ('QUEUED',       'force_stop',         'COMPLETED',    'admin_force_stop'),
    ('QUEUED',       'suspend',            'COMPLETED',    'workspace_suspended'),
    ('QUEUED',       'fail',               'ERRORED',      NULL),
    ('PROVISIONING', 'ready',              'RUNNING',      NULL),
    ('PROVISIONING', 'extend',             'PROVISIONING', NULL),
    ('PROVISIONING', 'release',            'COMPLETED',    'client_release'),
    ('PROVISIONING', 'force_stop',         'COMPLETED',    'admin_force_stop'),
    ('PROVISIONING', 'suspend',            'COMPLETED',    'workspace_suspended'),
    ('PROVISIONING', 'deadline',           'EXPIRED',      'timeout'),
    ('PROVISIONING', 'fail',               'ERRORED',      NULL),
    ('RUNNING',      'extend',             'RUNNING',      NULL),
    ('RUNNING',      'release',            'COMPLETED',    'client_release'),
    ('RUNNING',      'force_stop',         'COMPLETED',    'admin_force_stop'),
    ('RUNNING',      'suspend',            'COMPLETED',    'workspace_suspended'),
    ('RUNNING',      'cdp_disconnect',     'COMPLETED',    'cdp_disconnect'),
    ('RUNNING',      'browser_closed',     'COMPLETED',    'browser_closed'),
    ('RUNNING',      'deadline',           'EXPIRED',      'timeout'),
    ('RUNNING',      'fail',               'ERRORED',      NULL);

CREATE TABLE ventus.session (
	id                   ventus.ulid PRIMARY KEY,
	workspace_id         ventus.ulid NOT NULL REFERENCES ventus.workspace,
	status               text NOT NULL CHECK (status IN
	    ('QUEUED', 'PROVISIONING', 'RUNNING', 'COMPLETED', 'EXPIRED', 'ERRORED')),
	region               text NOT NULL CHECK (length(region) BETWEEN 1 AND 63),
	runtime_kind         text NOT NULL CHECK (runtime_kind IN ('chromium', 'rda')),
	timeout_seconds      integer NOT NULL CHECK (timeout_seconds BETWEEN 60 AND 86400),
	keep_alive_seconds   integer NOT NULL CHECK (keep_alive_seconds BETWEEN 0 AND 86400),
	viewport_width       integer NOT NULL CHECK (viewport_width BETWEEN 320 AND 7680),
	viewport_height      integer NOT NULL CHECK (viewport_height BETWEEN 240 AND 4320),
	user_agent           text CHECK (length(user_agent) BETWEEN 1 AND 512),
	proxy_url            text,
	proxy_username       text,
	proxy_password       bytea,	-- sealed, see lib/seal.h
	profile_id           ventus.ulid,
	profile_version      integer,
	storage_state        bytea,	-- sealed
	labels               jsonb NOT NULL DEFAULT '{}',
	recording_enabled    boolean NOT NULL DEFAULT false,
	request_id           text NOT NULL,	-- of the create; follows the session into every log
	created_at           timestamptz NOT NULL DEFAULT now(),
	provisioning_at      timestamptz,
	running_at           timestamptz,
	expires_at           timestamptz,
	ended_at             timestamptz,
	release_reason       text,
	error_code           text,
	error_message        text,
	cdp_clients          integer NOT NULL DEFAULT 0 CHECK (cdp_clients >= 0),
	CHECK ((status IN ('COMPLETED', 'EXPIRED', 'ERRORED')) = (ended_at IS NOT NULL)),
	CHECK ((status = 'ERRORED') = (error_code IS NOT NULL))
);
CREATE INDEX session_workspace ON ventus.session (workspace_id, created_at DESC, id DESC);
CREATE INDEX session_queue ON ventus.session (region, created_at, id) WHERE status = 'QUEUED';
CREATE INDEX session_expiry ON ventus.session (expires_at)
    WHERE status IN ('PROVISIONING', 'RUNNING');
CREATE INDEX session_live ON ventus.session (workspace_id)
    WHERE status IN ('PROVISIONING', 'RUNNING');

-- Append-only. Folding the events of a session in order gives its row.
CREATE TABLE ventus.session_event (
	session_id     ventus.ulid NOT NULL REFERENCES ventus.session,
	seq            integer NOT NULL,
	workspace_id   ventus.ulid NOT NULL,
	at             timestamptz NOT NULL,
	event          text NOT NULL,
	from_status    text,		-- NULL for 'admit', the first
	to_status      text NOT NULL,
	release_reason text,
	error_code     text,
	expires_at     timestamptz,	-- as the row has it after this event
	request_id     text,
	PRIMARY KEY (session_id, seq)
);

-- A desktop with a browser, claimed by at most one session, used once.
CREATE TABLE ventus.runtime (
	id          ventus.ulid PRIMARY KEY,
	session_id  ventus.ulid UNIQUE REFERENCES ventus.session,	-- NULL: warm, unclaimed
	region      text NOT NULL,
	kind        text NOT NULL,
	state       text NOT NULL CHECK (state IN ('STARTING', 'READY', 'STOPPING', 'GONE')),
	secret_kid  text NOT NULL,	-- which key its secret is derived from; never the secret
	endpoint    text,		-- 'unix:/path' or 'tcp:host:port'; set when READY
	exit_code   text,		-- what the agent or the driver said of its end
	created_at  timestamptz NOT NULL DEFAULT now(),
	ready_at    timestamptz,
	stopping_at timestamptz,
	gone_at     timestamptz
);
CREATE INDEX runtime_present ON ventus.runtime (region) WHERE state <> 'GONE';

CREATE TABLE ventus.idempotency (
	workspace_id   ventus.ulid NOT NULL REFERENCES ventus.workspace,
	key            text NOT NULL CHECK (length(key) BETWEEN 1 AND 255),
	session_id     ventus.ulid NOT NULL REFERENCES ventus.session
	    DEFERRABLE INITIALLY DEFERRED,
	payload_sha256 bytea NOT NULL,
	created_at     timestamptz NOT NULL,
	PRIMARY KEY (workspace_id, key)
);
CREATE INDEX idempotency_age ON ventus.idempotency (created_at);

-- Append-only, one hash chain per workspace.
CREATE TABLE ventus.audit (
	workspace_id ventus.ulid NOT NULL,
	seq          bigint NOT NULL,
	at           timestamptz NOT NULL,
	actor_kind   text NOT NULL,
	actor_id     text NOT NULL,
	class        text NOT NULL CHECK (class IN ('tenant', 'operator')),
	action       text NOT NULL,
	target_kind  text NOT NULL,
	target_id    text NOT NULL,
	reason       text,
	detail       jsonb NOT NULL DEFAULT '{}',
	ip           text,
	user_agent   text,
	request_id   text,
	hash         bytea NOT NULL CHECK (length(hash) = 32),
	PRIMARY KEY (workspace_id, seq)
);

CREATE TABLE ventus.audit_head (
	workspace_id ventus.ulid PRIMARY KEY REFERENCES ventus.workspace,
	seq          bigint NOT NULL,
	hash         bytea NOT NULL
);

-- One running cdpd worker. Its clients are void once the lease is over.
CREATE TABLE ventus.cdpd_instance (
	id          ventus.ulid PRIMARY KEY,
	name        text NOT NULL,
	started_at  timestamptz NOT NULL DEFAULT now(),
	lease_until timestamptz NOT NULL
);

CREATE TABLE ventus.cdp_client (
	id          ventus.ulid PRIMARY KEY,
	session_id  ventus.ulid NOT NULL REFERENCES ventus.session,
	instance_id ventus.ulid NOT NULL REFERENCES ventus.cdpd_instance,
	opened_at   timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX cdp_client_session ON ventus.cdp_client (session_id);
CREATE INDEX cdp_client_instance ON ventus.cdp_client (instance_id);
