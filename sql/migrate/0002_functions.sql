-- SPDX-License-Identifier: Apache-2.0
--
-- 0002_functions - every write that has a rule. The daemons call these and
-- have no other way to change a session, so a rule stands in one place only.
--
-- All are SECURITY DEFINER with an empty search_path: the caller's role needs
-- EXECUTE and nothing else.

CREATE FUNCTION ventus.ms(at timestamptz) RETURNS bigint
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN (extract(epoch FROM at) * 1000)::bigint;

-- The workspace this transaction acts for; NULL when none was set.
CREATE FUNCTION ventus.workspace() RETURNS text
LANGUAGE sql STABLE PARALLEL SAFE
RETURN nullif(current_setting('ventus.workspace_id', true), '');

-- Row-level security's one question. The api role reaches the workspace it has
-- set and nothing else, also inside a SECURITY DEFINER function: session_user
-- stays the login role there.
CREATE FUNCTION ventus.in_reach(p_workspace text) RETURNS boolean
LANGUAGE sql STABLE PARALLEL SAFE
RETURN p_workspace = ventus.workspace() OR session_user <> 'ventus_api';

CREATE FUNCTION ventus.is_final(p_status text) RETURNS boolean
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN p_status IN ('COMPLETED', 'EXPIRED', 'ERRORED');

