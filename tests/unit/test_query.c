/* SPDX-License-Identifier: Apache-2.0 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "fcgi/query.h"
#include "lib/err.h"

struct fixture {
	struct vs_arena arena;
	struct vs_json_issues issues;
	struct query query;
};

static int
setup(void **state)
{
	struct fixture *fx = calloc(1, sizeof(*fx));

	assert_non_null(fx);
	vs_arena_init(&fx->arena, 1024 * 1024);
	fx->issues.arena = &fx->arena;
	*state = fx;
	return 0;
}

static int
teardown(void **state)
{
	struct fixture *fx = *state;

	vs_arena_fini(&fx->arena);
	free(fx);
	return 0;
}

static void
query_parse__takes_parameters_apart(void **state)
{
	struct fixture *fx = *state;

	assert_int_equal(
	    query_parse(&fx->arena, "a=1&&b=%C3%A9+x%2by%26&label.k%3D=&c&=v&", &fx->query), 0);
	assert_int_equal(fx->query.count, 5);
	assert_string_equal(fx->query.param[0].name, "a");
	assert_string_equal(fx->query.param[0].value, "1");
	assert_string_equal(fx->query.param[1].value, "\xc3\xa9 x+y&");
	assert_string_equal(fx->query.param[2].name, "label.k=");
	assert_string_equal(fx->query.param[3].name, "c");
	assert_string_equal(fx->query.param[3].value, "");
	assert_string_equal(fx->query.param[4].name, "");
	assert_int_equal(query_parse(&fx->arena, "", &fx->query), 0);
	assert_int_equal(fx->query.count, 0);
}

static void
query_parse__refuses_what_is_no_text(void **state)
{
	static const char *const bad[] = { "a=%", "a=%4", "a=%zz", "%", "a=%00", "a=%0a", "a=%7f",
		"a=\x01", "a=%C3", "a=%ED%A0%80", "%FF=1", "a=%4\x80" };
	struct fixture *fx = *state;

	for (size_t i = 0; i < VS_COUNTOF(bad); i++) {
		if (query_parse(&fx->arena, bad[i], &fx->query) != VS_EINVAL)
			fail_msg("took %s", bad[i]);
	}
}

static void
query_parse__takes_a_hundred_parameters_and_no_more(void **state)
{
	struct fixture *fx = *state;
	char text[2 * (QUERY_MAX_PARAMS + 1) + 1];

	for (size_t i = 0; i <= QUERY_MAX_PARAMS; i++)
		memcpy(text + 2 * i, "a&", 3);
	assert_int_equal(query_parse(&fx->arena, text, &fx->query), VS_EFULL);
	text[2 * QUERY_MAX_PARAMS] = '\0';
	assert_int_equal(query_parse(&fx->arena, text, &fx->query), 0);
}

struct taken {
	int64_t num;
	int labels, repeats;
};

static void
take_num(
    void *dst, const struct query_param *param, const char *pointer, struct vs_json_issues *issues)
{
	query_take_int(param, 1, 200, pointer, issues, &((struct taken *)dst)->num);
}

static void
take_label(
    void *dst, const struct query_param *param, const char *pointer, struct vs_json_issues *issues)
{
	(void)param, (void)pointer, (void)issues;
	((struct taken *)dst)->labels++;
}

static void
take_repeat(
    void *dst, const struct query_param *param, const char *pointer, struct vs_json_issues *issues)
{
	(void)param, (void)pointer, (void)issues;
	((struct taken *)dst)->repeats++;
}

static const struct query_rule rules[] = {
	{ .name = "num", .take = take_num },
	{ .name = "label.", .take = take_label },
	{ .name = "r", .repeatable = true, .take = take_repeat },
};

static bool
check(struct fixture *fx, const char *text, struct taken *taken)
{
	fx->issues.count = 0;
	assert_int_equal(query_parse(&fx->arena, text, &fx->query), 0);
	return query_check(&fx->query, rules, VS_COUNTOF(rules), taken, &fx->issues);
}

static void
query_check__takes_what_the_rules_name(void **state)
{
	struct fixture *fx = *state;
	struct taken taken = { 0, 0, 0 };

	assert_true(check(fx, "num=200&label.a=1&label.b=2&r=1&r=1", &taken));
	assert_int_equal(taken.num, 200);
	assert_int_equal(taken.labels, 2);
	assert_int_equal(taken.repeats, 2);
}

static void
query_check__names_every_fault(void **state)
{
	static const struct {
		const char *text, *pointer;
	} bad[] = {
		{ "nums=1", "/query/nums" },
		{ "num=1&num=1", "/query/num" },
		{ "label=1", "/query/label" },
		{ "label.a=1&label.a=2", "/query/label.a" },
		{ "a/b=1", "/query/a~1b" },
		{ "num=", "/query/num" },
		{ "num=0", "/query/num" },
		{ "num=201", "/query/num" },
		{ "num=-1", "/query/num" },
		{ "num=+1", "/query/num" },
		{ "num=1.0", "/query/num" },
		{ "num=%201", "/query/num" },
		{ "num=99999999999999999999", "/query/num" },
		{ "=1", "/query/" },
	};
	struct fixture *fx = *state;
	struct taken taken;

	for (size_t i = 0; i < VS_COUNTOF(bad); i++) {
		if (check(fx, bad[i].text, &taken) || fx->issues.count != 1 ||
		    strcmp(fx->issues.item[0].pointer, bad[i].pointer) != 0)
			fail_msg("%s: %zu issues", bad[i].text, fx->issues.count);
	}
	assert_false(check(fx, "x=1&y=2&num=0", &taken));
	assert_int_equal(fx->issues.count, 3);
}

static void
query_with__replaces_one_and_escapes_all(void **state)
{
	struct fixture *fx = *state;

	assert_int_equal(
	    query_parse(&fx->arena, "limit=5&cursor=old&label.a=%22%3E%0&b=%20%3C", &fx->query),
	    VS_EINVAL);
	assert_int_equal(
	    query_parse(&fx->arena, "limit=5&cursor=old&label.a=%22%3E;&b=+%C3%A9", &fx->query), 0);
	assert_string_equal(query_with(&fx->arena, &fx->query, "cursor", "n-_w"),
	    "limit=5&label.a=%22%3E%3B&b=%20%C3%A9&cursor=n-_w");
}

int
main(void)
{
#define TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(query_parse__takes_parameters_apart),
		TEST(query_parse__refuses_what_is_no_text),
		TEST(query_parse__takes_a_hundred_parameters_and_no_more),
		TEST(query_check__takes_what_the_rules_name),
		TEST(query_check__names_every_fault),
		TEST(query_with__replaces_one_and_escapes_all),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
