/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * wsclient - a websocket client for tests, on a unix socket; every wait has a deadline
 * and fails the test when it is over. Pings are answered and not shown.
 */

#include <stdbool.h>
#include <stddef.h>

#include "lib/buf.h"
#include "lib/ws.h"
#include "tests/support/wsframe.h"

#define WSCLIENT_WAIT_MS	20000
#define WSCLIENT_BUF_MAX	(32U * 1024 * 1024)

struct wsclient {
	int		 fd;		/* -1: not connected */
	bool		 closed;	/* it has sent its Close */
	struct vs_buf	 in;
	int		 status;	/* of the answer to the handshake */
	char		 head[2048];	/* of the answer */
	char		 body[2048];	/* when it was a refusal */
};

/* Connect and send the request; the answer is not waited for. */
void	wsclient_ask(struct wsclient *ws, const char *socket_path, const char *target,
	    const char *fields);
/* Wait for it: the status. */
int	wsclient_answer(struct wsclient *ws);
/* Both, with what a browser would add; target bears the token. */
int	wsclient_open(struct wsclient *ws, const char *socket_path, const char *target);
void	wsclient_close(struct wsclient *ws);	/* the socket; no Close frame */

void	wsclient_send(struct wsclient *ws, enum vs_ws_opcode opcode, const void *payload, size_t len);
void	wsclient_send_text(struct wsclient *ws, const char *text);

/* The next frame that is not a ping; ret_frame lives until the next call. */
void	wsclient_next(struct wsclient *ws, struct wsframe *ret_frame);
void	wsclient_expect_text(struct wsclient *ws, const char *text);
void	wsclient_expect_close(struct wsclient *ws, uint16_t code, const char *reason);
/* The other side ends the stream, with or without a reset. */
void	wsclient_expect_eof(struct wsclient *ws);
