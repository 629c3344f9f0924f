/* SPDX-License-Identifier: Apache-2.0 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/err.h"
#include "lib/jsonio.h"

struct size {
	int64_t width, height;
	bool has_height;
};

struct thing {
	const char *name, *kind;
	int64_t count;
	bool flag, has_flag, has_count;
	struct size size;
	bool has_size;
	struct json_object *labels;
	int64_t odd;
};

static void
check_labels(
    struct json_object *value, const char *pointer, void *dst, struct vs_json_issues *issues)
{
	struct thing *thing = dst;

	assert_ptr_equal(thing->labels, value);
	if (json_object_get_type(value) != json_type_object)
		vs_json_issue(issues, pointer, "must be an object of %d things", 1);
}

static void
check_odd(struct json_object *value, const char *pointer, void *dst, struct vs_json_issues *issues)
{
	const struct thing *thing = dst;

	(void)value;
	if (thing->odd % 2 == 0)
		vs_json_issue(issues, pointer, "must be odd");
}

static const char *const kinds[] = { "chrome", "rda", NULL };

#define AT(member) offsetof(struct thing, member)
#define IN(member) offsetof(struct size, member)
#define ALWAYS     SIZE_MAX

static const struct vs_json_field size_rows[] = {
	{ .name = "width",
	    .type = VS_JSON_INT,
	    .required = true,
	    .offset = IN(width),
	    .present = ALWAYS,
	    .min = 320,
	    .max = 3840 },
	{ .name = "height",
	    .type = VS_JSON_INT,
	    .offset = IN(height),
	    .present = IN(has_height),
	    .min = 240,
	    .max = 2160 },
};

static const struct vs_json_field rows[] = {
	{ .name = "name",
	    .type = VS_JSON_STR,
	    .required = true,
	    .offset = AT(name),
	    .present = ALWAYS,
	    .min = 1,
	    .max = 5 },
	{ .name = "kind",
	    .type = VS_JSON_STR,
	    .offset = AT(kind),
	    .present = ALWAYS,
	    .one_of = kinds },
	{ .name = "count",
	    .type = VS_JSON_INT,
	    .nullable = true,
	    .offset = AT(count),
	    .present = AT(has_count) },
	{ .name = "flag", .type = VS_JSON_BOOL, .offset = AT(flag), .present = AT(has_flag) },
	{ .name = "size",
	    .type = VS_JSON_OBJ,
	    .offset = AT(size),
	    .present = AT(has_size),
	    .sub = size_rows,
	    .nsub = VS_COUNTOF(size_rows) },
	{ .name = "labels",
	    .type = VS_JSON_ANY,
	    .offset = AT(labels),
	    .present = ALWAYS,
	    .custom = check_labels },
	{ .name = "long", .type = VS_JSON_STR, .offset = AT(kind), .present = ALWAYS, .min = 3 },
	{ .name = "odd",
	    .type = VS_JSON_INT,
	    .offset = AT(odd),
	    .present = ALWAYS,
	    .min = 1,
	    .max = 9,
	    .custom = check_odd },
	{ .name = "a/b~c", .type = VS_JSON_INT, .offset = AT(count), .present = ALWAYS },
};

struct fixture {
	struct vs_arena arena;
	struct vs_json_issues issues;
	struct json_object *obj;
	struct thing thing;
};

static int
setup(void **state)
{
	static struct fixture fix;

	fix = (struct fixture){ .obj = NULL };
	vs_arena_init(&fix.arena, 1 << 20);
	fix.issues.arena = &fix.arena;
	*state = &fix;
	return 0;
}

static int
teardown(void **state)
{
	struct fixture *fix = *state;

	(void)json_object_put(fix->obj);
	vs_arena_fini(&fix->arena);
	return 0;
}

static bool
check(struct fixture *fix, const char *text)
{
	struct vs_json_fault fault;

	(void)json_object_put(fix->obj);
	fix->obj = NULL;
	fix->thing = (struct thing){ .name = NULL };
	fix->issues.count = fix->issues.dropped = 0;
	assert_int_equal(vs_json_parse(text, strlen(text), &fault, &fix->obj), 0);
	return vs_json_check(fix->obj, "", rows, VS_COUNTOF(rows), &fix->thing, &fix->issues);
}

static void
jsonio_check__stores_what_is_right(void **state)
{
	struct fixture *fix = *state;

	assert_true(check(fix,
	    "{\"name\":\"\xc3\xa9\xf0\x9f\x98\x80\\u00e9\xe2\x82\xac.\",\"kind\":\"rda\",\"count\":"
	    "-7,"
	    "\"flag\":true,\"size\":{\"width\":320,\"height\":2160},\"labels\":{\"a\":\"b\"}}"));
	assert_string_equal(fix->thing.name, "\xc3\xa9\xf0\x9f\x98\x80\xc3\xa9\xe2\x82\xac.");
	assert_string_equal(fix->thing.kind, "rda");
	assert_int_equal(fix->thing.count, -7);
	assert_true(fix->thing.flag && fix->thing.has_flag && fix->thing.has_count);
	assert_true(fix->thing.has_size && fix->thing.size.has_height);
	assert_int_equal(fix->thing.size.width, 320);
	assert_int_equal(fix->thing.size.height, 2160);
	assert_non_null(fix->thing.labels);
	assert_int_equal(fix->issues.count, 0);
}

static void
jsonio_check__tells_absent_from_given(void **state)
{
	struct fixture *fix = *state;

	assert_true(check(fix, "{\"name\":\"x\",\"count\":null,\"size\":{\"width\":400}}"));
	assert_false(fix->thing.has_count || fix->thing.has_flag || fix->thing.size.has_height);
	assert_null(fix->thing.kind);
	assert_null(fix->thing.labels);
	assert_true(check(fix, "{\"name\":\"x\",\"count\":0,\"flag\":false}"));
	assert_true(fix->thing.has_count && fix->thing.has_flag);
}

/* One fault each: the body, the pointer, the sentence. */
static const struct {
	const char *text, *pointer, *detail;
} single[] = {
	{ "[]", "", "must be an object" },
	{ "null", "", "must be an object" },
	{ "\"x\"", "", "must be an object" },
	{ "{}", "/name", "is required" },
	{ "{\"name\":null}", "/name", "must be a string" },
	{ "{\"name\":1}", "/name", "must be a string" },
	{ "{\"name\":[\"x\"]}", "/name", "must be a string" },
	{ "{\"name\":\"\"}", "/name", "must have 1 to 5 characters" },
	{ "{\"name\":\"123456\"}", "/name", "must have 1 to 5 characters" },
	{ "{\"name\":\"\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\"}", "/name",
	    "must have 1 to 5 characters" },
	{ "{\"name\":\"x\",\"kind\":\"Chrome\"}", "/kind", "must be one of \"chrome\", \"rda\"" },
	{ "{\"name\":\"x\",\"kind\":\"\"}", "/kind", "must be one of \"chrome\", \"rda\"" },
	{ "{\"name\":\"x\",\"kind\":null}", "/kind", "must be a string" },
	{ "{\"name\":\"x\",\"count\":600.0}", "/count", "must be an integer" },
	{ "{\"name\":\"x\",\"count\":6e2}", "/count", "must be an integer" },
	{ "{\"name\":\"x\",\"count\":\"600\"}", "/count", "must be an integer" },
	{ "{\"name\":\"x\",\"count\":true}", "/count", "must be an integer" },
	{ "{\"name\":\"x\",\"flag\":1}", "/flag", "must be true or false" },
	{ "{\"name\":\"x\",\"flag\":\"true\"}", "/flag", "must be true or false" },
	{ "{\"name\":\"x\",\"flag\":null}", "/flag", "must be true or false" },
	{ "{\"name\":\"x\",\"size\":[]}", "/size", "must be an object" },
	{ "{\"name\":\"x\",\"size\":{}}", "/size/width", "is required" },
	{ "{\"name\":\"x\",\"size\":{\"width\":319}}", "/size/width", "must be from 320 to 3840" },
	{ "{\"name\":\"x\",\"size\":{\"width\":3841}}", "/size/width", "must be from 320 to 3840" },
	{ "{\"name\":\"x\",\"size\":{\"width\":400,\"hight\":1}}", "/size/hight",
	    "there is no field \"hight\"" },
	{ "{\"name\":\"x\",\"Name\":\"y\"}", "/Name", "there is no field \"Name\"" },
	{ "{\"name\":\"x\",\"\":1}", "/", "there is no field \"\"" },
	{ "{\"name\":\"x\",\"m~n/o\":1}", "/m~0n~1o", "there is no field \"m~n/o\"" },
	{ "{\"name\":\"x\",\"a/b~c\":\"\"}", "/a~1b~0c", "must be an integer" },
	{ "{\"name\":\"x\",\"long\":\"ab\"}", "/long", "must have at least 3 characters" },
	{ "{\"name\":\"x\",\"odd\":10}", "/odd", "must be from 1 to 9" },
	{ "{\"name\":\"x\",\"odd\":8}", "/odd", "must be odd" },
	{ "{\"name\":\"x\",\"labels\":[]}", "/labels", "must be an object of 1 things" },
};

