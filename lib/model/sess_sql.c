/* SPDX-License-Identifier: Apache-2.0 */
#include <assert.h>
#include <string.h>

#include "lib/err.h"
#include "lib/model/sess.h"

enum { SESS_ADMIT, SESS_REPLAY, SESS_LOAD, SESS_LIST, SESS_MOVE, SESS_EVENTS, SESS_STMT_COUNT };

/* The caller, as every function that writes the audit log wants it. */
#define ACTOR(kind, id, ip, user_agent, request_id) \
	"ROW(" kind "::text, " id "::text, " ip "::text, " user_agent "::text, " request_id \
	"::text)::ventus.actor"

/* clang-format off */
const struct vs_stmt sess_stmts[] = {
	/* Repeatable although it writes: the idempotency key finds what a lost try has made. */
	[SESS_ADMIT] = {
		.name = "sess_admit", .nparams = 24, .ncols = 2 + SESS_COLS, .rows = VS_ROWS_ONE,
		.repeatable = true,
		.sql =
		    "SELECT a.created, a.payload_match, " SESS_COLUMNS("(a.session).")
		    "  FROM ventus.session_admit(ROW("
		    /*  id, workspace_id, status, region, runtime_kind */
		    "   $1::text, $2::text, NULL, $3::text, $4::text,"
		    /*  timeout_seconds, keep_alive_seconds, viewport, user_agent */
		    "   $5::integer, $6::integer, $7::integer, $8::integer, $9::text,"
		    /*  proxy_url, proxy_username, proxy_password */
		    "   $10::text, $11::text, $12::bytea,"
		    /*  profile_id, profile_version, storage_state */
		    "   $13::text, $14::integer, $15::bytea,"
		    /*  labels, recording_enabled, request_id */
		    "   coalesce($16::jsonb, '{}'), $17::boolean, $24::text,"
		    /*  the rest is admission's and the session's life's */
		    "   NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL)::ventus.session,"
		    "  $18::text, $19::bytea, "
		    ACTOR("$20", "$21", "$22", "$23", "$24") ") a",
	},
	[SESS_REPLAY] = {
		.name = "sess_replay", .nparams = 3, .ncols = 1 + SESS_COLS, .rows = VS_ROWS_OPT,
		.repeatable = true,
		.sql =
		    "SELECT i.payload_sha256 = $3::bytea, " SESS_COLUMNS("s.")
		    "  FROM ventus.idempotency i"
		    "  JOIN ventus.session s ON s.id = i.session_id"
		    " WHERE i.workspace_id = $1::text AND i.key = $2::text"
		    "   AND i.created_at > now() - interval '24 hours'",
	},
	[SESS_LOAD] = {
		.name = "sess_load", .nparams = 2, .ncols = SESS_COLS, .rows = VS_ROWS_ONE,
		.repeatable = true,
		.sql =
		    "SELECT " SESS_COLUMNS("s.")
		    "  FROM ventus.session s"
		    " WHERE s.workspace_id = $1::text AND s.id = $2::text",
	},
	[SESS_LIST] = {
		.name = "sess_list", .nparams = 11, .ncols = SESS_COLS, .rows = VS_ROWS_MANY,
		.repeatable = true,
		.sql =
		    "SELECT " SESS_COLUMNS("s.")
		    "  FROM ventus.session s"
		    " WHERE s.workspace_id = $1::text"
		    "   AND ($2::text[] IS NULL OR s.status = ANY ($2::text[]))"
		    "   AND ($3::text IS NULL OR s.region = $3::text)"
		    "   AND ($4::text IS NULL OR s.runtime_kind = $4::text)"
		    "   AND ($5::text IS NULL OR s.profile_id = $5::text)"
		    "   AND ($6::jsonb IS NULL OR s.labels @> $6::jsonb)"
		    "   AND ($7::bigint IS NULL OR s.created_at >"
		    "        timestamptz 'epoch' + $7::bigint * interval '1 millisecond')"
		    "   AND ($8::bigint IS NULL OR s.created_at <"
		    "        timestamptz 'epoch' + $8::bigint * interval '1 millisecond')"
		    "   AND ($9::text IS NULL OR (s.created_at, s.id) <"
		    "        (timestamptz 'epoch' + $10::bigint * interval '1 microsecond', $9::text))"
		    " ORDER BY s.created_at DESC, s.id DESC LIMIT $11::bigint",
	},
	[SESS_MOVE] = {
		.name = "sess_move", .nparams = 12, .ncols = 1 + SESS_COLS, .rows = VS_ROWS_ONE,
		.sql =
		    "SELECT m.moved, " SESS_COLUMNS("(m.session).")
		    "  FROM ventus.session_move($1::text, $2::text, $3::text,"
		    "       ROW($4::text, $5::text, $6::integer, $7::text)::ventus.move_args, "
		    ACTOR("$8", "$9", "$10", "$11", "$12") ") m",
	},
	[SESS_EVENTS] = {
		.name = "sess_events", .nparams = 4, .ncols = 9, .rows = VS_ROWS_MANY,
		.repeatable = true,
		.sql =
		    "SELECT e.seq, ventus.ms(e.at), ventus.ms(e.expires_at), e.event, e.from_status,"
		    "       e.to_status, e.release_reason, e.error_code, e.request_id"
		    "  FROM ventus.session_event e"
		    " WHERE e.workspace_id = $1::text AND e.session_id = $2::text"
		    "   AND e.seq > $3::bigint"
		    " ORDER BY e.seq LIMIT $4::bigint",
	},
};
/* clang-format on */
const size_t sess_stmts_count = VS_COUNTOF(sess_stmts);
static_assert(VS_COUNTOF(sess_stmts) == SESS_STMT_COUNT, "one row per statement");

