/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ws-track - what the frame tracker costs: nanoseconds per frame, for streams of equal
 * frames read in pieces of 16 KiB as cdpd reads them.
 */
#include <assert.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "lib/base.h"
#include "lib/ws.h"

#define STREAM_BYTES (1 << 20)
#define PIECE_BYTES  16384
#define ROUNDS       5
#define ROUND_NS     200000000

static uint8_t stream[STREAM_BYTES];

static int64_t
now_ns(void)
{
	struct timespec ts;

	(void)clock_gettime(CLOCK_MONOTONIC, &ts); /* cannot fail for this clock */
	return ts.tv_sec * INT64_C(1000000000) + ts.tv_nsec;
}

/* As many frames as fit; the bytes used. */
static size_t
fill_stream(size_t payload_len, bool from_client)
{
	static const uint8_t mask[4] = { 1, 2, 3, 4 };
	size_t at = 0;

	while (at + 14 + payload_len <= sizeof(stream)) {
		at += vs_ws_head(
		    VS_WS_TEXT, true, payload_len, from_client ? mask : NULL, stream + at);
		memset(stream + at, 'x', payload_len);
		at += payload_len;
	}
	return at;
}

static void
track_stream(struct vs_ws_track *track, size_t len)
{
	enum vs_ws_event event;
	size_t taken;

	for (size_t piece = 0; piece < len; piece += PIECE_BYTES) {
		size_t end = len - piece < PIECE_BYTES ? len : piece + PIECE_BYTES;

		for (size_t at = piece; at < end; at += taken) {
			int rc = vs_ws_feed(track, stream + at, end - at, &taken, &event);

			assert(rc == 0);
		}
	}
}

/* The best of some rounds: what disturbs a round only makes it slower. */
static double
measure(size_t len, bool from_client)
{
	double best = 0;

	for (int i = 0; i < ROUNDS; i++) {
		struct vs_ws_track track;
		int64_t start = now_ns(), spent;
		double per_frame;

		vs_ws_track_init(&track, from_client, STREAM_BYTES);
		do {
			track_stream(&track, len);
			spent = now_ns() - start;
		} while (spent < ROUND_NS);
		per_frame = (double)spent / (double)track.frames;
		if (i == 0 || per_frame < best)
			best = per_frame;
	}
	return best;
}

int
main(void)
{
	static const size_t payloads[] = { 10, 100, 200, 1000, 10000, 100000 };

	printf("payload bytes   from server   from client   (ns per frame)\n");
	for (size_t i = 0; i < VS_COUNTOF(payloads); i++) {
		double server = measure(fill_stream(payloads[i], false), false);
		double client = measure(fill_stream(payloads[i], true), true);

		printf("%13zu %13.1f %13.1f\n", payloads[i], server, client);
	}
	return 0;
}
