/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What strict JSON says is one of the methods is judged as such; whatever the answer
 * is, it is strict JSON.
 */
#include <assert.h>
#include <stdint.h>
#include <string.h>

#include "cdpd/cdp_policy.h"
#include "lib/jsonio.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char *
member_text(struct json_object *obj, const char *key)
{
	struct json_object *value = NULL;

	if (!json_object_object_get_ex(obj, key, &value) ||
	    json_object_get_type(value) != json_type_string)
		return "";
	return json_object_get_string(value);
}

/* As the strict parser sees the message. */
static enum cdp_action
reference(const char *text, size_t len)
{
	vs_autojson struct json_object *obj = NULL;
	struct json_object *id = NULL;
	struct vs_json_fault fault;
	const char *method;

	if (vs_json_parse(text, len, &fault, &obj) < 0 ||
	    json_object_get_type(obj) != json_type_object ||
	    !json_object_object_get_ex(obj, "id", &id) ||
	    json_object_get_type(id) != json_type_int ||
	    json_object_get_int64(id) != json_object_get_int(id))
		return CDP_PASS;
	method = member_text(obj, "method");
	if (strcmp(method, "Browser.close") == 0)
		return CDP_END;
	if (strcmp(method, "Browser.crash") == 0 || strcmp(method, "Browser.crashGpuProcess") == 0)
		return CDP_REFUSE;
	return CDP_PASS;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *text = (const char *)data;
	struct vs_json_fault fault;
	enum cdp_action want;
	struct cdp_call call;
	struct vs_buf out;

	if (size >= CDP_POLICY_MAX)
		return 0;
	want = reference(text, size);
	cdp_policy_judge(text, size, &call);
	assert(want == CDP_PASS || call.action == want);
	if (call.action == CDP_PASS)
		return 0;
	vs_buf_init(&out, CDP_POLICY_MAX);
	assert(cdp_policy_answer(&call, &out) == 0);
	assert(vs_json_scan((const char *)vs_buf_data(&out), vs_buf_len(&out), &fault) == 0);
	vs_buf_fini(&out);
	return 0;
}