/* A deadlock or a lock held too long took the statement back whole: once more is safe. */
static int
run_raced(struct vs_db *db, const struct caller *caller, const struct vs_stmt *stmt,
    const struct vs_arg *args, size_t nargs, PGresult **ret_res)
{
	int rc;

	rc = vs_db_run(db, caller->workspace_id, stmt, args, nargs, ret_res);
	if (rc == VS_ERACED)
		rc = vs_db_run(db, caller->workspace_id, stmt, args, nargs, ret_res);
	return rc;
}

/* A column's text in the arena; NULL for NULL. */
static const char *
col_strdup(struct vs_arena *arena, const PGresult *res, int row, int col, bool *oom)
{
	const char *text = vs_col_text(res, row, col);
	const char *copy;

	if (text == NULL)
		return NULL;
	copy = vs_arena_strdup(arena, text);
	if (copy == NULL)
		*oom = true;
	return copy;
}

static void
col_ulid(char ret_id[VS_ULID_SIZE], const PGresult *res, int row, int col)
{
	const char *text = vs_col_text(res, row, col);

	assert(text != NULL && strlen(text) == VS_ULID_LEN); /* the domain's CHECK */
	memcpy(ret_id, text, VS_ULID_SIZE);
}

/* Columns in the order of SESS_COLUMNS. */
void
sess_from_row(struct sess *ret_sess, struct vs_arena *arena, const PGresult *res, int row,
    int first_col, bool *oom)
{
	int col = first_col;

	memset(ret_sess, 0, sizeof(*ret_sess));
	col_ulid(ret_sess->id, res, row, col++);
	col_ulid(ret_sess->workspace_id, res, row, col++);
	ret_sess->status = sess_status_parse(vs_col_text(res, row, col++));
	ret_sess->region = col_strdup(arena, res, row, col++, oom);
	ret_sess->runtime_kind = col_strdup(arena, res, row, col++, oom);
	ret_sess->timeout_seconds = vs_col_int(res, row, col++, 0);
	ret_sess->keep_alive_seconds = vs_col_int(res, row, col++, 0);
	ret_sess->viewport_width = vs_col_int(res, row, col++, 0);
	ret_sess->viewport_height = vs_col_int(res, row, col++, 0);
	ret_sess->user_agent = col_strdup(arena, res, row, col++, oom);
	ret_sess->proxy_url = col_strdup(arena, res, row, col++, oom);
	ret_sess->proxy_username = col_strdup(arena, res, row, col++, oom);
	ret_sess->profile_id = col_strdup(arena, res, row, col++, oom);
	ret_sess->profile_version = vs_col_int(res, row, col++, 0);
	ret_sess->labels = col_strdup(arena, res, row, col++, oom);
	ret_sess->recording_enabled = vs_col_bool(res, row, col++);
	ret_sess->created_at = vs_col_int(res, row, col++, 0);
	ret_sess->provisioning_at = vs_col_int(res, row, col++, 0);
	ret_sess->running_at = vs_col_int(res, row, col++, 0);
	ret_sess->expires_at = vs_col_int(res, row, col++, 0);
	ret_sess->ended_at = vs_col_int(res, row, col++, 0);
	ret_sess->created_at_us = vs_col_int(res, row, col++, 0);
	ret_sess->release_reason = col_strdup(arena, res, row, col++, oom);
	ret_sess->error_code = col_strdup(arena, res, row, col++, oom);
	ret_sess->error_message = col_strdup(arena, res, row, col++, oom);
	ret_sess->cdp_clients = vs_col_int(res, row, col++, 0);
	ret_sess->queue_position = vs_col_int(res, row, col++, 0);
	ret_sess->request_id = col_strdup(arena, res, row, col++, oom);
	assert(col == first_col + SESS_COLS);
}

