/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * req - one request, taken from the FastCGI parameters and made fit to be used.
 *
 * Headers are looked up in one table; one that comes twice under the same name is
 * refused, because X-Reason and X_Reason are one name to CGI and only the first
 * would be seen. Everything lives in the arena.
 *
 * Owner: dispatch(). Threads: one.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "fcgi/query.h"
#include "fcgi/route.h"
#include "lib/arena.h"
#include "lib/jsonio.h"
#include "lib/model/api_key.h"
#include "lib/model/sess.h"

#define REQUEST_ID_MAX	64
#define USER_AGENT_MAX	512

/* Where a request comes from: FastCGI in the daemon, memory in tests. */
struct req_source {
	char *const	*params;	/* "NAME=value", NULL at the end */
	/* Like read(2): 0 at the end, negative when the peer broke. */
	int		(*read)(void *ctx, char *bytes, int room);
	void		*ctx;
};

struct req {
	struct vs_arena		*arena;		/* borrowed */
	const struct req_source	*source;	/* borrowed */

	/* From the parameters; NULL when not given, except where said. */
	const char		*method_name;	/* never NULL, like the next two */
	const char		*path;		/* decoded */
	const char		*query_text;
	const char		*content_type, *authorization, *idempotency_key, *reason;
	const char		*ip, *user_agent;	/* capped, printable ASCII */
	char			 request_id[REQUEST_ID_MAX + 1];
	int64_t			 content_length;

	enum method		 method;
	struct route_match	 match;
	struct query		 query;
	struct api_key		 key;		/* zeroed on an open route */
	struct caller		 caller;

	const uint8_t		*body;		/* content_length bytes */
	bool			 body_taken;	/* all of it was read or thrown away */
	struct json_object	*json;		/* owned; NULL: none */
};

/*
 * Fill ret_req. request_id is set whatever happens. VS_EINVAL with a sentence in
 * *ret_fault: the request cannot be used.
 */
int	req_init(struct req *ret_req, struct vs_arena *arena, const struct req_source *source,
	    const char **ret_fault) VS_MUST_USE;
void	req_fini(struct req *req);

/* Read the body. VS_ETOOBIG past max; VS_EPROTO: other than Content-Length said. */
int	req_read_body(struct req *req, int64_t max_bytes) VS_MUST_USE;

/* Read what is left and throw it away, so that the web server can finish sending. */
void	req_drain(struct req *req);

/* Is the media type application/json, if with a charset then utf-8? */
bool	req_is_json(const struct req *req);
