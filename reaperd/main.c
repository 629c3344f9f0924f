/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ventus-reaperd - starts what is queued, ends what is due, removes what is over.
 */
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/buf.h"
#include "lib/daemon.h"
#include "lib/err.h"
#include "lib/log.h"
#include "reaperd/once.h"
#include "reaperd/reaper.h"

#define PROGRAM    "ventus-reaperd"
#define EXIT_USAGE 2
#define SUMMARY \
	"starts, watches and ends the runtimes of sessions\n\n" \
	"  --once [JOB...]    run the jobs (all, if none is named), wait for the\n" \
	"                     outcome, exit; for cron\n" \
	"  --dry-run [JOB...] say what they would do, change nothing, exit"

struct mode {
	bool once, dry_run;
	bool want[JOBS];
};

/* Take our two options out of argv: the rest is what all daemons understand. */
static int
mode_options(int argc, char **argv, struct mode *ret_mode)
{
	int n = 1;

	for (int i = 1; i < argc; i++) {
		if (strcmp(argv[i], "--once") == 0)
			ret_mode->once = true;
		else if (strcmp(argv[i], "--dry-run") == 0)
			ret_mode->dry_run = true;
		else
			argv[n++] = argv[i];
	}
	argv[n] = NULL;
	return n;
}

static void
mode_jobs(int argc, char **argv, int first, struct mode *ret_mode)
{
	enum job_id id;

	if (first < argc && !ret_mode->once && !ret_mode->dry_run) {
		(void)fprintf(stderr, PROGRAM ": jobs are named after --once or --dry-run\n");
		exit(EXIT_USAGE);
	}
	for (size_t i = 0; i < JOBS; i++)
		ret_mode->want[i] = first == argc;
	for (int i = first; i < argc; i++) {
		id = job_find(argv[i]);
		if (id == JOBS) {
			(void)fprintf(stderr, PROGRAM ": there is no job %s\n", argv[i]);
			exit(EXIT_USAGE);
		}
		ret_mode->want[id] = true;
	}
}

static void
on_stop(void *ctx, int signo)
{
	struct reaper *reaper = ctx;

	log_info("reaper.stop", VS_LOG_STR("signal", signo == SIGTERM ? "TERM" : "INT"));
	vs_daemon_stopping();
	vs_loop_stop(reaper->loop);
}

static void
on_reload(void *ctx, int signo)
{
	(void)signo;
	reaper_reload(ctx);
}

/* After this startup can no longer fail: the database may be away, and come. */
static int
serve(struct reaper *reaper)
{
	int rc;

	jobs_start(reaper);
	vs_daemon_ready();
	log_info("reaper.start", VS_LOG_INT("regions", reaper->npools),
	    VS_LOG_INT("max_starts", reaper->max_starts));
	rc = vs_loop_run(reaper->loop);
	return rc == 0 && !reaper->failed ? EXIT_SUCCESS : EXIT_FAILURE;
}

static int
run(struct reaper *reaper, const struct mode *mode)
{
	if (mode->dry_run)
		return once_dry_run(reaper, mode->want);
	reaper->leader = leader_new(reaper);
	if (reaper->leader == NULL || vs_loop_signal(reaper->loop, SIGTERM, on_stop, reaper) < 0 ||
	    vs_loop_signal(reaper->loop, SIGINT, on_stop, reaper) < 0 ||
	    vs_loop_signal(reaper->loop, SIGHUP, on_reload, reaper) < 0) {
		log_error("reaper.start", VS_LOG_ERR(VS_ENOMEM));
		return EXIT_FAILURE;
	}
	return mode->once ? once_run(reaper, mode->want) : serve(reaper);
}

int
main(int argc, char **argv)
{
	struct mode mode = { .once = false };
	struct vs_daemon_opts opts;
	struct reaper *reaper = NULL;
	struct vs_loop *loop;
	struct vs_conf *conf;
	struct vs_buf fault;
	int rest, rc, status = EXIT_FAILURE;

	argc = mode_options(argc, argv, &mode);
	vs_daemon_options(argc, argv, PROGRAM, SUMMARY, &opts, &rest);
	mode_jobs(argc, argv, rest, &mode);
	conf = vs_daemon_conf(&opts, PROGRAM);
	vs_buf_init(&fault, 65536);
	loop = vs_loop_new();
	rc = loop != NULL ? reaper_new(loop, conf, &fault, &reaper) : VS_ENOMEM;
	if (rc < 0)
		log_error("reaper.start", VS_LOG_ERR(rc),
		    VS_LOG_STR("detail", vs_buf_len(&fault) > 0 ? vs_buf_str(&fault) : NULL));
	else
		status = run(reaper, &mode);
	vs_buf_fini(&fault);
	reaper_free(reaper);
	vs_loop_free(loop);
	vs_conf_free(conf);
	return status;
}
