/* SPDX-License-Identifier: Apache-2.0 */
#include "cdpd/cdp_policy.h"

#include <assert.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#define CDP_RULES_SHARE "Browser.c" /* how each method below begins */

static const struct cdp_rule {
	const char *method;
	enum cdp_action action;
} cdp_rules[] = {
	{ "Browser.close", CDP_END },
	{ "Browser.crash", CDP_REFUSE },
	{ "Browser.crashGpuProcess", CDP_REFUSE },
};

/* Where the scan stands; at == end also when the text makes no sense. */
struct scan {
	const char *at, *end;
};

static char
scan_peek(struct scan *scan)
{
	while (scan->at < scan->end && strchr(" \t\r\n", *scan->at) != NULL && *scan->at != '\0')
		scan->at++;
	return scan->at < scan->end ? *scan->at : '\0';
}

static bool
scan_take(struct scan *scan, char want)
{
	if (scan_peek(scan) != want || scan->at == scan->end)
		return false;
	scan->at++;
	return true;
}

/* One \uXXXX below 0x80, as a character; anything above cannot be in a name of ours. */
static char
scan_unicode(struct scan *scan)
{
	char hex[5] = "";
	char *stop;
	long value;

	if (scan->end - scan->at < 4)
		return '\x7f';
	memcpy(hex, scan->at, 4);
	scan->at += 4;
	value = strtol(hex, &stop, 16);
	return *stop == '\0' && value > 0 && value < 0x7f ? (char)value : '\x7f';
}

/*
 * A string, its escapes undone, cut to the room there is. False: not a string. A cut
 * or foreign one ends in 0x7f somewhere, so that it equals nothing it should not.
 */
static bool
scan_string(struct scan *scan, char *ret_text, size_t size)
{
	size_t len = 0;
	char c;

	if (!scan_take(scan, '"'))
		return false;
	while (scan->at < scan->end && *scan->at != '"') {
		c = *scan->at++;
		if (c == '\\' && scan->at < scan->end) {
			c = *scan->at++;
			if (c == 'u')
				c = scan_unicode(scan);
			else if (c != '"' && c != '\\' && c != '/')
				c = '\x7f';
		}
		if (len < size - 1)
			ret_text[len++] = c != '\0' ? c : '\x7f';
		else
			ret_text[size - 2] = '\x7f';
	}
	ret_text[len] = '\0';
	return scan_take(scan, '"');
}

/* Any value. Brackets are only counted: Chrome tells whether they match. */
static bool
scan_skip(struct scan *scan)
{
	char text[8];
	int depth = 0;
	char c;

	do {
		c = scan_peek(scan);
		if (c == '\0')
			return false;
		if (c == '"') {
			if (!scan_string(scan, text, sizeof(text)))
				return false;
		} else if (c == '{' || c == '[') {
			depth++;
			scan->at++;
		} else if (c == '}' || c == ']') {
			if (depth-- == 0)
				return false;
			scan->at++;
		} else if (depth > 0 && (c == ',' || c == ':')) {
			scan->at++;
		} else {
			size_t len = strcspn(scan->at, ",:]}\" \t\r\n");

			if (len == 0)
				return false;
			scan->at += len;
		}
	} while (depth > 0);
	return true;
}

/* Chrome takes 7, 7.0 and 7e0 alike. */
static bool
scan_id(struct scan *scan, int32_t *ret_id)
{
	char *stop;
	double value;

	if (strchr("-0123456789", scan_peek(scan)) == NULL || scan->at == scan->end)
		return false;
	value = strtod(scan->at, &stop);
	if (stop == scan->at || !(value >= INT32_MIN && value <= INT32_MAX) ||
	    value != (double)(int32_t)value)
		return false;
	scan->at = stop;
	*ret_id = (int32_t)value;
	return true;
}

static const struct cdp_rule *
rule_find(const char *method)
{
	for (size_t i = 0; i < VS_COUNTOF(cdp_rules); i++) {
		if (strcmp(method, cdp_rules[i].method) == 0)
			return &cdp_rules[i];
	}
	return NULL;
}

/*
 * Nearly every message ends here: a method that a rule names stands in it with the
 * letters that all rules share, unless some are written as escapes.
 */
static bool
may_name_rule(const char *text, size_t len)
{
	return memmem(text, len, CDP_RULES_SHARE, strlen(CDP_RULES_SHARE)) != NULL ||
	       memchr(text, '\\', len) != NULL;
}

struct found {
	const struct cdp_rule *rule;
	bool has_id;
};

/* One member of the message. False: nothing sensible any more. */
static bool
scan_member(struct scan *scan, struct cdp_call *call, struct found *found)
{
	char key[16], method[32];

	if (!scan_string(scan, key, sizeof(key)) || !scan_take(scan, ':'))
		return false;
	if (strcmp(key, "method") == 0 && scan_peek(scan) == '"') {
		if (!scan_string(scan, method, sizeof(method)))
			return false;
		if (found->rule == NULL)
			found->rule = rule_find(method);
		return true;
	}
	if (strcmp(key, "sessionId") == 0 && scan_peek(scan) == '"')
		return scan_string(scan, call->session, sizeof(call->session));
	if (strcmp(key, "id") == 0 && scan_id(scan, &call->id)) {
		found->has_id = true;
		return true;
	}
	return scan_skip(scan);
}

void
cdp_policy_judge(const char *text, size_t len, struct cdp_call *ret_call)
{
	char copy[CDP_POLICY_MAX];
	struct scan scan = { .at = copy, .end = copy + len };
	struct found found = { .rule = NULL };

	assert(len < CDP_POLICY_MAX);
	*ret_call = (struct cdp_call){ .action = CDP_PASS };
	if (!may_name_rule(text, len))
		return;
	memcpy(copy, text, len);
	copy[len] = '\0'; /* for strtod and strcspn */
	if (!scan_take(&scan, '{'))
		return;
	do {
		if (!scan_member(&scan, ret_call, &found))
			return;
	} while (scan_take(&scan, ','));
	if (!scan_take(&scan, '}') || found.rule == NULL || !found.has_id)
		return;
	ret_call->action = found.rule->action;
	ret_call->method = found.rule->method;
}

/* Chrome's session ids are hexadecimal; what is not such a word is not echoed. */
static bool
session_ok(const char *session)
{
	return session[0] != '\0' && session[strspn(session, "0123456789ABCDEFabcdef")] == '\0';
}

int
cdp_policy_answer(const struct cdp_call *call, struct vs_buf *out)
{
	int rc;

	if (call->action == CDP_REFUSE)
		rc = vs_buf_printf(out,
		    "{\"id\":%d,\"error\":{\"code\":-32000,\"message\":\"%s is not allowed here\"}",
		    call->id, call->method);
	else
		rc = vs_buf_printf(out, "{\"id\":%d,\"result\":{}", call->id);
	if (rc == 0 && session_ok(call->session))
		rc = vs_buf_printf(out, ",\"sessionId\":\"%s\"", call->session);
	return rc < 0 ? rc : vs_buf_puts(out, "}");
}