-- What the hash of an audit row covers: the row before it and every column, the
-- time as UTC text so that a session's TimeZone cannot change a hash.
CREATE FUNCTION ventus.audit_hash(prev bytea, r ventus.audit) RETURNS bytea
LANGUAGE sql STABLE
RETURN sha256(prev || convert_to(jsonb_build_array(
    r.workspace_id, r.seq,
    to_char(r.at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'),
    r.actor_kind, r.actor_id, r.class, r.action, r.target_kind, r.target_id,
    r.reason, r.detail, r.ip, r.user_agent, r.request_id)::text, 'UTF8'));

CREATE FUNCTION ventus.audit_append(
    p_workspace text, p_actor ventus.actor, p_class text, p_action text,
    p_target_kind text, p_target_id text, p_reason text, p_detail jsonb)
RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = ''
AS $$
DECLARE
	head ventus.audit_head;
	r    ventus.audit;
BEGIN
	INSERT INTO ventus.audit_head (workspace_id, seq, hash)
	VALUES (p_workspace, 0, sha256(''))
	ON CONFLICT DO NOTHING;
	SELECT * INTO STRICT head FROM ventus.audit_head
	 WHERE workspace_id = p_workspace FOR UPDATE;

	r.workspace_id := p_workspace;
	r.seq := head.seq + 1;
	r.at := clock_timestamp();
	r.actor_kind := p_actor.kind;
	r.actor_id := p_actor.id;
	r.class := p_class;
	r.action := p_action;
	r.target_kind := p_target_kind;
	r.target_id := p_target_id;
	r.reason := p_reason;
	r.detail := coalesce(p_detail, '{}');
	r.ip := p_actor.ip;
	r.user_agent := left(p_actor.user_agent, 512);
	r.request_id := p_actor.request_id;
	r.hash := ventus.audit_hash(head.hash, r);
	INSERT INTO ventus.audit SELECT r.*;
	UPDATE ventus.audit_head SET seq = r.seq, hash = r.hash
	 WHERE workspace_id = p_workspace;
END
$$;

-- Tell whoever listens. Payload: id, status, and why it ended or '-'.
CREATE FUNCTION ventus.session_notify(s ventus.session) RETURNS void
LANGUAGE sql
BEGIN ATOMIC
	SELECT pg_notify('ventus_session', s.id || ' ' || s.status || ' ' ||
	    coalesce(s.error_code, s.release_reason, '-'));
END;

CREATE FUNCTION ventus.session_event_append(
    s ventus.session, p_event text, p_from text, p_request_id text)
RETURNS void
LANGUAGE sql SECURITY DEFINER SET search_path = ''
AS $$
	INSERT INTO ventus.session_event (session_id, seq, workspace_id, at, event, from_status,
	    to_status, release_reason, error_code, expires_at, request_id)
	SELECT s.id, coalesce(max(e.seq), 0) + 1, s.workspace_id, clock_timestamp(), p_event,
	    p_from, s.status, s.release_reason, s.error_code, s.expires_at, p_request_id
	  FROM ventus.session_event e WHERE e.session_id = s.id;
$$;

-- Admit one session, once per (workspace, key) within 24 hours.
--
-- The row to insert comes whole; the fields that admission decides are set here.
-- created: this call made it. payload_match: false when the key was used with
-- another body. A refused create raises nothing and leaves no key behind,
-- because the handler validates before it calls.
CREATE FUNCTION ventus.session_admit(
    p_spec ventus.session, p_key text, p_payload_sha256 bytea, p_actor ventus.actor)
RETURNS TABLE (created boolean, payload_match boolean, session ventus.session)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = ''
AS $$
DECLARE
	s    ventus.session := p_spec;
	seen ventus.idempotency;
BEGIN
	INSERT INTO ventus.idempotency AS i (workspace_id, key, session_id, payload_sha256, created_at)
	VALUES (s.workspace_id, p_key, s.id, p_payload_sha256, now())
	ON CONFLICT (workspace_id, key) DO UPDATE
	   SET session_id = excluded.session_id, payload_sha256 = excluded.payload_sha256,
	       created_at = excluded.created_at
	 WHERE i.created_at <= now() - interval '24 hours'
	RETURNING * INTO seen;
	IF NOT FOUND THEN
		SELECT * INTO STRICT seen FROM ventus.idempotency i
		 WHERE i.workspace_id = s.workspace_id AND i.key = p_key;
		RETURN QUERY SELECT false, seen.payload_sha256 = p_payload_sha256, o
		  FROM ventus.session o WHERE o.id = seen.session_id;
		RETURN;
	END IF;

	s.status := 'QUEUED';
	s.created_at := clock_timestamp();
	s.cdp_clients := 0;
	INSERT INTO ventus.session SELECT s.*;
	PERFORM ventus.session_event_append(s, 'admit', NULL, p_actor.request_id);
	PERFORM ventus.audit_append(s.workspace_id, p_actor, 'tenant', 'session.create',
	    'session', s.id, NULL, jsonb_build_object('region', s.region,
	    'runtime_kind', s.runtime_kind, 'timeout_seconds', s.timeout_seconds,
	    'keep_alive_seconds', s.keep_alive_seconds));
	PERFORM ventus.session_notify(s);
	RETURN QUERY SELECT true, true, s;
END
$$;

-- What session_move() may be told besides the event.
CREATE TYPE ventus.move_args AS (
	error_code     text,	-- 'fail' only
	error_message  text,	-- 'fail' only; never a page's data
	extend_seconds integer,	-- 'extend' only
	reason         text	-- 'force_stop' only; goes to the audit log
);

-- Raise one event on one session: the only writer of session.status.
--
-- Checks the edge, writes the row, the event and the audit row and notifies, or
-- changes nothing (moved = false) when the event means nothing in the present
-- status. No row: no such session in p_workspace (NULL: any, for the daemons).
CREATE FUNCTION ventus.session_move(
    p_workspace text, p_id text, p_event text, p_args ventus.move_args, p_actor ventus.actor)
RETURNS TABLE (moved boolean, session ventus.session)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = ''
AS $$
DECLARE
	s    ventus.session;
	edge ventus.session_edge;
	was  text;
BEGIN
	SELECT * INTO s FROM ventus.session x
	 WHERE x.id = p_id AND (p_workspace IS NULL OR x.workspace_id = p_workspace)
	   FOR NO KEY UPDATE;
	IF NOT FOUND THEN
		RETURN;
	END IF;
	SELECT * INTO edge FROM ventus.session_edge e
	 WHERE e.from_status = s.status AND e.event = p_event;
	IF NOT FOUND THEN
		RETURN QUERY SELECT false, s;
		RETURN;
	END IF;

	was := s.status;
	s.status := edge.to_status;
	s.release_reason := edge.release_reason;
	CASE p_event
	WHEN 'claim' THEN
		s.provisioning_at := clock_timestamp();
		s.expires_at := s.provisioning_at + make_interval(secs => s.timeout_seconds);
	WHEN 'ready' THEN
		s.running_at := clock_timestamp();
	WHEN 'extend' THEN
		s.expires_at := s.expires_at + make_interval(secs => p_args.extend_seconds);
	WHEN 'fail' THEN
		s.error_code := p_args.error_code;
		s.error_message := p_args.error_message;
	ELSE
		NULL;
	END CASE;
	IF ventus.is_final(s.status) THEN
		s.ended_at := clock_timestamp();
		s.cdp_clients := 0;
		DELETE FROM ventus.cdp_client c WHERE c.session_id = s.id;
		UPDATE ventus.runtime r SET state = 'STOPPING', stopping_at = clock_timestamp()
		 WHERE r.session_id = s.id AND r.state IN ('STARTING', 'READY');
	END IF;
	UPDATE ventus.session x
	   SET status = s.status, release_reason = s.release_reason,
	       provisioning_at = s.provisioning_at, running_at = s.running_at,
	       expires_at = s.expires_at, ended_at = s.ended_at, error_code = s.error_code,
	       error_message = s.error_message, cdp_clients = s.cdp_clients
	 WHERE x.id = s.id;
	PERFORM ventus.session_event_append(s, p_event, was, p_actor.request_id);
	PERFORM ventus.audit_append(s.workspace_id, p_actor,
	    CASE p_event WHEN 'force_stop' THEN 'operator' ELSE 'tenant' END,
	    'session.' || p_event, 'session', s.id, p_args.reason,
	    jsonb_strip_nulls(jsonb_build_object('status', s.status, 'error_code', s.error_code,
	    'extend_seconds', p_args.extend_seconds)));
	PERFORM ventus.session_notify(s);
	RETURN QUERY SELECT true, s;
END
$$;

-- Give the next queued session of a region a runtime to be started.
--
-- First come first served within a workspace; between workspaces the one with
-- the fewest live sessions for its weight goes first. No row: nothing is queued,
-- or p_capacity runtimes are there already.
CREATE FUNCTION ventus.session_claim(
    p_region text, p_kind text, p_capacity integer, p_runtime text, p_secret_kid text,
    p_actor ventus.actor)
RETURNS SETOF ventus.session
LANGUAGE plpgsql SECURITY DEFINER SET search_path = ''
AS $$
DECLARE
	next_id text;
	s       ventus.session;
BEGIN
	PERFORM pg_advisory_xact_lock(hashtext('ventus.capacity'), hashtext(p_region));
	IF (SELECT count(*) FROM ventus.runtime r
	     WHERE r.region = p_region AND r.state <> 'GONE') >= p_capacity THEN
		RETURN;
	END IF;
	SELECT q.id INTO next_id
	  FROM ventus.session q JOIN ventus.workspace w ON w.id = q.workspace_id
	 WHERE q.status = 'QUEUED' AND q.region = p_region AND q.runtime_kind = p_kind
	 ORDER BY (SELECT count(*) FROM ventus.session l
	            WHERE l.workspace_id = q.workspace_id
	              AND l.status IN ('PROVISIONING', 'RUNNING'))::numeric / w.weight,
	       q.created_at, q.id
	 LIMIT 1 FOR UPDATE OF q SKIP LOCKED;
	IF next_id IS NULL THEN
		RETURN;
	END IF;
	SELECT (m.session).* INTO s
	  FROM ventus.session_move(NULL, next_id, 'claim', NULL, p_actor) m WHERE m.moved;
	INSERT INTO ventus.runtime (id, session_id, region, kind, state, secret_kid)
	VALUES (p_runtime, s.id, p_region, p_kind, 'STARTING', p_secret_kid);
	RETURN NEXT s;
END
$$;

-- The runtime answers: its session, if it still wants one, is RUNNING.
-- False when the runtime is not wanted any more and must be stopped.
CREATE FUNCTION ventus.runtime_ready(p_runtime text, p_endpoint text, p_actor ventus.actor)
RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path = ''
AS $$
DECLARE
	owner text;
	ok    boolean;
BEGIN
	-- The session first, then the runtime: the order session_move() locks in.
	SELECT r.session_id INTO owner FROM ventus.runtime r WHERE r.id = p_runtime;
	PERFORM 1 FROM ventus.session x WHERE x.id = owner FOR NO KEY UPDATE;
	UPDATE ventus.runtime r
	   SET state = 'READY', endpoint = p_endpoint, ready_at = clock_timestamp()
	 WHERE r.id = p_runtime AND r.state = 'STARTING';
	IF NOT FOUND THEN
		RETURN EXISTS (SELECT FROM ventus.runtime r WHERE r.id = p_runtime AND r.state = 'READY');
	END IF;
	IF owner IS NULL THEN
		RETURN true;
	END IF;
	SELECT m.moved INTO ok FROM ventus.session_move(NULL, owner, 'ready', NULL, p_actor) m;
	RETURN coalesce(ok, false);
END
$$;

-- The runtime is over, or never was. p_event is 'fail' with a code, or 'browser_closed'.
-- A session that has ended for another reason already keeps that reason.
CREATE FUNCTION ventus.runtime_ended(
    p_runtime text, p_event text, p_code text, p_message text, p_actor ventus.actor)
RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = ''
AS $$
DECLARE
	owner text;
	m     record;
BEGIN
	SELECT r.session_id INTO owner FROM ventus.runtime r WHERE r.id = p_runtime;
	IF owner IS NOT NULL THEN
		SELECT * INTO m FROM ventus.session_move(NULL, owner, p_event,
		    ROW(p_code, p_message, NULL, NULL)::ventus.move_args, p_actor);
		-- Closed by itself before it was ever RUNNING: a browser that cannot start.
		IF NOT m.moved AND NOT ventus.is_final((m.session).status) THEN
			PERFORM ventus.session_move(NULL, owner, 'fail',
			    ROW('image_start_failed', p_message, NULL, NULL)::ventus.move_args, p_actor);
		END IF;
	END IF;
	UPDATE ventus.runtime r
	   SET state = 'STOPPING', exit_code = coalesce(p_code, p_event),
	       stopping_at = coalesce(r.stopping_at, clock_timestamp())
	 WHERE r.id = p_runtime AND r.state <> 'GONE';
END
$$;

-- Nothing of the runtime is left on the machine.
CREATE FUNCTION ventus.runtime_gone(p_runtime text) RETURNS void
LANGUAGE sql SECURITY DEFINER SET search_path = ''
AS $$
	UPDATE ventus.runtime SET state = 'GONE', gone_at = clock_timestamp()
	 WHERE id = p_runtime AND state <> 'GONE';
$$;

-- Sessions past their deadline; each is moved to EXPIRED.
--
-- Here and below, what moves several sessions in one transaction skips locked ones:
-- it holds audit heads already, so waiting for a row could deadlock with a release.
-- It goes by workspace, so that two of them take audit heads in the same order.
CREATE FUNCTION ventus.session_expire(p_region text, p_actor ventus.actor)
RETURNS SETOF ventus.session
LANGUAGE sql SECURITY DEFINER SET search_path = ''
AS $$
	SELECT m.session
	  FROM (SELECT id FROM ventus.session
	         WHERE status IN ('PROVISIONING', 'RUNNING') AND region = p_region
	           AND expires_at <= clock_timestamp()
	         ORDER BY workspace_id, id LIMIT 500 FOR NO KEY UPDATE SKIP LOCKED) due,
	       LATERAL ventus.session_move(NULL, due.id, 'deadline', NULL, p_actor) m
	 WHERE m.moved;
$$;

-- Queued for longer than p_queue_timeout seconds; p_regions are those with a pool.
CREATE FUNCTION ventus.session_queue_timeout(
    p_regions text[], p_queue_timeout integer, p_actor ventus.actor)
RETURNS SETOF ventus.session
LANGUAGE sql SECURITY DEFINER SET search_path = ''
AS $$
	SELECT m.session
	  FROM (SELECT id, region, runtime_kind FROM ventus.session
	         WHERE status = 'QUEUED'
	           AND created_at <= clock_timestamp() - make_interval(secs => p_queue_timeout)
	         ORDER BY workspace_id, id LIMIT 500 FOR NO KEY UPDATE SKIP LOCKED) due,
	       LATERAL ventus.session_move(NULL, due.id, 'fail', ROW(
	           CASE WHEN due.region || '/' || due.runtime_kind = ANY (p_regions)
	                THEN 'queue_timeout' ELSE 'region_unavailable' END,
	           CASE WHEN due.region || '/' || due.runtime_kind = ANY (p_regions)
	                THEN 'no runtime became free within the queue timeout'
	                ELSE 'no runtime pool serves this region and runtime kind' END,
	           NULL, NULL)::ventus.move_args, p_actor) m
	 WHERE m.moved;
$$;

-- A client of the CDP door. What it may do is in verdict:
--   open    counted, dial endpoint           wait  not RUNNING yet, ask again
--   full    p_max clients are there already  gone  ended; status and why say how
-- No row: no such session in this workspace.
CREATE FUNCTION ventus.cdp_client_open(
    p_workspace text, p_session text, p_client text, p_instance text, p_max integer)
RETURNS TABLE (verdict text, status text, why text, keep_alive_seconds integer,
    runtime_id text, endpoint text, secret_kid text)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = ''
AS $$
DECLARE
	s ventus.session;
	r ventus.runtime;
	v text;
BEGIN
	SELECT * INTO s FROM ventus.session x
	 WHERE x.id = p_session AND x.workspace_id = p_workspace FOR NO KEY UPDATE;
	IF NOT FOUND THEN
		RETURN;
	END IF;
	SELECT * INTO r FROM ventus.runtime x WHERE x.session_id = s.id;
	IF ventus.is_final(s.status) THEN
		v := 'gone';
	ELSIF s.status <> 'RUNNING' THEN
		v := 'wait';
	ELSIF s.cdp_clients >= p_max THEN
		v := 'full';
	ELSE
		v := 'open';
		INSERT INTO ventus.cdp_client (id, session_id, instance_id)
		VALUES (p_client, s.id, p_instance);
		UPDATE ventus.session x SET cdp_clients = x.cdp_clients + 1 WHERE x.id = s.id;
	END IF;
	RETURN QUERY SELECT v, s.status, coalesce(s.error_code, s.release_reason),
	    s.keep_alive_seconds, r.id::text, r.endpoint, r.secret_kid;
END
$$;

-- A client has left. p_event is what ends the session if it was the last one:
-- 'cdp_disconnect', or 'browser_closed' when it closed the browser itself.
-- Calling it twice for one client does nothing.
CREATE FUNCTION ventus.cdp_client_close(p_client text, p_event text, p_actor ventus.actor)
RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = ''
AS $$
DECLARE
	sid  text;
	s    ventus.session;
BEGIN
	SELECT c.session_id INTO sid FROM ventus.cdp_client c WHERE c.id = p_client;
	IF NOT FOUND THEN
		RETURN;
	END IF;
	SELECT * INTO s FROM ventus.session x WHERE x.id = sid FOR NO KEY UPDATE;
	DELETE FROM ventus.cdp_client c WHERE c.id = p_client;
	IF NOT FOUND THEN
		RETURN;
	END IF;
	UPDATE ventus.session x SET cdp_clients = x.cdp_clients - 1 WHERE x.id = sid;
	IF s.keep_alive_seconds = 0 AND (s.cdp_clients = 1 OR p_event = 'browser_closed') THEN
		PERFORM ventus.session_move(NULL, sid, p_event, NULL, p_actor);
	END IF;
END
$$;

CREATE FUNCTION ventus.cdpd_instance_beat(p_id text, p_name text, p_lease_seconds integer)
RETURNS void
LANGUAGE sql SECURITY DEFINER SET search_path = ''
AS $$
	INSERT INTO ventus.cdpd_instance (id, name, lease_until)
	VALUES (p_id, p_name, clock_timestamp() + make_interval(secs => p_lease_seconds))
	ON CONFLICT (id) DO UPDATE SET lease_until = excluded.lease_until;
$$;

-- Instances whose lease is over: their clients have left, as if each had closed. How
-- many were done with; one whose session is locked just now waits for the next round.
-- After the server was away every lease looks over, so its first seconds are given to
-- the living to say so; else a restart would release sessions whose clients are there.
CREATE FUNCTION ventus.cdpd_instance_reap(p_actor ventus.actor) RETURNS integer
LANGUAGE plpgsql SECURITY DEFINER SET search_path = ''
AS $$
DECLARE
	dead text[];
	mine text[];
	n    integer;
BEGIN
	IF clock_timestamp() < pg_postmaster_start_time() + interval '10 seconds' THEN
		RETURN 0;
	END IF;
	dead := ARRAY(SELECT i.id FROM ventus.cdpd_instance i
	               WHERE i.lease_until < clock_timestamp() FOR UPDATE SKIP LOCKED);
	-- All sessions first: a row that this very statement has changed cannot be locked
	-- again, so the second client of a session would be passed over.
	mine := ARRAY(SELECT s.id FROM ventus.session s
	               WHERE s.id IN (SELECT c.session_id FROM ventus.cdp_client c
	                               WHERE c.instance_id = ANY (dead))
	                 FOR NO KEY UPDATE SKIP LOCKED);
	PERFORM ventus.cdp_client_close(l.id, 'cdp_disconnect', p_actor)
	   FROM (SELECT c.id FROM ventus.cdp_client c
	           JOIN ventus.session s ON s.id = c.session_id
	          WHERE c.instance_id = ANY (dead) AND c.session_id = ANY (mine)
	          ORDER BY s.workspace_id, s.id) l;
	DELETE FROM ventus.cdpd_instance i
	 WHERE i.id = ANY (dead)
	   AND NOT EXISTS (SELECT FROM ventus.cdp_client c WHERE c.instance_id = i.id);
	GET DIAGNOSTICS n = ROW_COUNT;
	RETURN n;
END
$$;

-- Place in the region's queue, 1 is next; NULL when the session is not QUEUED. Owned
-- by ventus_queue, the one role whose reach is every workspace's queue and nothing
-- else of them: a position is a count over all tenants. VOLATILE, so that it sees
-- what session_admit() has inserted in the same statement.
CREATE FUNCTION ventus.queue_position(p_session text) RETURNS bigint
LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = ''
AS $$
	SELECT (SELECT count(*) FROM ventus.session b
	         WHERE b.status = 'QUEUED' AND b.region = q.region
	           AND b.runtime_kind = q.runtime_kind
	           AND (b.created_at, b.id) <= (q.created_at, q.id))
	  FROM ventus.session q
	 WHERE q.id = p_session AND q.status = 'QUEUED';
$$;

-- Who a key is.
CREATE FUNCTION ventus.api_key_find(p_id text)
RETURNS TABLE (workspace_id text, role text, secret_sha256 bytea, revoked boolean,
    workspace_status text)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = ''
AS $$
BEGIN
	RETURN QUERY
	SELECT k.workspace_id::text, k.role, k.secret_sha256, k.revoked_at IS NOT NULL, w.status
	  FROM ventus.api_key k JOIN ventus.workspace w ON w.id = k.workspace_id
	 WHERE k.id = p_id;
END
$$;

-- Note a key's use, at most once a minute.
CREATE FUNCTION ventus.api_key_touch(p_id text) RETURNS void
LANGUAGE sql SECURITY DEFINER SET search_path = ''
AS $$
	UPDATE ventus.api_key SET last_used_at = clock_timestamp()
	 WHERE id = p_id
	   AND (last_used_at IS NULL OR last_used_at < clock_timestamp() - interval '1 minute');
$$;

CREATE FUNCTION ventus.refuse_change() RETURNS trigger
LANGUAGE plpgsql
AS $$
BEGIN
	RAISE EXCEPTION '% is append-only', TG_TABLE_NAME USING ERRCODE = 'insufficient_privilege';
END
$$;

CREATE TRIGGER session_event_append_only BEFORE UPDATE OR DELETE ON ventus.session_event
    FOR EACH ROW EXECUTE FUNCTION ventus.refuse_change();
CREATE TRIGGER session_event_no_truncate BEFORE TRUNCATE ON ventus.session_event
    FOR EACH STATEMENT EXECUTE FUNCTION ventus.refuse_change();
CREATE TRIGGER audit_append_only BEFORE UPDATE OR DELETE ON ventus.audit
    FOR EACH ROW EXECUTE FUNCTION ventus.refuse_change();
CREATE TRIGGER audit_no_truncate BEFORE TRUNCATE ON ventus.audit
    FOR EACH STATEMENT EXECUTE FUNCTION ventus.refuse_change();
