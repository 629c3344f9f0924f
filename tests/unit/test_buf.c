/* SPDX-License-Identifier: Apache-2.0 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "lib/buf.h"
#include "lib/err.h"

static void
buf_append__fails_whole_past_the_cap(void **state)
{
	struct vs_buf buf;

	(void)state;
	vs_buf_init(&buf, 8);
	assert_int_equal(vs_buf_puts(&buf, "12345"), 0);
	assert_int_equal(vs_buf_puts(&buf, "6789"), VS_EFULL);
	assert_string_equal(vs_buf_str(&buf), "12345");
	assert_int_equal(vs_buf_puts(&buf, "678"), 0);
	assert_int_equal(vs_buf_room(&buf), 0);
	assert_string_equal(vs_buf_str(&buf), "12345678");
	vs_buf_fini(&buf);
}

static void
buf_append__uses_again_what_was_consumed(void **state)
{
	struct vs_buf buf;

	(void)state;
	vs_buf_init(&buf, 8);
	assert_int_equal(vs_buf_puts(&buf, "abcdefgh"), 0);
	vs_buf_consume(&buf, 3);
	assert_int_equal(vs_buf_puts(&buf, "XYZ"), 0);
	assert_string_equal(vs_buf_str(&buf), "defghXYZ");
	assert_int_equal(vs_buf_puts(&buf, "!"), VS_EFULL);
	vs_buf_fini(&buf);
}

static void
buf_printf__formats_or_changes_nothing(void **state)
{
	struct vs_buf buf;

	(void)state;
	vs_buf_init(&buf, 10);
	assert_int_equal(vs_buf_printf(&buf, "%s-%d", "ab", 12), 0);
	assert_int_equal(vs_buf_printf(&buf, "%s", ""), 0);
	assert_int_equal(vs_buf_printf(&buf, "%s", "123456"), VS_EFULL);
	assert_string_equal(vs_buf_str(&buf), "ab-12");
	assert_int_equal(vs_buf_printf(&buf, "%05d", 7), 0);
	assert_string_equal(vs_buf_str(&buf), "ab-1200007");
	vs_buf_fini(&buf);
}

static void
buf_reserve__gives_room_up_to_the_cap(void **state)
{
	struct vs_buf buf;
	uint8_t *at;
	size_t room;

	(void)state;
	vs_buf_init(&buf, 600);
	assert_int_equal(vs_buf_reserve(&buf, 0, &at, &room), 0);
	assert_true(room >= 1 && room <= 600);
	memset(at, 'a', room);
	vs_buf_filled(&buf, room);
	assert_int_equal(vs_buf_reserve(&buf, 600 - room, &at, &room), 0);
	assert_int_equal(room, vs_buf_room(&buf));
	memset(at, 'b', room);
	vs_buf_filled(&buf, room);
	assert_int_equal(vs_buf_reserve(&buf, 1, &at, &room), VS_EFULL);
	assert_int_equal(vs_buf_reserve(&buf, 0, &at, &room), 0);
	assert_int_equal(room, 0);
	assert_int_equal(vs_buf_len(&buf), 600);
	assert_int_equal(vs_buf_data(&buf)[599], 'b');
	vs_buf_fini(&buf);
}

static void
buf_str__is_empty_before_the_first_append(void **state)
{
	struct vs_buf buf;

	(void)state;
	vs_buf_init(&buf, 4);
	assert_string_equal(vs_buf_str(&buf), "");
	assert_int_equal(vs_buf_append(&buf, NULL, 0), 0);
	assert_null(vs_buf_data(&buf));
	vs_buf_fini(&buf);
	vs_buf_fini(&buf);
}

static void
buf_trim__frees_only_an_empty_buf(void **state)
{
	struct vs_buf buf;

	(void)state;
	vs_buf_init(&buf, 64);
	assert_int_equal(vs_buf_puts(&buf, "abc"), 0);
	vs_buf_trim(&buf);
	assert_string_equal(vs_buf_str(&buf), "abc");
	vs_buf_truncate(&buf, 1);
	assert_string_equal(vs_buf_str(&buf), "a");
	vs_buf_consume(&buf, 1);
	assert_non_null(buf.base);
	vs_buf_trim(&buf);
	assert_null(buf.base);
	assert_int_equal(vs_buf_room(&buf), 64);
	vs_buf_fini(&buf);
}

/* A queue driven by chance against a plain array: what goes in comes out, in order. */
static void
buf__is_a_queue_under_random_use(void **state)
{
	struct vs_buf buf;
	uint8_t next_in = 0, next_out = 0;
	uint8_t chunk[97];
	unsigned seed = 1;

	(void)state;
	vs_buf_init(&buf, 1500);
	for (int round = 0; round < 20000; round++) {
		size_t len = (size_t)rand_r(&seed) % sizeof(chunk);

		for (size_t i = 0; i < len; i++)
			chunk[i] = (uint8_t)(next_in + i);
		if (vs_buf_append(&buf, chunk, len) == 0)
			next_in = (uint8_t)(next_in + len);
		else
			assert_true(len > vs_buf_room(&buf));
		len = (size_t)rand_r(&seed) % (vs_buf_len(&buf) + 1);
		for (size_t i = 0; i < len; i++)
			assert_int_equal(vs_buf_data(&buf)[i], next_out++);
		vs_buf_consume(&buf, len);
		assert_true(buf.size <= buf.cap);
	}
	vs_buf_fini(&buf);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(buf_append__fails_whole_past_the_cap),
		cmocka_unit_test(buf_append__uses_again_what_was_consumed),
		cmocka_unit_test(buf_printf__formats_or_changes_nothing),
		cmocka_unit_test(buf_reserve__gives_room_up_to_the_cap),
		cmocka_unit_test(buf_str__is_empty_before_the_first_append),
		cmocka_unit_test(buf_trim__frees_only_an_empty_buf),
		cmocka_unit_test(buf__is_a_queue_under_random_use),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
