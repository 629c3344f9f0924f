/* SPDX-License-Identifier: Apache-2.0 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "lib/clock.h"
#include "lib/ulid.h"

/* The wall clock and the random bytes, as the test wants them; 0 and -1: the real ones. */
static int64_t fake_ms;
static int fake_random = -1;

int __real_clock_gettime(clockid_t id, struct timespec *now);
int __wrap_clock_gettime(clockid_t id, struct timespec *now);
int __real_getentropy(void *bytes, size_t len);
int __wrap_getentropy(void *bytes, size_t len);

int
__wrap_clock_gettime(clockid_t id, struct timespec *now)
{
	if (fake_ms == 0 || id != CLOCK_REALTIME)
		return __real_clock_gettime(id, now);
	*now = (struct timespec){ fake_ms / 1000, fake_ms % 1000 * 1000000 };
	return 0;
}

int
__wrap_getentropy(void *bytes, size_t len)
{
	if (fake_random < 0)
		return __real_getentropy(bytes, len);
	memset(bytes, fake_random, len);
	return 0;
}

static int
real_again(void **state)
{
	(void)state;
	fake_ms = 0;
	fake_random = -1;
	return 0;
}

static void
ulid_new__goes_on_when_the_clock_goes_back(void **state)
{
	char first[VS_ULID_SIZE], second[VS_ULID_SIZE];

	(void)state;
	fake_ms = 2000000000000;
	vs_ulid_new(first);
	fake_ms -= 86400000;
	vs_ulid_new(second);
	assert_true(strcmp(first, second) < 0);
	assert_int_equal(vs_ulid_wall_ms(second), 2000000000000);
}

static void
ulid_new__takes_the_next_millisecond_when_one_is_full(void **state)
{
	char first[VS_ULID_SIZE], second[VS_ULID_SIZE];

	(void)state;
	fake_ms = 2000000001000;
	fake_random = 0xff;
	vs_ulid_new(first);
	assert_string_equal(first + 10, "ZZZZZZZZZZZZZZZZ");
	fake_random = 0;
	vs_ulid_new(second);
	assert_true(strcmp(first, second) < 0);
	assert_int_equal(vs_ulid_wall_ms(second), 2000000001001);
	vs_ulid_new(first);
	assert_string_equal(first + 10, "0000000000000001");
}

static void
ulid_new__sorts_in_the_order_made(void **state)
{
	char before[VS_ULID_SIZE], id[VS_ULID_SIZE];

	(void)state;
	vs_ulid_new(before);
	for (int i = 0; i < 20000; i++) {
		vs_ulid_new(id);
		assert_true(vs_ulid_ok(id, strlen(id)));
		assert_true(strcmp(before, id) < 0);
		memcpy(before, id, sizeof(id));
	}
}

static void
ulid_new__holds_the_time(void **state)
{
	char id[VS_ULID_SIZE];
	int64_t before = vs_clock_wall_ms();

	(void)state;
	vs_ulid_new(id);
	assert_in_range(vs_ulid_wall_ms(id), (uintmax_t)before, (uintmax_t)vs_clock_wall_ms() + 1);
	assert_int_equal(vs_ulid_wall_ms("01ARZ3NDEKTSV4RRFFQ69G5FAV"), 1469922850259);
}

/* Parent and child go on from the same state: both must not make the same ids. */
static void
ulid_new__differs_after_a_fork(void **state)
{
	char mine[64][VS_ULID_SIZE], theirs[64][VS_ULID_SIZE];
	int ends[2];
	pid_t pid;

	(void)state;
	assert_int_equal(pipe(ends), 0);
	vs_ulid_new(mine[0]);
	pid = fork();
	assert_true(pid >= 0);
	for (int i = 0; i < 64; i++)
		vs_ulid_new(mine[i]);
	if (pid == 0)
		_exit(write(ends[1], mine, sizeof(mine)) == sizeof(mine) ? 0 : 1);
	assert_int_equal(read(ends[0], theirs, sizeof(theirs)), sizeof(theirs));
	for (int i = 0; i < 64; i++) {
		for (int j = 0; j < 64; j++)
			assert_string_not_equal(mine[i], theirs[j]);
	}
	assert_int_equal(waitpid(pid, NULL, 0), pid);
	(void)close(ends[0]);
	(void)close(ends[1]);
}

static void
ulid_ok__refuses_what_is_none(void **state)
{
	static const char *const rows[] = { "", "01ARZ3NDEKTSV4RRFFQ69G5FA",
		"01ARZ3NDEKTSV4RRFFQ69G5FAVX", "01arz3ndektsv4rrffq69g5fav",
		"81ARZ3NDEKTSV4RRFFQ69G5FAV", "01ARZ3NDEKTSV4RRFFQ69G5FAI",
		"01ARZ3NDEKTSV4RRFFQ69G5FAL", "01ARZ3NDEKTSV4RRFFQ69G5FAO",
		"01ARZ3NDEKTSV4RRFFQ69G5FAU", "01ARZ3NDEKTSV4RRFFQ69G5FA-",
		"01ARZ3NDEKTSV4RRFFQ69G5FA\xc3" };

	(void)state;
	assert_true(vs_ulid_ok("7ZZZZZZZZZZZZZZZZZZZZZZZZZ", 26));
	assert_false(vs_ulid_ok("01ARZ3NDEKTSV\0RRFFQ69G5FAV", 26));
	for (size_t i = 0; i < VS_COUNTOF(rows); i++) {
		if (vs_ulid_ok(rows[i], strlen(rows[i])))
			fail_msg("%s", rows[i]);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(ulid_new__sorts_in_the_order_made),
		cmocka_unit_test(ulid_new__holds_the_time),
		cmocka_unit_test(ulid_new__differs_after_a_fork),
		cmocka_unit_test(ulid_ok__refuses_what_is_none),
		cmocka_unit_test_teardown(ulid_new__goes_on_when_the_clock_goes_back, real_again),
		cmocka_unit_test_teardown(
		    ulid_new__takes_the_next_millisecond_when_one_is_full, real_again),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
