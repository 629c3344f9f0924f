/* SPDX-License-Identifier: Apache-2.0 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "lib/err.h"
#include "lib/pq.h"

static const char *
value_of(const struct vs_pq_conninfo *info, const char *keyword)
{
	for (size_t i = 0; info->keywords[i] != NULL; i++) {
		if (strcmp(info->keywords[i], keyword) == 0)
			return info->values[i];
	}
	fail_msg("no %s", keyword);
	return NULL;
}

static void
pq_conninfo__adds_only_what_is_not_said(void **state)
{
	static const char *const forms[] = { "host=/run/pg dbname=v connect_timeout=9",
		"postgresql:///v?host=/run/pg&connect_timeout=9" };
	struct vs_pq_conninfo info;

	(void)state;
	for (size_t i = 0; i < VS_COUNTOF(forms); i++) {
		assert_int_equal(vs_pq_conninfo(forms[i], &info), 0);
		assert_string_equal(value_of(&info, "host"), "/run/pg");
		assert_string_equal(value_of(&info, "dbname"), "v");
		assert_string_equal(value_of(&info, "connect_timeout"), "9");
		assert_string_equal(value_of(&info, "tcp_user_timeout"), "10000");
		assert_string_equal(value_of(&info, "keepalives_idle"), "10");
		assert_string_equal(value_of(&info, "application_name"), "ventus");
		assert_null(value_of(&info, "password"));
		vs_pq_conninfo_fini(&info);
	}
	assert_int_equal(vs_pq_conninfo("nonsense", &info), VS_EINVAL);
	assert_int_equal(vs_pq_conninfo("colour=blue", &info), VS_EINVAL);
}

static void
pq_args__writes_each_type_as_libpq_wants_it(void **state)
{
	static const uint8_t bytes[] = { 0, 1 };
	const struct vs_stmt stmt = { .name = "t", .nparams = 6 };
	const struct vs_arg in[] = { VS_TEXT("text"), VS_INT(INT64_MIN), VS_BOOL(true),
		VS_BOOL(false), VS_BYTES(bytes, 2), VS_TEXT(NULL) };
	struct vs_pq_args out;

	(void)state;
	assert_int_equal(vs_pq_args(&stmt, in, 6, &out), 0);
	assert_int_equal(out.count, 6);
	assert_string_equal(out.value[0], "text");
	assert_string_equal(out.value[1], "-9223372036854775808");
	assert_string_equal(out.value[2], "t");
	assert_string_equal(out.value[3], "f");
	assert_ptr_equal(out.value[4], bytes);
	assert_int_equal(out.length[4], 2);
	assert_int_equal(out.format[4], 1);
	assert_null(out.value[5]);
}

static void
pq_args__refuses_another_count_and_too_many_bytes(void **state)
{
	struct vs_stmt stmt = { .name = "t", .nparams = 1 };
	const struct vs_arg big = VS_BYTES("", (size_t)1 << 31);
	struct vs_pq_args out;

	(void)state;
	assert_int_equal(vs_pq_args(&stmt, &big, 0, &out), VS_EDBBUG);
	assert_int_equal(vs_pq_args(&stmt, &big, 2, &out), VS_EDBBUG);
	assert_int_equal(vs_pq_args(&stmt, &big, 1, &out), VS_ETOOBIG);
	stmt.nparams = VS_DB_MAX_ARGS + 1;
	assert_int_equal(vs_pq_args(&stmt, &big, VS_DB_MAX_ARGS + 1, &out), VS_EDBBUG);
}

static void
pq_channel__is_a_plain_name(void **state)
{
	static const char *const good[] = { "a", "ventus_session", "_x9" };
	static const char *const bad[] = { "", "9x", "A", "a b", "a\"", "a;b", "\xc3\xa9",
		"a234567890123456789012345678901234567890123456789012345678901234" };

	(void)state;
	for (size_t i = 0; i < VS_COUNTOF(good); i++)
		assert_true(vs_pq_channel_ok(good[i]));
	for (size_t i = 0; i < VS_COUNTOF(bad); i++)
		assert_false(vs_pq_channel_ok(bad[i]));
}

static const struct {
	const char *state;
	int want;
} states[] = {
	{ "23505", VS_EEXIST },
	{ "23503", VS_ESTATE },
	{ "23514", VS_EINVAL },
	{ "23502", VS_EINVAL },
	{ "22P02", VS_EINVAL },
	{ "40001", VS_ERACED },
	{ "40P01", VS_ERACED },
	{ "55P03", VS_ERACED },
	{ "26000", VS_ERACED },
	{ "42501", VS_EFORBIDDEN },
	{ "57014", VS_ETIMEDOUT },
	{ "57P01", VS_EDB },
	{ "57P03", VS_EDB },
	{ "08006", VS_EDB },
	{ "28P01", VS_EDB },
	{ "53300", VS_EDB },
	{ "25006", VS_EDB },
	{ "42P01", VS_EDBBUG },
	{ "42601", VS_EDBBUG },
	{ "XX000", VS_EDBBUG },
	{ "P0001", VS_EDBBUG },
	{ "", VS_EDBBUG },
	{ NULL, VS_EDB },
};

static void
db_map_sqlstate__knows_what_callers_can_act_on(void **state)
{
	(void)state;
	for (size_t i = 0; i < VS_COUNTOF(states); i++) {
		if (vs_db_map_sqlstate(states[i].state) != states[i].want)
			fail_msg("%s", states[i].state);
	}
}

static PGresult *
result(ExecStatusType status)
{
	PGresult *res = PQmakeEmptyPGresult(NULL, status);

	assert_non_null(res);
	return res;
}

/* Results made by hand: what a pipeline gives when a step fails. */
static void
pq_take__forgets_what_was_not_prepared(void **state)
{
	const struct vs_stmt one = { .name = "one" }, two = { .name = "two" };
	struct vs_pq_prepared prepared = { .count = 2, .stmt = { &one, &two } };
	struct vs_pq_exchange exchange = {
		.stmt = &two, .npreparing = 2, .preparing = { &one, &two }
	};
	char errtext[VS_PQ_ERRTEXT_SIZE];
	PGresult *res = NULL;

	(void)state;
	assert_false(vs_pq_take(&exchange, &prepared, result(PGRES_COMMAND_OK)));
	assert_false(vs_pq_take(&exchange, &prepared, NULL));
	assert_false(vs_pq_take(&exchange, &prepared, result(PGRES_FATAL_ERROR)));
	assert_false(vs_pq_take(&exchange, &prepared, result(PGRES_PIPELINE_ABORTED)));
	assert_true(vs_pq_take(&exchange, &prepared, result(PGRES_PIPELINE_SYNC)));
	assert_int_equal(prepared.count, 1);
	assert_ptr_equal(prepared.stmt[0], &one);
	assert_int_equal(vs_pq_verdict(&exchange, &res, errtext), VS_EDB);
	assert_null(res);
	vs_pq_exchange_fini(&exchange);
}

static void
pq_take__does_not_wait_for_ever_for_a_sync(void **state)
{
	const struct vs_stmt stmt = { .name = "t", .rows = VS_ROWS_NONE };
	struct vs_pq_prepared prepared = { .count = 0 };
	struct vs_pq_exchange exchange = { .stmt = &stmt };
	char errtext[VS_PQ_ERRTEXT_SIZE];
	PGresult *res = NULL;
	int n = 0;

	(void)state;
	while (!vs_pq_take(&exchange, &prepared, NULL))
		assert_true(++n < 100);
	assert_int_equal(vs_pq_verdict(&exchange, &res, errtext), VS_EDBBUG);
	assert_string_equal(errtext, "t: no answer");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(pq_conninfo__adds_only_what_is_not_said),
		cmocka_unit_test(pq_args__writes_each_type_as_libpq_wants_it),
		cmocka_unit_test(pq_args__refuses_another_count_and_too_many_bytes),
		cmocka_unit_test(pq_channel__is_a_plain_name),
		cmocka_unit_test(db_map_sqlstate__knows_what_callers_can_act_on),
		cmocka_unit_test(pq_take__forgets_what_was_not_prepared),
		cmocka_unit_test(pq_take__does_not_wait_for_ever_for_a_sync),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
