/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/ws.h"

#include <assert.h>
#include <openssl/evp.h>
#include <string.h>

#include "lib/err.h"
#include "lib/utf8.h"

#define WS_CONTROL_MAX 125
#define WS_KEY_LEN     24

enum { WS_FIN = 0x80, WS_RESERVED = 0x70, WS_OPCODE = 0x0f, WS_MASKED = 0x80, WS_LEN7 = 0x7f };

/* What an opcode is; those not named are reserved. */
enum { OP_RESERVED, OP_CONT, OP_DATA, OP_CONTROL };
static const uint8_t opcode_kind[16] = {
	[VS_WS_CONT] = OP_CONT,
	[VS_WS_TEXT] = OP_DATA,
	[VS_WS_BINARY] = OP_DATA,
	[VS_WS_CLOSE] = OP_CONTROL,
	[VS_WS_PING] = OP_CONTROL,
	[VS_WS_PONG] = OP_CONTROL,
};

void
vs_ws_track_init(struct vs_ws_track *track, bool from_client, uint64_t max_message)
{
	*track = (struct vs_ws_track){ .from_client = from_client, .max_message = max_message };
}

static size_t
head_len(uint8_t second)
{
	size_t len = (second & WS_MASKED) != 0 ? 6 : 2;

	if ((second & WS_LEN7) == 126)
		len += 2;
	else if ((second & WS_LEN7) == 127)
		len += 8;
	return len;
}

static uint64_t
read_be(const uint8_t *bytes, size_t count)
{
	uint64_t value = 0;

	for (size_t i = 0; i < count; i++)
		value = value << 8 | bytes[i];
	return value;
}

/* The payload's length, in the shortest form and below 2^63 (RFC 6455 5.2). */
static int
decode_len(const uint8_t *head, uint64_t *ret_len)
{
	uint64_t len = head[1] & WS_LEN7;

	if (len == 126) {
		len = read_be(head + 2, 2);
		if (len < 126)
			return VS_EPROTO;
	} else if (len == 127) {
		len = read_be(head + 2, 8);
		if (len <= UINT16_MAX || len > INT64_MAX)
			return VS_EPROTO;
	}
	*ret_len = len;
	return 0;
}

static int
decode_head(struct vs_ws_frame *frame, const uint8_t *head, size_t len)
{
	frame->opcode = head[0] & WS_OPCODE;
	frame->fin = (head[0] & WS_FIN) != 0;
	frame->masked = (head[1] & WS_MASKED) != 0;
	frame->head_len = (uint8_t)len;
	if (frame->masked)
		memcpy(frame->mask, head + len - 4, 4);
	if ((head[0] & WS_RESERVED) != 0)
		return VS_EPROTO;
	return decode_len(head, &frame->payload_len);
}

/* May this frame stand here? Counts it into the message it belongs to. */
static int
admit_frame(struct vs_ws_track *track)
{
	const struct vs_ws_frame *frame = &track->frame;
	uint64_t len = frame->payload_len;
	uint8_t kind = opcode_kind[frame->opcode];

	if (frame->masked != track->from_client || track->closed)
		return VS_EPROTO;
	if (kind == OP_CONTROL) {
		bool half_code = frame->opcode == VS_WS_CLOSE && len == 1;

		return frame->fin && len <= WS_CONTROL_MAX && !half_code ? 0 : VS_EPROTO;
	}
	if (kind == OP_RESERVED || (kind == OP_CONT) != track->in_message)
		return VS_EPROTO;
	if (kind == OP_DATA)
		track->message_len = 0;
	if (len > track->max_message - track->message_len)
		return VS_ETOOBIG;
	track->message_len += len;
	track->in_message = !frame->fin;
	return 0;
}

static int
feed_head(struct vs_ws_track *track, const uint8_t *bytes, size_t len, size_t *ret_taken,
    enum vs_ws_event *ret_event)
{
	uint8_t gathered[sizeof(track->head)];
	const uint8_t *head = bytes;
	size_t taken = 0, need;
	int rc;

	/* The usual case is a head in one piece: it is read where it lies. */
	if (track->have != 0 || len < 2 || len < head_len(bytes[1])) {
		need = track->have < 2 ? 2 : head_len(track->head[1]);
		while (taken < len && track->have < need) {
			track->head[track->have++] = bytes[taken++];
			if (track->have == 2)
				need = head_len(track->head[1]);
		}
		if (track->have < need) {
			*ret_taken = taken;
			*ret_event = VS_WS_MORE;
			return 0;
		}
		memcpy(gathered, track->head, need); /* the frame takes its place */
		head = gathered;
		track->have = 0;
	} else {
		need = taken = head_len(bytes[1]);
	}
	rc = decode_head(&track->frame, head, need);
	if (rc == 0)
		rc = admit_frame(track);
	if (rc < 0)
		return rc;
	track->in_frame = true;
	track->left = track->frame.payload_len;
	*ret_taken = taken;
	*ret_event = VS_WS_HEAD;
	return 0;
}

