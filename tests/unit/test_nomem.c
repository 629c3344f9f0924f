/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Each scenario runs again and again, with its first allocation failing, then its second
 * and so on until none fails: it says VS_ENOMEM (or NULL), and leaks and breaks nothing.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "lib/arena.h"
#include "lib/buf.h"
#include "lib/conf.h"
#include "lib/err.h"
#include "lib/scrub.h"

#define ALLOCATIONS_MAX 1000

static int left = -1; /* allocations that succeed before one fails; negative: all do */
static bool failed;

void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__real_realloc(void *old, size_t size);
char *__real_strdup(const char *text);
char *__real_strndup(const char *text, size_t len);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_realloc(void *old, size_t size);
char *__wrap_strdup(const char *text);
char *__wrap_strndup(const char *text, size_t len);

static bool
fails(void)
{
	bool now = left == 0;

	if (left >= 0)
		left--;
	failed |= now;
	return now;
}

void *
__wrap_malloc(size_t size)
{
	return fails() ? NULL : __real_malloc(size);
}

void *
__wrap_calloc(size_t count, size_t size)
{
	return fails() ? NULL : __real_calloc(count, size);
}

void *
__wrap_realloc(void *old, size_t size)
{
	return fails() ? NULL : __real_realloc(old, size);
}

char *
__wrap_strdup(const char *text)
{
	return fails() ? NULL : __real_strdup(text);
}

char *
__wrap_strndup(const char *text, size_t len)
{
	return fails() ? NULL : __real_strndup(text, len);
}

static int
use_buf(void)
{
	struct vs_buf buf;
	int rc;

	vs_buf_init(&buf, 10000);
	rc = vs_buf_puts(&buf, "start");
	for (int i = 0; i < 4 && rc == 0; i++) {
		size_t before = vs_buf_len(&buf);

		rc = vs_buf_printf(&buf, "%600d", i);
		if (rc < 0)
			assert_int_equal(vs_buf_len(&buf), before);
	}
	assert_true(vs_buf_len(&buf) == 0 || memcmp(vs_buf_data(&buf), "start", 5) == 0);
	vs_buf_fini(&buf);
	return rc;
}

static int
use_arena(void)
{
	struct vs_arena arena;
	bool ok = true;

	vs_arena_init(&arena, 1 << 20);
	for (int i = 0; i < 5 && ok; i++)
		ok = vs_arena_alloc(&arena, 3000) != NULL && vs_arena_alloc(&arena, 9000) != NULL &&
		     vs_arena_printf(&arena, "%d", i) != NULL;
	vs_arena_fini(&arena);
	return ok ? 0 : VS_ENOMEM;
}

static int
use_scrub(void)
{
	static const char text[] = "one token=a two password=b three";
	struct vs_buf out;
	int rc;

	vs_buf_init(&out, 1000);
	rc = vs_scrub_text(&out, text, strlen(text));
	assert_true(rc == 0 || vs_buf_len(&out) == 0);
	vs_buf_fini(&out);
	return rc;
}

static int
use_conf(void)
{
	static const char text[] = "[api]\nworkers = 3\n[platform]\nuser = u\n[region a]\n"
				   "egress_allow = 10.0.0.0/8\n[region b]\n";
	struct vs_conf *conf = NULL;
	struct vs_buf faults;
	int rc;

	vs_buf_init(&faults, 1000);
	rc = vs_conf_parse("f", text, strlen(text), &faults, &conf);
	assert_true(rc == 0 || conf == NULL);
	vs_conf_free(conf);
	vs_buf_fini(&faults);
	return rc;
}

/* Faults that find no memory are not told, but the file is refused. */
static int
use_conf_with_faults(void)
{
	struct vs_conf *conf = NULL;
	struct vs_buf faults;
	int rc;

	vs_buf_init(&faults, 1000);
	rc = vs_conf_parse("f", "[nope]\n", 7, &faults, &conf);
	assert_null(conf);
	vs_buf_fini(&faults);
	return rc == VS_ECONF ? 0 : rc;
}

static int
use_conf_load(void)
{
	struct vs_conf *conf = NULL;
	struct vs_buf faults;
	int rc;

	vs_buf_init(&faults, 1000);
	rc = vs_conf_load("/dev/null", &faults, &conf);
	assert_true(rc == 0 || conf == NULL);
	vs_conf_free(conf);
	vs_buf_fini(&faults);
	return rc;
}

/* The number of allocations that were made to fail. */
static int
run(int (*use)(void), bool may_hide)
{
	for (int i = 0; i < ALLOCATIONS_MAX; i++) {
		int rc;

		left = i;
		failed = false;
		rc = use();
		left = -1;
		if (!failed) {
			assert_int_equal(rc, 0);
			return i;
		}
		assert_true(rc == VS_ENOMEM || (may_hide && rc == 0));
	}
	fail_msg("still failing after %d allocations", ALLOCATIONS_MAX);
	return 0;
}

static void
nomem__is_an_error_code_everywhere(void **state)
{
	(void)state;
	assert_true(run(use_buf, false) >= 3);
	assert_true(run(use_arena, false) >= 5);
	assert_true(run(use_scrub, false) >= 1);
	assert_true(run(use_conf, false) > 10);
	assert_true(run(use_conf_load, false) > 10);
	assert_true(run(use_conf_with_faults, true) > 10);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nomem__is_an_error_code_everywhere),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