/* The one row of res, which was there. */
static int
take_row(struct sess *ret_sess, struct vs_arena *arena, const PGresult *res, int first_col)
{
	struct sess sess;
	bool oom = false;

	sess_from_row(&sess, arena, res, 0, first_col, &oom);
	if (oom)
		return VS_ENOMEM;
	*ret_sess = sess;
	return 0;
}

static struct vs_arg
int_or_null(int64_t value)
{
	return value != 0 ? VS_INT(value) : VS_TEXT(NULL);
}

int
sess_admit(struct vs_db *db, struct vs_arena *arena, const struct caller *caller,
    const struct sess_admission *admission, struct sess *ret_sess, bool *ret_match)
{
	const struct sess_spec *spec = admission->spec;
	vs_autores PGresult *res = NULL;
	int rc;

	rc = run_raced(db, caller, &sess_stmts[SESS_ADMIT],
	    VS_ARGS(VS_TEXT(admission->id), VS_TEXT(caller->workspace_id), VS_TEXT(spec->region),
		VS_TEXT(spec->runtime_kind), VS_INT(spec->timeout_seconds),
		VS_INT(spec->keep_alive_seconds), VS_INT(spec->viewport_width),
		VS_INT(spec->viewport_height), VS_TEXT(spec->user_agent), VS_TEXT(spec->proxy_url),
		VS_TEXT(spec->proxy_username),
		VS_BYTES(admission->proxy_password, admission->proxy_password_len),
		VS_TEXT(spec->profile_id), int_or_null(spec->profile_version),
		VS_BYTES(admission->storage_state, admission->storage_state_len),
		VS_TEXT(spec->labels), VS_BOOL(spec->recording_enabled),
		VS_TEXT(admission->idempotency_key), VS_BYTES(admission->payload_sha256, 32),
		VS_TEXT(caller->kind), VS_TEXT(caller->id), VS_TEXT(caller->ip),
		VS_TEXT(caller->user_agent), VS_TEXT(caller->request_id)),
	    &res);
	if (rc < 0)
		return rc;
	rc = take_row(ret_sess, arena, res, 2);
	if (rc < 0)
		return rc;
	*ret_match = vs_col_bool(res, 0, 1);
	/* Our own id: a try whose answer was lost with the connection had made it. */
	if (vs_col_bool(res, 0, 0) || strcmp(ret_sess->id, admission->id) == 0)
		return 0;
	return VS_EEXIST;
}

int
sess_find_replay(struct vs_db *db, struct vs_arena *arena, const char *workspace_id,
    const char *idempotency_key, const uint8_t payload_sha256[32], struct sess *ret_sess,
    bool *ret_match)
{
	vs_autores PGresult *res = NULL;
	int rc;

	rc = vs_db_run(db, workspace_id, &sess_stmts[SESS_REPLAY],
	    VS_ARGS(VS_TEXT(workspace_id), VS_TEXT(idempotency_key), VS_BYTES(payload_sha256, 32)),
	    &res);
	if (rc < 0)
		return rc;
	if (PQntuples(res) == 0)
		return VS_ENOENT;
	rc = take_row(ret_sess, arena, res, 1);
	if (rc < 0)
		return rc;
	*ret_match = vs_col_bool(res, 0, 0);
	return VS_EEXIST;
}

int
sess_load_for(struct vs_db *db, struct vs_arena *arena, const struct caller *caller, const char *id,
    struct sess *ret_sess)
{
	vs_autores PGresult *res = NULL;
	int rc;

	rc = vs_db_run(db, caller->workspace_id, &sess_stmts[SESS_LOAD],
	    VS_ARGS(VS_TEXT(caller->workspace_id), VS_TEXT(id)), &res);
	if (rc < 0)
		return rc;
	return take_row(ret_sess, arena, res, 0);
}

