/* SPDX-License-Identifier: Apache-2.0 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/clock.h"
#include "lib/err.h"
#include "lib/jsonio.h"
#include "lib/jsonscan.h"

enum kind { Y, N, TAKE, REFUSE };

static const struct {
	enum kind kind;
	const char *name, *text;
	size_t len;
} cases[] = {
#define CASE(kind, name, text) { kind, #name, text, sizeof(text) - 1 },
#include "tests/data/json_cases.def"
#undef CASE
};

static void
jsonscan__takes_what_is_json_and_nothing_else(void **state)
{
	(void)state;
	for (size_t i = 0; i < VS_COUNTOF(cases); i++) {
		bool good = cases[i].kind == Y || cases[i].kind == TAKE;
		struct json_object *obj = NULL;
		struct vs_json_fault fault;
		/* An exact copy, so that a sanitizer sees a read past the end. */
		char *copy = malloc(cases[i].len == 0 ? 1 : cases[i].len);
		int rc;

		assert_non_null(copy);
		memcpy(copy, cases[i].text, cases[i].len);
		rc = vs_json_parse(copy, cases[i].len, &fault, &obj);
		free(copy);
		if (good && rc != 0)
			fail_msg("%s: %d, %s at %zu", cases[i].name, rc, fault.what, fault.offset);
		if (!good && rc != VS_EINVAL && rc != VS_ETOOBIG)
			fail_msg("%s: %d", cases[i].name, rc);
		if (!good)
			assert_true(fault.offset <= cases[i].len && fault.what[0] != '\0');
		(void)json_object_put(obj);
	}
}

static const struct {
	const char *text;
	size_t offset;
	const char *what;
} faults[] = {
	{ "", 0, "the text ends too early" },
	{ "  [1, 2", 7, "the text ends too early" },
	{ "[1, ,2]", 4, "a value is expected" },
	{ "{\"a\":1,}", 7, "a member's name in double quotes is expected" },
	{ "{\"a\" 1}", 5, "':' is expected" },
	{ "{\"a\":1 2}", 7, "',' or '}' is expected" },
	{ "[1 2]", 3, "',' or ']' is expected" },
	{ "[1] x", 4, "the text goes on after its value" },
	{ "\xef\xbb\xbf[]", 0, "a byte order mark is not allowed" },
	{ "[\"ab\x01\"]", 4, "a raw control character" },
	{ "[\"ab\xff\"]", 4, "not valid UTF-8" },
	{ "[\"ab\\q\"]", 5, "an unknown escape" },
	{ "[\"ab\\u12x4\"]", 4, "\\u needs four hexadecimal digits" },
	{ "[\"ab\\u0000\"]", 4, "U+0000 is not allowed" },
	{ "[\"ab\\ud800x\"]", 4, "a lone surrogate" },
	{ "[\"ab\\udc00\"]", 4, "a lone surrogate" },
	{ "{\"a\":1, \"\\u0061\":2}", 8, "a member's name stands twice in one object" },
	{ "[1, 01]", 4, "a number has a leading zero" },
	{ "[1, 1.]", 6, "a digit is expected" },
	{ "[1, 1e400]", 4, "a number is out of range" },
	{ "[1, -9223372036854775809]", 4, "an integer does not fit into 64 bits" },
	{ "[1, tru]", 4, "a value is expected" },
};

static void
jsonscan__says_what_is_wrong_and_where(void **state)
{
	(void)state;
	for (size_t i = 0; i < VS_COUNTOF(faults); i++) {
		struct vs_json_fault fault;

		assert_int_equal(
		    vs_json_scan(faults[i].text, strlen(faults[i].text), &fault), VS_EINVAL);
		assert_string_equal(fault.what, faults[i].what);
		assert_int_equal(fault.offset, faults[i].offset);
	}
}

