/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Whatever stands around it, a secret does not get through; scrubbed text stays as it
 * is when scrubbed again; what is not a secret is kept in order.
 */
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "lib/buf.h"
#include "lib/scrub.h"

#define CAP (1 << 20)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Each with the word that must not be seen; all ends of words are blanks. */
static const char *const planted[] = {
	" vs_01ARZ3NDEKTSV4RRFFQ69G5FAV.hunter2hunter2 ",
	" eyJhbGciOiJFZERTQSJ9.hunter2hunter2.hunter2hunter2 ",
	" Bearer hunter2hunter2 ",
	" ?token=hunter2hunter2&a ",
	" {\"password\":\"hunter2hunter2\"} ",
	" http://user:hunter2hunter2@host ",
};

static void
scrub(struct vs_buf *out, const void *text, size_t len)
{
	vs_buf_clear(out);
	assert(vs_scrub_text(out, text, len) == 0);
}

static void
check_planted(struct vs_buf *text, struct vs_buf *out, const uint8_t *data, size_t size)
{
	for (size_t i = 0; i < sizeof(planted) / sizeof(planted[0]); i++) {
		vs_buf_clear(text);
		assert(vs_buf_append(text, data, size / 2) == 0);
		assert(vs_buf_puts(text, planted[i]) == 0);
		assert(vs_buf_append(text, data + size / 2, size - size / 2) == 0);
		scrub(out, vs_buf_data(text), vs_buf_len(text));
		assert(vs_buf_len(out) == 0 ||
		       memmem(vs_buf_data(out), vs_buf_len(out), "hunter2hunter2", 14) == NULL);
	}
}

/* The pieces that are not VS_SCRUBBED itself are slices of the text, in order. */
static void
check_pieces(const char *text, size_t size)
{
	struct vs_scrub pieces;
	const char *piece, *before = text;
	size_t len;

	vs_scrub_start(&pieces, text, size);
	while (vs_scrub_next(&pieces, &piece, &len)) {
		assert(len > 0);
		if (piece < text || piece > text + size)
			continue;
		assert(piece >= before && piece + len <= text + size);
		before = piece + len;
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct vs_buf text, once, twice;
	char *key = strndup((const char *)data, size);

	vs_buf_init(&text, CAP);
	vs_buf_init(&once, CAP);
	vs_buf_init(&twice, CAP);
	(void)vs_scrub_key(key);
	free(key);
	check_pieces((const char *)data, size);
	scrub(&once, data, size);
	scrub(&twice, vs_buf_data(&once), vs_buf_len(&once));
	assert(vs_buf_len(&once) == vs_buf_len(&twice));
	assert(vs_buf_len(&once) == 0 ||
	       memcmp(vs_buf_data(&once), vs_buf_data(&twice), vs_buf_len(&once)) == 0);
	if (memmem(data, size, "hunter2", 7) == NULL)
		check_planted(&text, &once, data, size);
	vs_buf_fini(&text);
	vs_buf_fini(&once);
	vs_buf_fini(&twice);
	return 0;
}
