/* SPDX-License-Identifier: Apache-2.0 */
#include "fcgi/ep_session.h"
#include "fcgi/wait.h"
#include "lib/clock.h"
#include "lib/err.h"

#define WAIT_MAX_SECONDS 30

struct get_params {
	enum sess_status wait_for;
	int64_t wait_seconds;
	bool seconds_given;
};

static void
take_wait_for(
    void *dst, const struct query_param *param, const char *pointer, struct vs_json_issues *issues)
{
	struct get_params *params = dst;

	params->wait_for = sess_status_parse(param->value);
	if (params->wait_for == SESS_NO_STATUS)
		vs_json_issue(issues, pointer, "there is no such status");
}

static void
take_wait_seconds(
    void *dst, const struct query_param *param, const char *pointer, struct vs_json_issues *issues)
{
	struct get_params *params = dst;

	params->seconds_given = true;
	query_take_int(param, 0, WAIT_MAX_SECONDS, pointer, issues, &params->wait_seconds);
}

static const struct query_rule get_rules[] = {
	{ .name = "wait_for", .take = take_wait_for },
	{ .name = "wait_seconds", .take = take_wait_seconds },
};

static bool
take_params(const struct req *req, struct reply *rep, struct get_params *params)
{
	bool good;

	good = query_check(&req->query, get_rules, VS_COUNTOF(get_rules), params, &rep->issues);
	if (good && params->seconds_given && params->wait_for == SESS_NO_STATUS) {
		vs_json_issue(&rep->issues, "/query/wait_seconds", "needs wait_for");
		good = false;
	}
	return good;
}

/*
 * Hold the answer until the session is where the client wants it. When enough others
 * wait already it is answered as it is, with the advice to ask again.
 */
static int
wait_if_asked(struct app *app, struct req *req, struct reply *rep, const struct get_params *params,
    struct sess *sess)
{
	const struct wait_until until = {
		.wanted = params->wait_for,
		.deadline = vs_clock_mono_ms() + params->wait_seconds * 1000,
	};
	int rc;

	if (params->wait_for == SESS_NO_STATUS || sess_status_reached(sess->status, until.wanted))
		return 0;
	if (!wait_slots_take(app->waiting, app->slot)) {
		reply_header(rep, "Retry-After", "1");
		return 0;
	}
	rc = wait_for_session(app, req, &until, sess);
	wait_slots_give(app->waiting, app->slot);
	return rc;
}

/*
 * GET /v1/sessions/{id} - the session as it is now, or as soon as it has reached
 * wait_for, or when wait_seconds are over.
 *
 * 200   400 bad parameter   404
 */
int
ep_session_get(struct app *app, struct req *req, struct reply *rep)
{
	struct get_params params = { .wait_seconds = WAIT_MAX_SECONDS };
	struct sess sess;
	int rc;

	if (!take_params(req, rep, &params))
		return reply_problem(rep, VS_PROBLEM_VALIDATION, NULL);
	reply_db_begin(rep);
	rc = sess_load_for(app->db, req->arena, &req->caller, req->match.id, &sess);
	reply_db_end(rep);
	if (rc == VS_ENOENT)
		return reply_problem(rep, VS_PROBLEM_NOT_FOUND, NULL);
	if (rc < 0)
		return rc;
	rc = wait_if_asked(app, req, rep, &params, &sess);
	if (rc < 0)
		return rc;
	return ep_session_reply(app, req, rep, 200, &sess);
}
