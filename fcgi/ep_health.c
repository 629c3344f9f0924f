/* SPDX-License-Identifier: Apache-2.0 */
#include "fcgi/app.h"
#include "fcgi/reply.h"
#include "fcgi/req.h"

static int
reply_status(struct reply *rep, const char *status)
{
	struct json_object *body = json_object_new_object();
	bool oom = body == NULL;

	if (!oom)
		vs_json_put_str(body, "status", status, &oom);
	rep->broken |= oom;
	return reply_json(rep, 200, body);
}

/* GET /v1/health - this process answers; asks nothing of anybody. */
int
ep_health(struct app *app, struct req *req, struct reply *rep)
{
	(void)app, (void)req;
	return reply_status(rep, "ok");
}

/* GET /v1/ready - the database answers and has the schema this build knows. */
int
ep_ready(struct app *app, struct req *req, struct reply *rep)
{
	int rc;

	(void)req;
	reply_db_begin(rep);
	rc = vs_db_check_schema(app->db);
	reply_db_end(rep);
	if (rc == 0)
		return reply_status(rep, "ready");
	reply_header(rep, "Retry-After", "1");
	return reply_problem(
	    rep, VS_PROBLEM_UNAVAILABLE, "the database is not reachable or has another schema");
}
