/* SPDX-License-Identifier: Apache-2.0 */
#include "cdpd/listener.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "cdpd/addr.h"
#include "cdpd/conn_states.h"
#include "cdpd/handshake.h"
#include "cdpd/server.h"
#include "lib/daemon.h"
#include "lib/err.h"
#include "lib/log.h"

#define LISTENER_BACKLOG  4096
#define LISTENER_PAUSE_MS 200

static int
listener_open_tcp(const char *text, int *ret_fd)
{
	struct sockaddr_storage addr;
	int on = 1, fd, rc;
	socklen_t len;

	rc = addr_tcp(text, &addr, &len);
	if (rc < 0)
		return rc;
	fd = socket(addr.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return vs_err_from_errno(errno);
	if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) < 0 ||
	    bind(fd, (const struct sockaddr *)&addr, len) < 0 || listen(fd, LISTENER_BACKLOG) < 0) {
		rc = errno == EADDRINUSE ? VS_EEXIST : vs_err_from_errno(errno);
		(void)close(fd);
		return rc;
	}
	*ret_fd = fd;
	return 0;
}

int
listener_open(const struct vs_conf *conf, int *ret_fd)
{
	const char *listen_at = conf->cdpd_listen;
	char path[108];

	if (listen_at[0] != '\0' && listen_at[0] != '/')
		return listener_open_tcp(listen_at, ret_fd);
	if (listen_at[0] == '\0') {
		if ((size_t)snprintf(path, sizeof(path), "%s/cdpd.sock", conf->platform_run_dir) >=
		    sizeof(path))
			return VS_EINVAL;
		listen_at = path;
	}
	return vs_daemon_listen_unix(
	    listen_at, 0660, conf->platform_user, LISTENER_BACKLOG, ret_fd);
}

static void listener_ready(struct vs_watch *watch, uint32_t revents);

static void
listener_poll(struct server *srv)
{
	struct listener *listener = &srv->listener;

	if (vs_loop_add(srv->loop, &listener->io, listener->fd, EPOLLIN | EPOLLEXCLUSIVE,
		listener_ready, srv) < 0)
		log_error("cdpd.not_accepting", VS_LOG_ERR(VS_ENOMEM));
}

static void
listener_resume(struct vs_timer *timer)
{
	listener_poll(timer->ctx);
}

/* Descriptors or memory are short: leave clients in the backlog instead of spinning. */
static void
listener_pause(struct server *srv, int rc)
{
	struct listener *listener = &srv->listener;

	log_warning("cdpd.accept_paused", VS_LOG_ERR(rc));
	vs_loop_remove(srv->loop, &listener->io);
	if (vs_loop_timer(srv->loop, &listener->pause, vs_loop_now(srv->loop) + LISTENER_PAUSE_MS,
		listener_resume, srv) < 0)
		listener_poll(srv);
}

static void
listener_take(struct server *srv, int fd)
{
	struct conn *c;
	int on = 1;

	if (srv->listener.is_tcp) /* latency only: nothing depends on it */
		(void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	c = conn_new(srv, CONN_CLIENT, fd, &client_head);
	if (c == NULL)
		return;
	c->handshake = handshake_new(c);
	if (c->handshake == NULL) {
		conn_fail(c, "no-memory");
	} else if (srv->nclients > srv->max_clients) {
		c->why = "connections";
		(void)handshake_refuse(c, VS_PROBLEM_UNAVAILABLE, "All connections are in use.");
	}
	conn_drive(c, 0);
}

static void
listener_ready(struct vs_watch *watch, uint32_t revents)
{
	struct server *srv = watch->ctx;
	int fd = accept4(srv->listener.fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

	(void)revents; /* a listener has input or nothing */
	if (fd < 0) {
		if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM)
			listener_pause(srv, vs_err_from_errno(errno));
		return;
	}
	listener_take(srv, fd);
	/*
	 * To the end of the queue: the kernel wakes the first of the workers that wait, and
	 * would give an idle machine's clients all to the same one.
	 */
	if (srv->listener.io.fd >= 0) {
		vs_loop_remove(srv->loop, &srv->listener.io);
		listener_poll(srv);
	}
}

int
listener_start(struct server *srv, int fd)
{
	struct sockaddr_storage addr;
	socklen_t len = sizeof(addr);

	srv->listener.fd = fd;
	srv->listener.io.fd = -1;
	srv->listener.is_tcp =
	    getsockname(fd, (struct sockaddr *)&addr, &len) == 0 && addr.ss_family != AF_UNIX;
	return vs_loop_add(
	    srv->loop, &srv->listener.io, fd, EPOLLIN | EPOLLEXCLUSIVE, listener_ready, srv);
}

void
listener_stop(struct server *srv)
{
	vs_loop_remove(srv->loop, &srv->listener.io);
	vs_loop_timer_clear(srv->loop, &srv->listener.pause);
}
