/* SPDX-License-Identifier: Apache-2.0 */
#include "cdpd/server.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "cdpd/frames.h"
#include "cdpd/handshake.h"
#include "cdpd/tunnel.h"
#include "lib/err.h"
#include "lib/log.h"

#define SERVER_SPARE_FDS 64 /* listener, database, epoll, refusals on their way out */
#define SERVER_CHANNEL   "ventus_session"

_Static_assert(FRAMES_SCRATCH_SKEW + FRAMES_SCRATCH_SIZE <= FRAMES_SCRATCH_BLOCK, "scratch");

static void
server_notify(void *ctx, const char *channel, const char *payload)
{
	if (strcmp(channel, SERVER_CHANNEL) == 0)
		session_notified(ctx, payload);
}

static void
server_db_up(void *ctx)
{
	log_info("cdpd.db_up");
	instance_up(ctx);
	client_closes_flush(ctx);
}

static void
server_db_down(void *ctx, const char *why)
{
	instance_down(ctx);
	log_warning("cdpd.db_down", VS_LOG_STR("why", why));
}

void
server_free_dead(struct server *srv)
{
	struct vs_node *it, *tmp;

	VS_LIST_EACH(it, tmp, &srv->dead) {
		vs_list_remove(it);
		conn_free(VS_CONTAINER(it, struct conn, node));
	}
}

static void
server_after_batch(void *ctx)
{
	struct server *srv = ctx;

	server_free_dead(srv);
	if (srv->stopping && vs_list_empty(&srv->live[CONN_CLIENT]) && srv->closes.count == 0)
		vs_loop_stop(srv->loop);
}

/* A client's burial takes its upstream half along, which is on the other list. */
static void
server_sweep(struct vs_timer *timer)
{
	struct server *srv = timer->ctx;
	vs_msec now = vs_loop_now(srv->loop);
	struct vs_node *it, *tmp;

	for (size_t side = 0; side < VS_COUNTOF(srv->live); side++) {
		VS_LIST_EACH(it, tmp, &srv->live[side])
			conn_check(VS_CONTAINER(it, struct conn, node), now);
	}
	if (vs_loop_timer(srv->loop, timer, now + SERVER_SWEEP_MS, server_sweep, srv) < 0)
		log_error("cdpd.no_memory", VS_LOG_STR("what", "sweep"));
}

static void
server_stop_over(struct vs_timer *timer)
{
	struct server *srv = timer->ctx;

	log_warning("cdpd.stop_cut", VS_LOG_INT("clients", srv->nclients),
	    VS_LOG_INT("leaves", srv->closes.count));
	vs_loop_stop(srv->loop);
}

/* No new clients; those who are here are told, and have a moment to answer. */
static void
server_stop(void *ctx, int signo)
{
	struct server *srv = ctx;
	struct vs_node *it, *tmp;

	(void)signo;
	if (srv->stopping) {
		vs_loop_stop(srv->loop);
		return;
	}
	srv->stopping = true;
	log_info("cdpd.stopping", VS_LOG_INT("clients", srv->nclients));
	listener_stop(srv);
	if (vs_loop_timer(srv->loop, &srv->stop_limit, vs_loop_now(srv->loop) + SERVER_STOP_MS,
		server_stop_over, srv) < 0)
		vs_loop_stop(srv->loop);
	VS_LIST_EACH(it, tmp, &srv->live[CONN_CLIENT]) {
		struct conn *c = VS_CONTAINER(it, struct conn, node);

		if (c->tunnel != NULL && c->tunnel->opened)
			tunnel_close(c->tunnel, CLOSE_GOING_AWAY, "restarting");
		else if (c->state->readable != handshake_linger &&
			 c->state->writable != handshake_told)
			(void)handshake_refuse(
			    c, VS_PROBLEM_UNAVAILABLE, "The proxy is restarting.");
		conn_drive(c, 0);
	}
}

/* Keys may have come or gone. A ring that cannot be read leaves the old one in force. */
static void
server_reload(void *ctx, int signo)
{
	struct server *srv = ctx;
	struct vs_keyring *ring;
	struct vs_buf fault;
	int rc;

	(void)signo;
	vs_buf_init(&fault, 1024);
	rc = vs_keyring_load(srv->conf->platform_keys_dir, &fault, &ring);
	if (rc == 0) {
		vs_keyring_free(srv->ring);
		srv->ring = ring;
		log_info("cdpd.keys_reloaded", VS_LOG_STR("kid", vs_keyring_current(ring)));
	} else {
		log_warning(
		    "cdpd.keys_kept", VS_LOG_ERR(rc), VS_LOG_STR("why", vs_buf_str(&fault)));
	}
	vs_buf_fini(&fault);
}