static void
jsonscan__refuses_depth_without_recursion(void **state)
{
	static char text[1000000];
	struct vs_json_fault fault;

	(void)state;
	memset(text, '[', sizeof(text));
	assert_int_equal(vs_json_scan(text, 5000, &fault), VS_ETOOBIG);
	assert_int_equal(fault.offset, VS_JSON_MAX_DEPTH);
	assert_string_equal(fault.what, "nested too deeply");
	assert_int_equal(vs_json_scan(text, sizeof(text), &fault), VS_ETOOBIG);
	for (size_t i = 0; i + 5 <= sizeof(text); i += 5)
		memcpy(text + i, "{\"a\":", 5);
	assert_int_equal(vs_json_scan(text, sizeof(text), &fault), VS_ETOOBIG);
	assert_int_equal(fault.offset, VS_JSON_MAX_DEPTH * 5);
}

static void
jsonscan__refuses_a_number_without_end(void **state)
{
	static char text[3000];
	struct vs_json_fault fault;

	(void)state;
	memset(text, '1', sizeof(text));
	text[1] = '.';
	assert_int_equal(vs_json_scan(text, 1024, &fault), 0);
	assert_int_equal(vs_json_scan(text, 1025, &fault), VS_EINVAL);
	assert_string_equal(fault.what, "a number is too long");
	assert_int_equal(vs_json_scan(text, sizeof(text), &fault), VS_EINVAL);
}

static void
jsonscan__refuses_a_text_past_what_json_c_counts(void **state)
{
	struct vs_json_fault fault;

	(void)state;
	assert_int_equal(vs_json_scan("[]", (size_t)INT_MAX + 1, &fault), VS_ETOOBIG);
	assert_string_equal(fault.what, "the text is too long");
}

/* An object of count members k0, k1, ...; with again, the first one comes last too. */
static char *
make_object(unsigned int count, bool again, size_t *ret_len)
{
	size_t room = (size_t)count * 24 + 64, at = 0;
	char *text = malloc(room);

	assert_non_null(text);
	text[at++] = '{';
	for (unsigned int i = 0; i < count; i++)
		at +=
		    (size_t)snprintf(text + at, room - at, "%s\"k%u\":%u", i > 0 ? "," : "", i, i);
	if (again)
		at += (size_t)snprintf(text + at, room - at, ",\"k\\u0030\":0");
	text[at++] = '}';
	*ret_len = at;
	return text;
}

static void
jsonscan__finds_a_duplicate_among_many(void **state)
{
	static const unsigned int counts[] = { 1, 31, 32, 33, 64, 65, 5000 };
	struct vs_json_fault fault;
	size_t len;

	(void)state;
	for (size_t i = 0; i < VS_COUNTOF(counts) * 2; i++) {
		bool again = i % 2 == 1;
		char *text = make_object(counts[i / 2], again, &len);

		assert_int_equal(vs_json_scan(text, len, &fault), again ? VS_EINVAL : 0);
		free(text);
	}
}

/* Generous, for slow machines and sanitizers; quadratic would be some 10^11 comparisons. */
static void
jsonscan__is_not_quadratic_in_members(void **state)
{
	struct vs_json_fault fault;
	size_t len;
	char *text = make_object(500000, false, &len);
	vs_msec start = vs_clock_mono_ms();

	(void)state;
	assert_int_equal(vs_json_scan(text, len, &fault), 0);
	assert_true(vs_clock_mono_ms() - start < 10000);
	free(text);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(jsonscan__takes_what_is_json_and_nothing_else),
		cmocka_unit_test(jsonscan__says_what_is_wrong_and_where),
		cmocka_unit_test(jsonscan__refuses_depth_without_recursion),
		cmocka_unit_test(jsonscan__refuses_a_number_without_end),
		cmocka_unit_test(jsonscan__refuses_a_text_past_what_json_c_counts),
		cmocka_unit_test(jsonscan__finds_a_duplicate_among_many),
		cmocka_unit_test(jsonscan__is_not_quadratic_in_members),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