int
sess_list_for(struct vs_db *db, struct vs_arena *arena, const struct caller *caller,
    const struct sess_filter *filter, struct sess **ret_rows, size_t *ret_count)
{
	vs_autores PGresult *res = NULL;
	struct sess *rows;
	bool oom = false;
	int count, rc;

	rc = vs_db_run(db, caller->workspace_id, &sess_stmts[SESS_LIST],
	    VS_ARGS(VS_TEXT(caller->workspace_id), VS_TEXT(filter->statuses),
		VS_TEXT(filter->region), VS_TEXT(filter->runtime_kind), VS_TEXT(filter->profile_id),
		VS_TEXT(filter->labels), int_or_null(filter->created_after),
		int_or_null(filter->created_before), VS_TEXT(filter->before_id),
		VS_INT(filter->before_created_at_us), VS_INT(filter->limit + 1)),
	    &res);
	if (rc < 0)
		return rc;
	count = PQntuples(res);
	rows = vs_arena_alloc(arena, (size_t)(count + 1) * sizeof(*rows));
	if (rows == NULL)
		return VS_ENOMEM;
	for (int i = 0; i < count; i++)
		sess_from_row(&rows[i], arena, res, i, 0, &oom);
	if (oom)
		return VS_ENOMEM;
	*ret_rows = rows;
	*ret_count = (size_t)count;
	return 0;
}

int
sess_move(struct vs_db *db, struct vs_arena *arena, const struct caller *caller, const char *id,
    enum sess_event event, const struct sess_move_args *args, struct sess *ret_sess)
{
	static const struct sess_move_args none;
	vs_autores PGresult *res = NULL;
	int rc;

	if (args == NULL)
		args = &none;
	rc = run_raced(db, caller, &sess_stmts[SESS_MOVE],
	    VS_ARGS(VS_TEXT(caller->workspace_id), VS_TEXT(id), VS_TEXT(sess_event_text(event)),
		VS_TEXT(args->error_code), VS_TEXT(args->error_message),
		int_or_null(args->extend_seconds), VS_TEXT(args->reason), VS_TEXT(caller->kind),
		VS_TEXT(caller->id), VS_TEXT(caller->ip), VS_TEXT(caller->user_agent),
		VS_TEXT(caller->request_id)),
	    &res);
	if (rc < 0)
		return rc;
	rc = take_row(ret_sess, arena, res, 1);
	if (rc < 0)
		return rc;
	return vs_col_bool(res, 0, 0) ? 0 : VS_ESTATE;
}

static void
event_from_row(
    struct sess_event_row *ret_row, struct vs_arena *arena, const PGresult *res, int row, bool *oom)
{
	ret_row->seq = vs_col_int(res, row, 0, 0);
	ret_row->at = vs_col_int(res, row, 1, 0);
	ret_row->expires_at = vs_col_int(res, row, 2, 0);
	ret_row->event = col_strdup(arena, res, row, 3, oom);
	ret_row->from_status = col_strdup(arena, res, row, 4, oom);
	ret_row->to_status = col_strdup(arena, res, row, 5, oom);
	ret_row->release_reason = col_strdup(arena, res, row, 6, oom);
	ret_row->error_code = col_strdup(arena, res, row, 7, oom);
	ret_row->request_id = col_strdup(arena, res, row, 8, oom);
}

int
sess_events_for(struct vs_db *db, struct vs_arena *arena, const struct caller *caller,
    const char *id, int64_t after_seq, int64_t limit, struct sess_event_row **ret_rows,
    size_t *ret_count)
{
	vs_autores PGresult *res = NULL;
	struct sess_event_row *rows;
	bool oom = false;
	int count, rc;

	rc = vs_db_run(db, caller->workspace_id, &sess_stmts[SESS_EVENTS],
	    VS_ARGS(
		VS_TEXT(caller->workspace_id), VS_TEXT(id), VS_INT(after_seq), VS_INT(limit + 1)),
	    &res);
	if (rc < 0)
		return rc;
	count = PQntuples(res);
	/* The first event comes with the session itself. */
	if (count == 0 && after_seq == 0)
		return VS_ENOENT;
	rows = vs_arena_alloc(arena, (size_t)(count + 1) * sizeof(*rows));
	if (rows == NULL)
		return VS_ENOMEM;
	for (int i = 0; i < count; i++)
		event_from_row(&rows[i], arena, res, i, &oom);
	if (oom)
		return VS_ENOMEM;
	*ret_rows = rows;
	*ret_count = (size_t)count;
	return 0;
}
