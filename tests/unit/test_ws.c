/* SPDX-License-Identifier: Apache-2.0 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "lib/err.h"
#include "lib/utf8.h"
#include "lib/ws.h"

#define MAX_MESSAGE 100000
#define HEX_MAX     512

static const uint8_t mask[4] = { 0x37, 0xfa, 0x21, 0x3d };

/* Space-separated hex in text; "*N" repeats the byte before it N times in all. */
static size_t
unhex(const char *text, uint8_t *ret_bytes, size_t room)
{
	size_t len = 0;

	while (*text != '\0') {
		char *end;

		if (*text == ' ') {
			text++;
		} else if (*text == '*') {
			size_t times = strtoul(text + 1, &end, 10);

			assert_true(len > 0 && len + times <= room);
			memset(ret_bytes + len, ret_bytes[len - 1], times - 1);
			len += times - 1;
			text = end;
		} else {
			char digits[3] = { text[0], text[1], '\0' };

			assert_true(len < room);
			ret_bytes[len++] = (uint8_t)strtoul(digits, &end, 16);
			assert_ptr_equal(end, digits + 2);
			text += 2;
		}
	}
	return len;
}

/* Feed all, step bytes at a time; the error, or 0. *ret_frames counts whole frames. */
static int
feed_all(struct vs_ws_track *track, const uint8_t *bytes, size_t len, size_t step)
{
	enum vs_ws_event event = VS_WS_MORE;
	size_t at = 0, taken;
	int rc;

	while (at < len || event == VS_WS_HEAD) {
		size_t n = len - at < step ? len - at : step;

		/* An exact copy, so that a sanitizer sees a read past the bytes given. */
		uint8_t *copy = malloc(n == 0 ? 1 : n);

		assert_non_null(copy);
		if (n > 0)
			memcpy(copy, bytes + at, n);
		rc = vs_ws_feed(track, copy, n, &taken, &event);
		free(copy);
		if (rc < 0)
			return rc;
		assert_true(taken <= n);
		at += taken;
		if (event == VS_WS_HEAD && track->frame.payload_len > 0 && at == len)
			break;
	}
	return 0;
}

struct stream {
	const char *hex;
	bool from_client;
	int rc;
	uint64_t frames; /* whole ones, when rc is 0 */
};

static const struct stream streams[] = {
	/* RFC 6455 5.7 */
	{ "81 05 48 65 6c 6c 6f", false, 0, 1 },
	{ "81 85 37 fa 21 3d 7f 9f 4d 51 58", true, 0, 1 },
	{ "01 03 48 65 6c 80 02 6c 6f", false, 0, 2 },
	{ "89 05 48 65 6c 6c 6f", false, 0, 1 },
	{ "8a 85 37 fa 21 3d 7f 9f 4d 51 58", true, 0, 1 },
	{ "82 7e 01 00 00*256", false, 0, 1 },
	{ "82 7f 00*5 01 00*2 aa*65536", false, 0, 1 },
	/* Empty frames, control frames between fragments, two messages. */
	{ "81 00", false, 0, 1 },
	{ "81 80 00*4 82 80 00*4", true, 0, 2 },
	{ "01 00 89 00 00 00 8a 01 78 80 00 81 00", false, 0, 6 },
	{ "88 00", false, 0, 1 },
	{ "88 02 03 e8", false, 0, 1 },
	{ "88 7d 03 e8 61*123", false, 0, 1 },
	{ "82 7e 00 7e 00*126", false, 0, 1 },
	{ "82 7e ff ff 00*65535", false, 0, 1 },
	/* Reserved bits and opcodes. */
	{ "c1 00", false, VS_EPROTO, 0 },
	{ "a1 00", false, VS_EPROTO, 0 },
	{ "91 00", false, VS_EPROTO, 0 },
	{ "83 00", false, VS_EPROTO, 0 },
	{ "84 00", false, VS_EPROTO, 0 },
	{ "85 00", false, VS_EPROTO, 0 },
	{ "86 00", false, VS_EPROTO, 0 },
	{ "87 00", false, VS_EPROTO, 0 },
	{ "8b 00", false, VS_EPROTO, 0 },
	{ "8c 00", false, VS_EPROTO, 0 },
	{ "8d 00", false, VS_EPROTO, 0 },
	{ "8e 00", false, VS_EPROTO, 0 },
	{ "8f 00", false, VS_EPROTO, 0 },
	/* Masks: from the client always, from the server never. */
	{ "81 00", true, VS_EPROTO, 0 },
	{ "81 80 00*4", false, VS_EPROTO, 0 },
	{ "89 80 00*4", false, VS_EPROTO, 0 },
	/* Control frames. */
	{ "09 00", false, VS_EPROTO, 0 },
	{ "08 00", false, VS_EPROTO, 0 },
	{ "89 7e 00 7e 00*126", false, VS_EPROTO, 0 },
	{ "88 7e 00 7e 00*126", false, VS_EPROTO, 0 },
	{ "88 01 03", false, VS_EPROTO, 0 },
	{ "88 00 81 00", false, VS_EPROTO, 0 },
	{ "88 00 88 00", false, VS_EPROTO, 0 },
	/* Lengths not in their shortest form, or past 63 bits. */
	{ "82 7e 00 7d 00*125", false, VS_EPROTO, 0 },
	{ "82 7e 00 00", false, VS_EPROTO, 0 },
	{ "82 7f 00*6 ff ff 00", false, VS_EPROTO, 0 },
	{ "82 7f 80 00*7 00", false, VS_EPROTO, 0 },
	{ "82 7f ff*8 00", false, VS_EPROTO, 0 },
	/* Continuations. */
	{ "80 00", false, VS_EPROTO, 0 },
	{ "00 00", false, VS_EPROTO, 0 },
	{ "01 00 01 00", false, VS_EPROTO, 0 },
	{ "01 00 82 00", false, VS_EPROTO, 0 },
	{ "81 00 80 00", false, VS_EPROTO, 0 },
	{ "01 00 80 00 80 00", false, VS_EPROTO, 0 },
	/* Sizes: MAX_MESSAGE is 0x186a0. */
	{ "82 7f 00*5 01 86 a0 00*100000", false, 0, 1 },
	{ "82 7f 00*5 01 86 a1", false, VS_ETOOBIG, 0 },
	{ "82 7f 7f ff*7", false, VS_ETOOBIG, 0 },
	{ "02 7e ff ff 00*65535 80 7e 86 a1 00*34465", false, 0, 2 },
	{ "02 7e ff ff 00*65535 80 7e 86 a2", false, VS_ETOOBIG, 0 },
	{ "02 7e ff ff 00*65535 89 05 00*5 80 7e 86 a1 00*34465 82 7e ff ff 00*65535", false, 0,
	    4 },
};

