/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fake_agent - an agent without a browser, for failures on demand. It speaks
 * PROTOCOL.md; the user agent of its specification says what is to go wrong:
 *
 *	fake ready=20 end=browser_crashed end_ms=50
 *
 * ready=MS       when it is ready (20); -1: never
 * end=CODE       says so and exits, end_ms after it was ready
 * exit=STATUS    exits without a word, end_ms after its start
 * deaf=1         does not answer POST /stop and ignores SIGTERM
 * orphan=1       has a child that outlives it, in a session of its own
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <json-c/json.h>

#include "lib/clock.h"

#define CONNS_MAX   32
#define REQUEST_MAX 4096

struct conn {
	int fd; /* 0: free */
	bool events;
	size_t len;
	char in[REQUEST_MAX + 1];
};

static struct {
	char secret[128], end[64], dir[200];
	int ready_ms, end_ms, exit_status;
	bool deaf, orphan;
	int listen_fd;
	struct conn conns[CONNS_MAX];
	bool ready, ended;
	vs_msec ready_at, end_at, deadline_at;
} fake = { .ready_ms = 20, .exit_status = -1 };

static void
option_set(const char *word)
{
	const char *value = strchr(word, '=');

	if (value == NULL)
		return;
	value++;
	if (strncmp(word, "ready=", 6) == 0)
		fake.ready_ms = atoi(value);
	else if (strncmp(word, "end_ms=", 7) == 0)
		fake.end_ms = atoi(value);
	else if (strncmp(word, "end=", 4) == 0)
		(void)snprintf(fake.end, sizeof(fake.end), "%s", value);
	else if (strncmp(word, "exit=", 5) == 0)
		fake.exit_status = atoi(value);
	else if (strncmp(word, "deaf=", 5) == 0)
		fake.deaf = true;
	else if (strncmp(word, "orphan=", 7) == 0)
		fake.orphan = true;
}

static const char *
member(struct json_object *spec, const char *key)
{
	struct json_object *value = NULL;
	const char *text;

	(void)json_object_object_get_ex(spec, key, &value);
	text = value != NULL ? json_object_get_string(value) : NULL;
	return text != NULL ? text : "";
}

static void
deadline_set(int64_t wall_ms)
{
	fake.deadline_at = vs_clock_mono_ms() + (wall_ms - vs_clock_wall_ms());
}

static void
spec_read(void)
{
	char text[65536], *save = NULL;
	char options[1024];
	ssize_t n = read(3, text, sizeof(text) - 1);
	struct json_object *spec;

	if (n <= 0)
		exit(90);
	text[n] = '\0';
	(void)close(3);
	spec = json_tokener_parse(text);
	if (spec == NULL)
		exit(91);
	(void)snprintf(fake.secret, sizeof(fake.secret), "%s", member(spec, "secret"));
	(void)snprintf(fake.dir, sizeof(fake.dir), "%s", member(spec, "dir"));
	(void)snprintf(options, sizeof(options), "%s", member(spec, "user_agent"));
	deadline_set(strtoll(member(spec, "deadline_ms"), NULL, 10));
	(void)json_object_put(spec);
	for (char *word = strtok_r(options, " ", &save); word != NULL;
	     word = strtok_r(NULL, " ", &save))
		option_set(word);
}

static void
socket_open(void)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };

	if (chdir(fake.dir) < 0)
		exit(92);
	(void)snprintf(addr.sun_path, sizeof(addr.sun_path), "agent.sock");
	fake.listen_fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (bind(fake.listen_fd, (struct sockaddr *)&addr, sizeof(addr)) < 0 ||
	    chmod("agent.sock", 0660) < 0 || listen(fake.listen_fd, 64) < 0)
		exit(93);
}

static void
say(struct conn *conn, const char *text)
{
	(void)send(conn->fd, text, strlen(text), MSG_NOSIGNAL);
}

static void
conn_close(struct conn *conn)
{
	(void)close(conn->fd);
	memset(conn, 0, sizeof(*conn));
}

static void
say_state(struct conn *conn)
{
	char line[256];

	if (fake.ended)
		(void)snprintf(line, sizeof(line),
		    "{\"state\":\"ended\",\"end\":\"%s\",\"detail\":\"on demand\"}\n", fake.end);
	else
		(void)snprintf(line, sizeof(line), "{\"state\":\"%s\",\"cdp_path\":null}\n",
		    fake.ready ? "ready" : "starting");
	say(conn, line);
}

static void
say_all(void)
{
	for (size_t i = 0; i < CONNS_MAX; i++) {
		if (fake.conns[i].events)
			say_state(&fake.conns[i]);
	}
}

