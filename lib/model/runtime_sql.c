/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/model/runtime_sql.h"

#include <stdio.h>
#include <string.h>

#include "lib/err.h"

#define TEXT_OF_(number) #number
#define TEXT_OF(number)  TEXT_OF_(number)

/* What row_read() reads; r is a runtime, s its session. */
#define ROW_COLS 10
#define ROW_COLUMNS \
	" r.id, r.session_id, r.state, r.secret_kid," \
	" ventus.ms(clock_timestamp()) - ventus.ms(r.created_at)," \
	" ventus.ms(s.expires_at) - ventus.ms(clock_timestamp())," \
	" s.viewport_width, s.viewport_height, s.user_agent, s.request_id"

/* The daemon acts for itself: kind and id are all there is to say. */
#define ACTOR(kind, id) "ROW($" #kind ", $" #id ", NULL, NULL, NULL)::ventus.actor"

#define DUE_QUEUED \
	" FROM ventus.session WHERE status = 'QUEUED'" \
	" AND created_at <= clock_timestamp() - make_interval(secs => $1)"
#define OLD_KEYS " FROM ventus.idempotency WHERE created_at <= now() - interval '24 hours'"

enum {
	ST_CLAIM,
	ST_READY,
	ST_ENDED,
	ST_GONE,
	ST_LIST,
	ST_LIST_STOPPING,
	ST_GHOSTS,
	ST_EXPIRE,
	ST_QUEUE_TIMEOUT,
	ST_LEASES,
	ST_PURGE,
	ST_PEEK /* the first of RUNTIME_PEEKS */
};

