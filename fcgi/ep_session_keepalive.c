/* SPDX-License-Identifier: Apache-2.0 */
#include "fcgi/ep_session.h"
#include "lib/err.h"
#include "lib/log.h"

struct keepalive_body {
	int64_t extend_seconds;
};

/* clang-format off */
static const struct vs_json_field keepalive_fields[] = {
	{ .name = "extend_seconds", .type = VS_JSON_INT, .nullable = true, .present = SIZE_MAX,
	    .offset = offsetof(struct keepalive_body, extend_seconds), .min = 1, .max = 86400,
	    .help = "By how much expires_at moves, default 600." },
};
/* clang-format on */

/*
 * POST /v1/sessions/{id}:keepalive - move the deadline on.
 *
 * 200   400 bad field   404   409 not started yet, or ended
 */
int
ep_session_keepalive(struct app *app, struct req *req, struct reply *rep)
{
	struct keepalive_body body = { .extend_seconds = 600 };
	struct sess_move_args args = { .error_code = NULL };
	struct sess sess;
	int rc;

	if (req->content_length > 0 && !vs_json_check(req->json, "", keepalive_fields,
					   VS_COUNTOF(keepalive_fields), &body, &rep->issues))
		return reply_problem(rep, VS_PROBLEM_VALIDATION, NULL);
	args.extend_seconds = body.extend_seconds;
	reply_db_begin(rep);
	rc = sess_move(
	    app->db, req->arena, &req->caller, req->match.id, SESS_EVENT_EXTEND, &args, &sess);
	reply_db_end(rep);
	if (rc == VS_ENOENT)
		return reply_problem(rep, VS_PROBLEM_NOT_FOUND, NULL);
	if (rc == VS_ESTATE)
		return reply_problem(rep, VS_PROBLEM_STATE_CONFLICT,
		    vs_arena_printf(
			req->arena, "the session is %s", sess_status_text(sess.status)));
	if (rc < 0)
		return rc;
	log_info("session.extend", VS_LOG_STR("session", sess.id),
	    VS_LOG_STR("workspace", sess.workspace_id), VS_LOG_STR("request_id", req->request_id),
	    VS_LOG_INT("extend_seconds", body.extend_seconds));
	return ep_session_reply(app, req, rep, 200, &sess);
}
