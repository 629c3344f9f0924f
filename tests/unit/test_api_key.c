/* SPDX-License-Identifier: Apache-2.0 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <openssl/sha.h>
#include <string.h>

#include "lib/model/api_key.h"

#define KEY "vs_01JZZZZZZZZZZZZZZZZZZZZZZZ.abcdefghijABCDEFGHIJ0123456789ab"

static void
api_key_new__makes_a_key_that_splits(void **state)
{
	char key[API_KEY_SIZE], id[VS_ULID_SIZE];
	uint8_t sha256[32], want[32];
	struct api_key parts;
	const char *secret;

	(void)state;
	assert_int_equal(api_key_new(key, id, sha256), 0);
	assert_int_equal(strlen(key), API_KEY_SIZE - 1);
	secret = api_key_split(key, &parts);
	assert_non_null(secret);
	assert_int_equal(strlen(secret), API_KEY_SECRET_LEN);
	assert_string_equal(parts.id, id);
	assert_int_equal(strlen(parts.prefix), API_KEY_PREFIX_SIZE - 1);
	assert_memory_equal(parts.prefix, key, API_KEY_PREFIX_SIZE - 1);
	assert_null(strchr(parts.prefix, '.'));
	(void)SHA256((const uint8_t *)secret, API_KEY_SECRET_LEN, want);
	assert_memory_equal(sha256, want, sizeof(want));
}

static void
api_key_new__never_makes_the_same_twice(void **state)
{
	char a[API_KEY_SIZE], b[API_KEY_SIZE], id[VS_ULID_SIZE];
	uint8_t sha256[32];

	(void)state;
	assert_int_equal(api_key_new(a, id, sha256), 0);
	assert_int_equal(api_key_new(b, id, sha256), 0);
	assert_string_not_equal(strchr(a, '.'), strchr(b, '.'));
}

static void
api_key_split__refuses_every_other_shape(void **state)
{
	static const char *const bad[] = {
		"",
		"vs_",
		"vs_01JZZZZZZZZZZZZZZZZZZZZZZZ",
		"vs_01JZZZZZZZZZZZZZZZZZZZZZZZ.",
		"vs_01JZZZZZZZZZZZZZZZZZZZZZZZ.abcdefghijABCDEFGHIJ0123456789a",
		"vs_01JZZZZZZZZZZZZZZZZZZZZZZZ.abcdefghijABCDEFGHIJ0123456789abc",
		"vs_01JZZZZZZZZZZZZZZZZZZZZZZZ.abcdefghijABCDEFGHIJ0123456789a-",
		"vs_01JZZZZZZZZZZZZZZZZZZZZZZZ.abcdefghijABCDEFGHIJ0123456789a ",
		"vs_01JZZZZZZZZZZZZZZZZZZZZZZZ.abcdefghijABCDEFGHIJ0123456789a\xc3",
		"vs_01JZZZZZZZZZZZZZZZZZZZZZZZ_abcdefghijABCDEFGHIJ0123456789ab",
		"vs_01jzzzzzzzzzzzzzzzzzzzzzzz.abcdefghijABCDEFGHIJ0123456789ab",
		"vs_81JZZZZZZZZZZZZZZZZZZZZZZZ.abcdefghijABCDEFGHIJ0123456789ab",
		"VS_01JZZZZZZZZZZZZZZZZZZZZZZZ.abcdefghijABCDEFGHIJ0123456789ab",
		" " KEY,
		KEY ", " KEY,
	};
	struct api_key parts;

	(void)state;
	assert_non_null(api_key_split(KEY, &parts));
	for (size_t i = 0; i < VS_COUNTOF(bad); i++) {
		if (api_key_split(bad[i], &parts) != NULL)
			fail_msg("took \"%s\"", bad[i]);
	}
}

static void
api_role__parses_the_four_roles_only(void **state)
{
	(void)state;
	for (int i = ROLE_VIEWER; i <= ROLE_SYSTEM; i++)
		assert_int_equal(api_role_parse(api_role_text((enum api_role)i)), i);
	assert_int_equal(api_role_parse("none"), ROLE_NONE);
	assert_int_equal(api_role_parse("Admin"), ROLE_NONE);
	assert_int_equal(api_role_parse(NULL), ROLE_NONE);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(api_key_new__makes_a_key_that_splits),
		cmocka_unit_test(api_key_new__never_makes_the_same_twice),
		cmocka_unit_test(api_key_split__refuses_every_other_shape),
		cmocka_unit_test(api_role__parses_the_four_roles_only),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