const struct vs_stmt runtime_stmts[] = {
	[ST_CLAIM] = { .name = "runtime_claim",
	    .sql = "SELECT $4::text, s.id, 'STARTING', $5::text, 0,"
		   " ventus.ms(s.expires_at) - ventus.ms(clock_timestamp()),"
		   " s.viewport_width, s.viewport_height, s.user_agent, s.request_id"
		   " FROM ventus.session_claim($1, $2, $3::integer, $4, $5, " ACTOR(6, 7) ") s",
	    .nparams = 7,
	    .ncols = ROW_COLS,
	    .rows = VS_ROWS_OPT,
	    .repeatable = true },
	[ST_READY] = { .name = "runtime_ready",
	    .sql = "SELECT ventus.runtime_ready($1, $2, " ACTOR(3, 4) ")",
	    .nparams = 4,
	    .ncols = 1,
	    .rows = VS_ROWS_ONE,
	    .repeatable = true },
	[ST_ENDED] = { .name = "runtime_ended",
	    .sql = "SELECT ventus.runtime_ended($1, $2, $3, $4, " ACTOR(5, 6) ")",
	    .nparams = 6,
	    .ncols = 1,
	    .rows = VS_ROWS_ONE,
	    .repeatable = true },
	[ST_GONE] = { .name = "runtime_gone",
	    .sql = "SELECT ventus.runtime_gone($1)",
	    .nparams = 1,
	    .ncols = 1,
	    .rows = VS_ROWS_ONE,
	    .repeatable = true },
	[ST_LIST] = { .name = "runtime_list",
	    .sql = "SELECT" ROW_COLUMNS
		   " FROM ventus.runtime r LEFT JOIN ventus.session s ON s.id = r.session_id"
		   " WHERE r.region = $1 AND r.state <> 'GONE' ORDER BY r.id",
	    .nparams = 1,
	    .ncols = ROW_COLS,
	    .rows = VS_ROWS_MANY,
	    .repeatable = true },
	[ST_LIST_STOPPING] = { .name = "runtime_list_stopping",
	    .sql = "SELECT" ROW_COLUMNS
		   " FROM ventus.runtime r LEFT JOIN ventus.session s ON s.id = r.session_id"
		   " WHERE r.region = $1 AND r.state <> 'GONE' AND r.state = 'STOPPING'"
		   " ORDER BY r.id",
	    .nparams = 1,
	    .ncols = ROW_COLS,
	    .rows = VS_ROWS_MANY,
	    .repeatable = true },
	[ST_GHOSTS] = { .name = "runtime_list_ghosts",
	    .sql = "SELECT s.id FROM ventus.session s"
		   " WHERE s.status IN ('PROVISIONING', 'RUNNING') AND s.region = $1"
		   " AND NOT EXISTS (SELECT FROM ventus.runtime r"
		   " WHERE r.session_id = s.id AND r.state <> 'GONE') ORDER BY s.id LIMIT 500",
	    .nparams = 1,
	    .ncols = 1,
	    .rows = VS_ROWS_MANY,
	    .repeatable = true },
	[ST_EXPIRE] = { .name = "runtime_expire",
	    .sql = "SELECT e.id FROM ventus.session_expire($1, " ACTOR(2, 3) ") e",
	    .nparams = 3,
	    .ncols = 1,
	    .rows = VS_ROWS_MANY,
	    .repeatable = true },
	[ST_QUEUE_TIMEOUT] = { .name = "runtime_queue_timeout",
	    .sql = "SELECT q.id FROM"
		   " ventus.session_queue_timeout($1::text[], $2::integer, " ACTOR(3, 4) ") q",
	    .nparams = 4,
	    .ncols = 1,
	    .rows = VS_ROWS_MANY,
	    .repeatable = true },
	[ST_LEASES] = { .name = "runtime_reap_leases",
	    .sql = "SELECT ventus.cdpd_instance_reap(" ACTOR(1, 2) ")",
	    .nparams = 2,
	    .ncols = 1,
	    .rows = VS_ROWS_ONE,
	    .repeatable = true },
	[ST_PURGE] = { .name = "runtime_purge",
	    .sql = "WITH old AS (SELECT workspace_id, key" OLD_KEYS
		   " ORDER BY created_at LIMIT " TEXT_OF(
		       RUNTIME_PURGE_BATCH) "), gone AS (DELETE FROM ventus.idempotency i"
					    " USING old WHERE i.workspace_id = old.workspace_id "
					    "AND i.key = old.key"
					    " AND i.created_at <= now() - interval '24 hours' "
					    "RETURNING 1)"
					    " SELECT count(*) FROM gone",
	    .nparams = 0,
	    .ncols = 1,
	    .rows = VS_ROWS_ONE,
	    .repeatable = true },
	[ST_PEEK + RUNTIME_PEEK_QUEUED] = { .name = "runtime_peek_queued",
	    .sql = "SELECT id FROM ventus.session WHERE status = 'QUEUED' AND region = $1"
		   " AND runtime_kind = $2 ORDER BY created_at, id LIMIT 500",
	    .nparams = 2,
	    .ncols = 1,
	    .rows = VS_ROWS_MANY,
	    .repeatable = true },
	[ST_PEEK + RUNTIME_PEEK_EXPIRED] = { .name = "runtime_peek_expired",
	    .sql = "SELECT id FROM ventus.session WHERE status IN ('PROVISIONING', 'RUNNING')"
		   " AND region = $1 AND expires_at <= clock_timestamp()"
		   " ORDER BY expires_at LIMIT 500",
	    .nparams = 1,
	    .ncols = 1,
	    .rows = VS_ROWS_MANY,
	    .repeatable = true },
	[ST_PEEK + RUNTIME_PEEK_QUEUE_TIMEOUT] = { .name = "runtime_peek_queue",
	    .sql = "SELECT id" DUE_QUEUED " ORDER BY created_at LIMIT 500",
	    .nparams = 1,
	    .ncols = 1,
	    .rows = VS_ROWS_MANY,
	    .repeatable = true },
	[ST_PEEK + RUNTIME_PEEK_LEASES] = { .name = "runtime_peek_leases",
	    .sql = "SELECT id FROM ventus.cdpd_instance"
		   " WHERE lease_until < clock_timestamp() ORDER BY id LIMIT 500",
	    .nparams = 0,
	    .ncols = 1,
	    .rows = VS_ROWS_MANY,
	    .repeatable = true },
	[ST_PEEK + RUNTIME_PEEK_PURGE] = { .name = "runtime_peek_purge",
	    .sql = "SELECT count(*)::text || ' keys'" OLD_KEYS " HAVING count(*) > 0",
	    .nparams = 0,
	    .ncols = 1,
	    .rows = VS_ROWS_MANY,
	    .repeatable = true },
};
const size_t runtime_stmts_count = VS_COUNTOF(runtime_stmts);

#define LEAD_KEY "hashtext('ventus.reaperd'), hashtext($1)"

const struct vs_stmt runtime_stmt_lead = { .name = "runtime_lead",
	.sql = "SELECT pg_try_advisory_lock(" LEAD_KEY ")",
	.nparams = 1,
	.ncols = 1,
	.rows = VS_ROWS_ONE };

const struct vs_stmt runtime_stmt_leader = { .name = "runtime_leader",
	.sql = "SELECT a.application_name FROM pg_locks l JOIN pg_stat_activity a USING (pid)"
	       " WHERE l.locktype = 'advisory' AND l.granted AND l.objsubid = 2"
	       " AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())"
	       " AND l.classid = (hashtext('ventus.reaperd')::bigint & 4294967295)::oid"
	       " AND l.objid = (hashtext($1)::bigint & 4294967295)::oid",
	.nparams = 1,
	.ncols = 1,
	.rows = VS_ROWS_OPT };

const struct vs_stmt runtime_stmt_name = { .name = "runtime_name",
	.sql = "SELECT set_config('application_name', $1, false)",
	.nparams = 1,
	.ncols = 1,
	.rows = VS_ROWS_ONE };

