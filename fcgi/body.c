/* SPDX-License-Identifier: Apache-2.0 */
#include "fcgi/body.h"

#include "lib/err.h"

int
body_parse_json(struct req *req, struct reply *rep)
{
	struct vs_json_fault fault = { 0, "" };
	int rc;

	if (!req_is_json(req))
		return reply_problem(rep, VS_PROBLEM_UNSUPPORTED_MEDIA, NULL);
	rc =
	    vs_json_parse((const char *)req->body, (size_t)req->content_length, &fault, &req->json);
	if (rc == VS_EINVAL || rc == VS_ETOOBIG)
		return reply_problem(rep, VS_PROBLEM_INVALID_JSON,
		    vs_arena_printf(req->arena, "byte %zu: %s", fault.offset,
			rc == VS_ETOOBIG ? "nested too deeply" : fault.what));
	return rc;
}

int
body_take(struct app *app, struct req *req, struct reply *rep)
{
	const enum route_body kind = req->match.route->body;
	int rc;

	if (kind == BODY_NONE)
		return 0;
	rc = req_read_body(req, app->conf->api_max_body_bytes);
	if (rc == VS_ETOOBIG)
		return reply_problem(rep, VS_PROBLEM_BODY_TOO_LARGE,
		    vs_arena_printf(req->arena, "at most %lld bytes",
			(long long)app->conf->api_max_body_bytes));
	if (rc == VS_EPROTO)
		return reply_problem(
		    rep, VS_PROBLEM_BAD_REQUEST, "the body is not as long as its Content-Length");
	if (rc < 0 || kind == BODY_RAW || (kind == BODY_JSON_OPT && req->content_length == 0))
		return rc;
	return body_parse_json(req, rep);
}
