/* SPDX-License-Identifier: Apache-2.0 */
#include <ctype.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "lib/err.h"
#include "lib/utf8.h"
#include "lib/model/sess.h"
#include "lib/utf8.h"

#define STORAGE_STATE_MAX_BYTES (4 * 1024 * 1024)
#define LABELS_MAX              64
#define LABEL_KEY_MAX           63
#define LABEL_VALUE_MAX         255

/* What the rows below fill. The objects are borrowed from the body. */
struct draft {
	struct sess_spec spec;
	struct json_object *labels, *storage_state;
	bool has_proxy, has_profile_version;
	bool keeps_state; /* storage_state holds a cookie or an origin */
};

static const char *
item_pointer(struct vs_json_issues *issues, const char *pointer, size_t index)
{
	const char *text = vs_arena_printf(issues->arena, "%s/%zu", pointer, index);

	return text != NULL ? text : pointer;
}

/* Are all of text's characters in A-Z, a-z, 0-9 or extra? */
static bool
all_of(const char *text, size_t len, const char *extra)
{
	for (size_t i = 0; i < len; i++) {
		if (!isalnum((unsigned char)text[i]) && strchr(extra, text[i]) == NULL)
			return false;
	}
	return true;
}

static bool
port_ok(const char *text)
{
	const size_t len = strspn(text, "0123456789");
	const long port = len >= 1 && len <= 5 && text[len] == '\0' ? strtol(text, NULL, 10) : 0;

	return port >= 1 && port <= 65535;
}

/* host, host:port, [v6] or [v6]:port and nothing else. */
static bool
authority_ok(const char *text, bool need_port)
{
	const char *end;

	if (*text == '[') {
		end = strchr(text, ']');
		if (end == NULL || end - text < 3 ||
		    strspn(text + 1, "0123456789abcdefABCDEF:.") != (size_t)(end - text - 1))
			return false;
		end++;
	} else {
		end = text + strcspn(text, ":");
		if (end == text || end - text > 253 || !all_of(text, (size_t)(end - text), "-._"))
			return false;
	}
	return *end == '\0' ? !need_port : *end == ':' && port_ok(end + 1);
}

/* scheme is one of those in the list, what follows is an authority. */
static bool
origin_ok(const char *text, const char *const *schemes, bool need_port)
{
	for (; *schemes != NULL; schemes++) {
		if (strncasecmp(text, *schemes, strlen(*schemes)) == 0)
			return authority_ok(text + strlen(*schemes), need_port);
	}
	return false;
}

static void
check_region(
    struct json_object *value, const char *pointer, void *dst, struct vs_json_issues *issues)
{
	const char *text = json_object_get_string(value);

	(void)dst;
	if (strspn(text, "abcdefghijklmnopqrstuvwxyz0123456789-") != strlen(text) || *text == '-')
		vs_json_issue(issues, pointer, "must be of [a-z0-9-] and not begin with '-'");
}

static void
check_user_agent(
    struct json_object *value, const char *pointer, void *dst, struct vs_json_issues *issues)
{
	const char *text = json_object_get_string(value);

	(void)dst;
	if (!vs_utf8_printable(text, strlen(text)))
		vs_json_issue(issues, pointer, "must be of printable characters");
}

static void
check_proxy_url(
    struct json_object *value, const char *pointer, void *dst, struct vs_json_issues *issues)
{
	static const char *const schemes[] = { "http://", "https://", "socks5://", NULL };

	(void)dst;
	if (!origin_ok(json_object_get_string(value), schemes, true))
		vs_json_issue(issues, pointer,
		    "must be http://, https:// or socks5:// and host:port, without user or path");
}

static void
check_profile_id(
    struct json_object *value, const char *pointer, void *dst, struct vs_json_issues *issues)
{
	const char *text = json_object_get_string(value);

	(void)dst;
	if (!vs_ulid_ok(text, strlen(text)))
		vs_json_issue(issues, pointer, "must be an id: 26 upper-case Crockford characters");
}

static void
check_label(
    const char *key, struct json_object *value, const char *pointer, struct vs_json_issues *issues)
{
	/* A key that is too long to be shown is spoken of as the whole. */
	const char *at = strlen(key) > 255 ? NULL : vs_json_pointer(issues->arena, pointer, key);
	const char *text = json_object_get_string(value);

	if (at == NULL)
		at = pointer;
	if (*key == '\0' || strlen(key) > LABEL_KEY_MAX || !all_of(key, strlen(key), "._/-"))
		vs_json_issue(issues, at, "the key must be 1-%d of [A-Za-z0-9._/-]", LABEL_KEY_MAX);
	if (!json_object_is_type(value, json_type_string))
		vs_json_issue(issues, at, "must be a string");
	else if (vs_utf8_count(text, strlen(text)) > LABEL_VALUE_MAX)
		vs_json_issue(issues, at, "must be at most %d characters", LABEL_VALUE_MAX);
}

