/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * wsframe - websocket frames for tests: put them into a buffer, take them out.
 *
 * Ends the test with cmocka's fail() when memory runs out or a frame makes no sense.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/buf.h"
#include "lib/ws.h"

/* As a client sends it (masked) or a server. */
void	wsframe_put(struct vs_buf *buf, enum vs_ws_opcode opcode, bool fin, bool masked,
	    const void *payload, size_t len);
void	wsframe_put_text(struct vs_buf *buf, bool masked, const char *text);

struct wsframe {
	enum vs_ws_opcode	 opcode;
	bool			 fin;
	size_t			 len;
	uint8_t			*payload;	/* in buf, unmasked in place; until the next call */
	size_t			 size;		/* with its head */
};

/* The frame at the head of buf, if it is there whole; consume size to go on. */
bool	wsframe_peek(struct vs_buf *buf, struct wsframe *ret_frame);

/* A Close frame's code (1005 when it has none), and its reason as a string. */
uint16_t wsframe_close_code(const struct wsframe *frame, char *ret_reason, size_t size);
