/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ventus-agent - one runtime: a sandbox with a desktop and Chrome in it, and the only
 * door to it. PROTOCOL.md says how it is started and spoken to.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "lib/err.h"
#include "lib/log.h"
#include "runtime-image/agent/agent.h"
#include "runtime-image/agent/api.h"
#include "runtime-image/agent/egress.h"
#include "runtime-image/agent/inside.h"
#include "runtime-image/agent/selftest.h"

#define SPEC_FD 3

/* The driver finds us again by it; written whole or not at all. */
static int
write_pid(struct agent *agent)
{
	char path[128], temp[132], text[16];

	(void)snprintf(path, sizeof(path), "%s/pid", agent->spec.dir);
	(void)snprintf(temp, sizeof(temp), "%s.new", path);
	int len = snprintf(text, sizeof(text), "%d\n", (int)getpid());
	int fd = open(temp, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0644);
	if (fd < 0)
		return vs_err_from_errno(errno);
	ssize_t put = write(fd, text, (size_t)len);
	(void)close(fd);
	if (put != len || rename(temp, path) < 0)
		return VS_EIO;
	return 0;
}

/* A core of a browser, or of ours, would hold pages and secrets. */
static int
limit_process(struct agent *agent)
{
	const struct rlimit none = { 0, 0 };
	struct rlimit files;

	(void)agent;
	if (setrlimit(RLIMIT_CORE, &none) < 0 || getrlimit(RLIMIT_NOFILE, &files) < 0)
		return vs_err_from_errno(errno);
	files.rlim_cur = files.rlim_max;
	if (setrlimit(RLIMIT_NOFILE, &files) < 0)
		return vs_err_from_errno(errno);
	(void)setsid(); /* refused to a group's leader, which needs it no more */
	return 0;
}

static int
open_loop(struct agent *agent)
{
	agent->loop = vs_loop_new();
	return agent->loop == NULL ? VS_ENOMEM : 0;
}

static int
open_memory_watch(struct agent *agent)
{
	return oom_open(&agent->oom, agent->spec.memory_cgroup);
}

static int
open_api(struct agent *agent)
{
	return api_open(agent, &agent->api);
}

static int
open_egress(struct agent *agent)
{
	return egress_open(agent->loop, &agent->spec.egress, &agent->egress);
}

static const struct {
	const char *name;
	int (*init)(struct agent *agent);
} parts[] = {
	{ "pid file", write_pid },
	{ "limits", limit_process },
	{ "event loop", open_loop },
	{ "memory cgroup", open_memory_watch },
	{ "socket", open_api },
	{ "egress relay", open_egress },
	{ "sandbox", agent_start },
};

static int
run(struct agent *agent)
{
	for (size_t i = 0; i < VS_COUNTOF(parts); i++) {
		int rc = parts[i].init(agent);

		if (rc < 0) {
			log_error("agent.start", VS_LOG_STR("runtime", agent->spec.id),
			    VS_LOG_STR("part", parts[i].name), VS_LOG_ERR(rc));
			return 1;
		}
	}
	return vs_loop_run(agent->loop) < 0 ? 1 : 0;
}

static int
outside_main(void)
{
	static struct agent agent = { .oom = { .fd = -1 }, .bwrap = { .fd = -1 } };
	struct vs_buf fault;

	vs_log_init("ventus-agent", VS_LOG_INFO, VS_LOG_JSON);
	if (geteuid() == 0) {
		/* One uid is mapped into the sandbox: an escape would be root. */
		log_error("agent.start", VS_LOG_STR("error", "must not run as root"));
		return 2;
	}
	vs_buf_init(&fault, 4096);
	int rc = agent_spec_read(SPEC_FD, &agent.spec, &fault);
	/* What else was inherited would stay open as long as the session. */
	(void)close_range(SPEC_FD, ~0U, 0);
	if (rc < 0)
		log_error("agent.start", VS_LOG_ERR(rc), VS_LOG_STR("detail", vs_buf_str(&fault)));
	vs_buf_fini(&fault);
	rc = rc < 0 ? 2 : run(&agent);
	egress_free(agent.egress);
	api_free(agent.api);
	agent_fini(&agent);
	vs_loop_free(agent.loop);
	return rc;
}

int
main(int argc, char **argv)
{
	if (argc == 2 && strcmp(argv[1], "--inside") == 0)
		return inside_main();
	if (argc == 2 && strcmp(argv[1], "--self-test") == 0)
		return selftest_main();
	if (argc != 1) {
		(void)fprintf(stderr, "usage: ventus-agent [--self-test]\n"
				      "Its specification is read from descriptor 3.\n");
		return 2;
	}
	return outside_main();
}
