/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * http - a plain HTTP/1.1 client on a unix socket: the bytes a test writes are the
 * bytes that are sent, right or wrong.
 *
 * Every function fails the test when it cannot do its work. Answers are read within
 * 60 s to the end of the connection.
 */

#include <json-c/json.h>
#include <stddef.h>

struct http_answer {
	int		 status;	/* 0: closed without an answer */
	char		*text;		/* owned: the whole answer, NUL-terminated */
	const char	*body;		/* in text */
	struct json_object *json;	/* owned; NULL when the body is none */
};

int	http_open(const char *socket_path);	/* connected */
void	http_send(int fd, const void *bytes, size_t len);
void	http_read(int fd, struct http_answer *ret_answer);	/* and close fd */
void	http_answer_fini(struct http_answer *answer);

/* The value of a header, in a buffer of its own; NULL: not there. */
#define HTTP_VALUE_SIZE	1024
const char *http_header(const struct http_answer *answer, const char *name,
	    char ret_value[HTTP_VALUE_SIZE]);

/* What stands at a JSON pointer of the body, as text: "null" for null, NULL for nothing. */
const char *http_at(const struct http_answer *answer, const char *pointer);
