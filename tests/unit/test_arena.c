/* SPDX-License-Identifier: Apache-2.0 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "lib/arena.h"

static void
arena_alloc__is_zeroed_and_aligned(void **state)
{
	struct vs_arena arena;

	(void)state;
	vs_arena_init(&arena, 1 << 20);
	for (int round = 0; round < 2; round++) {
		for (size_t size = 1; size < 400; size += 7) {
			uint8_t *at = vs_arena_alloc(&arena, size);

			assert_non_null(at);
			assert_int_equal((uintptr_t)at % _Alignof(max_align_t), 0);
			for (size_t i = 0; i < size; i++)
				assert_int_equal(at[i], 0);
			memset(at, 0xff, size);
		}
		vs_arena_reset(&arena);
		assert_int_equal(arena.used_bytes, 0);
	}
	vs_arena_fini(&arena);
}

static void
arena_alloc__stops_at_the_cap(void **state)
{
	struct vs_arena arena;

	(void)state;
	vs_arena_init(&arena, 100);
	assert_non_null(vs_arena_alloc(&arena, 64));
	assert_null(vs_arena_alloc(&arena, 64));
	assert_null(vs_arena_alloc(&arena, 36)); /* rounded up it is past the cap */
	assert_non_null(vs_arena_alloc(&arena, 32));
	assert_null(vs_arena_alloc(&arena, SIZE_MAX));
	assert_null(vs_arena_strndup(&arena, "", SIZE_MAX));
	vs_arena_reset(&arena);
	assert_non_null(vs_arena_alloc(&arena, 64));
	vs_arena_fini(&arena);
	vs_arena_fini(&arena);
}

static void
arena_alloc__keeps_the_first_block_after_a_huge_one(void **state)
{
	struct vs_arena arena;
	char *small, *huge, *next;

	(void)state;
	vs_arena_init(&arena, 1 << 20);
	small = vs_arena_strdup(&arena, "small");
	huge = vs_arena_alloc(&arena, 100000);
	next = vs_arena_strdup(&arena, "next");
	assert_non_null(huge);
	assert_ptr_equal(next, small + 16);
	memset(huge, 'x', 100000);
	assert_string_equal(small, "small");
	vs_arena_reset(&arena);
	assert_ptr_equal(vs_arena_strdup(&arena, "again"), small);
	vs_arena_fini(&arena);
}

static void
arena_reset__gives_a_huge_first_block_back(void **state)
{
	struct vs_arena arena;

	(void)state;
	vs_arena_init(&arena, 1 << 20);
	assert_non_null(vs_arena_alloc(&arena, 100000));
	vs_arena_reset(&arena);
	assert_null(arena.blocks);
	vs_arena_fini(&arena);
}

static void
arena_text__is_copied_and_terminated(void **state)
{
	struct vs_arena arena;
	char long_text[20001];
	char *text;

	(void)state;
	memset(long_text, 'y', sizeof(long_text) - 1);
	long_text[sizeof(long_text) - 1] = '\0';
	vs_arena_init(&arena, 1 << 16);
	assert_string_equal(vs_arena_strdup(&arena, ""), "");
	assert_string_equal(vs_arena_strndup(&arena, "abcdef", 3), "abc");
	assert_string_equal(vs_arena_printf(&arena, "%s/%d", "a", 7), "a/7");
	text = vs_arena_printf(&arena, "%s", long_text);
	assert_non_null(text);
	assert_string_equal(text, long_text);
	assert_null(vs_arena_printf(&arena, "%s%s%s", long_text, long_text, long_text));
	vs_arena_fini(&arena);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(arena_alloc__is_zeroed_and_aligned),
		cmocka_unit_test(arena_alloc__stops_at_the_cap),
		cmocka_unit_test(arena_alloc__keeps_the_first_block_after_a_huge_one),
		cmocka_unit_test(arena_reset__gives_a_huge_first_block_back),
		cmocka_unit_test(arena_text__is_copied_and_terminated),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
