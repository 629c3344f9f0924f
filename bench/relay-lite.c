/* SPDX-License-Identifier: Apache-2.0 */
/*
 * relay-lite - what ventus-cdpd adds to a message: ping-pong with an echoing agent,
 * directly and through the daemon as it is installed, in alternating rounds.
 *
 *	top_srcdir=. top_builddir=. bench/relay-lite [ROUNDS [MILLISECONDS]]
 *
 * Prints medians: messages a second, and the share of the direct ones.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/support/cdpd_rig.h"
#include "tests/support/wsclient.h"

#define SESSIONS   2
#define MAX_CONNS  16
#define MAX_ROUNDS 51

struct load {
	size_t conns, payload;
};

struct peer {
	struct wsclient ws;
	size_t sent, got;
};

static struct cdpd_sess sess[SESSIONS];
static struct vs_buf frame;
static uint8_t sink[1 << 20];

static void
peers_open(struct peer *peers, size_t count, bool direct)
{
	char auth[128];

	for (size_t i = 0; i < count; i++) {
		const struct cdpd_sess *s = &sess[i % SESSIONS];

		(void)snprintf(auth, sizeof(auth), "Authorization: Bearer %s\r\n", s->secret);
		wsclient_ask(&peers[i].ws, direct ? s->agent_sock : cdpd_rig.sock,
		    direct ? "/cdp" : s->target, direct ? auth : "");
		assert_int_equal(wsclient_answer(&peers[i].ws), 101);
		peers[i].sent = peers[i].got = 0;
	}
}

/* Send what is left of the frame; the agent echoes it without its mask. */
static void
peer_push(struct peer *peer)
{
	ssize_t n;

	while (peer->sent < vs_buf_len(&frame)) {
		n = send(peer->ws.fd, vs_buf_data(&frame) + peer->sent,
		    vs_buf_len(&frame) - peer->sent, MSG_NOSIGNAL | MSG_DONTWAIT);
		if (n <= 0)
			break;
		peer->sent += (size_t)n;
	}
}

/* True: one echo is whole. */
static bool
peer_pull(struct peer *peer)
{
	ssize_t n = recv(peer->ws.fd, sink, sizeof(sink), MSG_DONTWAIT);

	if (n == 0 || (n < 0 && errno != EAGAIN))
		fail_msg("cut");
	peer->got += n > 0 ? (size_t)n : 0;
	if (peer->got < vs_buf_len(&frame) - 4)
		return false;
	peer->sent = peer->got = 0;
	return true;
}

static double
run(const struct load *load, bool direct, vs_msec length)
{
	struct peer peers[MAX_CONNS];
	struct epoll_event ev = { .events = EPOLLIN }, evs[MAX_CONNS];
	int ep = epoll_create1(EPOLL_CLOEXEC);
	vs_msec began, now;
	long count = 0;

	peers_open(peers, load->conns, direct);
	for (size_t i = 0; i < load->conns; i++) {
		ev.data.ptr = &peers[i];
		ev.events = load->payload > 65536 ? EPOLLIN | EPOLLOUT : EPOLLIN;
		assert_int_equal(epoll_ctl(ep, EPOLL_CTL_ADD, peers[i].ws.fd, &ev), 0);
		peer_push(&peers[i]);
	}
	began = now = vs_clock_mono_ms();
	while (now - began < length) {
		int n = epoll_wait(ep, evs, MAX_CONNS, 5000);

		assert_true(n > 0);
		for (int i = 0; i < n; i++) {
			struct peer *peer = evs[i].data.ptr;

			if ((evs[i].events & EPOLLIN) != 0 && peer_pull(peer))
				count++;
			peer_push(peer);
		}
		now = vs_clock_mono_ms();
	}
	for (size_t i = 0; i < load->conns; i++)
		wsclient_close(&peers[i].ws);
	(void)close(ep);
	return (double)count * 1000 / (double)(now - began);
}

static int
compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static void
measure(const struct load *load, size_t rounds, vs_msec length)
{
	double rate[2][MAX_ROUNDS];
	uint8_t *payload = calloc(1, load->payload);

	assert_non_null(payload);
	vs_buf_init(&frame, load->payload + 14);
	wsframe_put(&frame, VS_WS_BINARY, true, true, payload, load->payload);
	for (size_t i = 0; i < rounds; i++) {
		rate[0][i] = run(load, true, length);
		rate[1][i] = run(load, false, length);
	}
	for (int way = 0; way < 2; way++)
		qsort(rate[way], rounds, sizeof(double), compare);
	(void)printf("%3zu connections, %8zu bytes: direct %8.0f/s, through cdpd %8.0f/s, %.3f\n",
	    load->conns, load->payload, rate[0][rounds / 2], rate[1][rounds / 2],
	    rate[1][rounds / 2] / rate[0][rounds / 2]);
	(void)fflush(stdout);
	vs_buf_fini(&frame);
	free(payload);
}

int
main(int argc, char **argv)
{
	static const struct load loads[] = {
		{ 1, 200 },
		{ 16, 200 },
		{ 1, 1048576 },
		{ 1, 8388608 },
	};
	long rounds = argc > 1 ? strtol(argv[1], NULL, 10) : 5;
	long length = argc > 2 ? strtol(argv[2], NULL, 10) : 1000;

	if (rounds < 1 || rounds > MAX_ROUNDS || length < 1)
		return 2;
	cdpd_rig_new();
	for (size_t i = 0; i < SESSIONS; i++)
		cdpd_sess_start(&sess[i], 3600);
	for (size_t i = 0; i < VS_COUNTOF(loads); i++)
		measure(&loads[i], (size_t)rounds, length);
	for (size_t i = 0; i < SESSIONS; i++)
		cdpd_sess_end(&sess[i]);
	cdpd_rig_free();
	return 0;
}