static const char *const state_names[RUNTIME_STATES] = {
	[RUNTIME_STARTING] = "STARTING",
	[RUNTIME_READY] = "READY",
	[RUNTIME_STOPPING] = "STOPPING",
};

static enum runtime_state
state_parse(const char *text)
{
	for (size_t i = 0; i < RUNTIME_STATES; i++) {
		if (text != NULL && strcmp(text, state_names[i]) == 0)
			return (enum runtime_state)i;
	}
	return RUNTIME_STOPPING; /* a state of a later schema: nothing we know how to keep */
}

/* NULL in, NULL out. */
static const char *
text_keep(struct vs_arena *arena, const char *text, bool *oom)
{
	const char *copy;

	if (text == NULL)
		return NULL;
	copy = vs_arena_strdup(arena, text);
	if (copy == NULL)
		*oom = true;
	return copy;
}

static void
text_fit(char *dst, size_t size, const char *text)
{
	(void)snprintf(dst, size, "%s", text != NULL ? text : "");
}

static void
row_read(struct runtime_row *row, struct vs_arena *arena, const PGresult *res, int i, bool *oom)
{
	text_fit(row->id, sizeof(row->id), vs_col_text(res, i, 0));
	text_fit(row->session_id, sizeof(row->session_id), vs_col_text(res, i, 1));
	row->state = state_parse(vs_col_text(res, i, 2));
	text_fit(row->secret_kid, sizeof(row->secret_kid), vs_col_text(res, i, 3));
	row->age_ms = vs_col_int(res, i, 4, 0);
	row->remaining_ms = vs_col_int(res, i, 5, INT32_MAX);
	row->viewport_width = vs_col_int(res, i, 6, 1280);
	row->viewport_height = vs_col_int(res, i, 7, 720);
	row->user_agent = text_keep(arena, vs_col_text(res, i, 8), oom);
	row->request_id = text_keep(arena, vs_col_text(res, i, 9), oom);
}

int
runtime_claim(struct vs_db *db, struct vs_arena *arena, const struct caller *caller,
    const struct runtime_pool *pool, const char *id, struct runtime_row *ret_row)
{
	vs_autores PGresult *res = NULL;
	struct runtime_row row;
	bool oom = false;
	int rc;

	rc = vs_db_run(db, NULL, &runtime_stmts[ST_CLAIM],
	    VS_ARGS(VS_TEXT(pool->region), VS_TEXT(pool->kind), VS_INT(pool->capacity), VS_TEXT(id),
		VS_TEXT(pool->secret_kid), VS_TEXT(caller->kind), VS_TEXT(caller->id)),
	    &res);
	if (rc < 0)
		return rc;
	if (PQntuples(res) == 0)
		return VS_ENOENT;
	row_read(&row, arena, res, 0, &oom);
	if (oom)
		return VS_ENOMEM;
	*ret_row = row;
	return 0;
}

int
runtime_ready(struct vs_db *db, const struct caller *caller, const char *id, const char *endpoint,
    bool *ret_wanted)
{
	vs_autores PGresult *res = NULL;
	int rc;

	rc = vs_db_run(db, NULL, &runtime_stmts[ST_READY],
	    VS_ARGS(VS_TEXT(id), VS_TEXT(endpoint), VS_TEXT(caller->kind), VS_TEXT(caller->id)),
	    &res);
	if (rc < 0)
		return rc;
	*ret_wanted = vs_col_bool(res, 0, 0);
	return 0;
}

int
runtime_ended(struct vs_db *db, const struct caller *caller, const char *id,
    const struct runtime_verdict *verdict)
{
	vs_autores PGresult *res = NULL;

	return vs_db_run(db, NULL, &runtime_stmts[ST_ENDED],
	    VS_ARGS(VS_TEXT(id), VS_TEXT(verdict->event), VS_TEXT(verdict->code),
		VS_TEXT(verdict->text), VS_TEXT(caller->kind), VS_TEXT(caller->id)),
	    &res);
}

int
runtime_gone(struct vs_db *db, const char *id)
{
	vs_autores PGresult *res = NULL;

	return vs_db_run(db, NULL, &runtime_stmts[ST_GONE], VS_ARGS(VS_TEXT(id)), &res);
}

static int
rows_load(struct vs_db *db, struct vs_arena *arena, const struct vs_stmt *stmt, const char *region,
    struct runtime_row **ret_rows, size_t *ret_count)
{
	vs_autores PGresult *res = NULL;
	struct runtime_row *rows;
	bool oom = false;
	int rc, n;

