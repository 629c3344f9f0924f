/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A stream cut anywhere gives the same frames, and the same end, as in one piece.
 * Input: a byte of flags, two that seed the cuts, the stream.
 */
#include <assert.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "lib/ws.h"

#define MAX_MESSAGE 5000
#define MAX_EVENTS  30000

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct outcome {
	int rc;
	struct vs_ws_track track; /* at the end; with rc < 0 only what is settled counts */
	size_t nframes;
	struct vs_ws_frame frame[MAX_EVENTS];
	uint64_t payload[MAX_EVENTS]; /* bytes seen of each */
};

/* How long the next piece is: 1 to 16 bytes mostly, as the seed has it. */
static size_t
next_cut(uint32_t *seed, size_t left)
{
	size_t cut;

	*seed = *seed * 1664525 + 1013904223;
	cut = (*seed >> 24) % 16 + 1;
	if (*seed >> 30 == 0)
		cut *= 97;
	return cut < left ? cut : left;
}

static void
note_event(struct outcome *out, enum vs_ws_event event, size_t taken)
{
	switch (event) {
	case VS_WS_MORE:
		break;
	case VS_WS_HEAD:
		out->frame[out->nframes] = out->track.frame;
		out->payload[out->nframes++] = 0;
		break;
	case VS_WS_PAYLOAD:
		assert(taken > 0);
		/* fall through */
	case VS_WS_END:
		out->payload[out->nframes - 1] += taken;
		assert((out->payload[out->nframes - 1] == out->track.frame.payload_len) ==
		       (event == VS_WS_END));
		break;
	}
}

static void
run(struct outcome *out, bool from_client, const uint8_t *stream, size_t len, uint32_t *seed)
{
	enum vs_ws_event event = VS_WS_MORE;
	size_t at = 0, piece_end = seed == NULL ? len : 0, taken;

	out->rc = 0;
	out->nframes = 0;
	memset(out->frame, 0, sizeof(out->frame[0]) * (len / 2 + 1));
	vs_ws_track_init(&out->track, from_client, MAX_MESSAGE);
	while (at < len || (event == VS_WS_HEAD && out->track.left == 0)) {
		if (at == piece_end && at < len)
			piece_end = at + next_cut(seed, len - at);
		out->rc = vs_ws_feed(&out->track, stream + at, piece_end - at, &taken, &event);
		if (out->rc < 0)
			return;
		assert(taken <= piece_end - at);
		assert(event != VS_WS_END || vs_ws_at_boundary(&out->track));
		at += taken;
		note_event(out, event, taken);
	}
}

static bool
same_frame(const struct vs_ws_frame *a, const struct vs_ws_frame *b)
{
	return a->opcode == b->opcode && a->fin == b->fin && a->masked == b->masked &&
	       a->payload_len == b->payload_len && a->head_len == b->head_len &&
	       (!a->masked || memcmp(a->mask, b->mask, 4) == 0);
}

static void
compare(const struct outcome *a, const struct outcome *b)
{
	assert(a->rc == b->rc && a->nframes == b->nframes);
	for (size_t i = 0; i < a->nframes; i++)
		assert(same_frame(&a->frame[i], &b->frame[i]) && a->payload[i] == b->payload[i]);
	assert(a->track.frames == b->track.frames && a->track.left == b->track.left);
	assert(a->track.in_message == b->track.in_message && a->track.closed == b->track.closed);
	assert(a->rc < 0 || a->track.have == b->track.have);
	assert(a->track.message_len == b->track.message_len);
	assert(a->track.message_len <= MAX_MESSAGE);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct outcome whole, cut;
	uint32_t seed;
	bool from_client;

	if (size < 3 || size > MAX_EVENTS)
		return 0;
	from_client = (data[0] & 1) != 0;
	seed = (uint32_t)(data[1] << 8 | data[2]);
	run(&whole, from_client, data + 3, size - 3, NULL);
	run(&cut, from_client, data + 3, size - 3, &seed);
	compare(&whole, &cut);
	return 0;
}
