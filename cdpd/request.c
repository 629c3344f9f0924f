/* SPDX-License-Identifier: Apache-2.0 */
#include "cdpd/request.h"

#include <string.h>

#include "lib/ws.h"

enum vs_problem
request_upgrade_fault(const struct vs_http_head *head)
{
	const struct vs_str *version = vs_http_find(head, "Sec-WebSocket-Version");
	const struct vs_str *key = vs_http_find(head, "Sec-WebSocket-Key");
	char accept[VS_WS_ACCEPT_SIZE];

	if (!vs_str_eq(head->method, "GET"))
		return VS_PROBLEM_METHOD_NOT_ALLOWED;
	if (head->minor < 1 || !vs_http_has_token(head, "Upgrade", "websocket") ||
	    !vs_http_has_token(head, "Connection", "upgrade") || version == NULL ||
	    !vs_str_eq(*version, "13"))
		return VS_PROBLEM_UPGRADE_REQUIRED;
	if (head->chunked || head->content_length > 0 || key == NULL ||
	    vs_ws_accept(key->ptr, key->len, accept) < 0)
		return VS_PROBLEM_BAD_REQUEST;
	return VS_PROBLEM_NONE;
}

enum vs_problem
request_document_fault(const struct vs_http_head *head)
{
	if (!vs_str_eq(head->method, "GET"))
		return VS_PROBLEM_METHOD_NOT_ALLOWED;
	if (head->chunked || head->content_length > 0)
		return VS_PROBLEM_BAD_REQUEST;
	return VS_PROBLEM_NONE;
}

static bool
request_id_ok(const struct vs_str *id)
{
	static const char allowed[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
				      "0123456789._-";

	if (id == NULL || id->len == 0 || id->len >= REQUEST_ID_SIZE)
		return false;
	for (size_t i = 0; i < id->len; i++) {
		if (memchr(allowed, id->ptr[i], sizeof(allowed) - 1) == NULL)
			return false;
	}
	return true;
}

void
request_id_take(const struct vs_http_head *head, char ret_id[REQUEST_ID_SIZE])
{
	const struct vs_str *id = vs_http_find(head, "X-Request-Id");

	if (!request_id_ok(id))
		return;
	memcpy(ret_id, id->ptr, id->len);
	ret_id[id->len] = '\0';
}

void
request_path_take(const struct vs_http_head *head, char ret_path[REQUEST_PATH_SIZE])
{
	const char *query = memchr(head->target.ptr, '?', head->target.len);
	size_t len = query != NULL ? (size_t)(query - head->target.ptr) : head->target.len;

	if (len >= REQUEST_PATH_SIZE)
		return;
	memcpy(ret_path, head->target.ptr, len);
	ret_path[len] = '\0';
}
