/* SPDX-License-Identifier: Apache-2.0 */
#include "fcgi/route.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

const struct route routes[] = {
#define ROUTE(method, path, role, body, handler) \
	{ METHOD_##method, path, ROLE_##role, BODY_##body, ep_##handler },
#include "fcgi/route.def"
#undef ROUTE
};
const size_t routes_count = VS_COUNTOF(routes);

static const struct {
	const char *text;
	enum method method;
} methods[] = {
	{ "GET", METHOD_GET },
	{ "HEAD", METHOD_GET },
	{ "POST", METHOD_POST },
	{ "PATCH", METHOD_PATCH },
	{ "DELETE", METHOD_DELETE },
};

enum method
method_parse(const char *text)
{
	for (size_t i = 0; i < VS_COUNTOF(methods); i++) {
		if (strcmp(methods[i].text, text) == 0)
			return methods[i].method;
	}
	return METHOD_OTHER;
}

const char *
method_text(enum method method)
{
	for (size_t i = 0; i < VS_COUNTOF(methods); i++) {
		if (methods[i].method == method)
			return methods[i].text;
	}
	return "OTHER";
}

/* Is path the pattern with an id in it? */
static bool
path_matches(const char *pattern, const char *path, char ret_id[VS_ULID_SIZE])
{
	const char *brace = strstr(pattern, "{id}");
	size_t front;

	ret_id[0] = '\0';
	if (brace == NULL)
		return strcmp(pattern, path) == 0;
	front = (size_t)(brace - pattern);
	if (strncmp(pattern, path, front) != 0 || strlen(path + front) < VS_ULID_LEN ||
	    !vs_ulid_ok(path + front, VS_ULID_LEN) ||
	    strcmp(brace + strlen("{id}"), path + front + VS_ULID_LEN) != 0)
		return false;
	memcpy(ret_id, path + front, VS_ULID_LEN);
	ret_id[VS_ULID_LEN] = '\0';
	return true;
}

void
route_find(enum method method, const char *path, struct route_match *ret_match)
{
	char id[VS_ULID_SIZE];

	memset(ret_match, 0, sizeof(*ret_match));
	for (size_t i = 0; i < VS_COUNTOF(routes); i++) {
		if (!path_matches(routes[i].path, path, id))
			continue;
		ret_match->near = &routes[i];
		memcpy(ret_match->id, id, sizeof(id));
		if (routes[i].method == method) {
			ret_match->route = &routes[i];
			return;
		}
	}
}

void
route_allow(const struct route *near, char ret_text[ROUTE_ALLOW_SIZE])
{
	size_t used = 0;

	ret_text[0] = '\0';
	for (size_t i = 0; i < VS_COUNTOF(routes); i++) {
		if (strcmp(routes[i].path, near->path) != 0)
			continue;
		used += (size_t)snprintf(ret_text + used, ROUTE_ALLOW_SIZE - used, "%s%s%s",
		    used > 0 ? ", " : "", method_text(routes[i].method),
		    routes[i].method == METHOD_GET ? ", HEAD" : "");
		assert(used < ROUTE_ALLOW_SIZE);
	}
}
