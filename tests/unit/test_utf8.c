/* SPDX-License-Identifier: Apache-2.0 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "lib/utf8.h"

static bool
ok(const uint8_t *bytes, size_t len)
{
	return vs_utf8_ok((const char *)bytes, len);
}

/* Every code point there is goes out and comes back; surrogates written so do not. */
static void
utf8__takes_every_code_point_and_no_surrogate(void **state)
{
	uint8_t bytes[4];

	(void)state;
	for (uint32_t cp = 0; cp <= 0x10ffff; cp++) {
		size_t len = vs_utf8_put(cp, bytes);
		bool surrogate = cp >= 0xd800 && cp <= 0xdfff;

		assert_int_equal(vs_utf8_step(bytes, len), surrogate ? 0 : len);
		assert_int_equal(vs_utf8_step(bytes, len - 1), 0);
		assert_int_equal(vs_utf8_count((const char *)bytes, len), 1);
	}
}

/* All pairs of bytes: well-formed exactly when the second ends or follows the first. */
static void
utf8__refuses_every_ill_formed_pair(void **state)
{
	(void)state;
	for (unsigned int first = 0; first < 256; first++) {
		for (unsigned int second = 0; second < 256; second++) {
			uint8_t pair[2] = { (uint8_t)first, (uint8_t)second };
			bool two = first >= 0xc2 && first <= 0xdf && (second & 0xc0) == 0x80;

			assert_int_equal(ok(pair, 2), (first < 0x80 && second < 0x80) || two);
		}
	}
}

static void
utf8__refuses_overlong_and_too_great(void **state)
{
	static const char *const bad[] = {
		"\xc0\x80",
		"\xc1\xbf",
		"\xe0\x80\x80",
		"\xe0\x9f\xbf",
		"\xf0\x80\x80\x80",
		"\xf0\x8f\xbf\xbf",
		"\xed\xa0\x80",
		"\xed\xbf\xbf",
		"\xf4\x90\x80\x80",
		"\xf5\x80\x80\x80",
		"\xf8\x88\x80\x80\x80",
		"\xff",
		"\x80",
		"\xe2\x82",
		"\xe2\x28\xa1",
		"\xf0\x9f\x98",
		"\xf0\x9f\x28\x80",
		"a\xf0\x9f\x98\x28",
	};

	(void)state;
	for (size_t i = 0; i < VS_COUNTOF(bad); i++)
		assert_false(vs_utf8_ok(bad[i], strlen(bad[i])));
	assert_true(vs_utf8_ok("", 0));
	assert_true(vs_utf8_ok("a\0b", 3));
}

static void
utf8__cuts_between_code_points(void **state)
{
	static const char text[] = "a\xc3\xa9\xf0\x9f\x98\x80z";
	static const size_t cut[] = { 0, 1, 1, 3, 3, 3, 3, 7, 8, 8 };

	(void)state;
	for (size_t max = 0; max < VS_COUNTOF(cut); max++)
		assert_int_equal(vs_utf8_cut(text, strlen(text), max), cut[max]);
	assert_int_equal(vs_utf8_count(text, strlen(text)), 4);
}

static void
utf8__repairs_what_is_ill_formed(void **state)
{
	char text[] = "a\xc3\xa9\xc3(\xf0\x9f\x98\x80\xed\xa0\x80z\xe2\x82";

	(void)state;
	vs_utf8_repair(text, sizeof(text) - 1);
	assert_string_equal(text, "a\xc3\xa9?(\xf0\x9f\x98\x80???z??");
}

static void
utf8__knows_what_may_stand_in_a_header(void **state)
{
	static const struct {
		const char *text;
		bool want;
	} rows[] = {
		{ "", true },
		{ "Mozilla/5.0 ~", true },
		{ "\xc3\xa9 \xe2\x80\xa6 \xf0\x9f\x98\x80", true },
		{ "\xc2\xa0", true },
		{ "a\tb", false },
		{ "\x7f", false },
		{ "\xc2\x85", false },
		{ "\xe2\x80\xa8", false },
		{ "\xe2\x80\xa9", false },
		{ "\xff", false },
	};

	(void)state;
	for (size_t i = 0; i < VS_COUNTOF(rows); i++) {
		if (vs_utf8_printable(rows[i].text, strlen(rows[i].text)) != rows[i].want)
			fail_msg("row %zu", i);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(utf8__takes_every_code_point_and_no_surrogate),
		cmocka_unit_test(utf8__refuses_every_ill_formed_pair),
		cmocka_unit_test(utf8__refuses_overlong_and_too_great),
		cmocka_unit_test(utf8__cuts_between_code_points),
		cmocka_unit_test(utf8__repairs_what_is_ill_formed),
		cmocka_unit_test(utf8__knows_what_may_stand_in_a_header),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
