/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/model/cdp_client.h"

#include <string.h>

#include "lib/err.h"

enum { CLIENT_OPEN, CLIENT_CLOSE, CLIENT_BEAT, CLIENT_POLL, CLIENT_STMT_COUNT };

const struct vs_stmt cdp_client_stmts[CLIENT_STMT_COUNT] = {
	[CLIENT_OPEN] = {
		.name = "cdp_client_open", .nparams = 5, .ncols = 7, .rows = VS_ROWS_OPT,
		.sql =
		    "SELECT o.verdict, o.status, o.why, o.keep_alive_seconds, o.runtime_id,"
		    " o.endpoint, o.secret_kid"
		    "  FROM ventus.cdp_client_open($1::text, $2::text, $3::text, $4::text,"
		    " $5::integer) o",
	},
	[CLIENT_CLOSE] = {
		.name = "cdp_client_close", .nparams = 3, .ncols = 1, .rows = VS_ROWS_ONE,
		.repeatable = true,
		.sql =
		    "SELECT ventus.cdp_client_close($1::text, $2::text,"
		    " ROW('system', 'ventus-cdpd', NULL, NULL, $3::text)::ventus.actor)",
	},
	[CLIENT_BEAT] = {
		.name = "cdpd_instance_beat", .nparams = 3, .ncols = 1, .rows = VS_ROWS_ONE,
		.repeatable = true,
		.sql =
		    "SELECT ventus.cdpd_instance_beat($1::text, $2::text, $3::integer)",
	},
	[CLIENT_POLL] = {
		.name = "cdp_client_poll", .nparams = 1, .ncols = 3, .rows = VS_ROWS_MANY,
		.repeatable = true,
		.sql =
		    "SELECT s.id, s.status, coalesce(s.error_code, s.release_reason)"
		    "  FROM ventus.session s WHERE s.id = ANY ($1::text[])",
	},
};
const size_t cdp_client_stmts_count = CLIENT_STMT_COUNT;

/*
 * The event ventus.cdp_client_close() raises. 'aborted' stands on no edge of
 * session_edge: the count goes down and the session goes on.
 */
static const char *const leave_events[] = {
	[CDP_LEAVE_DISCONNECT] = "cdp_disconnect",
	[CDP_LEAVE_BROWSER_CLOSED] = "browser_closed",
	[CDP_LEAVE_ABORTED] = "aborted",
};

static const char *const verdicts[] = {
	[CDP_OPEN] = "open",
	[CDP_WAIT] = "wait",
	[CDP_FULL] = "full",
	[CDP_GONE] = "gone",
};

int
cdp_client_open(
    struct vs_dbq *dbq, const struct cdp_client_ask *ask, vs_msec deadline, vs_dbq_fn fn, void *ctx)
{
	return vs_dbq_run(dbq, &cdp_client_stmts[CLIENT_OPEN],
	    VS_ARGS(VS_TEXT(ask->workspace_id), VS_TEXT(ask->session_id), VS_TEXT(ask->client_id),
		VS_TEXT(ask->instance_id), VS_INT(ask->max_clients)),
	    deadline, fn, ctx, NULL);
}

int
cdp_client_grant_load(const PGresult *res, struct cdp_client_grant *ret_grant)
{
	struct cdp_client_grant grant;
	const char *verdict;
	size_t i;

	if (PQntuples(res) == 0)
		return VS_ENOENT;
	verdict = vs_col_text(res, 0, 0);
	for (i = 0; i < VS_COUNTOF(verdicts); i++)
		if (verdict != NULL && strcmp(verdict, verdicts[i]) == 0)
			break;
	if (i == VS_COUNTOF(verdicts))
		return VS_EDBBUG;
	grant = (struct cdp_client_grant){
		.verdict = (enum cdp_verdict)i,
		.status = vs_col_text(res, 0, 1),
		.why = vs_col_text(res, 0, 2),
		.keep_alive_seconds = vs_col_int(res, 0, 3, 0),
		.runtime_id = vs_col_text(res, 0, 4),
		.endpoint = vs_col_text(res, 0, 5),
		.secret_kid = vs_col_text(res, 0, 6),
	};
	if (grant.verdict == CDP_OPEN &&
	    (grant.runtime_id == NULL || grant.endpoint == NULL || grant.secret_kid == NULL))
		return VS_EDBBUG;
	*ret_grant = grant;
	return 0;
}

int
cdp_client_close(struct vs_dbq *dbq, const char *client_id, enum cdp_leave leave,
    const char *request_id, vs_msec deadline, vs_dbq_fn fn, void *ctx)
{
	return vs_dbq_run(dbq, &cdp_client_stmts[CLIENT_CLOSE],
	    VS_ARGS(VS_TEXT(client_id), VS_TEXT(leave_events[leave]), VS_TEXT(request_id)),
	    deadline, fn, ctx, NULL);
}

int
cdp_client_beat(struct vs_dbq *dbq, const char *instance_id, const char *name,
    int64_t lease_seconds, vs_msec deadline, vs_dbq_fn fn, void *ctx)
{
	return vs_dbq_run(dbq, &cdp_client_stmts[CLIENT_BEAT],
	    VS_ARGS(VS_TEXT(instance_id), VS_TEXT(name), VS_INT(lease_seconds)), deadline, fn, ctx,
	    NULL);
}

int
cdp_client_poll(struct vs_dbq *dbq, const char *ids, vs_msec deadline, vs_dbq_fn fn, void *ctx)
{
	return vs_dbq_run(
	    dbq, &cdp_client_stmts[CLIENT_POLL], VS_ARGS(VS_TEXT(ids)), deadline, fn, ctx, NULL);
}

void
cdp_session_news_load(const PGresult *res, int row, struct cdp_session_news *ret_news)
{
	ret_news->id = vs_col_text(res, row, 0);
	ret_news->status = vs_col_text(res, row, 1);
	ret_news->why = vs_col_text(res, row, 2);
}
