/* SPDX-License-Identifier: Apache-2.0 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "reaperd/reconcile.h"

#define TIMEOUT_MS 60000

static const char id_a[] = "01J9Z00000000000000000000A";
static const char id_b[] = "01J9Z00000000000000000000B";
static const char id_c[] = "01J9Z00000000000000000000C";

static struct runtime_row
row_of(const char *id, enum runtime_state state, int64_t age_ms)
{
	struct runtime_row row = { .state = state, .age_ms = age_ms };

	(void)snprintf(row.id, sizeof(row.id), "%s", id);
	return row;
}

static struct reconcile_seen
seen_of(const char *id, bool ready)
{
	struct reconcile_seen seen = { .ready = ready };

	(void)snprintf(seen.id, sizeof(seen.id), "%s", id);
	return seen;
}

static void
reconcile__has_an_answer_for_every_pair(void **state)
{
	static const struct {
		const char *name;
		enum runtime_state state;
		int64_t age_ms;
		bool there;
		enum reconcile_action want;
		int64_t next_ms;
	} cases[] = {
		{ "claimed, never started", RUNTIME_STARTING, 10, false, RECONCILE_START, 59990 },
		{ "starting", RUNTIME_STARTING, 100, true, RECONCILE_WATCH, 59900 },
		{ "late and there", RUNTIME_STARTING, TIMEOUT_MS, true, RECONCILE_LATE, -1 },
		{ "late and not there", RUNTIME_STARTING, TIMEOUT_MS + 1, false, RECONCILE_LATE,
		    -1 },
		{ "a moment before late", RUNTIME_STARTING, TIMEOUT_MS - 1, true, RECONCILE_WATCH,
		    1 },
		{ "ready and there", RUNTIME_READY, 10, true, RECONCILE_NOTHING, -1 },
		{ "ready for long", RUNTIME_READY, TIMEOUT_MS * 9, true, RECONCILE_NOTHING, -1 },
		{ "ready and lost", RUNTIME_READY, 10, false, RECONCILE_LOST, -1 },
		{ "stopping and there", RUNTIME_STOPPING, 10, true, RECONCILE_STOP, -1 },
		{ "stopped", RUNTIME_STOPPING, TIMEOUT_MS * 9, false, RECONCILE_GONE, -1 },
	};

	(void)state;
	for (size_t i = 0; i < VS_COUNTOF(cases); i++) {
		struct runtime_row row = row_of(id_a, cases[i].state, cases[i].age_ms);
		struct reconcile_seen seen = seen_of(id_a, false);
		struct reconcile_world world = { .rows = &row,
			.nrows = 1,
			.seen = &seen,
			.nseen = cases[i].there,
			.provision_timeout_ms = TIMEOUT_MS };
		struct reconcile_step steps[2];
		int64_t next_ms;
		size_t n = reconcile(&world, steps, &next_ms);
		enum reconcile_action got = n == 0 ? RECONCILE_NOTHING : steps[0].action;

		if (got != cases[i].want || next_ms != cases[i].next_ms)
			fail_msg("%s: %s, next %lld", cases[i].name, reconcile_action_text(got),
			    (long long)next_ms);
		if (n > 0)
			assert_ptr_equal(steps[0].row, &row);
	}
}

static void
reconcile__stops_what_no_row_wants(void **state)
{
	struct runtime_row row = row_of(id_b, RUNTIME_READY, 5);
	struct reconcile_seen seen[] = { seen_of(id_a, true), seen_of(id_b, true),
		seen_of(id_c, false) };
	struct reconcile_world world = { .rows = &row,
		.nrows = 1,
		.seen = seen,
		.nseen = 3,
		.provision_timeout_ms = TIMEOUT_MS };
	struct reconcile_step steps[4];
	int64_t next_ms;

	(void)state;
	assert_int_equal(reconcile(&world, steps, &next_ms), 2);
	assert_int_equal(steps[0].action, RECONCILE_STOP);
	assert_string_equal(steps[0].id, id_a);
	assert_null(steps[0].row);
	assert_int_equal(steps[1].action, RECONCILE_STOP);
	assert_string_equal(steps[1].id, id_c);
}

static void
reconcile__merges_rows_and_runtimes_by_id(void **state)
{
	struct runtime_row rows[] = { row_of(id_a, RUNTIME_READY, 5),
		row_of(id_b, RUNTIME_STOPPING, 5), row_of(id_c, RUNTIME_STARTING, 5) };
	struct reconcile_seen seen[] = { seen_of(id_b, true) };
	struct reconcile_world world = { .rows = rows,
		.nrows = 3,
		.seen = seen,
		.nseen = 1,
		.provision_timeout_ms = TIMEOUT_MS };
	struct reconcile_step steps[4];
	int64_t next_ms;

	(void)state;
	assert_int_equal(reconcile(&world, steps, &next_ms), 3);
	assert_int_equal(steps[0].action, RECONCILE_LOST);
	assert_int_equal(steps[1].action, RECONCILE_STOP);
	assert_int_equal(steps[2].action, RECONCILE_START);
	assert_int_equal(next_ms, TIMEOUT_MS - 5);
}

static void
reconcile__tells_when_the_first_start_is_late(void **state)
{
	struct runtime_row rows[] = { row_of(id_a, RUNTIME_STARTING, 100),
		row_of(id_b, RUNTIME_STARTING, 59000), row_of(id_c, RUNTIME_STARTING, 700) };
	struct reconcile_seen seen[] = { seen_of(id_a, false), seen_of(id_b, false),
		seen_of(id_c, false) };
	struct reconcile_world world = { .rows = rows,
		.nrows = 3,
		.seen = seen,
		.nseen = 3,
		.provision_timeout_ms = TIMEOUT_MS };
	struct reconcile_step steps[6];
	int64_t next_ms;

	(void)state;
	assert_int_equal(reconcile(&world, steps, &next_ms), 3);
	assert_int_equal(next_ms, 1000);
}

static void
reconcile__does_nothing_in_an_empty_world(void **state)
{
	struct reconcile_world world = { .provision_timeout_ms = TIMEOUT_MS };
	int64_t next_ms = 7;

	(void)state;
	assert_int_equal(reconcile(&world, NULL, &next_ms), 0);
	assert_int_equal(next_ms, -1);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reconcile__has_an_answer_for_every_pair),
		cmocka_unit_test(reconcile__stops_what_no_row_wants),
		cmocka_unit_test(reconcile__merges_rows_and_runtimes_by_id),
		cmocka_unit_test(reconcile__tells_when_the_first_start_is_late),
		cmocka_unit_test(reconcile__does_nothing_in_an_empty_world),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
