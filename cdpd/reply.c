/* SPDX-License-Identifier: Apache-2.0 */
#include "cdpd/reply.h"

#include <stddef.h>

/* What an answer has to say besides its document. */
static const struct reply_extra {
	enum vs_problem problem;
	const char *fields;
} reply_extras[] = {
	{ VS_PROBLEM_UNAUTHENTICATED, "WWW-Authenticate: Bearer\r\n" },
	{ VS_PROBLEM_METHOD_NOT_ALLOWED, "Allow: GET\r\n" },
	{ VS_PROBLEM_UPGRADE_REQUIRED, "Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n" },
	{ VS_PROBLEM_CLIENT_LIMIT, "Retry-After: 1\r\n" },
	{ VS_PROBLEM_UNAVAILABLE, "Retry-After: 1\r\n" },
};

static const char *
reply_extra_find(enum vs_problem problem)
{
	for (size_t i = 0; i < VS_COUNTOF(reply_extras); i++) {
		if (reply_extras[i].problem == problem)
			return reply_extras[i].fields;
	}
	return "";
}

int
reply_problem(const struct vs_problem_doc *doc, struct vs_buf *out)
{
	const struct vs_problem_row *row = vs_problem_row(doc->problem);
	struct vs_buf body;
	int rc;

	vs_buf_init(&body, 4096);
	rc = vs_problem_print(doc, &body);
	if (rc == 0)
		rc = vs_buf_printf(out,
		    "HTTP/1.1 %d %s\r\n"
		    "Content-Type: application/problem+json\r\n"
		    "Content-Length: %zu\r\n"
		    "Cache-Control: no-store\r\n"
		    "X-Request-Id: %s\r\n"
		    "%s"
		    "Connection: close\r\n\r\n",
		    row->status, row->title, vs_buf_len(&body), doc->request_id,
		    reply_extra_find(doc->problem));
	if (rc == 0)
		rc = vs_buf_append(out, vs_buf_data(&body), vs_buf_len(&body));
	vs_buf_fini(&body);
	return rc;
}

int
reply_json(const void *body, size_t len, const char *request_id, struct vs_buf *out)
{
	int rc;

	rc = vs_buf_printf(out,
	    "HTTP/1.1 200 OK\r\n"
	    "Content-Type: application/json; charset=utf-8\r\n"
	    "Content-Length: %zu\r\n"
	    "Cache-Control: no-store\r\n"
	    "X-Request-Id: %s\r\n"
	    "Connection: close\r\n\r\n",
	    len, request_id);
	return rc < 0 ? rc : vs_buf_append(out, body, len);
}

int
reply_upgrade(const char *accept, const char *protocol, const char *request_id, struct vs_buf *out)
{
	int rc;

	rc = vs_buf_printf(out,
	    "HTTP/1.1 101 Switching Protocols\r\n"
	    "Upgrade: websocket\r\n"
	    "Connection: Upgrade\r\n"
	    "Sec-WebSocket-Accept: %s\r\n"
	    "X-Request-Id: %s\r\n",
	    accept, request_id);
	if (rc == 0 && protocol != NULL)
		rc = vs_buf_printf(out, "Sec-WebSocket-Protocol: %s\r\n", protocol);
	return rc < 0 ? rc : vs_buf_puts(out, "\r\n");
}