static void
jsonio_check__names_the_fault_and_its_place(void **state)
{
	struct fixture *fix = *state;

	for (size_t i = 0; i < VS_COUNTOF(single); i++) {
		if (check(fix, single[i].text) || fix->issues.count != 1)
			fail_msg("%zu issues for %s", fix->issues.count, single[i].text);
		assert_string_equal(fix->issues.item[0].pointer, single[i].pointer);
		assert_string_equal(fix->issues.item[0].detail, single[i].detail);
	}
}

static void
jsonio_check__finds_all_faults(void **state)
{
	static const char *const pointers[] = { "/size/width", "/size/x", "/flag", "/y", "/name" };
	struct fixture *fix = *state;

	assert_false(check(fix, "{\"size\":{\"width\":1,\"x\":2},\"flag\":0,\"y\":0,\"count\":1}"));
	assert_int_equal(fix->issues.count, VS_COUNTOF(pointers));
	for (size_t i = 0; i < VS_COUNTOF(pointers); i++)
		assert_string_equal(fix->issues.item[i].pointer, pointers[i]);
	assert_int_equal(fix->thing.count, 1);
}

static void
jsonio_check__caps_issues_and_names(void **state)
{
	static char text[200000];
	struct fixture *fix = *state;
	size_t at = 0;

	at += (size_t)snprintf(text, sizeof(text), "{\"name\":\"x\",\"");
	memset(text + at, 'a', 1000);
	at += 1000;
	at += (size_t)snprintf(text + at, sizeof(text) - at, "\":0");
	for (int i = 1; i < 5000; i++)
		at += (size_t)snprintf(text + at, sizeof(text) - at, ",\"u%d\":0", i);
	(void)snprintf(text + at, sizeof(text) - at, "}");
	assert_false(check(fix, text));
	assert_int_equal(fix->issues.count, VS_JSON_MAX_ISSUES);
	assert_int_equal(fix->issues.dropped, 5000 - VS_JSON_MAX_ISSUES);
	assert_int_equal(strlen(fix->issues.item[0].pointer), 1 + 128 + 3);
	assert_string_equal(fix->issues.item[99].pointer, "/u99");
}

