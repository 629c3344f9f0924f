/* SPDX-License-Identifier: Apache-2.0 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fcgi/cursor.h"
#include "lib/err.h"
#include "tests/support/keys.h"

#define ID  "01JZZZZZZZZZZZZZZZZZZZZZZZ"
#define WS  "01JYYYYYYYYYYYYYYYYYYYYYYY"
#define WS2 "01JXXXXXXXXXXXXXXXXXXXXXXX"

struct fixture {
	struct vs_keyring *ring;
	struct cursor_scope scope;
};

static void
load_keys(struct fixture *fx, const char *kids)
{
	vs_keyring_free(fx->ring);
	fx->ring = keys_new(kids);
	fx->scope = (struct cursor_scope){ fx->ring, "sessions", WS };
}

static int
setup(void **state)
{
	struct fixture *fx = calloc(1, sizeof(*fx));

	assert_non_null(fx);
	load_keys(fx, "k1");
	*state = fx;
	return 0;
}

static int
teardown(void **state)
{
	struct fixture *fx = *state;

	vs_keyring_free(fx->ring);
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

	load_keys(fx, "z2345678901234567890123456789012");
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
	load_keys(fx, "k1 k2");
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
	char text[CURSOR_SIZE];
	struct cursor got;

	cursor_print(&fx->scope, &place, text);
	load_keys(fx, "k2");
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
