/* SPDX-License-Identifier: Apache-2.0 */
#include "fcgi/dispatch.h"

#include <string.h>

#include "fcgi/body.h"
#include "fcgi/gate.h"
#include "fcgi/reply.h"
#include "fcgi/route.h"
#include "lib/err.h"
#include "lib/log.h"
#include "lib/utf8.h"

static int
refuse_method(const struct req *req, struct reply *rep)
{
	char allow[ROUTE_ALLOW_SIZE];

	route_allow(req->match.near, allow);
	reply_header(rep, "Allow", "%s", allow);
	return reply_problem(rep, VS_PROBLEM_METHOD_NOT_ALLOWED, NULL);
}

static int
refuse_role(const struct req *req, struct reply *rep)
{
	return reply_problem(rep, VS_PROBLEM_FORBIDDEN,
	    vs_arena_printf(req->arena, "needs the role %s; the key has %s",
		api_role_text(req->match.route->role), api_role_text(req->key.role)));
}

/* 0 when the caller may go on or rep says why not. */
static int
pass_gate(struct app *app, struct req *req, struct reply *rep)
{
	int rc;

	if (req->match.near != NULL && req->match.near->role == ROLE_NONE)
		return 0;
	reply_db_begin(rep);
	rc = gate_authenticate(app, req);
	reply_db_end(rep);
	if (rc != VS_EAUTH)
		return rc;
	reply_header(rep, "WWW-Authenticate", "Bearer realm=\"ventus\"");
	return reply_problem(rep, VS_PROBLEM_UNAUTHENTICATED, NULL);
}

static int
serve(struct app *app, struct req *req, struct reply *rep)
{
	int rc;

	route_find(req->method, req->path, &req->match);
	rc = pass_gate(app, req, rep);
	if (rc < 0 || rep->status != 0)
		return rc;
	if (req->match.near == NULL)
		return reply_problem(rep, VS_PROBLEM_NOT_FOUND, NULL);
	if (req->match.route == NULL)
		return refuse_method(req, rep);
	if (!gate_allows(req, req->match.route->role))
		return refuse_role(req, rep);
	rc = body_take(app, req, rep);
	if (rc < 0 || rep->status != 0)
		return rc;
	return req->match.route->handler(app, req, rep);
}

static const char *
route_name(const struct req *req)
{
	return req->match.near != NULL ? req->match.near->path : NULL;
}

static void
log_failure(const struct app *app, const struct req *req, int rc)
{
	log_error("http.failed", VS_LOG_STR("request_id", req->request_id),
	    VS_LOG_STR("method", method_text(req->method)), VS_LOG_STR("route", route_name(req)),
	    VS_LOG_ERR(rc), VS_LOG_STR("database", vs_db_errtext(app->db)));
}

static void
log_request(const struct req *req, const struct reply *rep, int64_t began_us)
{
	log_info("http.request", VS_LOG_STR("request_id", req->request_id),
	    VS_LOG_STR("workspace", req->caller.workspace_id),
	    VS_LOG_STR("session", req->match.id[0] != '\0' ? req->match.id : NULL),
	    VS_LOG_STR("method", method_text(req->method)), VS_LOG_STR("route", route_name(req)),
	    VS_LOG_INT("status", rep->status), VS_LOG_STR("actor", req->caller.id),
	    VS_LOG_INT("db_us", rep->db_us), VS_LOG_INT("duration_us", reply_now_us() - began_us));
}

void
dispatch(
    struct app *app, struct vs_arena *arena, const struct req_source *source, struct vs_buf *out)
{
	const int64_t began_us = reply_now_us();
	const char *fault;
	struct req req;
	struct reply rep;
	int rc;

	vs_buf_clear(out);
	rc = req_init(&req, arena, source, &fault);
	reply_init(&rep, arena, app->conf->platform_public_url, req.request_id);
	rep.instance = vs_utf8_ok(req.path, strlen(req.path)) ? req.path : NULL;
	if (rc < 0)
		rc = reply_problem(&rep, VS_PROBLEM_BAD_REQUEST, fault);
	else
		rc = serve(app, &req, &rep);
	if (rc == 0)
		rc = reply_print(&rep, out);
	if (rc < 0) {
		log_failure(app, &req, rc);
		reply_failure(&rep, rc);
		vs_buf_clear(out);
		if (reply_print(&rep, out) < 0)
			vs_buf_clear(out);
	}
	req_drain(&req);
	log_request(&req, &rep, began_us);
	req_fini(&req);
	reply_fini(&rep);
}
