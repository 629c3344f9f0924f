/* SPDX-License-Identifier: Apache-2.0 */
#include "fcgi/reply.h"

#include <string.h>
#include <time.h>

#include "lib/err.h"

int64_t
reply_now_us(void)
{
	struct timespec now;

	(void)clock_gettime(CLOCK_MONOTONIC, &now); /* cannot fail */
	return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

void
reply_init(
    struct reply *ret_rep, struct vs_arena *arena, const char *public_url, const char *request_id)
{
	memset(ret_rep, 0, sizeof(*ret_rep));
	ret_rep->arena = arena;
	ret_rep->public_url = public_url;
	ret_rep->request_id = request_id;
	ret_rep->issues.arena = arena;
	vs_buf_init(&ret_rep->head, REPLY_HEAD_MAX);
}

void
reply_fini(struct reply *rep)
{
	if (rep->body != NULL)
		(void)json_object_put(rep->body);
	rep->body = NULL;
	vs_buf_fini(&rep->head);
}

void
reply_header(struct reply *rep, const char *name, const char *fmt, ...)
{
	size_t from = vs_buf_len(&rep->head) + strlen(name) + 2;
	va_list args;
	int rc;

	rc = vs_buf_printf(&rep->head, "%s: ", name);
	if (rc == 0) {
		va_start(args, fmt);
		rc = vs_buf_vprintf(&rep->head, fmt, args);
		va_end(args);
	}
	if (rc < 0) {
		rep->broken = true;
		return;
	}
	for (; from < vs_buf_len(&rep->head); from++)
		rep->broken |= vs_buf_data(&rep->head)[from] < 0x20;
	if (vs_buf_puts(&rep->head, "\r\n") < 0)
		rep->broken = true;
}

int
reply_json(struct reply *rep, int status, struct json_object *body)
{
	if (rep->body != NULL)
		(void)json_object_put(rep->body);
	rep->problem = VS_PROBLEM_NONE;
	rep->status = status;
	rep->body = body;
	if (body == NULL)
		rep->broken = true;
	return 0;
}

int
reply_problem(struct reply *rep, enum vs_problem problem, const char *detail)
{
	if (rep->body != NULL)
		(void)json_object_put(rep->body);
	rep->body = NULL;
	rep->problem = problem;
	rep->detail = detail;
	rep->status = vs_problem_row(problem)->status;
	return 0;
}

void
reply_failure(struct reply *rep, int rc)
{
	vs_buf_clear(&rep->head);
	rep->issues.count = rep->issues.dropped = 0;
	rep->broken = false;
	switch (rc) {
	case VS_EDB:
	case VS_ERACED:
	case VS_ETIMEDOUT:
		reply_header(rep, "Retry-After", "1");
		(void)reply_problem(rep, VS_PROBLEM_UNAVAILABLE, "nothing was changed; try again");
		break;
	default:
		(void)reply_problem(rep, VS_PROBLEM_INTERNAL, NULL);
		break;
	}
}

void
reply_db_begin(struct reply *rep)
{
	rep->db_us -= reply_now_us();
}

void
reply_db_end(struct reply *rep)
{
	rep->db_us += reply_now_us();
}

static int
print_body(const struct reply *rep, struct vs_buf *out)
{
	const struct vs_problem_doc doc = {
		.problem = rep->problem,
		.public_url = rep->public_url,
		.detail = rep->detail,
		.instance = rep->instance,
		.request_id = rep->request_id,
		.issues = rep->issues.count > 0 ? &rep->issues : NULL,
	};
	const char *text;
	size_t len;

	if (rep->problem != VS_PROBLEM_NONE)
		return vs_problem_print(&doc, out);
	text = json_object_to_json_string_length(
	    rep->body, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE, &len);
	return text != NULL ? vs_buf_append(out, text, len) : VS_ENOMEM;
}

int
reply_print(const struct reply *rep, struct vs_buf *out)
{
	int rc;

	if (rep->broken)
		return VS_ENOMEM;
	rc = vs_buf_printf(out,
	    "Status: %d\r\nContent-Type: %s\r\nX-Request-Id: %s\r\nCache-Control: no-store\r\n",
	    rep->status,
	    rep->problem != VS_PROBLEM_NONE ? "application/problem+json"
					    : "application/json; charset=utf-8",
	    rep->request_id);
	if (rc == 0)
		rc = vs_buf_append(out, vs_buf_data(&rep->head), vs_buf_len(&rep->head));
	if (rc == 0)
		rc = vs_buf_puts(out, "\r\n");
	return rc == 0 ? print_body(rep, out) : rc;
}
