/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * httpc - HTTP requests on the loop: libcurl's multi interface, over TCP, TLS or a
 * unix socket.
 *
 * No hook is ever called from inside vs_httpc_send() or vs_httpc_cancel(), nor from
 * inside libcurl: a hook may send and cancel as it likes, also its own call. The
 * peer is not trusted: heads, bodies and durations are capped, redirects are not
 * followed, proxies of the environment are not used.
 *
 * Owner: the daemon, one for all its requests. Threads: one.
 */

#include <stddef.h>
#include <stdint.h>

#include "lib/base.h"
#include "lib/loop.h"

struct vs_httpc;
struct vs_httpc_call;

struct vs_httpc_answer {
	int		 status;	/* 100-599 */
	const uint8_t	*body;		/* borrowed; empty when hooks.body took it */
	size_t		 body_len;
};

struct vs_httpc_hooks {
	/*
	 * A piece of the body of a 2xx answer as it comes; NULL: collect it. Anything
	 * but 0 ends the call with that error.
	 */
	int	(*body)(void *ctx, const uint8_t *bytes, size_t len);
	/*
	 * The last hook of a call. rc: 0 (any status), VS_ETIMEDOUT, VS_ETOOBIG,
	 * VS_ECLOSED (not reachable, or cut), VS_EPROTO, VS_ENOMEM; answer is there when 0.
	 */
	void	(*done)(void *ctx, int rc, const struct vs_httpc_answer *answer);
	void	*ctx;
};

/* All strings are copied. */
struct vs_httpc_request {
	const char	*method;	/* "GET", ... */
	const char	*url;		/* http: or https: */
	const char	*unix_path;	/* connect here, whatever the url's host; NULL: TCP */
	const char	*bearer;	/* Authorization: Bearer ...; NULL: none */
	const char	*content_type;	/* with a body */
	const void	*body;		/* NULL: none */
	size_t		 body_len;
	const char	*ca_file;	/* NULL: the system's */
	vs_msec		 connect_ms;	/* 0: 5 s */
	vs_msec		 total_ms;	/* 0: none, for a stream */
	size_t		 max_body_bytes;	/* collected, or in all of a stream; 0: 64 KiB */
};

struct vs_httpc	*vs_httpc_new(struct vs_loop *loop);	/* NULL: no memory */
void	vs_httpc_free(struct vs_httpc *httpc);	/* cancels all; after the loop's last batch */

/* VS_ENOMEM, VS_EINVAL: no hook will be called. */
int	vs_httpc_send(struct vs_httpc *httpc, const struct vs_httpc_request *request,
	    const struct vs_httpc_hooks *hooks, struct vs_httpc_call **ret_call) VS_MUST_USE;

/* No hook of it will be called any more. Not for a call that is done. */
void	vs_httpc_cancel(struct vs_httpc_call *call);
