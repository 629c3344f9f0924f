/* SPDX-License-Identifier: Apache-2.0 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "tests/support/cdpclient.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void
cdpclient_open(
    struct cdpclient *cdp, const char *socket_path, const char *target, const char *fields)
{
	*cdp = (struct cdpclient){ .last_id = 0 };
	wsclient_ask(&cdp->ws, socket_path, target, fields);
	if (wsclient_answer(&cdp->ws) != 101)
		fail_msg("%s: %s", target, cdp->ws.head);
}

void
cdpclient_close(struct cdpclient *cdp)
{
	wsclient_close(&cdp->ws);
}

void
cdpclient_post(struct cdpclient *cdp, const char *method, const char *params)
{
	char text[8192];
	bool page = cdp->session[0] != '\0';

	int len = snprintf(text, sizeof(text), "{\"id\":%d,\"method\":\"%s\",\"params\":%s%s%s%s}",
	    ++cdp->last_id, method, params == NULL ? "{}" : params, page ? ",\"sessionId\":\"" : "",
	    cdp->session, page ? "\"" : "");
	assert_in_range(len, 1, sizeof(text) - 1);
	wsclient_send_text(&cdp->ws, text);
}

static struct json_object *
cdpclient_message(struct cdpclient *cdp)
{
	struct json_tokener *parser = json_tokener_new();
	struct wsframe frame;

	wsclient_next(&cdp->ws, &frame);
	struct json_object *obj =
	    json_tokener_parse_ex(parser, (const char *)frame.payload, (int)frame.len);
	json_tokener_free(parser);
	assert_non_null(obj);
	return obj;
}

struct json_object *
cdpclient_call(struct cdpclient *cdp, const char *method, const char *params)
{
	struct json_object *obj, *result;

	cdpclient_post(cdp, method, params);
	for (;;) {
		obj = cdpclient_message(cdp);
		if (json_object_get_int(json_object_object_get(obj, "id")) == cdp->last_id)
			break;
		(void)json_object_put(obj);
	}
	result = json_object_get(json_object_object_get(obj, "result"));
	if (result == NULL)
		fail_msg("%s: %s", method, json_object_to_json_string(obj));
	(void)json_object_put(obj);
	return result;
}

void
cdpclient_do(struct cdpclient *cdp, const char *method, const char *params)
{
	(void)json_object_put(cdpclient_call(cdp, method, params));
}

static const char *
member(struct json_object *obj, const char *key)
{
	return json_object_get_string(json_object_object_get(obj, key));
}

bool
cdpclient_find_page(struct cdpclient *cdp)
{
	struct json_object *targets = cdpclient_call(cdp, "Target.getTargets", NULL);
	struct json_object *infos = json_object_object_get(targets, "targetInfos");

	cdp->target[0] = '\0';
	for (size_t i = 0; i < json_object_array_length(infos); i++) {
		struct json_object *info = json_object_array_get_idx(infos, i);

		if (strcmp(member(info, "type"), "page") == 0)
			(void)snprintf(
			    cdp->target, sizeof(cdp->target), "%s", member(info, "targetId"));
	}
	(void)json_object_put(targets);
	return cdp->target[0] != '\0';
}

void
cdpclient_attach(struct cdpclient *cdp)
{
	struct json_object *attached;
	char params[128];

	(void)snprintf(
	    params, sizeof(params), "{\"targetId\":\"%s\",\"flatten\":true}", cdp->target);
	attached = cdpclient_call(cdp, "Target.attachToTarget", params);
	(void)snprintf(cdp->session, sizeof(cdp->session), "%s", member(attached, "sessionId"));
	(void)json_object_put(attached);
}

char *
cdpclient_eval(struct cdpclient *cdp, const char *expression)
{
	struct json_object *params = json_object_new_object(), *result, *value;
	char *text;

	(void)json_object_object_add(params, "expression", json_object_new_string(expression));
	(void)json_object_object_add(params, "awaitPromise", json_object_new_boolean(1));
	(void)json_object_object_add(params, "returnByValue", json_object_new_boolean(1));
	result = cdpclient_call(cdp, "Runtime.evaluate", json_object_to_json_string(params));
	value = json_object_object_get(json_object_object_get(result, "result"), "value");
	text = strdup(value == NULL ? "undefined" : json_object_get_string(value));
	(void)json_object_put(result);
	(void)json_object_put(params);
	assert_non_null(text);
	return text;
}
