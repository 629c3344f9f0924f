/* SPDX-License-Identifier: Apache-2.0 */
/*
 * reaperd killed at moments of chance, again and again, while sessions come and go:
 * no session may suffer, and nothing may be left.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/clock.h"
#include "tests/support/reaperd.h"
#include "tests/support/sql.h"

#define ROUNDS   24
#define LIVE_MAX 4

static struct reaperd rd;

static int
group_setup(void **state)
{
	(void)state;
	reaperd_setup(&rd, NULL, "max_starts = 2");
	return 0;
}

static int
group_teardown(void **state)
{
	(void)state;
	reaperd_teardown(&rd);
	return 0;
}

/* Up to max things that happen, or a fifth of a second without any. */
static void
some_turns(unsigned int *seed, int max)
{
	for (int n = rand_r(seed) % max; n > 0; n--)
		reaperd_turn(&rd);
}

static void
reaperd__survives_being_killed_anywhere(void **state)
{
	char ids[ROUNDS][VS_ULID_SIZE];
	const char *seed_text = getenv("VENTUS_TEST_SEED");
	unsigned int seed = seed_text != NULL ? (unsigned int)strtoul(seed_text, NULL, 10)
					      : (unsigned int)vs_clock_mono_ms();
	size_t oldest = 0;

	(void)state;
	print_message("VENTUS_TEST_SEED=%u\n", seed);
	for (size_t i = 0; i < ROUNDS; i++) {
		reaperd_spawn(&rd);
		some_turns(&seed, 12);
		reaperd_session(
		    &rd, i % 3 == 0 ? "fake orphan=1 ready=40" : "fake ready=40", ids[i]);
		some_turns(&seed, 12);
		if (i - oldest >= LIVE_MAX)
			reaperd_move(&rd, ids[oldest++], "release");
		some_turns(&seed, 12);
		reaperd_kill(&rd, SIGKILL);
	}
	reaperd_start(&rd);
	for (size_t i = 0; i < ROUNDS; i++) {
		if (i < oldest)
			reaperd_wait_status(&rd, ids[i], "COMPLETED");
		else
			reaperd_wait_status(&rd, ids[i], "RUNNING");
	}
	for (; oldest < ROUNDS; oldest++)
		reaperd_move(&rd, ids[oldest], "release");
	reaperd_wait(&rd, "all gone",
	    "SELECT NOT EXISTS (SELECT FROM ventus.runtime WHERE state <> 'GONE')");
	assert_true(reaperd_is_clean(&rd));
	assert_int_equal(sql_int(rd.conn, "SELECT count(*) FROM ventus.session"
					  " WHERE status <> 'COMPLETED'"),
	    0);
	assert_int_equal(reaperd_stop(&rd), 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reaperd__survives_being_killed_anywhere),
	};

	return cmocka_run_group_tests(tests, group_setup, group_teardown);
}
