/* SPDX-License-Identifier: Apache-2.0 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <sys/wait.h>
#include <unistd.h>

#include "fcgi/wait.h"

static void
wait_slots__lets_half_of_the_workers_wait(void **state)
{
	static const struct {
		int workers, may;
	} rows[] = { { 1, 0 }, { 2, 1 }, { 3, 1 }, { 4, 2 }, { 5, 2 }, { 64, 32 } };

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct wait_slots *slots = wait_slots_new(rows[i].workers);
		int taken = 0;

		assert_non_null(slots);
		for (int slot = 0; slot < rows[i].workers; slot++)
			taken += wait_slots_take(slots, slot);
		assert_int_equal(taken, rows[i].may);
		wait_slots_free(slots);
	}
}

static void
wait_slots__gives_a_place_back_once(void **state)
{
	struct wait_slots *slots = wait_slots_new(2);

	(void)state;
	assert_true(wait_slots_take(slots, 0));
	assert_false(wait_slots_take(slots, 1));
	wait_slots_give(slots, 0);
	wait_slots_give(slots, 0);
	assert_true(wait_slots_take(slots, 1));
	assert_false(wait_slots_take(slots, 0));
	wait_slots_free(slots);
}

static void
wait_slots__are_seen_by_every_process(void **state)
{
	struct wait_slots *slots = wait_slots_new(2);
	pid_t pid;
	int status = 0;

	(void)state;
	pid = fork();
	if (pid == 0)
		_exit(wait_slots_take(slots, 0) ? 0 : 1);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	assert_false(wait_slots_take(slots, 1)); /* it died with its place taken */
	wait_slots_give(slots, 0);               /* as the next one in its slot does */
	assert_true(wait_slots_take(slots, 1));
	wait_slots_free(slots);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(wait_slots__lets_half_of_the_workers_wait),
		cmocka_unit_test(wait_slots__gives_a_place_back_once),
		cmocka_unit_test(wait_slots__are_seen_by_every_process),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
