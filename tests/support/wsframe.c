/* SPDX-License-Identifier: Apache-2.0 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "tests/support/wsframe.h"

#include <string.h>

void
wsframe_put(struct vs_buf *buf, enum vs_ws_opcode opcode, bool fin, bool masked,
    const void *payload, size_t len)
{
	static const uint8_t mask[4] = { 0x37, 0xfa, 0x21, 0x3d };
	uint8_t head[14];
	size_t size = vs_ws_head(opcode, fin, len, masked ? mask : NULL, head);
	uint8_t *at;
	size_t room;

	assert_int_equal(vs_buf_append(buf, head, size), 0);
	if (len == 0)
		return;
	assert_int_equal(vs_buf_reserve(buf, len, &at, &room), 0);
	memcpy(at, payload, len);
	if (masked)
		vs_ws_mask(at, len, mask, 0);
	vs_buf_filled(buf, len);
}

void
wsframe_put_text(struct vs_buf *buf, bool masked, const char *text)
{
	wsframe_put(buf, VS_WS_TEXT, true, masked, text, strlen(text));
}

bool
wsframe_peek(struct vs_buf *buf, struct wsframe *ret_frame)
{
	uint8_t *bytes = buf->base + buf->head;
	size_t have = vs_buf_len(buf), taken = 0;
	enum vs_ws_event event = VS_WS_MORE;
	struct vs_ws_track track;

	if (have < 2)
		return false;
	vs_ws_track_init(&track, (bytes[1] & 0x80) != 0, UINT64_MAX);
	track.in_message = (bytes[0] & 0x0f) == VS_WS_CONT;
	assert_int_equal(vs_ws_feed(&track, bytes, have, &taken, &event), 0);
	if (event != VS_WS_HEAD || have - taken < track.frame.payload_len)
		return false;
	ret_frame->opcode = track.frame.opcode;
	ret_frame->fin = track.frame.fin;
	ret_frame->len = (size_t)track.frame.payload_len;
	ret_frame->payload = bytes + taken;
	ret_frame->size = taken + ret_frame->len;
	if (track.frame.masked) {
		vs_ws_mask(ret_frame->payload, ret_frame->len, track.frame.mask, 0);
		memset(bytes + taken - 4, 0, 4); /* peeked again, it is plain already */
	}
	return true;
}

uint16_t
wsframe_close_code(const struct wsframe *frame, char *ret_reason, size_t size)
{
	size_t len;

	assert_int_equal(frame->opcode, VS_WS_CLOSE);
	ret_reason[0] = '\0';
	if (frame->len < 2)
		return 1005;
	len = frame->len - 2 < size - 1 ? frame->len - 2 : size - 1;
	memcpy(ret_reason, frame->payload + 2, len);
	ret_reason[len] = '\0';
	return (uint16_t)(frame->payload[0] << 8 | frame->payload[1]);
}