static void
check_labels(
    struct json_object *value, const char *pointer, void *dst, struct vs_json_issues *issues)
{
	(void)dst;
	if (!json_object_is_type(value, json_type_object)) {
		vs_json_issue(issues, pointer, "must be an object of strings");
		return;
	}
	if (json_object_object_length(value) > LABELS_MAX) {
		vs_json_issue(issues, pointer, "must be at most %d labels", LABELS_MAX);
		return;
	}
	json_object_object_foreach(value, key, item) check_label(key, item, pointer, issues);
}

static void
check_expires(
    struct json_object *value, const char *pointer, void *dst, struct vs_json_issues *issues)
{
	(void)dst;
	if (!json_object_is_type(value, json_type_int) &&
	    !json_object_is_type(value, json_type_double))
		vs_json_issue(issues, pointer, "must be a number: seconds since 1970, or -1");
}

static void
check_origin(
    struct json_object *value, const char *pointer, void *dst, struct vs_json_issues *issues)
{
	static const char *const schemes[] = { "http://", "https://", NULL };

	(void)dst;
	if (!origin_ok(json_object_get_string(value), schemes, false))
		vs_json_issue(issues, pointer, "must be an http or https origin without a path");
}

#define MEMBER(n, t, off) \
	.name = (n), .type = (t), .nullable = true, .offset = (off), .present = SIZE_MAX
#define MEMBER_SEEN(n, t, off, seen) \
	.name = (n), .type = (t), .nullable = true, .offset = (off), .present = (seen)
#define NEEDED(n, t, off) \
	.name = (n), .type = (t), .required = true, .offset = (off), .present = SIZE_MAX

/* Playwright's storage state is checked whole but not taken apart: values land here. */
struct state_item {
	const char *text;
	bool flag;
	struct json_object *obj;
};
#define STATE_TEXT offsetof(struct state_item, text)
#define STATE_FLAG offsetof(struct state_item, flag)
#define STATE_OBJ  offsetof(struct state_item, obj)

static const char *const same_sites[] = { "Strict", "Lax", "None", NULL };

/* clang-format off */
static const struct vs_json_field cookie_fields[] = {
	{ NEEDED("name", VS_JSON_STR, STATE_TEXT), .min = 0, .max = 4096 },
	{ NEEDED("value", VS_JSON_STR, STATE_TEXT), .min = 0, .max = 4096 },
	{ NEEDED("domain", VS_JSON_STR, STATE_TEXT), .min = 1, .max = 254 },
	{ NEEDED("path", VS_JSON_STR, STATE_TEXT), .min = 1, .max = 4096 },
	{ MEMBER("expires", VS_JSON_ANY, STATE_OBJ), .custom = check_expires },
	{ MEMBER("httpOnly", VS_JSON_BOOL, STATE_FLAG) },
	{ MEMBER("secure", VS_JSON_BOOL, STATE_FLAG) },
	{ MEMBER("sameSite", VS_JSON_STR, STATE_TEXT), .max = 6, .one_of = same_sites },
	{ MEMBER("partitionKey", VS_JSON_STR, STATE_TEXT), .min = 0, .max = 4096 },
};

static const struct vs_json_field storage_item_fields[] = {
	{ NEEDED("name", VS_JSON_STR, STATE_TEXT), .min = 0, .max = STORAGE_STATE_MAX_BYTES },
	{ NEEDED("value", VS_JSON_STR, STATE_TEXT), .min = 0, .max = STORAGE_STATE_MAX_BYTES },
};
/* clang-format on */

/* Check each item of an array against the rows. */
static void
check_items(struct json_object *value, const char *pointer, const struct vs_json_field *fields,
    size_t nfields, struct vs_json_issues *issues)
{
	struct state_item item;

	if (!json_object_is_type(value, json_type_array)) {
		vs_json_issue(issues, pointer, "must be an array");
		return;
	}
	/* Beyond the last issue that can be shown nobody reads on. */
	for (size_t i = 0;
	     i < json_object_array_length(value) && issues->count < VS_JSON_MAX_ISSUES; i++)
		(void)vs_json_check(json_object_array_get_idx(value, i),
		    item_pointer(issues, pointer, i), fields, nfields, &item, issues);
}

