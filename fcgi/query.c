/* SPDX-License-Identifier: Apache-2.0 */
#include "fcgi/query.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "lib/buf.h"
#include "lib/err.h"
#include "lib/utf8.h"

static int
hex_digit(char c)
{
	static const char digits[] = "0123456789abcdef";
	const char *at = c == '\0' ? NULL : strchr(digits, tolower((unsigned char)c));

	return at != NULL ? (int)(at - digits) : -1;
}

/* len bytes of text without its escapes, in the arena. */
static int
unescape(struct vs_arena *arena, const char *text, size_t len, const char **ret_text)
{
	char *out = vs_arena_alloc(arena, len + 1);
	size_t made = 0;

	if (out == NULL)
		return VS_ENOMEM;
	for (size_t i = 0; i < len; i++) {
		int c = text[i] == '+' ? ' ' : (unsigned char)text[i];

		if (c == '%') {
			int high = i + 2 < len ? hex_digit(text[i + 1]) : -1;
			int low = high >= 0 ? hex_digit(text[i + 2]) : -1;

			if (low < 0)
				return VS_EINVAL;
			c = high * 16 + low;
			i += 2;
		}
		if (c < 0x20 || c == 0x7f)
			return VS_EINVAL;
		out[made++] = (char)c;
	}
	if (!vs_utf8_ok(out, made))
		return VS_EINVAL;
	*ret_text = out;
	return 0;
}

static int
parse_one(struct vs_arena *arena, const char *text, size_t len, struct query_param *ret_param)
{
	const char *equals = memchr(text, '=', len);
	size_t name_len = equals != NULL ? (size_t)(equals - text) : len;
	int rc;

	rc = unescape(arena, text, name_len, &ret_param->name);
	if (rc < 0)
		return rc;
	if (equals == NULL) {
		ret_param->value = "";
		return 0;
	}
	return unescape(arena, equals + 1, len - name_len - 1, &ret_param->value);
}

int
query_parse(struct vs_arena *arena, const char *text, struct query *ret_query)
{
	size_t len;
	int rc;

	ret_query->count = 0;
	for (; *text != '\0'; text += len + (text[len] == '&')) {
		len = strcspn(text, "&");
		if (len == 0)
			continue;
		if (ret_query->count == QUERY_MAX_PARAMS)
			return VS_EFULL;
		rc = parse_one(arena, text, len, &ret_query->param[ret_query->count]);
		if (rc < 0)
			return rc;
		ret_query->count++;
	}
	return 0;
}

static const struct query_rule *
find_rule(const struct query_rule *rules, size_t nrules, const char *name)
{
	for (size_t i = 0; i < nrules; i++) {
		size_t len = strlen(rules[i].name);

		if (rules[i].name[len - 1] == '.' ? strncmp(rules[i].name, name, len) == 0
						  : strcmp(rules[i].name, name) == 0)
			return &rules[i];
	}
	return NULL;
}

static bool
seen_before(const struct query *query, size_t index)
{
	for (size_t i = 0; i < index; i++) {
		if (strcmp(query->param[i].name, query->param[index].name) == 0)
			return true;
	}
	return false;
}

bool
query_check(const struct query *query, const struct query_rule *rules, size_t nrules, void *dst,
    struct vs_json_issues *issues)
{
	const size_t before = issues->count + issues->dropped;

	for (size_t i = 0; i < query->count; i++) {
		const struct query_param *param = &query->param[i];
		const struct query_rule *rule = find_rule(rules, nrules, param->name);
		const char *pointer = NULL;

		/* A name that is too long to be shown is spoken of as the whole. */
		if (strlen(param->name) <= 255)
			pointer = vs_json_pointer(issues->arena, "/query", param->name);
		if (pointer == NULL)
			pointer = "/query";
		if (rule == NULL)
			vs_json_issue(issues, pointer, "there is no such parameter");
		else if (!rule->repeatable && seen_before(query, i))
			vs_json_issue(issues, pointer, "may be given once only");
		else
			rule->take(dst, param, pointer, issues);
	}
	return issues->count + issues->dropped == before;
}

void
query_take_int(const struct query_param *param, int64_t min, int64_t max, const char *pointer,
    struct vs_json_issues *issues, int64_t *ret_value)
{
	const char *text = param->value;
	long long value;

	errno = 0;
	value = strtoll(text, NULL, 10);
	if (*text == '\0' || strspn(text, "0123456789") != strlen(text) || errno != 0 ||
	    value < min || value > max) {
		vs_json_issue(issues, pointer, "must be an integer from %lld to %lld",
		    (long long)min, (long long)max);
		return;
	}
	*ret_value = value;
}

/* Append text, escaped so that nothing of it can end a parameter or a header. */
static int
escape(struct vs_buf *out, const char *text)
{
	int rc = 0;

	for (; *text != '\0' && rc == 0; text++) {
		if (isalnum((unsigned char)*text) || strchr("-._~", *text) != NULL)
			rc = vs_buf_append(out, text, 1);
		else
			rc = vs_buf_printf(out, "%%%02X", (unsigned char)*text);
	}
	return rc;
}

static int
append_param(struct vs_buf *out, const char *name, const char *value)
{
	int rc;

	rc = vs_buf_len(out) > 0 ? vs_buf_puts(out, "&") : 0;
	if (rc == 0)
		rc = escape(out, name);
	if (rc == 0)
		rc = vs_buf_puts(out, "=");
	return rc == 0 ? escape(out, value) : rc;
}

const char *
query_with(struct vs_arena *arena, const struct query *query, const char *name, const char *value)
{
	struct vs_buf out;
	const char *text = NULL;
	int rc = 0;

	vs_buf_init(&out, 64 * 1024);
	for (size_t i = 0; i < query->count && rc == 0; i++) {
		if (strcmp(query->param[i].name, name) != 0)
			rc = append_param(&out, query->param[i].name, query->param[i].value);
	}
	if (rc == 0)
		rc = append_param(&out, name, value);
	if (rc == 0 && vs_buf_str(&out) != NULL)
		text = vs_arena_strdup(arena, vs_buf_str(&out));
	vs_buf_fini(&out);
	return text;
}