static void
ws_feed__passes_and_refuses_streams_however_cut(void **state)
{
	static const size_t steps[] = { SIZE_MAX, 1, 2, 3, 7, 13, 14, 1000 };
	static uint8_t bytes[4 * MAX_MESSAGE];

	(void)state;
	for (size_t i = 0; i < VS_COUNTOF(streams); i++) {
		size_t len = unhex(streams[i].hex, bytes, sizeof(bytes));

		for (size_t n = 0; n < VS_COUNTOF(steps); n++) {
			struct vs_ws_track track;
			int rc;

			vs_ws_track_init(&track, streams[i].from_client, MAX_MESSAGE);
			rc = feed_all(&track, bytes, len, steps[n]);
			if (rc != streams[i].rc)
				fail_msg("%s by %zu: %d", streams[i].hex, steps[n], rc);
			if (rc < 0)
				continue;
			assert_int_equal(track.frames, streams[i].frames);
			assert_true(vs_ws_at_boundary(&track));
			assert_false(track.in_message);
		}
	}
}

static void
expect_feed(struct vs_ws_track *track, const char *hex, size_t taken, enum vs_ws_event event)
{
	uint8_t bytes[HEX_MAX];
	size_t len = unhex(hex, bytes, sizeof(bytes)), got_taken;
	enum vs_ws_event got_event;

	assert_int_equal(vs_ws_feed(track, bytes, len, &got_taken, &got_event), 0);
	assert_int_equal(got_taken, taken);
	assert_int_equal(got_event, event);
}

static void
ws_feed__tells_heads_payloads_and_ends(void **state)
{
	struct vs_ws_track track;

	(void)state;
	vs_ws_track_init(&track, true, MAX_MESSAGE);
	assert_true(vs_ws_at_boundary(&track));
	expect_feed(&track, "", 0, VS_WS_MORE);
	expect_feed(&track, "01", 1, VS_WS_MORE);
	assert_false(vs_ws_at_boundary(&track));
	expect_feed(&track, "83 37 fa 21", 4, VS_WS_MORE);
	expect_feed(&track, "3d 7f 9f 4d 80", 1, VS_WS_HEAD);
	assert_int_equal(track.frame.opcode, VS_WS_TEXT);
	assert_false(track.frame.fin);
	assert_true(track.frame.masked);
	assert_memory_equal(track.frame.mask, mask, 4);
	assert_int_equal(track.frame.payload_len, 3);
	assert_int_equal(track.frame.head_len, 6);
	assert_false(vs_ws_at_boundary(&track));
	expect_feed(&track, "", 0, VS_WS_MORE);
	expect_feed(&track, "7f", 1, VS_WS_PAYLOAD);
	assert_false(vs_ws_at_boundary(&track));
	expect_feed(&track, "9f 4d 80", 2, VS_WS_END);
	assert_true(vs_ws_at_boundary(&track));
	assert_true(track.in_message);
	assert_int_equal(track.message_len, 3);
	expect_feed(&track, "89 80 00*4 80", 6, VS_WS_HEAD);
	assert_true(vs_ws_at_boundary(&track));
	expect_feed(&track, "80", 0, VS_WS_END);
	assert_true(track.in_message);
	expect_feed(&track, "80 82 00*4 01 02 88", 6, VS_WS_HEAD);
	assert_int_equal(track.message_len, 5);
	expect_feed(&track, "01 02 88", 2, VS_WS_END);
	assert_false(track.in_message);
	expect_feed(&track, "88 80 00*4", 6, VS_WS_HEAD);
	assert_false(track.closed);
	expect_feed(&track, "", 0, VS_WS_END);
	assert_true(track.closed);
	assert_int_equal(track.frames, 4);
}