static void
check_local_storage(
    struct json_object *value, const char *pointer, void *dst, struct vs_json_issues *issues)
{
	(void)dst;
	check_items(value, pointer, storage_item_fields, VS_COUNTOF(storage_item_fields), issues);
}

/* clang-format off */
static const struct vs_json_field origin_fields[] = {
	{ NEEDED("origin", VS_JSON_STR, STATE_TEXT), .min = 8, .max = 300, .custom = check_origin },
	{ NEEDED("localStorage", VS_JSON_ANY, STATE_OBJ), .custom = check_local_storage },
};
/* clang-format on */

static void
check_cookies(
    struct json_object *value, const char *pointer, void *dst, struct vs_json_issues *issues)
{
	(void)dst;
	check_items(value, pointer, cookie_fields, VS_COUNTOF(cookie_fields), issues);
}

static void
check_origins(
    struct json_object *value, const char *pointer, void *dst, struct vs_json_issues *issues)
{
	(void)dst;
	check_items(value, pointer, origin_fields, VS_COUNTOF(origin_fields), issues);
}

struct state_draft {
	struct json_object *cookies, *origins;
};

/* clang-format off */
static const struct vs_json_field storage_state_fields[] = {
	{ MEMBER("cookies", VS_JSON_ANY, offsetof(struct state_draft, cookies)),
	    .custom = check_cookies, .help = "Cookies as Playwright writes them." },
	{ MEMBER("origins", VS_JSON_ANY, offsetof(struct state_draft, origins)),
	    .custom = check_origins, .help = "localStorage of each origin." },
};
/* clang-format on */

static void
check_storage_state(
    struct json_object *value, const char *pointer, void *dst, struct vs_json_issues *issues)
{
	struct draft *draft = dst;
	struct state_draft state = { NULL, NULL };
	size_t len = 0;

	if (vs_json_check(value, pointer, storage_state_fields, VS_COUNTOF(storage_state_fields),
		&state, issues))
		draft->keeps_state =
		    (state.cookies != NULL && json_object_array_length(state.cookies) > 0) ||
		    (state.origins != NULL && json_object_array_length(state.origins) > 0);
	(void)json_object_to_json_string_length(
	    value, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE, &len);
	if (len > STORAGE_STATE_MAX_BYTES)
		vs_json_issue(issues, pointer, "must be at most 4 MiB");
}

#define SPEC(member) offsetof(struct draft, spec.member)

static const char *const runtime_kinds[] = { "chromium", "rda", NULL };

/* clang-format off */
static const struct vs_json_field viewport_fields[] = {
	{ MEMBER("width", VS_JSON_INT, SPEC(viewport_width)), .min = 320, .max = 7680,
	    .help = "Pixels, default 1280." },
	{ MEMBER("height", VS_JSON_INT, SPEC(viewport_height)), .min = 240, .max = 4320,
	    .help = "Pixels, default 720." },
};

static const struct vs_json_field proxy_fields[] = {
	{ NEEDED("url", VS_JSON_STR, SPEC(proxy_url)), .min = 1, .max = 300,
	    .custom = check_proxy_url, .help = "http, https or socks5, host and port." },
	{ MEMBER("username", VS_JSON_STR, SPEC(proxy_username)), .min = 0, .max = 255,
	    .help = "Sent to the proxy." },
	{ MEMBER("password", VS_JSON_STR, SPEC(proxy_password)), .min = 0, .max = 1024,
	    .help = "Sent to the proxy; kept encrypted and never returned." },
};

static const struct vs_json_field recording_fields[] = {
	{ MEMBER("enabled", VS_JSON_BOOL, SPEC(recording_enabled)),
	    .help = "Record the session." },
};