int
vs_ws_feed(struct vs_ws_track *track, const uint8_t *bytes, size_t len, size_t *ret_taken,
    enum vs_ws_event *ret_event)
{
	if (!track->in_frame)
		return feed_head(track, bytes, len, ret_taken, ret_event);
	if (len < track->left) {
		track->left -= len;
		*ret_taken = len;
		*ret_event = len == 0 ? VS_WS_MORE : VS_WS_PAYLOAD;
		return 0;
	}
	*ret_taken = (size_t)track->left;
	*ret_event = VS_WS_END;
	track->left = 0;
	track->in_frame = false;
	track->closed = track->frame.opcode == VS_WS_CLOSE;
	track->frames++;
	return 0;
}

void
vs_ws_mask(uint8_t *bytes, size_t len, const uint8_t mask[4], uint64_t offset)
{
	uint8_t turned[8];
	uint64_t word, key;
	size_t i = 0;

	for (size_t n = 0; n < sizeof(turned); n++)
		turned[n] = mask[(offset + n) & 3];
	memcpy(&key, turned, sizeof(key));
	for (; i + sizeof(word) <= len; i += sizeof(word)) {
		memcpy(&word, bytes + i, sizeof(word));
		word ^= key;
		memcpy(bytes + i, &word, sizeof(word));
	}
	for (; i < len; i++)
		bytes[i] ^= turned[i & 7];
}

static size_t
put_be(uint8_t *ret_bytes, uint64_t value, size_t count)
{
	for (size_t i = count; i > 0; i--) {
		ret_bytes[i - 1] = (uint8_t)value;
		value >>= 8;
	}
	return count;
}

size_t
vs_ws_head(enum vs_ws_opcode opcode, bool fin, uint64_t payload_len, const uint8_t *mask,
    uint8_t ret_head[14])
{
	uint8_t len7 = payload_len < 126           ? (uint8_t)payload_len
		       : payload_len <= UINT16_MAX ? 126
						   : 127;
	size_t size = 2;

	ret_head[0] = (uint8_t)((fin ? WS_FIN : 0) | opcode);
	ret_head[1] = (uint8_t)((mask != NULL ? WS_MASKED : 0) | len7);
	if (len7 == 126)
		size += put_be(ret_head + size, payload_len, 2);
	else if (len7 == 127)
		size += put_be(ret_head + size, payload_len, 8);
	if (mask != NULL) {
		memcpy(ret_head + size, mask, 4);
		size += 4;
	}
	return size;
}

size_t
vs_ws_close(uint16_t code, const char *reason, uint8_t ret_frame[127])
{
	size_t len = vs_utf8_cut(reason, strlen(reason), WS_CONTROL_MAX - 2);
	size_t at = vs_ws_head(VS_WS_CLOSE, true, len + 2, NULL, ret_frame);

	at += put_be(ret_frame + at, code, 2);
	memcpy(ret_frame + at, reason, len);
	return at + len;
}

/* 16 bytes in base64 (RFC 6455 4.1): 22 letters and "==". */
static bool
key_ok(const char *key, size_t len)
{
	static const char letters[] =
	    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

	if (len != WS_KEY_LEN || key[22] != '=' || key[23] != '=')
		return false;
	for (size_t i = 0; i < 22; i++) {
		if (memchr(letters, key[i], sizeof(letters) - 1) == NULL)
			return false;
	}
	return true;
}

int
vs_ws_accept(const char *key, size_t key_len, char ret_accept[VS_WS_ACCEPT_SIZE])
{
	static const char guid[] = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
	char text[WS_KEY_LEN + sizeof(guid)];
	uint8_t digest[EVP_MAX_MD_SIZE];
	unsigned int len;

	if (!key_ok(key, key_len))
		return VS_EINVAL;
	memcpy(text, key, WS_KEY_LEN);
	memcpy(text + WS_KEY_LEN, guid, sizeof(guid));
	if (EVP_Digest(text, sizeof(text) - 1, digest, &len, EVP_sha1(), NULL) != 1)
		return VS_EIO;
	assert(len == 20);
	(void)EVP_EncodeBlock((unsigned char *)ret_accept, digest, (int)len); /* always 28 */
	return 0;
}
