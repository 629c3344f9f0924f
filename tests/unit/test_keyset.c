/* SPDX-License-Identifier: Apache-2.0 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "lib/err.h"
#include "lib/keyset.h"

#define NAMES 1000

static char names[NAMES][8];

static int
make_names(void **state)
{
	(void)state;
	for (size_t i = 0; i < NAMES; i++)
		(void)snprintf(names[i], sizeof(names[i]), "n%zu", i);
	return 0;
}

static int
add(struct vs_keyset *set, uint32_t owner, const char *name)
{
	return vs_keyset_add(set, owner, (const uint8_t *)name, strlen(name));
}

static void
keyset__keeps_owners_apart(void **state)
{
	struct vs_keyset set;

	(void)state;
	vs_keyset_init(&set);
	assert_int_equal(add(&set, 1, "a"), 0);
	assert_int_equal(add(&set, 2, "a"), 0);
	assert_int_equal(add(&set, 2, ""), 0);
	assert_int_equal(add(&set, 2, "a"), VS_EEXIST);
	assert_int_equal(add(&set, 2, ""), VS_EEXIST);
	vs_keyset_close(&set, 2);
	assert_int_equal(add(&set, 2, "a"), 0);
	vs_keyset_close(&set, 2);
	assert_int_equal(add(&set, 1, "a"), VS_EEXIST);
	assert_int_equal(add(&set, 1, "b"), 0);
	vs_keyset_close(&set, 1);
	assert_int_equal(set.count, 0);
	vs_keyset_fini(&set);
}

/* Grows while an outer object is open, then closes: the outer one's names are all still there. */
static void
keyset__survives_growth_and_closing(void **state)
{
	struct vs_keyset set;

	(void)state;
	vs_keyset_init(&set);
	for (size_t i = 0; i < NAMES; i++) {
		assert_int_equal(add(&set, 1, names[i]), 0);
		for (size_t n = 0; n <= i % 50; n++)
			assert_int_equal(add(&set, 2, names[n]), 0);
		assert_int_equal(add(&set, 2, names[i % 50]), VS_EEXIST);
		vs_keyset_close(&set, 2);
	}
	for (size_t i = 0; i < NAMES; i++)
		assert_int_equal(add(&set, 1, names[i]), VS_EEXIST);
	assert_int_equal(set.count, NAMES);
	vs_keyset_close(&set, 1);
	for (size_t i = 0; i < 2 * (size_t)set.room; i++)
		assert_int_equal(set.slots[i], 0);
	vs_keyset_fini(&set);
}

/* So often that equal names of two owners sometimes lie in one run of slots. */
static void
keyset__tells_crowded_owners_apart(void **state)
{
	enum { EACH = VS_KEYSET_INLINE / 2 };
	struct vs_keyset set;

	(void)state;
	for (size_t first = 0; first + EACH <= NAMES; first++) {
		vs_keyset_init(&set);
		for (uint32_t owner = 1; owner <= 2; owner++) {
			for (size_t i = 0; i < EACH; i++)
				assert_int_equal(add(&set, owner, names[first + i]), 0);
		}
		for (uint32_t owner = 2; owner > 0; owner--) {
			for (size_t i = 0; i < EACH; i++)
				assert_int_equal(add(&set, owner, names[first + i]), VS_EEXIST);
			vs_keyset_close(&set, owner);
		}
		vs_keyset_fini(&set);
	}
}

/* Names of every length up to some words of the hash; none is taken for another. */
static void
keyset__tells_long_names_apart(void **state)
{
	static uint8_t text[3][64];
	struct vs_keyset set;

	(void)state;
	vs_keyset_init(&set);
	for (size_t i = 0; i < sizeof(text[0]); i++)
		text[0][i] = text[1][i] = text[2][i] = (uint8_t)('a' + i % 26);
	text[1][0] = '!'; /* differ in their first byte, */
	for (size_t len = 1; len <= sizeof(text[0]); len++) {
		text[2][len - 1] = '?'; /* or in their last ones */
		for (size_t i = 0; i < VS_COUNTOF(text); i++) {
			assert_int_equal(vs_keyset_add(&set, 1, text[i], len), 0);
			assert_int_equal(vs_keyset_add(&set, 1, text[i], len), VS_EEXIST);
		}
		vs_keyset_close(&set, 1);
	}
	vs_keyset_fini(&set);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(keyset__keeps_owners_apart),
		cmocka_unit_test(keyset__survives_growth_and_closing),
		cmocka_unit_test(keyset__tells_crowded_owners_apart),
		cmocka_unit_test(keyset__tells_long_names_apart),
	};

	return cmocka_run_group_tests(tests, make_names, NULL);
}
