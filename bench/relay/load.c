/* SPDX-License-Identifier: Apache-2.0 */
/*
 * relay-load MODE CONNECTIONS SECONDS ADDRESS:PORT PATHS TEXT [PID] - the clients' place in
 * the relay measurement.
 *
 *   talk  each connection sends TEXT, waits for one message, sends again.
 *         Prints: messages/s, MiB/s received, median and 99th percentile in us, and what
 *         process PID spent meanwhile in CPU seconds per million messages and per GiB.
 *   dial  each connection is made, upgraded, dropped, made again. Prints: handshakes/s.
 *   hold  connections are made, send TEXT if it is not empty, and never read again.
 *         Prints "held", then waits for the end of its standard input.
 *
 * PATHS is a file of request targets, used in turn; they bear tokens, so they are not
 * arguments.
 */
#include <err.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "bench/relay/addr.h"
#include "lib/base.h"
#include "lib/err.h"
#include "lib/httphead.h"
#include "lib/loop.h"
#include "lib/ws.h"

#define READ_BYTES  (1024U * 1024)
#define MAX_TEXT    1024
#define MAX_PATHS   1000
#define MAX_SAMPLES 2000000
#define DIALING     64 /* connections on their way at the same time */
#define LIMIT_MS    30000

enum mode { TALK, DIAL, HOLD };

struct link {
	struct vs_watch io;
	int fd;
	bool upgraded;
	struct vs_ws_track track;
	int64_t asked_ns;
};

static struct {
	enum mode mode;
	size_t want, opened, up; /* connections */
	double seconds;
	struct sockaddr_in addr;
	char *path[MAX_PATHS];
	size_t npaths, next_path;
	uint8_t ask[MAX_TEXT + 14];
	size_t ask_len;
	struct vs_loop *loop;
	struct vs_timer end;
	int64_t began_ns, messages, bytes;
	uint32_t *sample_ns;
	size_t nsamples;
	const char *pid; /* of the proxy; NULL: none */
	double began_cpu;
} load;

static uint8_t input[READ_BYTES];

static int64_t
now_ns(void)
{
	struct timespec ts;

	(void)clock_gettime(CLOCK_MONOTONIC, &ts); /* cannot fail for this clock */
	return ts.tv_sec * INT64_C(1000000000) + ts.tv_nsec;
}

static void link_ready(struct vs_watch *watch, uint32_t revents);

static void
link_open(struct link *link)
{
	char head[MAX_TEXT * 4];
	int on = 1, len;

	link->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (link->fd < 0 ||
	    connect(link->fd, (const struct sockaddr *)&load.addr, sizeof(load.addr)) < 0)
		err(1, "connect");
	(void)setsockopt(link->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	len = snprintf(head, sizeof(head),
	    "GET %s HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
	    "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
	    load.path[load.next_path++ % load.npaths]);
	if (len < 0 || (size_t)len >= sizeof(head) || send(link->fd, head, (size_t)len, 0) != len)
		err(1, "request");
	link->upgraded = false;
	vs_ws_track_init(&link->track, false, UINT64_MAX);
	if (vs_loop_add(load.loop, &link->io, link->fd, EPOLLIN, link_ready, link) < 0)
		errx(1, "epoll");
	load.opened++;
}

/* With a reset: so many connections would leave no ports otherwise. */
static void
link_drop(struct link *link)
{
	struct linger linger = { .l_onoff = 1 };

	vs_loop_remove(load.loop, &link->io);
	(void)setsockopt(link->fd, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger));
	(void)close(link->fd);
}

static void
link_open_next(void)
{
	struct link *link;

	if (load.opened >= load.want)
		return;
	link = calloc(1, sizeof(*link));
	if (link == NULL)
		err(1, "load");
	link_open(link);
}

static void
link_ask(struct link *link)
{
	link->asked_ns = now_ns();
	if (send(link->fd, load.ask, load.ask_len, MSG_NOSIGNAL) != (ssize_t)load.ask_len)
		err(1, "send");
}

static void
load_over(struct vs_timer *timer)
{
	(void)timer;
	vs_loop_stop(load.loop);
}

/* Seconds in user and kernel mode; 0 without a proxy. */
static double
proxy_cpu(void)
{
	char path[64], text[1024] = "", *at;
	long ticks = 0;
	FILE *stat;

	if (load.pid == NULL)
		return 0;
	(void)snprintf(path, sizeof(path), "/proc/%s/stat", load.pid);
	stat = fopen(path, "r");
	if (stat == NULL || fgets(text, sizeof(text), stat) == NULL)
		err(1, "%s", path);
	(void)fclose(stat); /* only read */
	at = strrchr(text, ')');
	for (int field = 2; at != NULL && field < 15; field++) {
		at = strchr(at + 1, ' ');
		if (at != NULL && field >= 13)
			ticks += strtol(at, NULL, 10);
	}
	return (double)ticks / (double)sysconf(_SC_CLK_TCK);
}

/* Every connection is there: now it counts. */
static void
load_begin(void)
{
	load.began_ns = now_ns();
	load.began_cpu = proxy_cpu();
	if (load.mode == HOLD)
		vs_loop_stop(load.loop);
	else if (vs_loop_timer(load.loop, &load.end,
		     vs_loop_now(load.loop) + (vs_msec)(load.seconds * 1000), load_over, NULL) < 0)
		errx(1, "timer");
}

static void
link_upgraded(struct link *link)
{
	link->upgraded = true;
	load.up++;
	if (load.up == load.want)
		load_begin();
	if (load.mode == DIAL) {
		link_drop(link);
		link_open(link);
		return;
	}
	if (load.ask_len > 0)
		link_ask(link);
	if (load.mode == HOLD)
		vs_loop_set(load.loop, &link->io, 0);
	link_open_next();
}

