/* SPDX-License-Identifier: Apache-2.0 */
/* A create body is refused with a reason, or fits what the database will take. */
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "lib/err.h"
#include "lib/model/sess.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* The CHECKs of ventus.session: what passes here must never fail there. */
static void
check_spec(const struct sess_spec *spec)
{
	assert(spec->region == NULL || (strlen(spec->region) >= 1 && strlen(spec->region) <= 63));
	assert(
	    strcmp(spec->runtime_kind, "chromium") == 0 || strcmp(spec->runtime_kind, "rda") == 0);
	assert(spec->timeout_seconds >= 60 && spec->timeout_seconds <= 86400);
	assert(spec->keep_alive_seconds >= 0 && spec->keep_alive_seconds <= 86400);
	assert(spec->viewport_width >= 320 && spec->viewport_width <= 7680);
	assert(spec->viewport_height >= 240 && spec->viewport_height <= 4320);
	assert(spec->user_agent == NULL ||
	       (strlen(spec->user_agent) >= 1 && strlen(spec->user_agent) <= 512));
	assert(spec->proxy_url == NULL && spec->profile_id == NULL && !spec->recording_enabled);
	assert(spec->labels == NULL || spec->labels[0] == '{');
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct json_object *body = NULL;
	static struct vs_json_issues issues;
	struct vs_json_fault fault;
	struct vs_arena arena;
	struct sess_spec spec;
	bool impossible = false;
	int rc;

	if (vs_json_parse((const char *)data, size, &fault, &body) < 0)
		return 0;
	vs_arena_init(&arena, 64 << 20);
	memset(&issues, 0, sizeof(issues));
	issues.arena = &arena;
	rc = sess_spec_parse(body, &arena, &spec, &issues, &impossible);
	assert(rc == 0 || rc == VS_EINVAL || rc == VS_EUNSUPP);
	assert((rc == 0) == (issues.count == 0));
	if (rc == 0)
		check_spec(&spec);
	(void)json_object_put(body);
	vs_arena_fini(&arena);
	return 0;
}
