/* SPDX-License-Identifier: Apache-2.0 */
#include "cdpd/frames.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "cdpd/cdp_policy.h"
#include "cdpd/close_code.h"
#include "cdpd/conn_states.h"
#include "cdpd/tunnel.h"
#include "lib/err.h"

#define NONCE_SIZE 8

struct frames_held {
	size_t len;
	uint8_t bytes[FRAMES_HELD_MAX];
};

/* Offsets into the scratch. */
struct walk {
	struct conn *c;
	uint8_t *bytes;
	size_t passed; /* everything before it has gone to the peer, or was dropped */
	size_t frame;  /* where the frame under way begins; 0 when it began in an earlier read */
	size_t pos;    /* what the tracker has seen */
};

size_t
frames_begin(const struct conn *c, uint8_t *scratch)
{
	if (c->held == NULL)
		return 0;
	memcpy(scratch, c->held->bytes, c->held->len);
	return c->held->len;
}

void
frames_drop(struct conn *c)
{
	free(c->held);
	c->held = NULL;
}

static int
frames_hold(struct conn *c, const uint8_t *bytes, size_t len)
{
	if (len == 0) {
		frames_drop(c);
		return 0;
	}
	assert(len <= FRAMES_HELD_MAX);
	if (c->held == NULL) {
		c->held = malloc(sizeof(*c->held));
		if (c->held == NULL)
			return VS_ENOMEM;
	}
	memcpy(c->held->bytes, bytes, len);
	c->held->len = len;
	return 0;
}

/* Does somebody have to see this frame whole before it may pass? */
static bool
frame_wants_judge(const struct conn *c)
{
	const struct vs_ws_frame *frame = &c->track.frame;

	if (c->side != CONN_CLIENT)
		return false;
	if (frame->opcode == VS_WS_TEXT)
		return frame->fin && frame->payload_len < CDP_POLICY_MAX;
	return frame->opcode == VS_WS_PONG && frame->payload_len == NONCE_SIZE &&
	       c->tunnel->pinged != 0;
}

/* Ours: swallowed, Chrome has not asked for it. */
static bool
pong_passes(struct tunnel *t, const uint8_t *payload)
{
	if (memcmp(payload, &t->nonce, NONCE_SIZE) != 0)
		return true;
	t->pinged = 0;
	return false;
}

static void
answer_call(struct tunnel *t, const struct cdp_call *call)
{
	struct vs_buf text;
	uint8_t frame[CDP_POLICY_MAX];
	size_t head;
	int rc;

	vs_buf_init(&text, CDP_POLICY_MAX - 14);
	rc = cdp_policy_answer(call, &text);
	if (rc == 0) {
		head = vs_ws_head(VS_WS_TEXT, true, vs_buf_len(&text), NULL, frame);
		memcpy(frame + head, vs_buf_data(&text), vs_buf_len(&text));
		rc = tunnel_inject(t, frame, head + vs_buf_len(&text));
	}
	vs_buf_fini(&text);
	if (rc < 0)
		tunnel_close(t, CLOSE_POLICY, "too many refused commands");
}

/* A short text message of the client's. False: it does not reach Chrome. */
static bool
call_passes(struct tunnel *t, const char *text, size_t len)
{
	struct cdp_call call;

	cdp_policy_judge(text, len, &call);
	if (call.action == CDP_PASS)
		return true;
	if (call.action == CDP_END && !t->keep_alive) {
		t->leave = CDP_LEAVE_BROWSER_CLOSED;
		return true;
	}
	answer_call(t, &call);
	if (call.action == CDP_END)
		tunnel_close(t, CLOSE_NORMAL, "released");
	return false;
}

static bool
frame_passes(struct conn *c, const uint8_t *frame)
{
	const struct vs_ws_frame *head = &c->track.frame;
	uint8_t payload[CDP_POLICY_MAX];
	size_t len = (size_t)head->payload_len;

	memcpy(payload, frame + head->head_len, len);
	vs_ws_mask(payload, len, head->mask, 0);
	if (head->opcode == VS_WS_PONG)
		return pong_passes(c->tunnel, payload);
	return call_passes(c->tunnel, (const char *)payload, len);
}

static void
walk_pass(struct walk *walk, size_t until)
{
	if (until > walk->passed && walk->c->peer != NULL)
		conn_send(walk->c->peer, walk->bytes + walk->passed, until - walk->passed);
	walk->passed = until;
}

static void
walk_frame_end(struct walk *walk)
{
	struct conn *c = walk->c;

	if (c->judged && !frame_passes(c, walk->bytes + walk->frame)) {
		walk_pass(walk, walk->frame);
		walk->passed = walk->pos;
	}
	c->judged = false;
	c->mid_frame = false;
	walk->frame = walk->pos;
	if (c->side == CONN_UPSTREAM && (c->tunnel->inject != NULL || c->tunnel->close_code != 0)) {
		walk_pass(walk, walk->pos);
		tunnel_at_boundary(c->tunnel);
	}
}

/* Everything seen; what is unfinished stays here or passes, and is remembered as such. */
static int
walk_end(struct walk *walk)
{
	struct conn *c = walk->c;
	bool holds = !c->mid_frame && (!c->track.in_frame || c->judged);

	if (!holds) {
		walk_pass(walk, walk->pos);
		c->mid_frame = c->track.in_frame;
		return frames_hold(c, NULL, 0);
	}
	walk_pass(walk, walk->frame);
	return frames_hold(c, walk->bytes + walk->frame, walk->pos - walk->frame);
}

/* Being closed: frames are still told apart, to see the client's Close, but go nowhere. */
static bool
frames_muted(const struct conn *c)
{
	return c->failed || c->state != &tunnel_open;
}

int
frames_pass(struct conn *c, uint8_t *scratch, size_t held, size_t len)
{
	struct walk walk = { .c = c, .bytes = scratch, .pos = held };
	size_t end = held + len, taken;
	enum vs_ws_event event = VS_WS_MORE;
	int rc;

	/* A frame without payload ends by a feed of nothing. */
	while (walk.pos < end || event == VS_WS_HEAD) {
		rc = vs_ws_feed(&c->track, scratch + walk.pos, end - walk.pos, &taken, &event);
		if (rc < 0) {
			if (!frames_muted(c))
				walk_pass(&walk, walk.frame);
			return rc;
		}
		walk.pos += taken;
		if (frames_muted(c))
			continue;
		if (event == VS_WS_HEAD)
			c->judged = frame_wants_judge(c);
		else if (event == VS_WS_END)
			walk_frame_end(&walk);
	}
	if (!frames_muted(c))
		return walk_end(&walk);
	frames_drop(c);
	return 0;
}
