/* SPDX-License-Identifier: Apache-2.0 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "lib/model/sess.h"
#include "reaperd/fact.h"
#include "reaperd/job.h"

static void
job__table_is_whole(void **state)
{
	(void)state;
	for (size_t i = 0; i < JOBS; i++) {
		assert_non_null(jobs[i].fn);
		assert_true(jobs[i].period_ms > 0 && jobs[i].budget_ms > 0);
		assert_int_equal(job_find(jobs[i].name), i);
	}
	assert_int_equal(job_find("nonsense"), JOBS);
	/* The clients of a cdpd that died are counted out within a second of its lease. */
	assert_true(jobs[JOB_leases].period_ms <= 1000);
	/* An agent that is silent three times is lost; a dead one is noticed at once. */
	assert_true(jobs[JOB_health].period_ms <= 5000);
}

/* Errors of an ERRORED session are those of the contract, and no others. */
static bool
is_error_code(const char *code)
{
	static const char *const codes[] = {
#define SESS_STATUS(name, final)
#define SESS_EVENT(name, text)
#define SESS_ERROR(code) #code,
#include "lib/model/sess.def"
#undef SESS_STATUS
#undef SESS_EVENT
#undef SESS_ERROR
	};

	for (size_t i = 0; i < VS_COUNTOF(codes); i++) {
		if (strcmp(code, codes[i]) == 0)
			return true;
	}
	return false;
}

static void
fact__verdicts_are_of_the_contract(void **state)
{
	(void)state;
	for (int end = VS_RUNTIME_STOPPED; end <= VS_RUNTIME_AGENT_LOST; end++) {
		const struct runtime_verdict *verdict = fact_verdict((enum vs_runtime_end)end);

		if (strcmp(verdict->event, "browser_closed") == 0) {
			assert_null(verdict->code);
			continue;
		}
		assert_string_equal(verdict->event, "fail");
		assert_true(is_error_code(verdict->code));
		assert_non_null(verdict->text);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(job__table_is_whole),
		cmocka_unit_test(fact__verdicts_are_of_the_contract),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