/* Two descriptors a tunnel; a client that cannot have them is refused with an answer. */
static size_t
server_capacity(const struct vs_conf *conf)
{
	size_t wanted = (size_t)conf->cdpd_max_connections, possible;
	struct rlimit lim;

	if (getrlimit(RLIMIT_NOFILE, &lim) < 0)
		return wanted;
	lim.rlim_cur = lim.rlim_max;
	if (setrlimit(RLIMIT_NOFILE, &lim) < 0 && getrlimit(RLIMIT_NOFILE, &lim) < 0)
		return wanted;
	possible = lim.rlim_cur > 2 * SERVER_SPARE_FDS ? (lim.rlim_cur - SERVER_SPARE_FDS) / 2 : 1;
	if (possible < wanted)
		log_warning("cdpd.few_descriptors", VS_LOG_INT("max_connections", wanted),
		    VS_LOG_INT("possible", possible));
	return possible < wanted ? possible : wanted;
}

static int
server_init(struct server *srv, int listen_fd, struct vs_buf *fault)
{
	const struct vs_dbq_hooks hooks = {
		.notify = server_notify, .up = server_db_up, .down = server_db_down, .ctx = srv
	};
	int rc;

	rc = vs_keyring_load(srv->conf->platform_keys_dir, fault, &srv->ring);
	if (rc < 0)
		return rc;
	srv->loop = vs_loop_new();
	srv->scratch_block = aligned_alloc(FRAMES_SCRATCH_ALIGN, FRAMES_SCRATCH_BLOCK);
	if (srv->loop == NULL || srv->scratch_block == NULL)
		return VS_ENOMEM;
	srv->scratch = srv->scratch_block + FRAMES_SCRATCH_SKEW;
	srv->max_clients = server_capacity(srv->conf);
	srv->dbq =
	    vs_dbq_new(srv->loop, srv->conf->database_proxy, 4 * srv->max_clients + 1000, &hooks);
	if (srv->dbq == NULL)
		return VS_ENOMEM;
	rc = vs_dbq_listen(srv->dbq, SERVER_CHANNEL);
	if (rc == 0)
		rc = vs_loop_signal(srv->loop, SIGTERM, server_stop, srv);
	if (rc == 0)
		rc = vs_loop_signal(srv->loop, SIGINT, server_stop, srv);
	if (rc == 0)
		rc = vs_loop_signal(srv->loop, SIGHUP, server_reload, srv);
	if (rc == 0)
		rc = vs_loop_after_batch(srv->loop, server_after_batch, srv);
	if (rc == 0)
		rc = vs_loop_timer(srv->loop, &srv->sweep, vs_loop_now(srv->loop) + SERVER_SWEEP_MS,
		    server_sweep, srv);
	if (rc == 0)
		rc = instance_start(srv);
	return rc < 0 ? rc : listener_start(srv, listen_fd);
}

int
server_new(const struct vs_conf *conf, int listen_fd, struct vs_buf *fault, struct server **ret_srv)
{
	struct server *srv = calloc(1, sizeof(*srv));
	int rc;

	if (srv == NULL)
		return VS_ENOMEM;
	srv->conf = conf;
	vs_list_init(&srv->live[CONN_CLIENT]);
	vs_list_init(&srv->live[CONN_UPSTREAM]);
	vs_list_init(&srv->dead);
	client_closes_init(&srv->closes);
	rc = server_init(srv, listen_fd, fault);
	if (rc < 0) {
		server_free(srv);
		return rc;
	}
	*ret_srv = srv;
	return 0;
}

int
server_run(struct server *srv)
{
	return vs_loop_run(srv->loop);
}

static void
server_bury_all(struct server *srv)
{
	struct vs_node *live;

	for (size_t side = 0; side < VS_COUNTOF(srv->live); side++) {
		live = &srv->live[side];
		while (!vs_list_empty(live))
			conn_bury(VS_LIST_FIRST(live, struct conn, node), "stopping");
	}
	server_free_dead(srv);
}

void
server_free(struct server *srv)
{
	if (srv == NULL)
		return;
	if (srv->loop != NULL && srv->dbq != NULL)
		server_bury_all(srv);
	if (srv->loop != NULL) {
		listener_stop(srv);
		instance_stop(srv);
	}
	vs_dbq_free(srv->dbq);
	client_closes_fini(srv);
	vs_loop_free(srv->loop);
	vs_keyring_free(srv->ring);
	free(srv->scratch_block);
	free(srv);
}