static const struct vs_json_field spec_fields[] = {
	{ MEMBER("region", VS_JSON_STR, SPEC(region)), .min = 1, .max = 63,
	    .custom = check_region, .help = "Where the session runs." },
	{ MEMBER("runtime_kind", VS_JSON_STR, SPEC(runtime_kind)), .min = 1, .max = 16,
	    .one_of = runtime_kinds, .help = "What runs in it, default chromium." },
	{ MEMBER("timeout_seconds", VS_JSON_INT, SPEC(timeout_seconds)), .min = 60, .max = 86400,
	    .help = "Life from PROVISIONING on, default 1800." },
	{ MEMBER("keep_alive_seconds", VS_JSON_INT, SPEC(keep_alive_seconds)), .max = 86400,
	    .help = "Above 0: the session outlives its last CDP client." },
	{ MEMBER("viewport", VS_JSON_OBJ, 0), .sub = viewport_fields,
	    .nsub = VS_COUNTOF(viewport_fields), .help = "Size of desktop and window." },
	{ MEMBER("user_agent", VS_JSON_STR, SPEC(user_agent)), .min = 1, .max = 512,
	    .custom = check_user_agent, .help = "User agent of the browser." },
	{ MEMBER_SEEN("proxy", VS_JSON_OBJ, 0, offsetof(struct draft, has_proxy)),
	    .sub = proxy_fields, .nsub = VS_COUNTOF(proxy_fields), .help = "Upstream proxy." },
	{ MEMBER("profile_id", VS_JSON_STR, SPEC(profile_id)), .min = 1, .max = 64,
	    .custom = check_profile_id, .help = "A profile of the workspace." },
	{ MEMBER_SEEN("profile_version", VS_JSON_INT, SPEC(profile_version),
	    offsetof(struct draft, has_profile_version)), .min = 1, .max = INT32_MAX,
	    .help = "A version of the profile, default the newest." },
	{ MEMBER("storage_state", VS_JSON_ANY, offsetof(struct draft, storage_state)),
	    .custom = check_storage_state, .help = "Playwright's storage state, at most 4 MiB." },
	{ MEMBER("labels", VS_JSON_ANY, offsetof(struct draft, labels)),
	    .custom = check_labels, .help = "Up to 64 strings for your own use." },
	{ MEMBER("recording", VS_JSON_OBJ, 0), .sub = recording_fields,
	    .nsub = VS_COUNTOF(recording_fields), .help = "Whether to record the session." },
};
/* clang-format on */

static bool
wants_rda(const struct draft *draft)
{
	return strcmp(draft->spec.runtime_kind, "rda") == 0;
}

static bool
rda_with_state(const struct draft *draft)
{
	return wants_rda(draft) && draft->storage_state != NULL;
}

static bool
rda_with_profile(const struct draft *draft)
{
	return wants_rda(draft) && draft->spec.profile_id != NULL;
}

static bool
asks_recording(const struct draft *draft)
{
	return draft->spec.recording_enabled;
}

static bool
asks_proxy(const struct draft *draft)
{
	return draft->has_proxy;
}

static bool
asks_profile(const struct draft *draft)
{
	return draft->spec.profile_id != NULL && !wants_rda(draft);
}

static bool
asks_state(const struct draft *draft)
{
	return draft->keeps_state && !wants_rda(draft);
}

/* Well-formed and still refused. A row goes when what it waits for lands. */
static const struct refusal {
	bool (*applies)(const struct draft *);
	bool impossible;
	const char *pointer, *detail;
} refusals[] = {
	{ rda_with_state, true, "/storage_state", "cannot go together with runtime_kind rda" },
	{ rda_with_profile, true, "/profile_id", "cannot go together with runtime_kind rda" },
	{ asks_recording, false, "/recording/enabled", "recording is not available yet" },
	{ asks_proxy, false, "/proxy", "an upstream proxy is not available yet" },
	{ asks_profile, false, "/profile_id", "profiles are not available yet" },
	{ asks_state, false, "/storage_state", "a storage state is not available yet" },
};

static int
refuse(const struct draft *draft, struct vs_json_issues *issues, bool *ret_impossible)
{
	bool refused = false, impossible = false;

	for (size_t i = 0; i < VS_COUNTOF(refusals); i++) {
		if (!refusals[i].applies(draft))
			continue;
		vs_json_issue(issues, refusals[i].pointer, "%s", refusals[i].detail);
		impossible |= refusals[i].impossible;
		refused = true;
	}
	*ret_impossible = impossible;
	return refused ? VS_EUNSUPP : 0;
}

int
sess_spec_parse(struct json_object *body, struct vs_arena *arena, struct sess_spec *ret_spec,
    struct vs_json_issues *issues, bool *ret_impossible)
{
	struct draft draft = {
		.spec = {
			.runtime_kind = "chromium",
			.timeout_seconds = 1800,
			.viewport_width = 1280,
			.viewport_height = 720,
		},
	};
	bool good;
	size_t len;
	int rc;

	good = vs_json_check(body, "", spec_fields, VS_COUNTOF(spec_fields), &draft, issues);
	if (draft.has_profile_version && draft.spec.profile_id == NULL) {
		vs_json_issue(issues, "/profile_version", "needs a profile_id");
		good = false;
	}
	if (!good)
		return VS_EINVAL;
	rc = refuse(&draft, issues, ret_impossible);
	if (rc < 0)
		return rc;
	if (draft.labels != NULL) {
		draft.spec.labels = vs_json_text(arena, draft.labels, &len);
		if (draft.spec.labels == NULL)
			return VS_ENOMEM;
	}
	*ret_spec = draft.spec;
	return 0;
}
