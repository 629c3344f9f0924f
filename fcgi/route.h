/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * route - from a method and a decoded path to a row of fcgi/route.def.
 *
 * {id} stands for one well-formed ULID; anything else there is no such resource. A
 * custom verb follows the id after ':'.
 */

#include <stddef.h>

#include "lib/model/api_key.h"
#include "lib/ulid.h"

struct app;
struct req;
struct reply;

enum method { METHOD_OTHER, METHOD_GET, METHOD_POST, METHOD_PATCH, METHOD_DELETE };

enum route_body { BODY_NONE, BODY_JSON, BODY_JSON_OPT, BODY_RAW };

/* 0 with rep filled, or what the dispatcher makes a 5xx of. */
typedef int (*endpoint_fn)(struct app *app, struct req *req, struct reply *rep);

struct route {
	enum method	 method;
	const char	*path;
	enum api_role	 role;
	enum route_body	 body;
	endpoint_fn	 handler;
};

struct route_match {
	const struct route	*route;		/* NULL: no such path, or not this method */
	const struct route	*near;		/* of the path with whatever method; NULL: none */
	char			 id[VS_ULID_SIZE];	/* "" when the path has none */
};

/* HEAD is GET: lighttpd leaves the body away. */
enum method	 method_parse(const char *text);
const char	*method_text(enum method method);

void	route_find(enum method method, const char *path, struct route_match *ret_match);

/* The Allow header of near's path: "GET, HEAD, POST". */
#define ROUTE_ALLOW_SIZE	64
void	route_allow(const struct route *near, char ret_text[ROUTE_ALLOW_SIZE]);

/* The table itself, for tests that go over every row. */
extern const struct route routes[];
extern const size_t routes_count;

#define ROUTE(method, path, role, body, handler) \
	int ep_##handler(struct app *app, struct req *req, struct reply *rep);
#include "fcgi/route.def"
#undef ROUTE