static void
end_now(const char *end)
{
	if (end != fake.end)
		(void)snprintf(fake.end, sizeof(fake.end), "%s", end);
	fake.ended = true;
	say_all();
	exit(0);
}

static void
answer(struct conn *conn)
{
	char auth[200];

	(void)snprintf(auth, sizeof(auth), "Authorization: Bearer %s\r\n", fake.secret);
	if (strstr(conn->in, auth) == NULL) {
		say(conn, "HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\n\r\n");
	} else if (strncmp(conn->in, "GET /events ", 12) == 0) {
		say(conn, "HTTP/1.1 200 OK\r\nContent-Type: application/x-ndjson\r\n\r\n");
		conn->events = true;
		conn->len = 0;
		say_state(conn);
		return;
	} else if (strncmp(conn->in, "GET /health ", 12) == 0) {
		say(conn, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}");
	} else if (strncmp(conn->in, "POST /deadline ", 15) == 0) {
		deadline_set(strtoll(strstr(conn->in, "deadline_ms\":") + 13, NULL, 10));
		say(conn, "HTTP/1.1 204 No Content\r\n\r\n");
	} else if (strncmp(conn->in, "POST /stop ", 11) == 0) {
		if (fake.deaf)
			return;
		say(conn, "HTTP/1.1 204 No Content\r\n\r\n");
		end_now("stopped");
	} else {
		say(conn, "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n");
	}
	conn_close(conn);
}

/* Whole when the head is there and, with a length, as much body. */
static bool
is_whole(const struct conn *conn)
{
	const char *end = strstr(conn->in, "\r\n\r\n");
	const char *length = strstr(conn->in, "Content-Length: ");

	if (end == NULL)
		return false;
	return length == NULL || strlen(end + 4) >= (size_t)atoi(length + 16);
}

static void
conn_read(struct conn *conn)
{
	ssize_t n = read(conn->fd, conn->in + conn->len, REQUEST_MAX - conn->len);

	if (n <= 0) {
		conn_close(conn);
		return;
	}
	conn->len += (size_t)n;
	conn->in[conn->len] = '\0';
	if (!conn->events && is_whole(conn))
		answer(conn);
}

static void
conn_take(void)
{
	int fd = accept(fake.listen_fd, NULL, NULL);

	for (size_t i = 0; fd >= 0 && i < CONNS_MAX; i++) {
		if (fake.conns[i].fd == 0) {
			fake.conns[i].fd = fd;
			return;
		}
	}
	(void)close(fd);
}

static void
time_pass(void)
{
	vs_msec now = vs_clock_mono_ms();

	if (now >= fake.deadline_at)
		end_now("deadline");
	if (fake.exit_status >= 0 && now >= fake.end_at)
		_exit(fake.exit_status);
	if (!fake.ready && fake.ready_ms >= 0 && now >= fake.ready_at) {
		fake.ready = true;
		say_all();
	}
	if (fake.ready && fake.exit_status < 0 && fake.end[0] != '\0' && now >= fake.end_at)
		end_now(fake.end);
}

static void
serve(void)
{
	struct pollfd fds[CONNS_MAX + 1];

	for (;;) {
		fds[CONNS_MAX] = (struct pollfd){ .fd = fake.listen_fd, .events = POLLIN };
		for (size_t i = 0; i < CONNS_MAX; i++)
			fds[i] =
			    (struct pollfd){ .fd = fake.conns[i].fd > 0 ? fake.conns[i].fd : -1,
				    .events = POLLIN };
		(void)poll(fds, CONNS_MAX + 1, 5);
		time_pass();
		for (size_t i = 0; i < CONNS_MAX; i++) {
			if (fds[i].revents != 0)
				conn_read(&fake.conns[i]);
		}
		if (fds[CONNS_MAX].revents != 0)
			conn_take();
	}
}

static void
term_ignore(void)
{
	struct sigaction ignore = { .sa_handler = SIG_IGN };

	(void)sigaction(SIGTERM, &ignore, NULL);
}

/* What a browser that got away would be. */
static void
orphan_start(void)
{
	if (fork() != 0)
		return;
	(void)setsid();
	term_ignore();
	for (;;)
		(void)pause();
}

int
main(int argc, char **argv)
{
	vs_msec now = vs_clock_mono_ms();

	if (argc > 1 && strcmp(argv[1], "--self-test") == 0)
		return 0;
	spec_read();
	fake.ready_at = now + fake.ready_ms;
	fake.end_at = now + (fake.exit_status >= 0 ? 0 : fake.ready_ms) + fake.end_ms;
	if (fake.deaf)
		term_ignore();
	if (fake.orphan)
		orphan_start();
	socket_open();
	serve();
}
