/* SPDX-License-Identifier: Apache-2.0 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>

#include "reaperd/idset.h"

static void
idset__holds_each_id_once(void **state)
{
	struct idset set = { .ids = NULL };

	(void)state;
	assert_false(idset_has(&set, "a"));
	assert_false(idset_remove(&set, "a"));
	assert_int_equal(idset_add(&set, "a"), 0);
	assert_int_equal(idset_add(&set, "b"), 0);
	assert_int_equal(idset_add(&set, "a"), 0);
	assert_int_equal(set.count, 2);
	assert_true(idset_remove(&set, "a"));
	assert_false(idset_has(&set, "a"));
	assert_true(idset_has(&set, "b"));
	idset_fini(&set);
}

static void
idset__grows_and_is_cleared(void **state)
{
	struct idset set = { .ids = NULL };
	char id[VS_ULID_SIZE];

	(void)state;
	for (int i = 0; i < 100; i++) {
		(void)snprintf(id, sizeof(id), "%026d", i);
		assert_int_equal(idset_add(&set, id), 0);
	}
	assert_true(idset_has(&set, "00000000000000000000000099"));
	for (int i = 0; i < 100; i += 2) {
		(void)snprintf(id, sizeof(id), "%026d", i);
		assert_true(idset_remove(&set, id));
	}
	assert_int_equal(set.count, 50);
	assert_true(idset_has(&set, "00000000000000000000000099"));
	assert_false(idset_has(&set, "00000000000000000000000098"));
	idset_clear(&set);
	assert_int_equal(set.count, 0);
	idset_fini(&set);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(idset__holds_each_id_once),
		cmocka_unit_test(idset__grows_and_is_cleared),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