	rc = vs_db_run(db, NULL, stmt, VS_ARGS(VS_TEXT(region)), &res);
	if (rc < 0)
		return rc;
	n = PQntuples(res);
	rows = vs_arena_alloc(arena, ((size_t)n + 1) * sizeof(*rows));
	if (rows == NULL)
		return VS_ENOMEM;
	for (int i = 0; i < n; i++)
		row_read(&rows[i], arena, res, i, &oom);
	if (oom)
		return VS_ENOMEM;
	*ret_rows = rows;
	*ret_count = (size_t)n;
	return 0;
}

int
runtime_list(struct vs_db *db, struct vs_arena *arena, const char *region,
    struct runtime_row **ret_rows, size_t *ret_count)
{
	return rows_load(db, arena, &runtime_stmts[ST_LIST], region, ret_rows, ret_count);
}

int
runtime_list_stopping(struct vs_db *db, struct vs_arena *arena, const char *region,
    struct runtime_row **ret_rows, size_t *ret_count)
{
	return rows_load(db, arena, &runtime_stmts[ST_LIST_STOPPING], region, ret_rows, ret_count);
}

static int
ids_keep(struct vs_arena *arena, const PGresult *res, const char ***ret_ids, size_t *ret_count)
{
	int n = PQntuples(res);
	const char **ids = vs_arena_alloc(arena, ((size_t)n + 1) * sizeof(*ids));
	bool oom = ids == NULL;

	for (int i = 0; i < n && !oom; i++)
		ids[i] = text_keep(arena, vs_col_text(res, i, 0), &oom);
	if (oom)
		return VS_ENOMEM;
	*ret_ids = ids;
	*ret_count = (size_t)n;
	return 0;
}

int
runtime_list_ghosts(struct vs_db *db, struct vs_arena *arena, const char *region,
    const char ***ret_ids, size_t *ret_count)
{
	vs_autores PGresult *res = NULL;
	int rc;

	rc = vs_db_run(db, NULL, &runtime_stmts[ST_GHOSTS], VS_ARGS(VS_TEXT(region)), &res);
	if (rc < 0)
		return rc;
	return ids_keep(arena, res, ret_ids, ret_count);
}

int
runtime_expire(struct vs_db *db, const struct caller *caller, const char *region, size_t *ret_count)
{
	vs_autores PGresult *res = NULL;
	int rc;

	rc = vs_db_run(db, NULL, &runtime_stmts[ST_EXPIRE],
	    VS_ARGS(VS_TEXT(region), VS_TEXT(caller->kind), VS_TEXT(caller->id)), &res);
	if (rc < 0)
		return rc;
	*ret_count = (size_t)PQntuples(res);
	return 0;
}

int
runtime_queue_timeout(struct vs_db *db, const struct caller *caller, const char *pools,
    int64_t timeout_seconds, size_t *ret_count)
{
	vs_autores PGresult *res = NULL;
	int rc;

	rc = vs_db_run(db, NULL, &runtime_stmts[ST_QUEUE_TIMEOUT],
	    VS_ARGS(VS_TEXT(pools), VS_INT(timeout_seconds), VS_TEXT(caller->kind),
		VS_TEXT(caller->id)),
	    &res);
	if (rc < 0)
		return rc;
	*ret_count = (size_t)PQntuples(res);
	return 0;
}

int
runtime_reap_leases(struct vs_db *db, const struct caller *caller, size_t *ret_count)
{
	vs_autores PGresult *res = NULL;
	int rc;

	rc = vs_db_run(db, NULL, &runtime_stmts[ST_LEASES],
	    VS_ARGS(VS_TEXT(caller->kind), VS_TEXT(caller->id)), &res);
	if (rc < 0)
		return rc;
	*ret_count = (size_t)vs_col_int(res, 0, 0, 0);
	return 0;
}

int
runtime_purge_idempotency(struct vs_db *db, size_t *ret_count)
{
	vs_autores PGresult *res = NULL;
	int rc;

	rc = vs_db_run(db, NULL, &runtime_stmts[ST_PURGE], VS_NOARGS, &res);
	if (rc < 0)
		return rc;
	*ret_count = (size_t)vs_col_int(res, 0, 0, 0);
	return 0;
}

int
runtime_peek(struct vs_db *db, struct vs_arena *arena, enum runtime_peek what,
    const struct runtime_peek_args *args, const char ***ret_ids, size_t *ret_count)
{
	const struct vs_stmt *stmt = &runtime_stmts[ST_PEEK + (int)what];
	const struct vs_arg text[] = { VS_TEXT(args->region), VS_TEXT(args->kind) };
	const struct vs_arg seconds[] = { VS_INT(args->timeout_seconds) };
	vs_autores PGresult *res = NULL;
	int rc;

	rc = vs_db_run(db, NULL, stmt, what == RUNTIME_PEEK_QUEUE_TIMEOUT ? seconds : text,
	    (size_t)stmt->nparams, &res);
	if (rc < 0)
		return rc;
	return ids_keep(arena, res, ret_ids, ret_count);
}
