/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime-image/agent/cdp_path.h"

#include <stdio.h>
#include <string.h>

#include "lib/err.h"

#define PREFIX "/cdp"

static const char *const plain_paths[] = { "/json/version", "/json/list", "/json/protocol" };
static const char *const websocket_prefixes[] = { "/devtools/browser/", "/devtools/page/" };
static const char *const websocket_fields[] = { "Sec-WebSocket-Key", "Sec-WebSocket-Version",
	"Sec-WebSocket-Protocol" };

static bool
is_id(const char *text)
{
	size_t len =
	    strspn(text, "-0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz");

	return len > 0 && text[len] == '\0';
}

static bool
is_websocket_path(const char *path)
{
	for (size_t i = 0; i < VS_COUNTOF(websocket_prefixes); i++) {
		size_t len = strlen(websocket_prefixes[i]);

		if (strncmp(path, websocket_prefixes[i], len) == 0)
			return is_id(path + len);
	}
	return false;
}

static bool
is_plain_path(const char *path)
{
	for (size_t i = 0; i < VS_COUNTOF(plain_paths); i++) {
		if (strcmp(path, plain_paths[i]) == 0)
			return true;
	}
	return false;
}

/* The target behind /cdp without query and without the slash Playwright puts at its end. */
static int
cdp_path_strip(struct vs_str target, char ret_path[CDP_PATH_SIZE])
{
	size_t skip = sizeof(PREFIX) - 1;
	const char *query = memchr(target.ptr, '?', target.len);
	size_t len = query == NULL ? target.len : (size_t)(query - target.ptr);

	if (len < skip || memcmp(target.ptr, PREFIX, skip) != 0)
		return VS_ENOENT;
	if (len > skip && target.ptr[len - 1] == '/')
		len--;
	if (len - skip >= CDP_PATH_SIZE || memchr(target.ptr, '\0', len) != NULL)
		return VS_ENOENT;
	memcpy(ret_path, target.ptr + skip, len - skip);
	ret_path[len - skip] = '\0';
	return 0;
}

int
cdp_path_map(const struct vs_http_head *head, const char *cdp_path, char ret_path[CDP_PATH_SIZE],
    bool *ret_websocket)
{
	bool upgrade = vs_http_has_token(head, "Connection", "upgrade") &&
		       vs_http_has_token(head, "Upgrade", "websocket");
	char path[CDP_PATH_SIZE];

	int rc = cdp_path_strip(head->target, path);
	if (rc < 0)
		return rc;
	if (path[0] == '\0')
		(void)snprintf(path, sizeof(path), "%s", cdp_path);
	bool websocket = is_websocket_path(path);
	if (!websocket && !is_plain_path(path))
		return VS_ENOENT;
	if (websocket != upgrade)
		return VS_EINVAL;
	memcpy(ret_path, path, sizeof(path));
	*ret_websocket = websocket;
	return 0;
}

int
cdp_path_head(const struct vs_http_head *head, const char *path, bool websocket, unsigned port,
    struct vs_buf *out)
{
	int rc = vs_buf_printf(out, "GET %s HTTP/1.1\r\nHost: 127.0.0.1:%u\r\n", path, port);

	if (rc == 0)
		rc = vs_buf_puts(out, websocket ? "Connection: Upgrade\r\nUpgrade: websocket\r\n"
						: "Connection: close\r\n");
	for (size_t i = 0; rc == 0 && websocket && i < VS_COUNTOF(websocket_fields); i++) {
		const struct vs_str *value = vs_http_find(head, websocket_fields[i]);

		if (value != NULL)
			rc = vs_buf_printf(
			    out, "%s: %.*s\r\n", websocket_fields[i], (int)value->len, value->ptr);
	}
	return rc < 0 ? rc : vs_buf_puts(out, "\r\n");
}
