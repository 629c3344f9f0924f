-- SPDX-License-Identifier: Apache-2.0
--
-- The roles, made once by a superuser before the first migration: by psql, or by
-- ventusctl migrate --roles.
-- Run again at any time: it changes nothing that is right already.
--
-- ventus_owner owns the schema and cannot log in; the three daemons log in as
-- roles that own nothing. Limits live on the role so that no code can forget them.

DO $$
DECLARE
	r text;
BEGIN
	IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'ventus_owner') THEN
		CREATE ROLE ventus_owner NOLOGIN;
	END IF;
	IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'ventus_queue') THEN
		CREATE ROLE ventus_queue NOLOGIN;
	END IF;
	GRANT ventus_queue TO ventus_owner;	-- the owner gives it one function
	FOREACH r IN ARRAY ARRAY['ventus_api', 'ventus_proxy', 'ventus_reaper'] LOOP
		IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = r) THEN
			EXECUTE format('CREATE ROLE %I LOGIN', r);
		END IF;
		EXECUTE format('ALTER ROLE %I NOSUPERUSER NOCREATEDB NOCREATEROLE NOBYPASSRLS', r);
		EXECUTE format('ALTER ROLE %I SET statement_timeout = ''2s''', r);
		EXECUTE format('ALTER ROLE %I SET lock_timeout = ''1s''', r);
		EXECUTE format('ALTER ROLE %I SET idle_in_transaction_session_timeout = ''5s''', r);
		EXECUTE format('ALTER ROLE %I SET search_path = ''''', r);
		EXECUTE format('ALTER ROLE %I SET timezone = ''UTC''', r);
	END LOOP;
	ALTER ROLE ventus_reaper SET statement_timeout = '10s';
END
$$;