static void
link_answered(struct link *link)
{
	int64_t now = now_ns();

	if (load.began_ns != 0) {
		load.messages++;
		load.bytes += (int64_t)link->track.frame.payload_len;
		if (load.nsamples < MAX_SAMPLES)
			load.sample_ns[load.nsamples++] = (uint32_t)(now - link->asked_ns);
	}
	link_ask(link);
}

static void
link_take(struct link *link, size_t len)
{
	struct vs_http_head head;
	enum vs_ws_event event = VS_WS_MORE;
	size_t at = 0, taken;

	if (!link->upgraded) {
		if (vs_http_answer((const char *)input, len, &head) != 0 || head.status != 101)
			errx(1, "refused: %.*s", (int)len, (const char *)input);
		at = head.size;
		link_upgraded(link);
		if (load.mode == DIAL)
			return;
	}
	while (at < len || event == VS_WS_HEAD) {
		if (vs_ws_feed(&link->track, input + at, len - at, &taken, &event) < 0)
			errx(1, "bad frame");
		at += taken;
		if (event == VS_WS_END && link->track.frame.opcode == VS_WS_CLOSE)
			errx(1, "closed");
		if (event == VS_WS_END && link->track.frame.opcode < VS_WS_CLOSE)
			link_answered(link);
	}
}

static void
link_ready(struct vs_watch *watch, uint32_t revents)
{
	struct link *link = watch->ctx;
	ssize_t n = recv(link->fd, input, sizeof(input), MSG_DONTWAIT);

	(void)revents; /* every one means: read */
	if (n > 0)
		link_take(link, (size_t)n);
	else if (n == 0 || (errno != EAGAIN && errno != EINTR))
		errx(1, "cut: %s", n == 0 ? "end of stream" : strerror(errno));
}

static int
by_size(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return x < y ? -1 : x > y;
}

static void
load_report(void)
{
	double seconds = (double)(now_ns() - load.began_ns) / 1e9;
	double cpu = proxy_cpu() - load.began_cpu;

	if (load.mode == DIAL) {
		printf("%.0f\n", (double)(load.up - load.want) / seconds);
	} else if (load.mode == TALK) {
		qsort(load.sample_ns, load.nsamples, sizeof(uint32_t), by_size);
		if (load.nsamples == 0)
			errx(1, "no message");
		printf("%.1f %.1f %.1f %.1f %.2f %.3f\n", (double)load.messages / seconds,
		    (double)load.bytes / seconds / 1048576, load.sample_ns[load.nsamples / 2] / 1e3,
		    load.sample_ns[load.nsamples * 99 / 100] / 1e3,
		    cpu / (double)load.messages * 1e6,
		    cpu / (double)load.bytes * 1024 * 1024 * 1024);
	} else {
		(void)puts("held");
		(void)fflush(stdout);
		while (read(STDIN_FILENO, input, sizeof(input)) > 0)
			continue;
	}
}

static void
load_paths(const char *file)
{
	char line[MAX_TEXT * 3];
	FILE *list = fopen(file, "r");

	if (list == NULL)
		err(1, "%s", file);
	while (load.npaths < MAX_PATHS && fgets(line, sizeof(line), list) != NULL) {
		line[strcspn(line, "\n")] = '\0';
		load.path[load.npaths] = strdup(line);
		if (load.path[load.npaths++] == NULL)
			err(1, "load");
	}
	(void)fclose(list); /* only read */
	if (load.npaths == 0)
		errx(1, "%s is empty", file);
}

static void
load_options(char **argv)
{
	static const char *const modes[] = { [TALK] = "talk", [DIAL] = "dial", [HOLD] = "hold" };
	static const uint8_t mask[4] = { 0x37, 0xfa, 0x21, 0x3d };
	size_t len = strlen(argv[6]);

	while (load.mode <= HOLD && strcmp(modes[load.mode], argv[1]) != 0)
		load.mode++;
	load.want = strtoul(argv[2], NULL, 10);
	load.seconds = strtod(argv[3], NULL);
	if (load.mode > HOLD || load.want == 0 || !addr_parse(argv[4], &load.addr) ||
	    len > MAX_TEXT)
		errx(2, "bad arguments");
	load_paths(argv[5]);
	if (len == 0)
		return;
	load.ask_len = vs_ws_head(VS_WS_TEXT, true, len, mask, load.ask);
	memcpy(load.ask + load.ask_len, argv[6], len);
	vs_ws_mask(load.ask + load.ask_len, len, mask, 0);
	load.ask_len += len;
}

int
main(int argc, char **argv)
{
	struct rlimit lim;

	if (argc != 7 && argc != 8)
		errx(2, "usage: relay-load MODE CONNECTIONS SECONDS ADDRESS:PORT PATHS TEXT [PID]");
	load_options(argv);
	load.pid = argc == 8 ? argv[7] : NULL;
	if (getrlimit(RLIMIT_NOFILE, &lim) == 0) {
		lim.rlim_cur = lim.rlim_max;
		(void)setrlimit(RLIMIT_NOFILE, &lim);
	}
	load.loop = vs_loop_new();
	load.sample_ns = calloc(MAX_SAMPLES, sizeof(uint32_t));
	if (load.loop == NULL || load.sample_ns == NULL ||
	    vs_loop_timer(
		load.loop, &load.end, vs_loop_now(load.loop) + LIMIT_MS, load_over, NULL) < 0)
		errx(1, "no memory");
	for (size_t i = 0; i < DIALING; i++)
		link_open_next();
	if (vs_loop_run(load.loop) < 0 || load.began_ns == 0)
		errx(1, "only %zu of %zu connections within %d s", load.up, load.want,
		    LIMIT_MS / 1000);
	load_report();
	return 0;
}
