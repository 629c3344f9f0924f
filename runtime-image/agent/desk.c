/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime-image/agent/desk.h"

#include <fcntl.h>
#include <stdbool.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/err.h"

static bool
sock_opt_is(int fd, int option, int want)
{
	int value;
	socklen_t len = sizeof(value);

	return getsockopt(fd, SOL_SOCKET, option, &value, &len) == 0 && value == want;
}

/* A TCP socket over IPv4, listening or not, that never blocks us. */
static bool
desk_socket_fits(int fd, bool listening)
{
	return sock_opt_is(fd, SO_DOMAIN, AF_INET) && sock_opt_is(fd, SO_TYPE, SOCK_STREAM) &&
	       sock_opt_is(fd, SO_ACCEPTCONN, listening) && (fcntl(fd, F_GETFL) & O_NONBLOCK) != 0;
}

/*
 * One question at a time: an answer then belongs to it, whatever was wanted meanwhile.
 * A failure to ask shows as the link's end.
 */
static void
desk_ask(struct desk *desk)
{
	struct link_msg msg = { .type = LINK_WANT_SOCKETS };
	int count = desk->wanted + DESK_SPARE - desk->nspare;

	if (count > LINK_MAX_FDS)
		count = LINK_MAX_FDS;
	if (count <= 0 || desk->asked > 0 || !desk->greeted)
		return;
	msg.arg[0] = count;
	if (link_send(desk->watch.fd, &msg, NULL, 0) == 0)
		desk->asked = count;
}

static bool
desk_got_sockets(struct desk *desk, const int *fds, size_t nfds)
{
	bool good = nfds > 0 && (int)nfds <= desk->asked;

	for (size_t i = 0; i < nfds; i++) {
		good = good && desk_socket_fits(fds[i], false) &&
		       desk->nspare < (int)VS_COUNTOF(desk->spare);
		if (good)
			desk->spare[desk->nspare++] = fds[i];
		else
			(void)close(fds[i]);
	}
	if (!good)
		return false;
	desk->asked = 0;
	desk->wanted = 0;
	desk->hooks->sockets(desk->ctx);
	desk_ask(desk);
	return true;
}

static bool
desk_got_listener(struct desk *desk, const int *fds, size_t nfds)
{
	bool good = nfds == 1 && !desk->greeted && desk_socket_fits(fds[0], true);

	if (!good) {
		for (size_t i = 0; i < nfds; i++)
			(void)close(fds[i]);
		return false;
	}
	desk->greeted = true;
	desk->hooks->listener(desk->ctx, fds[0]);
	desk_ask(desk);
	return true;
}

static bool
desk_message(struct desk *desk, struct link_msg *msg, const int *fds, size_t nfds)
{
	switch (msg->type) {
	case LINK_HELLO:
		return desk_got_listener(desk, fds, nfds);
	case LINK_SOCKETS:
		return desk_got_sockets(desk, fds, nfds);
	default:
		for (size_t i = 0; i < nfds; i++)
			(void)close(fds[i]);
		if (msg->type != LINK_CHILD_ENDED || msg->arg[0] < 0 ||
		    msg->arg[0] >= LINK_CHILDREN)
			return false;
		desk->hooks->child_ended(desk->ctx, (enum link_child)msg->arg[0], msg->arg[1]);
		return true;
	}
}

static void
desk_on_link(struct vs_watch *watch, uint32_t revents)
{
	struct desk *desk = watch->ctx;
	struct link_msg msg;
	int fds[LINK_MAX_FDS];
	size_t nfds;

	(void)revents;
	int rc = link_recv(watch->fd, &msg, fds, &nfds);
	if (rc == VS_EAGAIN)
		return;
	if (rc == 0 && msg.type == LINK_FAILED && nfds == 0 && !desk->greeted) {
		desk->hooks->failed(desk->ctx, msg.text); /* before any page: our own words */
	} else if (rc < 0 || !desk_message(desk, &msg, fds, nfds)) {
		vs_loop_remove(desk->loop, watch);
		desk->hooks->lost(desk->ctx);
	}
}

void
desk_init(struct desk *desk, struct vs_loop *loop, const struct desk_hooks *hooks, void *ctx)
{
	*desk = (struct desk){ .loop = loop, .watch = { .fd = -1 }, .hooks = hooks, .ctx = ctx };
}

int
desk_attach(struct desk *desk, int link_fd)
{
	return vs_loop_add(desk->loop, &desk->watch, link_fd, EPOLLIN, desk_on_link, desk);
}

void
desk_fini(struct desk *desk)
{
	if (desk->loop == NULL)
		return;
	vs_loop_remove(desk->loop, &desk->watch);
	while (desk->nspare > 0)
		(void)close(desk->spare[--desk->nspare]);
}

int
desk_take_socket(struct desk *desk, int *ret_fd)
{
	if (desk->nspare == 0) {
		desk->wanted++;
		desk_ask(desk);
		return VS_EAGAIN;
	}
	*ret_fd = desk->spare[--desk->nspare];
	desk_ask(desk);
	return 0;
}
