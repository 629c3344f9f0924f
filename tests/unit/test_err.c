/* SPDX-License-Identifier: Apache-2.0 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <string.h>

#include "lib/base.h"
#include "lib/err.h"

static const int codes[] = {
#define ERR(name, value, text) value,
#include "lib/err.def"
#undef ERR
};

static void
err_text__is_different_for_every_code(void **state)
{
	(void)state;
	for (size_t i = 0; i < VS_COUNTOF(codes); i++) {
		assert_true(codes[i] < 0);
		assert_true(strlen(vs_err_text(codes[i])) > 0);
		assert_string_not_equal(vs_err_text(codes[i]), vs_err_text(1));
		for (size_t j = 0; j < i; j++) {
			assert_int_not_equal(codes[i], codes[j]);
			assert_string_not_equal(vs_err_text(codes[i]), vs_err_text(codes[j]));
		}
	}
	assert_string_equal(vs_err_text(VS_OK), "success");
	assert_string_equal(vs_err_text(-9999), "unknown error");
}

static void
err_from_errno__is_never_success(void **state)
{
	(void)state;
	assert_int_equal(vs_err_from_errno(ENOENT), VS_ENOENT);
	assert_int_equal(vs_err_from_errno(EMFILE), VS_EFULL);
	assert_int_equal(vs_err_from_errno(EACCES), VS_EPERM);
	for (int errnum = 0; errnum < 200; errnum++)
		assert_true(vs_err_from_errno(errnum) < 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(err_text__is_different_for_every_code),
		cmocka_unit_test(err_from_errno__is_never_success),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
