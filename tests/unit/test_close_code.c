/* SPDX-License-Identifier: Apache-2.0 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "cdpd/close_code.h"
#include "lib/model/sess.h"

static void
close_code__says_how_each_session_ended(void **state)
{
	static const struct {
		const char *status, *why;
		uint16_t code;
		const char *reason;
	} rows[] = {
		{ "COMPLETED", "client_release", 1000, "released" },
		{ "COMPLETED", "cdp_disconnect", 1000, "released" },
		{ "COMPLETED", "browser_closed", 1000, "released" },
		{ "COMPLETED", "workspace_suspended", 1000, "released" },
		{ "COMPLETED", "admin_force_stop", 4002, "force-stopped" },
		{ "COMPLETED", NULL, 1000, "released" },
		{ "EXPIRED", "timeout", 4001, "expired" },
		{ "ERRORED", "browser_crashed", 4003, "errored: browser_crashed" },
		{ "ERRORED", NULL, 4003, "errored: unknown" },
	};
	char reason[CLOSE_REASON_SIZE];
	uint16_t code;

	(void)state;
	for (size_t i = 0; i < VS_COUNTOF(rows); i++) {
		if (!close_code_find(rows[i].status, rows[i].why, &code, reason) ||
		    code != rows[i].code || strcmp(reason, rows[i].reason) != 0)
			fail_msg("%s/%s", rows[i].status, rows[i].why);
	}
}

static void
close_code__has_one_for_every_final_status_and_no_other(void **state)
{
	char reason[CLOSE_REASON_SIZE];
	uint16_t code;

	(void)state;
	for (int status = SESS_QUEUED; status <= SESS_ERRORED; status++)
		assert_int_equal(close_code_find(sess_status_text((enum sess_status)status), NULL,
				     &code, reason),
		    sess_status_final((enum sess_status)status));
	assert_false(close_code_find("", NULL, &code, reason));
}

static void
close_code__cuts_a_long_reason(void **state)
{
	char why[200], reason[CLOSE_REASON_SIZE];
	uint16_t code;

	(void)state;
	memset(why, 'x', sizeof(why) - 1);
	why[sizeof(why) - 1] = '\0';
	assert_true(close_code_find("ERRORED", why, &code, reason));
	assert_int_equal(strlen(reason), CLOSE_REASON_SIZE - 1);
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(close_code__says_how_each_session_ended),
		cmocka_unit_test(close_code__has_one_for_every_final_status_and_no_other),
		cmocka_unit_test(close_code__cuts_a_long_reason),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
