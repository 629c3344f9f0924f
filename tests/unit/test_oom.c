/* SPDX-License-Identifier: Apache-2.0 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "lib/err.h"
#include "runtime-image/agent/oom.h"
#include "tests/support/tmpdir.h"

static void
oom__reads_both_kinds_of_counter(void **state)
{
	uint64_t count = 99;

	(void)state;
	assert_true(oom_parse("oom_kill_disable 0\nunder_oom 0\noom_kill 3\n", &count));
	assert_int_equal(count, 3);
	assert_true(
	    oom_parse("low 0\nhigh 0\nmax 12\noom 4\noom_kill 2\noom_group_kill 1\n", &count));
	assert_int_equal(count, 2);
	assert_false(oom_parse("oom_kill_disable 0\nunder_oom 0\n", &count));
	assert_false(oom_parse("oom_kill x\n", &count));
	assert_false(oom_parse("", &count));
}

static void
put(const char *dir, const char *name, const char *text)
{
	char path[128];

	(void)snprintf(path, sizeof(path), "%s/%s", dir, name);
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	(void)close(fd);
}

static void
oom__counts_from_where_it_began(void **state)
{
	char dir[TMPDIR_SIZE];
	struct oom_watch watch;

	(void)state;
	tmpdir_new(dir);
	assert_int_equal(oom_open(&watch, dir), VS_ENOENT);
	put(dir, "memory.events", "oom 1\noom_kill 1\n");
	assert_int_equal(oom_open(&watch, dir), 0);
	assert_false(oom_killed(&watch));
	put(dir, "memory.events", "oom 2\noom_kill 2\n");
	assert_true(oom_killed(&watch));
	oom_close(&watch);
	assert_false(oom_killed(&watch));
	assert_int_equal(oom_open(&watch, NULL), 0);
	assert_false(oom_killed(&watch));
	tmpdir_remove(dir);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(oom__reads_both_kinds_of_counter),
		cmocka_unit_test(oom__counts_from_where_it_began),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
