/* SPDX-License-Identifier: Apache-2.0 */
#include "cdpd/discovery.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "lib/cleanup.h"
#include "lib/err.h"
#include "lib/jsonio.h"

#define URL_MAX 4096

static const char url_key[] = "webSocketDebuggerUrl";

/* Addresses of Chrome's own front end, which is not reachable through the door. */
static const char *const dropped_keys[] = { "devtoolsFrontendUrl", "devtoolsFrontendUrlCompat" };

/* ws:// for http://, wss:// for https://; the path of Chrome's address behind the door. */
static int
discovery_url(const struct discovery_door *door, const char *path, struct vs_buf *out)
{
	bool http = strncmp(door->public_url, "http", 4) == 0;

	return vs_buf_printf(out, "%s%s/v1/sessions/%s/cdp%s?token=%s", http ? "ws" : "",
	    http ? door->public_url + 4 : door->public_url, door->session_id, path, door->token);
}

/* One description of a target, or of the browser. */
static int
discovery_entry(const struct discovery_door *door, struct json_object *entry)
{
	struct json_object *value;
	const char *path;
	struct vs_buf url;
	bool oom = false;
	int rc;

	if (json_object_get_type(entry) != json_type_object)
		return VS_EINVAL;
	for (size_t i = 0; i < VS_COUNTOF(dropped_keys); i++)
		json_object_object_del(entry, dropped_keys[i]);
	if (!json_object_object_get_ex(entry, url_key, &value))
		return 0;
	if (json_object_get_type(value) != json_type_string)
		return VS_EINVAL;
	path = strstr(json_object_get_string(value), "/devtools/");
	if (path == NULL)
		return VS_EINVAL;
	vs_buf_init(&url, URL_MAX);
	rc = discovery_url(door, path, &url);
	if (rc == 0) {
		vs_json_put_str(entry, url_key, vs_buf_str(&url), &oom);
		rc = oom ? VS_ENOMEM : 0;
	}
	vs_buf_fini(&url);
	return rc;
}

static int
discovery_walk(const struct discovery_door *door, struct json_object *doc)
{
	int rc = 0;

	if (json_object_get_type(doc) != json_type_array)
		return discovery_entry(door, doc);
	for (size_t i = 0; rc == 0 && i < json_object_array_length(doc); i++)
		rc = discovery_entry(door, json_object_array_get_idx(doc, i));
	return rc;
}

int
discovery_rewrite(
    const struct discovery_door *door, const char *text, size_t len, struct vs_buf *out)
{
	vs_autojson struct json_object *doc = NULL;
	struct vs_json_fault fault;
	const char *printed;
	size_t size;
	int rc;

	rc = vs_json_parse(text, len, &fault, &doc);
	if (rc == 0)
		rc = discovery_walk(door, doc);
	if (rc < 0)
		return rc;
	printed = json_object_to_json_string_length(
	    doc, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE, &size);
	return printed == NULL ? VS_ENOMEM : vs_buf_append(out, printed, size);
}
