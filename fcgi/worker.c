/* SPDX-License-Identifier: Apache-2.0 */
#include "fcgi/worker.h"

#include <errno.h>
#include <fcgiapp.h>
#include <signal.h>
#include <string.h>
#include <sys/epoll.h>

#include "fcgi/app.h"
#include "fcgi/dispatch.h"
#include "lib/cleanup.h"
#include "lib/err.h"
#include "lib/log.h"

#define ANSWER_MAX (256 * 1024 * 1024)

static volatile sig_atomic_t stop, reload;

static void
on_signal(int signo)
{
	if (signo == SIGHUP)
		reload = 1;
	else
		stop = 1;
}

/*
 * Ours go in before FCGX_Init(), which only fills in defaults, and stay blocked
 * except where the worker waits: so none is lost between a look and a sleep.
 */
static void
take_signals(struct app *app)
{
	struct sigaction action = { .sa_handler = on_signal };
	sigset_t blocked;

	(void)sigemptyset(&blocked);
	(void)sigaddset(&blocked, SIGTERM);
	(void)sigaddset(&blocked, SIGINT);
	(void)sigaddset(&blocked, SIGHUP);
	(void)sigaddset(&blocked, SIGUSR1); /* libfcgi's own */
	(void)sigprocmask(SIG_SETMASK, &blocked, NULL);
	(void)sigemptyset(&app->open_signals);
	(void)sigaction(SIGTERM, &action, NULL);
	(void)sigaction(SIGINT, &action, NULL);
	(void)sigaction(SIGHUP, &action, NULL);
	app->stop = &stop;
}

static int
load_keys(struct app *app)
{
	struct vs_keyring *ring;
	struct vs_buf fault;
	int rc;

	vs_buf_init(&fault, 1024);
	rc = vs_keyring_load(app->conf->platform_keys_dir, &fault, &ring);
	if (rc == 0) {
		vs_keyring_free(app->ring);
		app->ring = ring;
		log_info("keys.loaded", VS_LOG_STR("kid", vs_keyring_current(ring)));
	} else {
		log_error("keys.failed", VS_LOG_ERR(rc), VS_LOG_STR("detail", vs_buf_str(&fault)));
	}
	vs_buf_fini(&fault);
	return rc;
}

static int
read_body(void *ctx, char *bytes, int room)
{
	FCGX_Request *fcgi = ctx;
	int got;

	got = FCGX_GetStr(bytes, room, fcgi->in);
	if (got == 0 && FCGX_GetError(fcgi->in) != 0)
		return -1;
	return got;
}

static void
answer(struct app *app, struct vs_arena *arena, FCGX_Request *fcgi, struct vs_buf *out)
{
	const struct req_source source = {
		.params = fcgi->envp,
		.read = read_body,
		.ctx = fcgi,
	};

	dispatch(app, arena, &source, out);
	/* A client that has gone is no error of ours. */
	(void)FCGX_PutStr((const char *)vs_buf_data(out), (int)vs_buf_len(out), fcgi->out);
	/* Else libfcgi would wait for the next request on a connection that has none. */
	fcgi->keepConnection = 0;
	FCGX_Finish_r(fcgi);
	vs_arena_reset(arena);
	vs_buf_clear(out);
	if (out->size > 1024 * 1024)
		vs_buf_trim(out);
}

static int
serve(struct app *app, FCGX_Request *fcgi, int epoll_fd)
{
	struct vs_arena arena;
	struct vs_buf out;
	int rc = 0;

	vs_arena_init(&arena, (size_t)app->conf->api_max_body_bytes * 8);
	vs_buf_init(&out, ANSWER_MAX);
	while (!stop) {
		struct epoll_event event;

		if (reload) {
			reload = 0;
			(void)load_keys(app); /* the old ones stay in force */
		}
		if (epoll_pwait(epoll_fd, &event, 1, -1, &app->open_signals) < 0)
			continue;
		rc = FCGX_Accept_r(fcgi);
		if (rc == -EAGAIN || rc == -EINTR || rc == -ECONNABORTED) {
			rc = 0;
			continue;
		}
		if (rc < 0)
			break;
		answer(app, &arena, fcgi, &out);
	}
	vs_buf_fini(&out);
	vs_arena_fini(&arena);
	return rc < 0 ? VS_EIO : 0;
}

/* Watch the shared listener so that one connection wakes one worker. */
static int
open_epoll(int listen_fd, int *ret_fd)
{
	struct epoll_event event = { .events = EPOLLIN | EPOLLEXCLUSIVE };
	int fd;

	fd = epoll_create1(EPOLL_CLOEXEC);
	if (fd < 0)
		return vs_err_from_errno(errno);
	if (epoll_ctl(fd, EPOLL_CTL_ADD, listen_fd, &event) < 0) {
		int rc = vs_err_from_errno(errno);

		(void)close(fd);
		return rc;
	}
	*ret_fd = fd;
	return 0;
}

static int
run(struct app *app, int listen_fd)
{
	FCGX_Request fcgi;
	vs_autofd int epoll_fd = -1;
	int rc;

	rc = load_keys(app);
	if (rc < 0)
		return rc;
	app->db = vs_db_new(app->conf->database_api);
	if (app->db == NULL)
		return VS_ENOMEM;
	rc = open_epoll(listen_fd, &epoll_fd);
	if (rc < 0)
		return rc;
	if (FCGX_Init() != 0 || FCGX_InitRequest(&fcgi, listen_fd, FCGI_FAIL_ACCEPT_ON_INTR) != 0)
		return VS_EIO;
	rc = serve(app, &fcgi, epoll_fd);
	FCGX_Free(&fcgi, 1);
	return rc;
}

int
worker_run(void *ctx, int slot)
{
	const struct worker_setup *setup = ctx;
	struct app app = { .conf = setup->conf, .waiting = setup->waiting, .slot = slot };
	int rc;

	take_signals(&app);
	wait_slots_give(setup->waiting, slot); /* one before may have died while waiting */
	rc = run(&app, setup->listen_fd);
	if (rc < 0)
		log_error("worker.failed", VS_LOG_INT("slot", slot), VS_LOG_ERR(rc));
	vs_db_free(app.db);
	vs_keyring_free(app.ring);
	return rc < 0;
}