static void
jsonio_check__fails_when_the_arena_is_full(void **state)
{
	struct fixture *fix = *state;

	vs_arena_fini(&fix->arena);
	vs_arena_init(&fix->arena, 1);
	assert_false(check(fix, "{\"name\":\"x\"}"));
	assert_false(check(fix, "{\"name\":1}"));
	assert_false(check(fix, "{\"name\":\"x\",\"unknown\":1}"));
}

static void
jsonio_parse__keeps_values_whole(void **state)
{
	static const char text[] =
	    "{\"z\":1,\"a\":[0.1,-0.0,1E+2,9223372036854775807,-9223372036854775808,null],"
	    "\"s\":\"a/b\\\"\\\\\\n\\u0001\xc3\xa9\"}";
	struct fixture *fix = *state;
	struct vs_json_fault fault;
	const char *again;
	size_t len;

	assert_int_equal(vs_json_parse(text, sizeof(text) - 1, &fault, &fix->obj), 0);
	again = vs_json_text(&fix->arena, fix->obj, &len);
	assert_string_equal(again, text);
	assert_int_equal(len, sizeof(text) - 1);
	assert_string_equal(vs_json_text(&fix->arena, NULL, &len), "null");
	vs_arena_fini(&fix->arena);
	vs_arena_init(&fix->arena, 1);
	assert_null(vs_json_text(&fix->arena, fix->obj, &len));
}

static void
jsonio_put__makes_members(void **state)
{
	struct fixture *fix = *state;
	bool oom = false;
	size_t len;

	fix->obj = json_object_new_object();
	vs_json_put_str(fix->obj, "s", "a/\"b", &oom);
	vs_json_put_str(fix->obj, "n", NULL, &oom);
	vs_json_put_int(fix->obj, "i", INT64_MIN, &oom);
	vs_json_put_bool(fix->obj, "b", false, &oom);
	vs_json_put_time(fix->obj, "t", 1796122138123, &oom);
	vs_json_put_time(fix->obj, "never", 0, &oom);
	assert_false(oom);
	assert_string_equal(vs_json_text(&fix->arena, fix->obj, &len),
	    "{\"s\":\"a/\\\"b\",\"n\":null,\"i\":-9223372036854775808,\"b\":false,"
	    "\"t\":\"2026-12-01T10:48:58.123Z\",\"never\":null}");
	vs_json_put(fix->obj, "x", NULL, &oom);
	assert_true(oom);
}

#define JSON_TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		JSON_TEST(jsonio_check__stores_what_is_right),
		JSON_TEST(jsonio_check__tells_absent_from_given),
		JSON_TEST(jsonio_check__names_the_fault_and_its_place),
		JSON_TEST(jsonio_check__finds_all_faults),
		JSON_TEST(jsonio_check__caps_issues_and_names),
		JSON_TEST(jsonio_check__fails_when_the_arena_is_full),
		JSON_TEST(jsonio_parse__keeps_values_whole),
		JSON_TEST(jsonio_put__makes_members),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
