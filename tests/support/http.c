/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/support/http.h"

#include <stdarg.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <json-c/json_pointer.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define ANSWER_WAIT_MS 60000
#define ANSWER_MAX     (64 * 1024 * 1024)

int
http_open(const char *socket_path)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_true(fd >= 0 && strlen(socket_path) < sizeof(addr.sun_path));
	memcpy(addr.sun_path, socket_path, strlen(socket_path) + 1);
	if (connect(fd, (struct sockaddr *)&addr, sizeof(addr)) != 0)
		fail_msg("connect %s: %s", socket_path, strerror(errno));
	return fd;
}

void
http_send(int fd, const void *bytes, size_t len)
{
	const char *at = bytes;

	while (len > 0) {
		ssize_t sent = send(fd, at, len, MSG_NOSIGNAL);

		/* A server that has heard enough may answer and close. */
		if (sent < 0 && (errno == EPIPE || errno == ECONNRESET))
			return;
		assert_true(sent > 0);
		at += sent;
		len -= (size_t)sent;
	}
}

/* All that comes until the peer closes. */
static char *
read_all(int fd)
{
	size_t len = 0, size = 65536;
	char *text = malloc(size + 1);

	for (;;) {
		struct pollfd pfd = { .fd = fd, .events = POLLIN };
		ssize_t got;

		assert_non_null(text);
		if (poll(&pfd, 1, ANSWER_WAIT_MS) != 1)
			fail_msg("no answer within %d s", ANSWER_WAIT_MS / 1000);
		got = recv(fd, text + len, size - len, 0);
		if (got <= 0)
			break;
		len += (size_t)got;
		if (len == size) {
			size *= 2;
			assert_true(size <= ANSWER_MAX);
			text = realloc(text, size + 1);
		}
	}
	text[len] = '\0';
	return text;
}

void
http_read(int fd, struct http_answer *ret_answer)
{
	const char *end;

	memset(ret_answer, 0, sizeof(*ret_answer));
	ret_answer->text = read_all(fd);
	(void)close(fd);
	ret_answer->body = "";
	if (strncmp(ret_answer->text, "HTTP/1.", 7) != 0)
		return;
	ret_answer->status = atoi(ret_answer->text + strlen("HTTP/1.1 "));
	end = strstr(ret_answer->text, "\r\n\r\n");
	if (end == NULL)
		return;
	ret_answer->body = end + 4;
	ret_answer->json = json_tokener_parse(ret_answer->body);
}

void
http_answer_fini(struct http_answer *answer)
{
	(void)json_object_put(answer->json);
	free(answer->text);
	memset(answer, 0, sizeof(*answer));
}

const char *
http_header(const struct http_answer *answer, const char *name, char ret_value[HTTP_VALUE_SIZE])
{
	const size_t name_len = strlen(name);
	const char *line = answer->text;

	while ((line = strstr(line, "\r\n")) != NULL && line + 2 < answer->body - 2) {
		size_t len;

		line += 2;
		if (strncasecmp(line, name, name_len) != 0 || line[name_len] != ':')
			continue;
		line += name_len + 1;
		line += strspn(line, " ");
		len = strcspn(line, "\r");
		assert_true(len < HTTP_VALUE_SIZE);
		memcpy(ret_value, line, len);
		ret_value[len] = '\0';
		return ret_value;
	}
	return NULL;
}

const char *
http_at(const struct http_answer *answer, const char *pointer)
{
	struct json_object *value = NULL;

	if (answer->json == NULL || json_pointer_get(answer->json, pointer, &value) != 0)
		return NULL;
	return value != NULL ? json_object_get_string(value) : "null";
}
