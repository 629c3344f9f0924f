/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Every view lies inside the head; nothing but the head's own bytes decides; what a
 * prefix settles, more bytes do not change.
 */
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "lib/err.h"
#include "lib/httphead.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

typedef int (*parse_fn)(const char *bytes, size_t len, struct vs_http_head *ret_head);

static void
check_view(struct vs_str view, const char *base, const struct vs_http_head *head)
{
	assert(view.ptr >= base && view.ptr + view.len <= base + head->size);
	assert(
	    memchr(view.ptr, '\n', view.len) == NULL && memchr(view.ptr, '\0', view.len) == NULL);
}

static void
check_head(const char *base, size_t len, const struct vs_http_head *head)
{
	assert(head->size <= len && head->size <= VS_HTTP_HEAD_MAX);
	assert(memcmp(base + head->size - 4, "\r\n\r\n", 4) == 0);
	assert(head->content_length >= -1 && !(head->chunked && head->content_length >= 0));
	for (size_t i = 0; i < head->nfields; i++) {
		check_view(head->field[i].name, base, head);
		check_view(head->field[i].value, base, head);
	}
	(void)vs_http_has_token(head, "Connection", "upgrade"); /* must only not read beyond */
}

/* The same on a copy of its own, where a sanitizer sees each byte too far. */
static int
parse_prefix(parse_fn parse, const uint8_t *data, size_t len)
{
	static struct vs_http_head head;
	char *copy = malloc(len == 0 ? 1 : len);
	int rc;

	assert(copy != NULL);
	if (len > 0)
		memcpy(copy, data, len);
	rc = parse(copy, len, &head);
	free(copy);
	return rc;
}

static void
check_parser(parse_fn parse, const uint8_t *data, size_t size)
{
	static struct vs_http_head head;
	int rc = parse((const char *)data, size, &head);

	assert(rc == 0 || rc == VS_EAGAIN || rc == VS_EPROTO || rc == VS_ETOOBIG);
	if (rc == 0) {
		check_head((const char *)data, size, &head);
		assert(parse_prefix(parse, data, head.size) == 0);
		assert(parse_prefix(parse, data, head.size - 1) == VS_EAGAIN);
	}
	for (size_t len = size / 2; len < size; len += size / 8 + 1) {
		int early = parse_prefix(parse, data, len);

		assert(early == VS_EAGAIN || early == rc);
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	check_parser(vs_http_request, data, size);
	check_parser(vs_http_answer, data, size);
	return 0;
}
