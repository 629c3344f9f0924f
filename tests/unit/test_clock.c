/* SPDX-License-Identifier: Apache-2.0 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "lib/clock.h"
#include "lib/err.h"

static const struct {
	int64_t ms;
	const char *text;
} pairs[] = {
	{ 0, "1970-01-01T00:00:00.000Z" },
	{ -1, "1969-12-31T23:59:59.999Z" },
	{ 951782400123, "2000-02-29T00:00:00.123Z" },
	{ 1796122138123, "2026-12-01T10:48:58.123Z" },
	{ 4107542400000, "2100-03-01T00:00:00.000Z" },
	{ -62167219200000, "0000-01-01T00:00:00.000Z" },
	{ 253402300799999, "9999-12-31T23:59:59.999Z" },
};

static void
clock_rfc3339__prints_what_parse_reads(void **state)
{
	char text[VS_RFC3339_SIZE];
	int64_t ms;

	(void)state;
	for (size_t i = 0; i < VS_COUNTOF(pairs); i++) {
		vs_clock_rfc3339(pairs[i].ms, text);
		assert_string_equal(text, pairs[i].text);
		assert_int_equal(vs_clock_rfc3339_parse(text, &ms), 0);
		assert_int_equal(ms, pairs[i].ms);
	}
}

static void
clock_rfc3339__clamps_to_four_digit_years(void **state)
{
	char text[VS_RFC3339_SIZE];

	(void)state;
	vs_clock_rfc3339(INT64_MAX, text);
	assert_string_equal(text, "9999-12-31T23:59:59.999Z");
	vs_clock_rfc3339(INT64_MIN, text);
	assert_string_equal(text, "0000-01-01T00:00:00.000Z");
}

static void
clock_rfc3339_parse__takes_every_form(void **state)
{
	static const struct {
		const char *text;
		int64_t ms;
	} rows[] = {
		{ "1970-01-01T00:00:00Z", 0 },
		{ "1970-01-01t00:00:00z", 0 },
		{ "1970-01-01T01:30:00+01:30", 0 },
		{ "1969-12-31T23:00:00-01:00", 0 },
		{ "1970-01-01T00:00:00-00:00", 0 },
		{ "1970-01-01T00:00:00.1Z", 100 },
		{ "1970-01-01T00:00:00.12Z", 120 },
		{ "1970-01-01T00:00:00.1239999999999999999999Z", 123 },
		{ "2016-12-31T23:59:60Z", 1483228800000 },
		{ "2017-01-01T00:59:60+01:00", 1483228800000 },
	};
	int64_t ms;

	(void)state;
	for (size_t i = 0; i < VS_COUNTOF(rows); i++) {
		if (vs_clock_rfc3339_parse(rows[i].text, &ms) != 0 || ms != rows[i].ms)
			fail_msg("%s", rows[i].text);
	}
}

static void
clock_rfc3339_parse__refuses_the_rest(void **state)
{
	static const char *const rows[] = { "", "1970", "1970-01-01", "1970-01-01T00:00:00",
		"1970-01-01 00:00:00Z", "1970-1-01T00:00:00Z", "1970-13-01T00:00:00Z",
		"1970-00-01T00:00:00Z", "1970-01-00T00:00:00Z", "1970-01-32T00:00:00Z",
		"2023-02-29T00:00:00Z", "2023-04-31T00:00:00Z", "1970-01-01T24:00:00Z",
		"1970-01-01T00:60:00Z", "1970-01-01T00:00:61Z", "1970-01-01T12:00:60Z",
		"1970-01-01T00:00:00.Z", "1970-01-01T00:00:00,5Z", "1970-01-01T00:00:00+24:00",
		"1970-01-01T00:00:00+01:60", "1970-01-01T00:00:00+0100", "1970-01-01T00:00:00+01",
		"1970-01-01T00:00:00Zx", "1970-01-01T00:00:00Z ", " 1970-01-01T00:00:00Z",
		"+970-01-01T00:00:00Z", "19700-01-01T00:00:00Z", "1970-01-01T00:00Z" };
	int64_t ms = 42;

	(void)state;
	for (size_t i = 0; i < VS_COUNTOF(rows); i++) {
		if (vs_clock_rfc3339_parse(rows[i], &ms) != VS_EINVAL || ms != 42)
			fail_msg("%s", rows[i]);
	}
}

static void
clock_mono_ms__never_goes_back(void **state)
{
	vs_msec before = vs_clock_mono_ms();

	(void)state;
	for (int i = 0; i < 1000; i++) {
		vs_msec now = vs_clock_mono_ms();

		assert_true(now >= before);
		before = now;
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(clock_rfc3339__prints_what_parse_reads),
		cmocka_unit_test(clock_rfc3339__clamps_to_four_digit_years),
		cmocka_unit_test(clock_rfc3339_parse__takes_every_form),
		cmocka_unit_test(clock_rfc3339_parse__refuses_the_rest),
		cmocka_unit_test(clock_mono_ms__never_goes_back),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
