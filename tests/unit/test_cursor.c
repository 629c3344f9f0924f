/* SPDX-License-Identifier: Apache-2.0 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fcgi/cursor.h"
#include "lib/err.h"
#include "tests/support/tmpdir.h"

#define ID  "01JZZZZZZZZZZZZZZZZZZZZZZZ"
#define WS  "01JYYYYYYYYYYYYYYYYYYYYYYY"
#define WS2 "01JXXXXXXXXXXXXXXXXXXXXXXX"

struct fixture {
	char dir[TMPDIR_SIZE];
	struct vs_keyring *ring;
	struct cursor_scope scope;
};

static void
put_key(const struct fixture *fx, const char *kid, uint8_t fill)
{
	uint8_t bytes[VS_KEY_BYTES];
	char path[TMPDIR_SIZE + 40];
	int fd;

	memset(bytes, fill, sizeof(bytes));
	(void)snprintf(path, sizeof(path), "%s/%s.key", fx->dir, kid);
	fd = open(path, O_WRONLY | O_CREAT | O_EXCL, 0600);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, bytes, sizeof(bytes)), sizeof(bytes));
	(void)close(fd);
}

static void
load_keys(struct fixture *fx)
{
	struct vs_buf fault;

	vs_keyring_free(fx->ring);
	vs_buf_init(&fault, 1024);
	if (vs_keyring_load(fx->dir, &fault, &fx->ring) < 0)
		fail_msg("%s", vs_buf_str(&fault));
	vs_buf_fini(&fault);
	fx->scope = (struct cursor_scope){ fx->ring, "sessions", WS };
}

static int
setup(void **state)
{
	struct fixture *fx = calloc(1, sizeof(*fx));

	assert_non_null(fx);
	tmpdir_new(fx->dir);
	put_key(fx, "k1", 7);
	load_keys(fx);
	*state = fx;
	return 0;
}

static int
teardown(void **state)
{
	struct fixture *fx = *state;

	vs_keyring_free(fx->ring);
	tmpdir_remove(fx->dir);
	free(fx);
	return 0;
}

static const struct cursor place = { .key = INT64_C(1764586138123456), .id = ID };

static void
cursor_parse__gives_back_what_was_printed(void **state)
{
	struct fixture *fx = *state;
	char text[CURSOR_SIZE];
	struct cursor got;

	cursor_print(&fx->scope, &place, text);
	assert_int_equal(cursor_parse(&fx->scope, text, &got), 0);
	assert_true(got.key == place.key);
	assert_string_equal(got.id, ID);
}

static void
cursor_parse__fits_the_longest_kid(void **state)
{
	struct fixture *fx = *state;
	char text[CURSOR_SIZE];
	struct cursor got;

	put_key(fx, "z2345678901234567890123456789012", 9);
	load_keys(fx);
	cursor_print(&fx->scope, &place, text);
	assert_true(strlen(text) < CURSOR_SIZE);
	assert_int_equal(cursor_parse(&fx->scope, text, &got), 0);
}

static void
cursor_parse__takes_one_of_an_older_key(void **state)
{
	struct fixture *fx = *state;
	char text[CURSOR_SIZE];
	struct cursor got;

	cursor_print(&fx->scope, &place, text);
	put_key(fx, "k2", 8);
	load_keys(fx);
	assert_int_equal(cursor_parse(&fx->scope, text, &got), 0);
}

static void
cursor_parse__refuses_one_of_another_list_or_workspace(void **state)
{
	struct fixture *fx = *state;
	char text[CURSOR_SIZE];
	struct cursor got;

	cursor_print(&fx->scope, &place, text);
	fx->scope.list = "events";
	assert_int_equal(cursor_parse(&fx->scope, text, &got), VS_EINVAL);
	fx->scope.list = "sessions";
	fx->scope.workspace_id = WS2;
	assert_int_equal(cursor_parse(&fx->scope, text, &got), VS_EINVAL);
}

static void
cursor_parse__refuses_every_change(void **state)
{
	struct fixture *fx = *state;
	char text[CURSOR_SIZE], changed[CURSOR_SIZE + 1];
	struct cursor got;

	cursor_print(&fx->scope, &place, text);
	for (size_t i = 0; text[i] != '\0'; i++) {
		memcpy(changed, text, sizeof(text));
		changed[i] = changed[i] == 'A' ? 'B' : 'A';
		if (cursor_parse(&fx->scope, changed, &got) != VS_EINVAL)
			fail_msg("took %s", changed);
		memcpy(changed, text, i);
		changed[i] = '\0';
		if (cursor_parse(&fx->scope, changed, &got) != VS_EINVAL)
			fail_msg("took %s", changed);
	}
	(void)snprintf(changed, sizeof(changed), "%sA", text);
	assert_int_equal(cursor_parse(&fx->scope, changed, &got), VS_EINVAL);
	assert_int_equal(cursor_parse(&fx->scope, "!", &got), VS_EINVAL);
}

static void
cursor_parse__refuses_one_of_a_key_that_is_gone(void **state)
{
	struct fixture *fx = *state;
	char text[CURSOR_SIZE], path[TMPDIR_SIZE + 40];
	struct cursor got;

	cursor_print(&fx->scope, &place, text);
	put_key(fx, "k2", 8);
	(void)snprintf(path, sizeof(path), "%s/k1.key", fx->dir);
	assert_int_equal(unlink(path), 0);
	load_keys(fx);
	assert_int_equal(cursor_parse(&fx->scope, text, &got), VS_EINVAL);
}

int
main(void)
{
#define TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(cursor_parse__gives_back_what_was_printed),
		TEST(cursor_parse__fits_the_longest_kid),
		TEST(cursor_parse__takes_one_of_an_older_key),
		TEST(cursor_parse__refuses_one_of_another_list_or_workspace),
		TEST(cursor_parse__refuses_every_change),
		TEST(cursor_parse__refuses_one_of_a_key_that_is_gone),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
