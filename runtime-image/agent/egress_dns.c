/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime-image/agent/egress_dns.h"

#include <ares.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/time.h>

#include "lib/err.h"

#define DNS_MAX_SOCKETS 16 /* one a server and protocol; c-ares reads three servers */
#define DNS_TIMEOUT_MS  2000
#define DNS_TRIES       2

struct egress_dns {
	struct vs_loop *loop;
	ares_channel channel;
	struct vs_watch sock[DNS_MAX_SOCKETS];
	struct vs_timer timer;
};

static void dns_on_timer(struct vs_timer *timer);

static void
dns_plan(struct egress_dns *dns)
{
	struct timeval tv;

	if (ares_timeout(dns->channel, NULL, &tv) == NULL) {
		vs_loop_timer_clear(dns->loop, &dns->timer);
		return;
	}
	/* Without the timer a lost packet costs the connection's own deadline. */
	(void)!vs_loop_timer(dns->loop, &dns->timer,
	    vs_loop_now(dns->loop) + tv.tv_sec * 1000 + tv.tv_usec / 1000 + 1, dns_on_timer, dns);
}

static void
dns_on_timer(struct vs_timer *timer)
{
	struct egress_dns *dns = timer->ctx;

	ares_process_fd(dns->channel, ARES_SOCKET_BAD, ARES_SOCKET_BAD);
	dns_plan(dns);
}

static void
dns_on_socket(struct vs_watch *watch, uint32_t revents)
{
	struct egress_dns *dns = watch->ctx;
	int fd = watch->fd;
	bool broken = (revents & (EPOLLERR | EPOLLHUP)) != 0;

	ares_process_fd(dns->channel, broken || (revents & EPOLLIN) != 0 ? fd : ARES_SOCKET_BAD,
	    (revents & EPOLLOUT) != 0 ? fd : ARES_SOCKET_BAD);
	dns_plan(dns);
}

static struct vs_watch *
dns_find(struct egress_dns *dns, int fd)
{
	for (size_t i = 0; i < VS_COUNTOF(dns->sock); i++) {
		if (dns->sock[i].fd == fd)
			return &dns->sock[i];
	}
	return NULL;
}

/* A socket that finds no place here is served by the timer alone. */
static void
dns_socket_state(void *ctx, ares_socket_t fd, int readable, int writable)
{
	struct egress_dns *dns = ctx;
	struct vs_watch *watch = dns_find(dns, fd);
	uint32_t events = (readable ? EPOLLIN : 0U) | (writable ? EPOLLOUT : 0U);

	if (watch == NULL && events != 0) {
		watch = dns_find(dns, -1);
		if (watch != NULL)
			(void)!vs_loop_add(dns->loop, watch, fd, events, dns_on_socket, dns);
		return;
	}
	if (watch == NULL)
		return;
	if (events == 0)
		vs_loop_remove(dns->loop, watch);
	else
		vs_loop_set(dns->loop, watch, events);
}

int
egress_dns_open(struct vs_loop *loop, struct egress_dns **ret_dns)
{
	struct egress_dns *dns = calloc(1, sizeof(*dns));
	struct ares_options options = { .timeout = DNS_TIMEOUT_MS,
		.tries = DNS_TRIES,
		.sock_state_cb = dns_socket_state,
		.sock_state_cb_data = dns };

	if (dns == NULL)
		return VS_ENOMEM;
	dns->loop = loop;
	dns->timer.ctx = dns;
	for (size_t i = 0; i < VS_COUNTOF(dns->sock); i++)
		dns->sock[i].fd = -1;
	if (ares_library_init(ARES_LIB_INIT_ALL) != ARES_SUCCESS ||
	    ares_init_options(&dns->channel, &options,
		ARES_OPT_TIMEOUTMS | ARES_OPT_TRIES | ARES_OPT_SOCK_STATE_CB) != ARES_SUCCESS) {
		free(dns);
		return VS_EIO;
	}
	*ret_dns = dns;
	return 0;
}

void
egress_dns_free(struct egress_dns *dns)
{
	if (dns == NULL)
		return;
	vs_loop_timer_clear(dns->loop, &dns->timer);
	ares_destroy(dns->channel);
	ares_library_cleanup();
	free(dns);
}

static void
lookup_take(struct egress_lookup *lookup, const struct ares_addrinfo *info)
{
	const struct ares_addrinfo_node *node = info == NULL ? NULL : info->nodes;

	for (; node != NULL && lookup->naddrs < EGRESS_DNS_ADDRS; node = node->ai_next) {
		if (node->ai_family != AF_INET && node->ai_family != AF_INET6)
			continue;
		memcpy(&lookup->addr[lookup->naddrs++], node->ai_addr, node->ai_addrlen);
	}
}

static void
dns_answered(void *ctx, int status, int timeouts, struct ares_addrinfo *info)
{
	struct egress_lookup *lookup = ctx;

	(void)timeouts;
	if (lookup->done == NULL) { /* given up meanwhile */
		ares_freeaddrinfo(info);
		free(lookup);
		return;
	}
	if (status == ARES_SUCCESS)
		lookup_take(lookup, info);
	ares_freeaddrinfo(info);
	lookup->finished = true;
	if (!lookup->starting)
		lookup->done(lookup->ctx);
}

/* RFC 6761: every name under localhost is the loopback's, and no name server's. */
static const char *
dns_name(const char *host)
{
	static const char suffix[] = ".localhost";
	size_t len = strlen(host);

	if (len >= sizeof(suffix) && strcasecmp(host + len - (sizeof(suffix) - 1), suffix) == 0)
		return suffix + 1;
	return host;
}

struct egress_lookup *
egress_dns_start(
    struct egress_dns *dns, const char *host, uint16_t port, void (*done)(void *ctx), void *ctx)
{
	const struct ares_addrinfo_hints hints = {
		.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM, .ai_flags = ARES_AI_NUMERICSERV
	};
	struct egress_lookup *lookup = calloc(1, sizeof(*lookup));
	char service[8];

	if (lookup == NULL)
		return NULL;
	lookup->done = done;
	lookup->ctx = ctx;
	lookup->starting = true;
	(void)snprintf(service, sizeof(service), "%u", port);
	ares_getaddrinfo(dns->channel, dns_name(host), service, &hints, dns_answered, lookup);
	lookup->starting = false;
	dns_plan(dns);
	return lookup;
}

void
egress_lookup_free(struct egress_lookup *lookup)
{
	if (lookup == NULL)
		return;
	if (lookup->finished)
		free(lookup);
	else
		lookup->done = NULL;
}