static void
ws_head__is_what_the_tracker_reads(void **state)
{
	static const uint64_t lens[] = { 0, 1, 125, 126, 127, 255, 256, 65535, 65536, 100000,
		UINT32_MAX, INT64_MAX };
	uint8_t head[14];

	(void)state;
	for (size_t i = 0; i < VS_COUNTOF(lens) * 2; i++) {
		bool masked = i % 2 == 1;
		struct vs_ws_track track;
		enum vs_ws_event event;
		size_t taken, size;

		size = vs_ws_head(VS_WS_BINARY, true, lens[i / 2], masked ? mask : NULL, head);
		vs_ws_track_init(&track, masked, UINT64_MAX);
		assert_int_equal(vs_ws_feed(&track, head, size, &taken, &event), 0);
		assert_int_equal(event, VS_WS_HEAD);
		assert_int_equal(taken, size);
		assert_int_equal(track.frame.head_len, size);
		assert_int_equal(track.frame.opcode, VS_WS_BINARY);
		assert_true(track.frame.fin);
		assert_true(track.frame.payload_len == lens[i / 2]);
		assert_int_equal(track.frame.masked, masked);
	}
	assert_int_equal(vs_ws_head(VS_WS_CONT, false, 3, NULL, head), 2);
	assert_memory_equal(head, "\x00\x03", 2);
}

static void
ws_mask__gives_the_same_in_any_pieces(void **state)
{
	uint8_t whole[67], pieces[67];

	(void)state;
	for (size_t i = 0; i < sizeof(whole); i++)
		whole[i] = pieces[i] = (uint8_t)(i * 7);
	vs_ws_mask(whole, sizeof(whole), mask, 0);
	for (size_t i = 0; i < sizeof(whole); i++)
		assert_int_equal(whole[i], (uint8_t)(i * 7) ^ mask[i % 4]);
	for (size_t at = 0, step = 0; at < sizeof(pieces); at += step, step++) {
		size_t n = sizeof(pieces) - at < step ? sizeof(pieces) - at : step;

		vs_ws_mask(pieces + at, n, mask, at);
	}
	assert_memory_equal(whole, pieces, sizeof(whole));
}

static void
ws_close__makes_a_frame_that_passes(void **state)
{
	char reason[200];
	uint8_t frame[127];
	struct vs_ws_track track;
	size_t size;

	(void)state;
	size = vs_ws_close(1001, "bye", frame);
	assert_int_equal(size, 7);
	assert_memory_equal(frame,
	    "\x88\x05\x03\xe9"
	    "bye",
	    7);
	assert_int_equal(vs_ws_close(1000, "", frame), 4);

	memset(reason, 'a', sizeof(reason));
	reason[sizeof(reason) - 1] = '\0';
	assert_int_equal(vs_ws_close(4408, reason, frame), 127);
	memcpy(reason + 122, "\xf0\x9f\x98\x80", 4); /* would be cut in two */
	size = vs_ws_close(4408, reason, frame);
	assert_int_equal(size, 126);
	assert_true(vs_utf8_ok((const char *)frame + 4, size - 4));
	vs_ws_track_init(&track, false, 0);
	assert_int_equal(feed_all(&track, frame, size, SIZE_MAX), 0);
	assert_true(track.closed);
}

static void
ws_accept__answers_the_key_of_the_rfc(void **state)
{
	static const char *const bad[] = { "", "dGhlIHNhbXBsZSBub25jZQ=",
		"dGhlIHNhbXBsZSBub25jZQ===", "dGhlIHNhbXBsZSBub25jZQ!=", "dGhlIHNhbXBsZSBub25j*Q==",
		"dGhlIHNhbXBsZSBub25jZQA=", "dGhlIHNhbXBsZSBub25jZQAA" };
	char accept[VS_WS_ACCEPT_SIZE];

	(void)state;
	assert_int_equal(vs_ws_accept("dGhlIHNhbXBsZSBub25jZQ==", 24, accept), 0);
	assert_string_equal(accept, "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
	assert_int_equal(vs_ws_accept("MDAwMDAwMDAwMDAwMDAwMA==", 24, accept), 0);
	for (size_t i = 0; i < VS_COUNTOF(bad); i++)
		assert_int_equal(vs_ws_accept(bad[i], strlen(bad[i]), accept), VS_EINVAL);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(ws_feed__passes_and_refuses_streams_however_cut),
		cmocka_unit_test(ws_feed__tells_heads_payloads_and_ends),
		cmocka_unit_test(ws_head__is_what_the_tracker_reads),
		cmocka_unit_test(ws_mask__gives_the_same_in_any_pieces),
		cmocka_unit_test(ws_close__makes_a_frame_that_passes),
		cmocka_unit_test(ws_accept__answers_the_key_of_the_rfc),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
