/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * ws - RFC 6455 frames: a tracker that finds every frame boundary in a stream as
 * it passes, without copying or holding it, and builders for the frames we send.
 *
 * One tracker per direction, fed every byte once. Between feeds it says whether
 * the stream stands at a frame boundary, the only place where a control frame of
 * ours may go in.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/base.h"

enum vs_ws_opcode {
	VS_WS_CONT = 0, VS_WS_TEXT = 1, VS_WS_BINARY = 2,
	VS_WS_CLOSE = 8, VS_WS_PING = 9, VS_WS_PONG = 10
};

struct vs_ws_frame {
	uint64_t		 payload_len;
	uint8_t			 mask[4];
	uint8_t			 opcode;	/* enum vs_ws_opcode */
	bool			 fin, masked;
	uint8_t			 head_len;	/* 2-14 */
};

/* Packed: an idle tunnel is little more than two of these. */
struct vs_ws_track {
	uint64_t		 max_message;	/* bytes, all fragments together */
	uint64_t		 message_len;	/* so far */
	uint64_t		 left;		/* payload bytes of this frame to come */
	uint64_t		 frames;	/* counted for the metrics */
	union {
		struct vs_ws_frame frame;	/* from VS_WS_HEAD to the next feed after VS_WS_END */
		uint8_t		 head[14];	/* before: what has come of it */
	};
	uint8_t			 have;		/* head bytes gathered */
	bool			 from_client;	/* then frames must be masked, else not */
	bool			 in_frame;	/* head complete, payload running */
	bool			 in_message;	/* a fragmented message is open */
	bool			 closed;	/* a Close frame has passed whole */
};

void	vs_ws_track_init(struct vs_ws_track *track, bool from_client, uint64_t max_message);

/*
 * Take bytes up to the end of the next frame head, or of the payload at hand;
 * *ret_taken says how many. Call until all are taken. *ret_event:
 *   VS_WS_MORE     everything taken, nothing ended
 *   VS_WS_HEAD     a frame head is complete (track->frame); its payload follows
 *   VS_WS_PAYLOAD  these bytes belong to the payload, more to come
 *   VS_WS_END      the frame has ended with these bytes
 * A frame without payload gives HEAD and then END with 0 bytes taken: after HEAD call
 * again even when no byte is left. Bytes after a Close frame are VS_EPROTO.
 * 0; VS_EPROTO (close with 1002); VS_ETOOBIG (close with 1009). After an error the
 * tracker must not be fed.
 */
enum vs_ws_event { VS_WS_MORE, VS_WS_HEAD, VS_WS_PAYLOAD, VS_WS_END };
int	vs_ws_feed(struct vs_ws_track *track, const uint8_t *bytes, size_t len,
	    size_t *ret_taken, enum vs_ws_event *ret_event) VS_MUST_USE;

/* At a frame boundary: no byte of a frame has passed that is not whole. */
static inline bool
vs_ws_at_boundary(const struct vs_ws_track *track)
{
	return track->have == 0 && track->left == 0;
}

/* XOR len payload bytes in place; offset is the first one's place in the payload. */
void	vs_ws_mask(uint8_t *bytes, size_t len, const uint8_t mask[4], uint64_t offset);

/*
 * A frame head into ret_head (14 bytes of room); the size of it is returned.
 * mask: NULL for frames from a server.
 */
size_t	vs_ws_head(enum vs_ws_opcode opcode, bool fin, uint64_t payload_len, const uint8_t *mask,
	    uint8_t ret_head[14]);

/*
 * A whole Close frame (unmasked) with code and reason (UTF-8, cut at 123 bytes or
 * just before); size returned, at most 127.
 */
size_t	vs_ws_close(uint16_t code, const char *reason, uint8_t ret_frame[127]);

/* Sec-WebSocket-Accept for a key: 28 characters and NUL. VS_EINVAL: no such key. */
#define VS_WS_ACCEPT_SIZE	29
int	vs_ws_accept(const char *key, size_t key_len, char ret_accept[VS_WS_ACCEPT_SIZE]) VS_MUST_USE;
