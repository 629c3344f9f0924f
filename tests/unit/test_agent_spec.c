/* SPDX-License-Identifier: Apache-2.0 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/err.h"
#include "runtime-image/agent/spec.h"

#define HEAD     "{\"id\":\"r\",\"session_id\":\"s\",\"secret\":\"0123456789abcdef\",\"dir\":\"/tmp/x\""
#define VIEW     ",\"viewport\":{\"width\":1280,\"height\":720}"
#define DEADLINE ",\"deadline_ms\":1"

static int
parse(const char *text, struct agent_spec *spec, char *ret_fault, size_t size)
{
	struct vs_buf fault;

	vs_buf_init(&fault, 4096);
	int rc = agent_spec_parse(text, strlen(text), spec, &fault);
	(void)snprintf(ret_fault, size, "%s", vs_buf_str(&fault));
	vs_buf_fini(&fault);
	return rc;
}

static void
agent_spec__takes_the_least(void **state)
{
	struct agent_spec spec;
	char fault[512];

	(void)state;
	assert_int_equal(parse(HEAD VIEW DEADLINE "}", &spec, fault, sizeof(fault)), 0);
	assert_string_equal(spec.dir, "/tmp/x");
	assert_int_equal(spec.viewport.width, 1280);
	assert_int_equal(spec.viewport.height, 720);
	assert_int_equal(spec.shm_mib, 512);
	assert_int_equal(spec.tmp_mib, 512);
	assert_int_equal(spec.socket_group, -1);
	assert_null(spec.user_agent);
	assert_null(spec.memory_cgroup);
	assert_int_equal(spec.egress.count, 0);
	agent_spec_fini(&spec);
}

static void
agent_spec__takes_all(void **state)
{
	struct agent_spec spec;
	char fault[512];

	(void)state;
	assert_int_equal(
	    parse(HEAD VIEW DEADLINE
		",\"user_agent\":\"x/1 \xc3\xa4\",\"egress_allow\":[\"10.0.0.0/8\",\"[::1]:80\"],"
		"\"shm_mib\":64,\"tmp_mib\":65,\"socket_group\":7,"
		"\"memory_cgroup\":\"/sys/fs/cgroup/x\"}",
		&spec, fault, sizeof(fault)),
	    0);
	assert_string_equal(spec.user_agent, "x/1 \xc3\xa4");
	assert_string_equal(spec.memory_cgroup, "/sys/fs/cgroup/x");
	assert_int_equal(spec.egress.count, 2);
	assert_int_equal(spec.shm_mib, 64);
	assert_int_equal(spec.tmp_mib, 65);
	assert_int_equal(spec.socket_group, 7);
	agent_spec_fini(&spec);
}

static void
agent_spec__names_what_is_wrong_and_not_the_secret(void **state)
{
	static const struct {
		const char *text, *fault;
	} rows[] = {
		{ "", "specification: " },
		{ "[]", "" },
		{ HEAD VIEW "}", "/deadline_ms" },
		{ HEAD DEADLINE "}", "/viewport" },
		{ HEAD VIEW DEADLINE ",\"x\":1}", "/x" },
		{ HEAD VIEW DEADLINE ",\"id\":\"r\"}", "specification: " },
		{ HEAD DEADLINE ",\"viewport\":{\"width\":1,\"height\":720}}", "/viewport/width" },
		{ HEAD VIEW DEADLINE ",\"user_agent\":\"a\\nb\"}", "/user_agent" },
		{ HEAD VIEW DEADLINE ",\"user_agent\":\"\xc2\x85\"}", "/user_agent" },
		{ HEAD VIEW DEADLINE ",\"memory_cgroup\":\"x\"}", "/memory_cgroup" },
		{ HEAD VIEW DEADLINE ",\"egress_allow\":\"127.0.0.1\"}", "/egress_allow" },
		{ HEAD VIEW DEADLINE ",\"egress_allow\":[\"127.0.0.1\",\"x\"]}", "entry 1" },
		{ HEAD VIEW DEADLINE ",\"egress_allow\":[1]}", "entry 0" },
	};
	struct agent_spec spec;
	char fault[512];

	(void)state;
	for (size_t i = 0; i < VS_COUNTOF(rows); i++) {
		if (parse(rows[i].text, &spec, fault, sizeof(fault)) >= 0 ||
		    strstr(fault, rows[i].fault) == NULL ||
		    strstr(fault, "0123456789abcdef") != NULL)
			fail_msg("%s: %s", rows[i].text, fault);
		agent_spec_fini(&spec);
	}
}

static void
agent_spec__is_read_in_pieces_and_bounded(void **state)
{
	static char big[70000];
	struct agent_spec spec;
	struct vs_buf fault;
	int fds[2];

	(void)state;
	vs_buf_init(&fault, 4096);
	assert_int_equal(pipe(fds), 0);
	assert_true(write(fds[1], HEAD VIEW, strlen(HEAD VIEW)) > 0);
	assert_true(write(fds[1], DEADLINE "}", strlen(DEADLINE "}")) > 0);
	(void)close(fds[1]);
	assert_int_equal(agent_spec_read(fds[0], &spec, &fault), 0);
	agent_spec_fini(&spec);

	memset(big, ' ', sizeof(big));
	char path[] = "/tmp/ventus-spec-XXXXXX";
	int fd = mkstemp(path);
	(void)unlink(path);
	assert_int_equal(write(fd, big, sizeof(big)), sizeof(big));
	assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
	assert_int_equal(agent_spec_read(fd, &spec, &fault), VS_ETOOBIG);
	agent_spec_fini(&spec);
	vs_buf_fini(&fault);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(agent_spec__takes_the_least),
		cmocka_unit_test(agent_spec__takes_all),
		cmocka_unit_test(agent_spec__names_what_is_wrong_and_not_the_secret),
		cmocka_unit_test(agent_spec__is_read_in_pieces_and_bounded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
