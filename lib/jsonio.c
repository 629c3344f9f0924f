/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/jsonio.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "lib/clock.h"
#include "lib/err.h"
#include "lib/utf8.h"

#define NAME_SHOWN_MAX 128 /* bytes of an unknown member's name in an issue */
#define ROWS_MAX       64  /* rows of one object: a bit each */

VS_DEFINE_AUTO(cleanup_tokener, struct json_tokener *, json_tokener_free)

int
vs_json_parse(
    const char *text, size_t len, struct vs_json_fault *fault, struct json_object **ret_obj)
{
	vs_auto(cleanup_tokener) struct json_tokener *tok = NULL;
	struct json_object *obj;
	int rc;

	rc = vs_json_scan(text, len, fault);
	if (rc < 0)
		return rc;
	/* json-c counts a level for the text itself and one for a scalar. */
	tok = json_tokener_new_ex(VS_JSON_MAX_DEPTH + 2);
	if (tok == NULL)
		return VS_ENOMEM;
	json_tokener_set_flags(tok, JSON_TOKENER_STRICT | JSON_TOKENER_VALIDATE_UTF8);
	obj = json_tokener_parse_ex(tok, text, (int)len);
	/* A number that ends the text might go on: the NUL says that it does not. */
	if (json_tokener_get_error(tok) == json_tokener_continue)
		obj = json_tokener_parse_ex(tok, "", 1);
	if (json_tokener_get_error(tok) != json_tokener_success) {
		*fault = (struct vs_json_fault){ .offset = json_tokener_get_parse_end(tok),
			.what = "the parser refuses it" };
		return VS_EINVAL;
	}
	*ret_obj = obj;
	return 0;
}

static void
issue_add(struct vs_json_issues *issues, const char *pointer, const char *detail)
{
	/* Out of arena: the fault still counts, its words are lost. */
	if (issues->count == VS_JSON_MAX_ISSUES || pointer == NULL || detail == NULL)
		issues->dropped++;
	else
		issues->item[issues->count++] =
		    (struct vs_json_issue){ .pointer = pointer, .detail = detail };
}

void
vs_json_issue(struct vs_json_issues *issues, const char *pointer, const char *fmt, ...)
{
	char detail[512];
	va_list args;

	if (issues->count == VS_JSON_MAX_ISSUES) {
		issues->dropped++;
		return;
	}
	va_start(args, fmt);
	(void)vsnprintf(detail, sizeof(detail), fmt, args); /* cut when longer */
	va_end(args);
	detail[vs_utf8_cut(detail, strlen(detail), sizeof(detail) - 4)] = '\0';
	issue_add(issues, vs_arena_strdup(issues->arena, pointer),
	    vs_arena_strdup(issues->arena, detail));
}

const char *
vs_json_pointer(struct vs_arena *arena, const char *parent, const char *name)
{
	size_t parent_len = strlen(parent), name_len = strlen(name);
	char *pointer = vs_arena_alloc(arena, parent_len + 2 * name_len + 2);
	char *to = pointer;

	if (pointer == NULL)
		return NULL;
	memcpy(to, parent, parent_len);
	to += parent_len;
	*to++ = '/';
	for (; *name != '\0'; name++) {
		if (*name == '~' || *name == '/') {
			*to++ = '~';
			*to++ = *name == '~' ? '0' : '1';
		} else {
			*to++ = *name;
		}
	}
	return pointer;
}

/* One value on its way into dst. */
struct check {
	const struct vs_json_field *field;
	struct json_object *value;
	const char *pointer; /* the value's own */
	void *dst;           /* the struct that has the member */
	struct vs_json_issues *issues;
};

static void *
check_slot(const struct check *check)
{
	return (char *)check->dst + check->field->offset;
}

static size_t
issue_total(const struct vs_json_issues *issues)
{
	return issues->count + issues->dropped;
}

