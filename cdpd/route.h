/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * route - which door a request knocks at, and the token it shows.
 *
 * Every address is /v1/sessions/<ULID>/cdp with a tail; route.c has one row per
 * tail. Pure: views point into the request.
 */

#include <stdbool.h>

#include "lib/base.h"
#include "lib/httphead.h"
#include "lib/jwt.h"
#include "lib/ulid.h"

enum route_kind {
	ROUTE_TUNNEL,	/* a websocket */
	ROUTE_DOCUMENT,	/* one of Chrome's JSON documents, its addresses rewritten */
	ROUTE_VERBATIM	/* one that holds no addresses, and is too large to be read here */
};

#define ROUTE_PATH_SIZE	128

struct route {
	enum route_kind	 kind;
	char		 session_id[VS_ULID_SIZE];
	char		 agent_path[ROUTE_PATH_SIZE];	/* what the agent calls it */
};

/* VS_ENOENT: no such address. */
int	route_find(struct vs_str target, struct route *ret_route) VS_MUST_USE;

/*
 * The bearer token of the request, from Authorization or else ?token=. VS_EAUTH when
 * there is none, more than one in the query, or one that cannot be a token.
 */
int	route_token(const struct vs_http_head *head, char ret_token[VS_JWT_MAX + 1]) VS_MUST_USE;
