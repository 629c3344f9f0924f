-- SPDX-License-Identifier: Apache-2.0
--
-- 0003_access - who may touch what: grants first, row-level security behind them.

REVOKE ALL ON SCHEMA ventus FROM PUBLIC;
REVOKE ALL ON ALL FUNCTIONS IN SCHEMA ventus FROM PUBLIC;
ALTER DEFAULT PRIVILEGES REVOKE EXECUTE ON FUNCTIONS FROM PUBLIC;	-- of migrations to come
GRANT USAGE ON SCHEMA ventus TO ventus_api, ventus_proxy, ventus_reaper;
GRANT EXECUTE ON FUNCTION ventus.ms, ventus.workspace, ventus.in_reach, ventus.is_final
    TO ventus_api, ventus_proxy, ventus_reaper;

-- ventus-api: reads its workspace, admits and moves sessions through functions.
GRANT SELECT ON ventus.session, ventus.session_event TO ventus_api;
GRANT SELECT (workspace_id, key, session_id, payload_sha256, created_at)
    ON ventus.idempotency TO ventus_api;
GRANT EXECUTE ON FUNCTION ventus.session_admit, ventus.session_move, ventus.api_key_find,
    ventus.api_key_touch TO ventus_api;

GRANT EXECUTE ON FUNCTION ventus.queue_position TO ventus_api, ventus_reaper;

-- ventus-cdpd: one door each way.
GRANT SELECT (id, status, release_reason, error_code) ON ventus.session TO ventus_proxy;
GRANT SELECT ON ventus.cdp_client TO ventus_proxy;
GRANT EXECUTE ON FUNCTION ventus.cdp_client_open, ventus.cdp_client_close,
    ventus.cdpd_instance_beat TO ventus_proxy;

-- ventus-reaperd: sees all, changes through functions.
GRANT SELECT ON ventus.session, ventus.runtime, ventus.workspace, ventus.cdpd_instance,
    ventus.cdp_client TO ventus_reaper;
GRANT SELECT, DELETE ON ventus.idempotency TO ventus_reaper;
GRANT EXECUTE ON FUNCTION ventus.session_claim, ventus.session_move, ventus.session_expire,
    ventus.session_queue_timeout, ventus.runtime_ready, ventus.runtime_ended,
    ventus.runtime_gone, ventus.cdpd_instance_reap TO ventus_reaper;

-- The second wall. FORCE: it also holds inside SECURITY DEFINER functions.
DO $$
DECLARE
	t text;
BEGIN
	FOREACH t IN ARRAY ARRAY['session', 'session_event', 'idempotency', 'audit', 'audit_head'] LOOP
		EXECUTE format('ALTER TABLE ventus.%I ENABLE ROW LEVEL SECURITY', t);
		EXECUTE format('ALTER TABLE ventus.%I FORCE ROW LEVEL SECURITY', t);
		EXECUTE format('CREATE POLICY %I ON ventus.%I'
		    ' TO ventus_owner, ventus_api, ventus_proxy, ventus_reaper'
		    ' USING (ventus.in_reach(workspace_id)) WITH CHECK (ventus.in_reach(workspace_id))', t || '_reach', t);
	END LOOP;
END
$$;

GRANT USAGE, CREATE ON SCHEMA ventus TO ventus_queue;
GRANT SELECT (id, status, region, runtime_kind, created_at) ON ventus.session TO ventus_queue;
CREATE POLICY session_queue_count ON ventus.session FOR SELECT TO ventus_queue
    USING (status = 'QUEUED');
ALTER FUNCTION ventus.queue_position(text) OWNER TO ventus_queue;
REVOKE CREATE ON SCHEMA ventus FROM ventus_queue;
