/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * api_conn - what the parts of the API share: a client's connection and its answer.
 */

#include <stdbool.h>
#include <stddef.h>

#include "lib/buf.h"
#include "lib/httphead.h"
#include "runtime-image/agent/agent.h"
#include "runtime-image/agent/conn.h"

#define API_MAX_CDP	1024	/* clients of the browser */

struct api {
	struct agent	*agent;
	struct conn_set	 set;
	size_t		 ncdp;		/* connections with is_cdp */
};

struct api_conn {
	struct conn	 conn;		/* first */
	bool		 is_cdp;
	bool		 websocket;
	struct vs_buf	 head;		/* for Chrome, until it is connected */
};

/* A request that is complete and authorised; the views die with the client's buffer. */
struct api_request {
	const struct vs_http_head *head;
	struct vs_str	 path, body;
};

static inline struct api_conn *
api_conn_of(struct conn *conn)
{
	return VS_CONTAINER(conn, struct api_conn, conn);
}

static inline struct api *
api_of(struct conn *conn)
{
	return VS_CONTAINER(conn->set, struct api, set);
}

/* The whole answer; the connection ends with it. body NULL: none. */
enum conn_next	api_reply(struct conn *conn, int status, const char *body);

/* A request under /cdp: on to Chrome. */
enum conn_next	api_cdp(struct api *api, struct api_conn *ac, const struct api_request *req);