static const char *
list_allowed(struct vs_arena *arena, const char *const *one_of)
{
	const char *text = vs_arena_strdup(arena, "must be one of ");

	for (size_t i = 0; text != NULL && one_of[i] != NULL; i++)
		text = vs_arena_printf(arena, "%s%s\"%s\"", text, i == 0 ? "" : ", ", one_of[i]);
	return text;
}

static bool
one_of_has(const char *const *one_of, const char *text)
{
	for (; *one_of != NULL; one_of++) {
		if (strcmp(*one_of, text) == 0)
			return true;
	}
	return false;
}

static void
check_str(const struct check *check)
{
	const struct vs_json_field *field = check->field;
	const char *text = json_object_get_string(check->value);
	size_t len = (size_t)json_object_get_string_len(check->value);
	int64_t count = (int64_t)vs_utf8_count(text, len);
	const char *copy;

	if (field->one_of != NULL && !one_of_has(field->one_of, text)) {
		issue_add(check->issues, check->pointer,
		    list_allowed(check->issues->arena, field->one_of));
		return;
	}
	if (count < field->min || (field->max != 0 && count > field->max)) {
		if (field->max == 0)
			vs_json_issue(check->issues, check->pointer,
			    "must have at least %" PRId64 " characters", field->min);
		else
			vs_json_issue(check->issues, check->pointer,
			    "must have %" PRId64 " to %" PRId64 " characters", field->min,
			    field->max);
		return;
	}
	copy = vs_arena_strndup(check->issues->arena, text, len);
	if (copy == NULL)
		vs_json_issue(check->issues, check->pointer, "is too large to be taken");
	*(const char **)check_slot(check) = copy;
}

static void
check_int(const struct check *check)
{
	const struct vs_json_field *field = check->field;
	int64_t num = json_object_get_int64(check->value);

	if ((field->min != 0 || field->max != 0) && (num < field->min || num > field->max)) {
		vs_json_issue(check->issues, check->pointer, "must be from %" PRId64 " to %" PRId64,
		    field->min, field->max);
		return;
	}
	*(int64_t *)check_slot(check) = num;
}

static void
check_bool(const struct check *check)
{
	*(bool *)check_slot(check) = json_object_get_boolean(check->value);
}

static void
check_obj(const struct check *check)
{
	(void)vs_json_check(check->value, check->pointer, check->field->sub, check->field->nsub,
	    check_slot(check), check->issues); /* its faults are in the issues */
}

static void
check_any(const struct check *check)
{
	*(struct json_object **)check_slot(check) = check->value;
}

static const struct {
	enum json_type type;
	const char *refusal;
	void (*store)(const struct check *check);
} types[] = {
	[VS_JSON_STR] = { json_type_string, "must be a string", check_str },
	[VS_JSON_INT] = { json_type_int, "must be an integer", check_int },
	[VS_JSON_BOOL] = { json_type_boolean, "must be true or false", check_bool },
	[VS_JSON_OBJ] = { json_type_object, "must be an object", check_obj },
	[VS_JSON_ANY] = { json_type_null, NULL, check_any },
};

static void
check_member(const struct check *check)
{
	const struct vs_json_field *field = check->field;
	size_t before = issue_total(check->issues);

	if (field->type != VS_JSON_ANY &&
	    json_object_get_type(check->value) != types[field->type].type) {
		issue_add(check->issues, check->pointer, types[field->type].refusal);
		return;
	}
	types[field->type].store(check);
	if (field->present != SIZE_MAX)
		*(bool *)((char *)check->dst + field->present) = true;
	if (field->custom != NULL && issue_total(check->issues) == before)
		field->custom(check->value, check->pointer, check->dst, check->issues);
}

