/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime-image/agent/spec.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "lib/cleanup.h"
#include "lib/err.h"
#include "lib/utf8.h"
#include "lib/jsonio.h"

#define SPEC_MAX_BYTES  65536
#define SPEC_ARENA      (256 * 1024)
#define SPEC_SECRET_MIN 16

/* What a header may hold; Chrome sends none at all for anything else. */
static void
spec_check_header(
    struct json_object *value, const char *pointer, void *dst, struct vs_json_issues *issues)
{
	const char *text = json_object_get_string(value);

	(void)dst;
	if (!vs_utf8_printable(text, strlen(text)))
		vs_json_issue(issues, pointer, "must be printable");
}

static void
spec_check_path(
    struct json_object *value, const char *pointer, void *dst, struct vs_json_issues *issues)
{
	(void)dst;
	if (json_object_get_string(value)[0] != '/')
		vs_json_issue(issues, pointer, "must be an absolute path");
}

static void
spec_check_egress(
    struct json_object *value, const char *pointer, void *dst, struct vs_json_issues *issues)
{
	struct agent_spec *spec = dst;

	if (!json_object_is_type(value, json_type_array)) {
		vs_json_issue(issues, pointer, "must be an array of strings");
		return;
	}
	for (size_t i = 0; i < json_object_array_length(value); i++) {
		struct json_object *item = json_object_array_get_idx(value, i);

		if (!json_object_is_type(item, json_type_string) ||
		    addr_policy_allow(&spec->egress, json_object_get_string(item)) < 0) {
			vs_json_issue(issues, pointer,
			    "entry %zu is not address[/length][:port[-port]], or one too many", i);
			return;
		}
	}
}

static const struct vs_json_field viewport_fields[] = {
	{ .name = "width",
	    .type = VS_JSON_INT,
	    .required = true,
	    .present = SIZE_MAX,
	    .offset = offsetof(struct agent_viewport, width),
	    .min = 320,
	    .max = 7680 },
	{ .name = "height",
	    .type = VS_JSON_INT,
	    .required = true,
	    .present = SIZE_MAX,
	    .offset = offsetof(struct agent_viewport, height),
	    .min = 240,
	    .max = 4320 },
};

#define STR(member, least, most) \
	.name = #member, .type = VS_JSON_STR, .present = SIZE_MAX, \
	.offset = offsetof(struct agent_spec, member), .min = (least), .max = (most)
#define INT(member, least, most) \
	.name = #member, .type = VS_JSON_INT, .present = SIZE_MAX, \
	.offset = offsetof(struct agent_spec, member), .min = (least), .max = (most)

static const struct vs_json_field spec_fields[] = {
	{ STR(id, 1, 64), .required = true },
	{ STR(session_id, 1, 64), .required = true },
	{ STR(secret, SPEC_SECRET_MIN, 256), .required = true },
	/* agent.sock in it must fit a socket address */
	{ STR(dir, 1, 90), .required = true, .custom = spec_check_path },
	{ .name = "viewport",
	    .type = VS_JSON_OBJ,
	    .required = true,
	    .present = SIZE_MAX,
	    .offset = offsetof(struct agent_spec, viewport),
	    .sub = viewport_fields,
	    .nsub = VS_COUNTOF(viewport_fields) },
	{ STR(user_agent, 1, 512), .nullable = true, .custom = spec_check_header },
	{ INT(deadline_ms, 1, INT64_MAX), .required = true },
	{ .name = "egress_allow",
	    .type = VS_JSON_ANY,
	    .present = SIZE_MAX,
	    .offset = offsetof(struct agent_spec, egress_allow),
	    .custom = spec_check_egress },
	{ INT(shm_mib, 16, 65536) },
	{ INT(tmp_mib, 16, 65536) },
	{ INT(socket_group, -1, INT32_MAX) },
	{ STR(memory_cgroup, 1, 4096), .nullable = true, .custom = spec_check_path },
};

static void
spec_say(struct vs_buf *fault, const struct vs_json_issues *issues)
{
	for (size_t i = 0; i < issues->count; i++)
		(void)!vs_buf_printf(fault, "%s%s %s",
		    i > 0 ? "; " : "specification: ", issues->item[i].pointer,
		    issues->item[i].detail);
}

int
agent_spec_parse(const char *text, size_t len, struct agent_spec *ret_spec, struct vs_buf *fault)
{
	struct vs_json_issues issues = { .arena = &ret_spec->arena };
	vs_autojson struct json_object *obj = NULL;
	struct vs_json_fault scan;

	*ret_spec = (struct agent_spec){ .shm_mib = 512, .tmp_mib = 512, .socket_group = -1 };
	vs_arena_init(&ret_spec->arena, SPEC_ARENA);
	int rc = vs_json_parse(text, len, &scan, &obj);
	if (rc == VS_EINVAL)
		(void)!vs_buf_printf(
		    fault, "specification: %s at byte %zu", scan.what, scan.offset);
	if (rc < 0)
		return rc;
	if (!vs_json_check(obj, "", spec_fields, VS_COUNTOF(spec_fields), ret_spec, &issues)) {
		spec_say(fault, &issues);
		return VS_EINVAL;
	}
	ret_spec->egress_allow = NULL;
	return 0;
}

int
agent_spec_read(int fd, struct agent_spec *ret_spec, struct vs_buf *fault)
{
	vs_autofd int owned = fd;
	vs_autofree char *text = malloc(SPEC_MAX_BYTES);
	size_t len = 0;
	ssize_t got = 1;

	if (text == NULL)
		return VS_ENOMEM;
	while (got > 0 && len < SPEC_MAX_BYTES) {
		got = read(owned, text + len, SPEC_MAX_BYTES - len);
		if (got < 0 && errno != EINTR)
			return vs_err_from_errno(errno);
		len += got > 0 ? (size_t)got : 0;
		got = got < 0 ? 1 : got;
	}
	int rc = len == SPEC_MAX_BYTES ? VS_ETOOBIG : agent_spec_parse(text, len, ret_spec, fault);
	explicit_bzero(text, len);
	return rc;
}

void
agent_spec_fini(struct agent_spec *spec)
{
	if (spec->secret != NULL)
		explicit_bzero((char *)(uintptr_t)spec->secret, strlen(spec->secret));
	spec->secret = NULL;
	vs_arena_fini(&spec->arena);
}
