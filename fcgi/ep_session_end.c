/* SPDX-License-Identifier: Apache-2.0 */
#include <ctype.h>
#include <string.h>

#include "fcgi/ep_session.h"
#include "lib/err.h"
#include "lib/log.h"
#include "lib/utf8.h"

#define REASON_MIN 8
#define REASON_MAX 500

static const char *const releases[] = { "REQUEST_RELEASE", NULL };

struct release_body {
	const char *status;
};

/* clang-format off */
static const struct vs_json_field release_fields[] = {
	{ .name = "status", .type = VS_JSON_STR, .required = true, .present = SIZE_MAX,
	    .offset = offsetof(struct release_body, status), .min = 1, .max = 32,
	    .one_of = releases, .help = "What is asked for: REQUEST_RELEASE." },
};
/* clang-format on */

/* Move the session to its end. One that has ended already is answered as it is. */
static int
end_session(struct app *app, struct req *req, struct reply *rep, enum sess_event event,
    const struct sess_move_args *args)
{
	struct sess sess;
	int rc;

	reply_db_begin(rep);
	rc = sess_move(app->db, req->arena, &req->caller, req->match.id, event, args, &sess);
	reply_db_end(rep);
	if (rc == VS_ENOENT)
		return reply_problem(rep, VS_PROBLEM_NOT_FOUND, NULL);
	if (rc < 0 && rc != VS_ESTATE)
		return rc;
	if (rc == 0)
		log_info("session.end", VS_LOG_STR("session", sess.id),
		    VS_LOG_STR("workspace", sess.workspace_id),
		    VS_LOG_STR("request_id", req->request_id),
		    VS_LOG_STR("reason", sess.release_reason));
	return ep_session_reply(app, req, rep, 200, &sess);
}

/*
 * PATCH or POST /v1/sessions/{id} {"status":"REQUEST_RELEASE"} - the owner is done.
 *
 * 200 ended, now or before   400 any other body   404
 */
int
ep_session_release(struct app *app, struct req *req, struct reply *rep)
{
	struct release_body body;

	if (!vs_json_check(
		req->json, "", release_fields, VS_COUNTOF(release_fields), &body, &rep->issues))
		return reply_problem(rep, VS_PROBLEM_VALIDATION, NULL);
	return end_session(app, req, rep, SESS_EVENT_RELEASE, NULL);
}

/* The X-Reason header without blanks around it; NULL when it is no reason. */
static const char *
take_reason(const struct req *req)
{
	const char *text = req->reason;
	size_t len, count;

	if (text == NULL)
		return NULL;
	text += strspn(text, " \t");
	len = strlen(text);
	while (len > 0 && (text[len - 1] == ' ' || text[len - 1] == '\t'))
		len--;
	if (!vs_utf8_ok(text, len))
		return NULL;
	for (size_t i = 0; i < len; i++) {
		if (iscntrl((unsigned char)text[i]))
			return NULL;
	}
	count = vs_utf8_count(text, len);
	if (count < REASON_MIN || count > REASON_MAX)
		return NULL;
	return vs_arena_strndup(req->arena, text, len);
}

/*
 * DELETE /v1/sessions/{id} - an admin stops somebody's session, and says why.
 *
 * 200 ended, now or before   400 no X-Reason   404
 */
int
ep_session_force_stop(struct app *app, struct req *req, struct reply *rep)
{
	const char *reason = take_reason(req);

	if (reason == NULL)
		return reply_problem(rep, VS_PROBLEM_REASON_REQUIRED,
		    "X-Reason must be 8-500 characters of UTF-8 after trimming");
	return end_session(app, req, rep, SESS_EVENT_FORCE_STOP,
	    &(const struct sess_move_args){ .reason = reason });
}
