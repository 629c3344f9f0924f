/* SPDX-License-Identifier: Apache-2.0 */
#include "cdpd/route.h"

#include <string.h>
#include <strings.h>

#include "lib/err.h"

static const struct route_row route_rows[] = {
	{ "", "/cdp" },
	{ "/", "/cdp" },
};

static const char route_base[] = "/v1/sessions/";
static const char route_door[] = "/cdp";

static bool
str_take(struct vs_str *str, const char *text)
{
	size_t len = strlen(text);

	if (str->len < len || memcmp(str->ptr, text, len) != 0)
		return false;
	str->ptr += len;
	str->len -= len;
	return true;
}

int
route_find(struct vs_str target, struct route *ret_route)
{
	const char *query = memchr(target.ptr, '?', target.len);
	struct vs_str path = target, rest;
	size_t i;

	if (query != NULL)
		path.len = (size_t)(query - target.ptr);
	rest = path;
	if (!str_take(&rest, route_base) ||
	    !vs_ulid_ok(rest.ptr, rest.len < VS_ULID_LEN ? 0 : VS_ULID_LEN))
		return VS_ENOENT;
	memcpy(ret_route->session_id, rest.ptr, VS_ULID_LEN);
	ret_route->session_id[VS_ULID_LEN] = '\0';
	rest.ptr += VS_ULID_LEN;
	rest.len -= VS_ULID_LEN;
	if (!str_take(&rest, route_door))
		return VS_ENOENT;
	for (i = 0; i < VS_COUNTOF(route_rows); i++) {
		if (vs_str_eq(rest, route_rows[i].tail)) {
			ret_route->row = &route_rows[i];
			ret_route->path = path;
			return 0;
		}
	}
	return VS_ENOENT;
}

/* The value of the one token parameter. A second one is refused: who would know which counts? */
static int
query_token(struct vs_str target, struct vs_str *ret_token)
{
	const char *at = memchr(target.ptr, '?', target.len);
	const char *end = target.ptr + target.len, *next;
	struct vs_str param;
	bool seen = false;

	for (; at != NULL && at < end; at = next) {
		at++; /* the '?' or '&' */
		next = memchr(at, '&', (size_t)(end - at));
		if (next == NULL)
			next = end;
		param = (struct vs_str){ .ptr = at, .len = (size_t)(next - at) };
		if (!str_take(&param, "token="))
			continue;
		if (seen)
			return VS_EAUTH;
		seen = true;
		*ret_token = param;
	}
	return seen ? 0 : VS_EAUTH;
}

/* Credentials of the Bearer scheme. VS_ENOENT: no Authorization at all. */
static int
header_token(const struct vs_http_head *head, struct vs_str *ret_token)
{
	static const char scheme[] = "Bearer ";
	const struct vs_str *field = vs_http_find(head, "Authorization");

	if (field == NULL)
		return VS_ENOENT;
	if (field->len < strlen(scheme) || strncasecmp(field->ptr, scheme, strlen(scheme)) != 0)
		return VS_EAUTH;
	ret_token->ptr = field->ptr + strlen(scheme);
	ret_token->len = field->len - strlen(scheme);
	return 0;
}

int
route_token(const struct vs_http_head *head, char ret_token[VS_JWT_MAX + 1])
{
	struct vs_str token = { .ptr = "", .len = 0 };
	int rc;

	rc = header_token(head, &token);
	if (rc == VS_ENOENT)
		rc = query_token(head->target, &token);
	if (rc < 0)
		return rc;
	if (token.len == 0 || token.len > VS_JWT_MAX || memchr(token.ptr, '\0', token.len) != NULL)
		return VS_EAUTH;
	memcpy(ret_token, token.ptr, token.len);
	ret_token[token.len] = '\0';
	return 0;
}
