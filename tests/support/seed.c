/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/support/seed.h"

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>

void
seed_workspace(PGconn *conn, int weight, char ret_id[VS_ULID_SIZE])
{
	char tenant[VS_ULID_SIZE];

	vs_ulid_new(tenant);
	vs_ulid_new(ret_id);
	sql_do(conn, "INSERT INTO ventus.tenant (id, name) VALUES ('%s', '%s')", tenant, tenant);
	sql_do(conn,
	    "INSERT INTO ventus.workspace (id, tenant_id, name, weight)"
	    " VALUES ('%s', '%s', 'test', %d)",
	    ret_id, tenant, weight);
}

const char *
seed_admit_sql(const char *workspace, const char *id, const char *key, int keep_alive_seconds)
{
	static char text[1024];

	(void)snprintf(text, sizeof(text),
	    "ventus.session_admit(jsonb_populate_record(NULL::ventus.session, '{"
	    "\"id\": \"%s\", \"workspace_id\": \"%s\", \"region\": \"local\","
	    "\"runtime_kind\": \"chromium\", \"timeout_seconds\": 1800,"
	    "\"keep_alive_seconds\": %d, \"viewport_width\": 1280, \"viewport_height\": 720,"
	    "\"labels\": {}, \"recording_enabled\": false, \"request_id\": \"req-test\"}'),"
	    " '%s', sha256('body'), " SEED_ACTOR ")",
	    id, workspace, keep_alive_seconds, key);
	return text;
}

void
seed_session(PGconn *conn, const char *workspace, int keep_alive_seconds, char ret_id[VS_ULID_SIZE])
{
	char id[VS_ULID_SIZE];

	vs_ulid_new(id);
	assert_int_equal(sql_int(conn, "SELECT created::int FROM %s",
			     seed_admit_sql(workspace, id, id, keep_alive_seconds)),
	    1);
	memcpy(ret_id, id, sizeof(id));
}

void
seed_running(PGconn *conn, const char *workspace, int keep_alive_seconds, char ret_id[VS_ULID_SIZE],
    char *ret_runtime)
{
	char runtime[VS_ULID_SIZE];

	seed_session(conn, workspace, keep_alive_seconds, ret_id);
	vs_ulid_new(runtime);
	assert_true(seed_move(conn, ret_id, "claim", NULL));
	sql_do(conn,
	    "INSERT INTO ventus.runtime (id, session_id, region, kind, state, secret_kid)"
	    " VALUES ('%s', '%s', 'local', 'chromium', 'STARTING', 'k')",
	    runtime, ret_id);
	assert_int_equal(
	    sql_int(
		conn, "SELECT ventus.runtime_ready('%s', 'unix:/x', " SEED_ACTOR ")::int", runtime),
	    1);
	if (ret_runtime != NULL)
		memcpy(ret_runtime, runtime, sizeof(runtime));
}

bool
seed_move(PGconn *conn, const char *id, const char *event, const char *args)
{
	return sql_int(conn,
		   "SELECT coalesce((SELECT moved::int FROM ventus.session_move(NULL, '%s', '%s',"
		   " %s, " SEED_ACTOR ")), -1)",
		   id, event, args != NULL ? args : "NULL") == 1;
}