static void
refuse_unknown(struct vs_json_issues *issues, const char *parent, const char *name)
{
	char shown[NAME_SHOWN_MAX + sizeof("...")];
	size_t len = strlen(name), cut = vs_utf8_cut(name, len, NAME_SHOWN_MAX);

	if (issues->count == VS_JSON_MAX_ISSUES) {
		issues->dropped++;
		return;
	}
	memcpy(shown, name, cut);
	memcpy(shown + cut, cut < len ? "..." : "", cut < len ? sizeof("...") : 1);
	issue_add(issues, vs_json_pointer(issues->arena, parent, shown),
	    vs_arena_printf(issues->arena, "there is no field \"%s\"", shown));
}

static const struct vs_json_field *
find_row(const struct vs_json_field *fields, size_t nfields, const char *name)
{
	for (size_t i = 0; i < nfields; i++) {
		if (strcmp(fields[i].name, name) == 0)
			return &fields[i];
	}
	return NULL;
}

bool
vs_json_check(struct json_object *obj, const char *pointer, const struct vs_json_field *fields,
    size_t nfields, void *dst, struct vs_json_issues *issues)
{
	size_t before = issue_total(issues);
	uint64_t seen = 0;

	assert(nfields <= ROWS_MAX);
	if (json_object_get_type(obj) != json_type_object) {
		issue_add(issues, vs_arena_strdup(issues->arena, pointer), "must be an object");
		return false;
	}
	json_object_object_foreach(obj, name, value)
	{
		const struct vs_json_field *field = find_row(fields, nfields, name);

		if (field == NULL) {
			refuse_unknown(issues, pointer, name);
		} else if (value != NULL || !field->nullable) {
			struct check check = {
				.field = field, .value = value, .dst = dst, .issues = issues
			};

			seen |= (uint64_t)1 << (field - fields);
			check.pointer = vs_json_pointer(issues->arena, pointer, name);
			if (check.pointer == NULL)
				issues->dropped++;
			else
				check_member(&check);
		}
	}
	for (size_t i = 0; i < nfields; i++) {
		if (fields[i].required && (seen >> i & 1) == 0)
			issue_add(issues, vs_json_pointer(issues->arena, pointer, fields[i].name),
			    "is required");
	}
	return issue_total(issues) == before;
}

const char *
vs_json_text(struct vs_arena *arena, struct json_object *obj, size_t *ret_len)
{
	size_t len;
	const char *text = json_object_to_json_string_length(
	    obj, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE, &len);
	const char *copy = text == NULL ? NULL : vs_arena_strndup(arena, text, len);

	if (copy != NULL)
		*ret_len = len;
	return copy;
}

void
vs_json_put(struct json_object *obj, const char *key, struct json_object *value, bool *oom)
{
	if (value == NULL) {
		*oom = true;
	} else if (json_object_object_add(obj, key, value) < 0) {
		(void)json_object_put(value); /* true when it was the last reference: it was */
		*oom = true;
	}
}

static void
put_null(struct json_object *obj, const char *key, bool *oom)
{
	if (json_object_object_add(obj, key, NULL) < 0)
		*oom = true;
}

void
vs_json_put_str(struct json_object *obj, const char *key, const char *value, bool *oom)
{
	if (value == NULL)
		put_null(obj, key, oom);
	else
		vs_json_put(obj, key, json_object_new_string(value), oom);
}

void
vs_json_put_int(struct json_object *obj, const char *key, int64_t value, bool *oom)
{
	vs_json_put(obj, key, json_object_new_int64(value), oom);
}

void
vs_json_put_bool(struct json_object *obj, const char *key, bool value, bool *oom)
{
	vs_json_put(obj, key, json_object_new_boolean(value), oom);
}

void
vs_json_put_time(struct json_object *obj, const char *key, int64_t wall_ms, bool *oom)
{
	char text[VS_RFC3339_SIZE];

	if (wall_ms == 0) {
		put_null(obj, key, oom);
		return;
	}
	vs_clock_rfc3339(wall_ms, text);
	vs_json_put_str(obj, key, text, oom);
}
