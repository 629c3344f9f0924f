/* SPDX-License-Identifier: Apache-2.0 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "lib/model/sess.h"

static void
sess_status__parses_what_it_prints(void **state)
{
	(void)state;
	for (int i = SESS_QUEUED; i <= SESS_ERRORED; i++)
		assert_int_equal(sess_status_parse(sess_status_text((enum sess_status)i)), i);
	assert_int_equal(sess_status_parse("queued"), SESS_NO_STATUS);
	assert_int_equal(sess_status_parse(""), SESS_NO_STATUS);
	assert_int_equal(sess_status_parse("REQUEST_RELEASE"), SESS_NO_STATUS);
}

static void
sess_status__knows_the_final_ones(void **state)
{
	(void)state;
	assert_false(sess_status_final(SESS_QUEUED));
	assert_false(sess_status_final(SESS_PROVISIONING));
	assert_false(sess_status_final(SESS_RUNNING));
	assert_true(sess_status_final(SESS_COMPLETED));
	assert_true(sess_status_final(SESS_EXPIRED));
	assert_true(sess_status_final(SESS_ERRORED));
}

static void
sess_status_reached__counts_what_was_passed(void **state)
{
	static const struct {
		enum sess_status now, wanted;
		bool reached;
	} rows[] = {
		{ SESS_QUEUED, SESS_QUEUED, true },
		{ SESS_QUEUED, SESS_PROVISIONING, false },
		{ SESS_QUEUED, SESS_RUNNING, false },
		{ SESS_PROVISIONING, SESS_QUEUED, true },
		{ SESS_RUNNING, SESS_PROVISIONING, true },
		{ SESS_RUNNING, SESS_RUNNING, true },
		{ SESS_RUNNING, SESS_COMPLETED, false },
		{ SESS_RUNNING, SESS_ERRORED, false },
		{ SESS_ERRORED, SESS_RUNNING, true },
		{ SESS_COMPLETED, SESS_EXPIRED, true },
	};

	(void)state;
	for (size_t i = 0; i < VS_COUNTOF(rows); i++) {
		if (sess_status_reached(rows[i].now, rows[i].wanted) != rows[i].reached)
			fail_msg("%s wanted %s", sess_status_text(rows[i].now),
			    sess_status_text(rows[i].wanted));
	}
}

static void
sess_billable_seconds__rounds_running_time_up(void **state)
{
	static const struct {
		const char *name;
		enum sess_status status;
		int64_t running_at, expires_at, ended_at, now, want;
	} rows[] = {
		{ "never ran", SESS_COMPLETED, 0, 0, 5000, 9000, 0 },
		{ "runs for nothing", SESS_RUNNING, 1000, 99000, 0, 1000, 0 },
		{ "runs for a millisecond", SESS_RUNNING, 1000, 99000, 0, 1001, 1 },
		{ "runs for a second", SESS_RUNNING, 1000, 99000, 0, 2000, 1 },
		{ "runs for a little more", SESS_RUNNING, 1000, 99000, 0, 2001, 2 },
		{ "was released", SESS_COMPLETED, 1000, 99000, 3500, 50000, 3 },
		{ "expired, seen late", SESS_EXPIRED, 1000, 61000, 61900, 90000, 60 },
		{ "failed", SESS_ERRORED, 1000, 99000, 4000, 50000, 3 },
		{ "the clock went back", SESS_RUNNING, 5000, 99000, 0, 1000, 0 },
	};

	(void)state;
	for (size_t i = 0; i < VS_COUNTOF(rows); i++) {
		const struct sess sess = {
			.status = rows[i].status,
			.running_at = rows[i].running_at,
			.expires_at = rows[i].expires_at,
			.ended_at = rows[i].ended_at,
		};
		int64_t got = sess_billable_seconds(&sess, rows[i].now);

		if (got != rows[i].want)
			fail_msg("%s: %lld", rows[i].name, (long long)got);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sess_status__parses_what_it_prints),
		cmocka_unit_test(sess_status__knows_the_final_ones),
		cmocka_unit_test(sess_status_reached__counts_what_was_passed),
		cmocka_unit_test(sess_billable_seconds__rounds_running_time_up),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
