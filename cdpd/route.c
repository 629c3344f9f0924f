/* SPDX-License-Identifier: Apache-2.0 */
#include "cdpd/route.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "lib/err.h"

#define ROUTE_ID_MAX 64

static const struct route_row {
	const char *tail; /* what follows /cdp */
	enum route_kind kind;
	bool takes_id; /* an id of Chrome's follows the tail */
} route_rows[] = {
	{ "", ROUTE_TUNNEL, false },
	{ "/devtools/browser/", ROUTE_TUNNEL, true },
	{ "/devtools/page/", ROUTE_TUNNEL, true },
	{ "/json/version", ROUTE_DOCUMENT, false },
	{ "/json/list", ROUTE_DOCUMENT, false },
	{ "/json/protocol", ROUTE_VERBATIM, false },
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

static bool
id_ok(struct vs_str id)
{
	static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
	static const char others[] = "0123456789-";

	for (size_t i = 0; i < id.len; i++) {
		if (memchr(letters, id.ptr[i], sizeof(letters) - 1) == NULL &&
		    memchr(others, id.ptr[i], sizeof(others) - 1) == NULL)
			return false;
	}
	return id.len > 0 && id.len <= ROUTE_ID_MAX;
}

static const struct route_row *
row_find(struct vs_str tail)
{
	for (size_t i = 0; i < VS_COUNTOF(route_rows); i++) {
		const struct route_row *row = &route_rows[i];
		struct vs_str rest = tail;

		if (str_take(&rest, row->tail) && (row->takes_id ? id_ok(rest) : rest.len == 0))
			return row;
	}
	return NULL;
}

int
route_find(struct vs_str target, struct route *ret_route)
{
	const char *query = memchr(target.ptr, '?', target.len);
	const struct route_row *row;
	struct vs_str rest = target;
	const char *id;

	if (query != NULL)
		rest.len = (size_t)(query - target.ptr);
	if (!str_take(&rest, route_base) || rest.len < VS_ULID_LEN ||
	    !vs_ulid_ok(rest.ptr, VS_ULID_LEN))
		return VS_ENOENT;
	id = rest.ptr;
	rest.ptr += VS_ULID_LEN;
	rest.len -= VS_ULID_LEN;
	if (!str_take(&rest, route_door))
		return VS_ENOENT;
	if (rest.len > 0 && rest.ptr[rest.len - 1] == '/')
		rest.len--; /* as Playwright puts it at the end */
	row = row_find(rest);
	if (row == NULL)
		return VS_ENOENT;
	ret_route->kind = row->kind;
	memcpy(ret_route->session_id, id, VS_ULID_LEN);
	ret_route->session_id[VS_ULID_LEN] = '\0';
	(void)snprintf(ret_route->agent_path, sizeof(ret_route->agent_path), "%s%.*s", route_door,
	    (int)rest.len, rest.ptr); /* an id is short, so it fits */
	return 0;
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
