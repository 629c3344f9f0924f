/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * httphead - the head of an HTTP/1.x message, parsed in place and strictly.
 *
 * Used for requests (cdpd, the agent, its egress relay) and for answers (the
 * agent's and Chrome's). Views point into the caller's bytes; nothing is copied.
 * Refuses obs-fold, bare CR or LF, NUL, space before ':', a repeated
 * Content-Length or Host, Content-Length with Transfer-Encoding.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/base.h"

#define VS_HTTP_HEAD_MAX	16384
#define VS_HTTP_MAX_FIELDS	100

struct vs_str {
	const char	*ptr;
	size_t		 len;
};

struct vs_http_field {
	struct vs_str	 name, value;	/* value without surrounding blanks */
};

struct vs_http_head {
	struct vs_str		 method, target;	/* requests */
	int			 status;		/* answers: 100-599 */
	int			 minor;			/* HTTP/1.minor: 0 or 1 */
	struct vs_http_field	 field[VS_HTTP_MAX_FIELDS];
	size_t			 nfields;
	size_t			 size;			/* bytes, with the empty line */
	int64_t			 content_length;	/* -1: not given */
	bool			 chunked;
};

/*
 * 0, VS_EAGAIN when the head is not complete yet, VS_EPROTO, VS_ETOOBIG. A fault is
 * told as soon as it is seen. *ret_head is scratch unless 0 is returned.
 */
int	vs_http_request(const char *bytes, size_t len, struct vs_http_head *ret_head) VS_MUST_USE;
int	vs_http_answer(const char *bytes, size_t len, struct vs_http_head *ret_head) VS_MUST_USE;

/* Case-blind; the first of that name, or NULL. */
const struct vs_str	*vs_http_find(const struct vs_http_head *head, const char *name);

/* Is token in the comma-separated list of every field of that name? Case-blind. */
bool	vs_http_has_token(const struct vs_http_head *head, const char *name, const char *token);

bool	vs_str_eq(struct vs_str str, const char *text);
bool	vs_str_eq_nocase(struct vs_str str, const char *text);
