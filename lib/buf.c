/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/buf.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/err.h"

#define BUF_FIRST_SIZE 512

void
vs_buf_init(struct vs_buf *buf, size_t cap)
{
	*buf = (struct vs_buf){ .cap = cap };
}

void
vs_buf_fini(struct vs_buf *buf)
{
	free(buf->base);
	*buf = (struct vs_buf){ .cap = buf->cap };
}

static void
buf_compact(struct vs_buf *buf)
{
	size_t len = vs_buf_len(buf);

	if (buf->head == 0)
		return;
	memmove(buf->base, buf->base + buf->head, len);
	buf->head = 0;
	buf->tail = len;
}

/*
 * Make the memory at least need bytes (need <= cap). One byte more than size is
 * always there, so that vs_buf_str() and vsnprintf() have room for their NUL.
 */
static int
buf_grow(struct vs_buf *buf, size_t need)
{
	size_t len = vs_buf_len(buf);
	size_t size = buf->size > 0 ? buf->size : BUF_FIRST_SIZE;
	uint8_t *base;

	while (size < need && size <= buf->cap / 2)
		size *= 2;
	if (size < need || size > buf->cap)
		size = buf->cap;
	base = malloc(size + 1);
	if (base == NULL)
		return VS_ENOMEM;
	if (len > 0)
		memcpy(base, buf->base + buf->head, len);
	free(buf->base);
	buf->base = base;
	buf->size = size;
	buf->head = 0;
	buf->tail = len;
	return 0;
}

/* Room for want more bytes at the tail. */
static int
buf_room_for(struct vs_buf *buf, size_t want)
{
	size_t len = vs_buf_len(buf);

	if (want > vs_buf_room(buf))
		return VS_EFULL;
	if (buf->base != NULL && want <= buf->size - buf->tail)
		return 0;
	/* Moving pays when at least as much was consumed as stays; else growing does. */
	if (buf->base != NULL && want <= buf->size - len &&
	    (buf->head >= len || buf->size == buf->cap)) {
		buf_compact(buf);
		return 0;
	}
	return buf_grow(buf, len + want);
}

int
vs_buf_append(struct vs_buf *buf, const void *src, size_t len)
{
	int rc;

	if (len == 0)
		return 0;
	rc = buf_room_for(buf, len);
	if (rc < 0)
		return rc;
	memcpy(buf->base + buf->tail, src, len);
	buf->tail += len;
	return 0;
}

int
vs_buf_puts(struct vs_buf *buf, const char *text)
{
	return vs_buf_append(buf, text, strlen(text));
}

int
vs_buf_vprintf(struct vs_buf *buf, const char *fmt, va_list args)
{
	va_list again;
	int len;
	int rc;

	va_copy(again, args);
	len = vsnprintf(NULL, 0, fmt, again);
	va_end(again);
	if (len < 0)
		return VS_EINVAL;
	if (len == 0)
		return 0;
	rc = buf_room_for(buf, (size_t)len);
	if (rc < 0)
		return rc;
	(void)vsnprintf((char *)buf->base + buf->tail, (size_t)len + 1, fmt, args);
	buf->tail += (size_t)len;
	return 0;
}

int
vs_buf_printf(struct vs_buf *buf, const char *fmt, ...)
{
	va_list args;
	int rc;

	va_start(args, fmt);
	rc = vs_buf_vprintf(buf, fmt, args);
	va_end(args);
	return rc;
}

int
vs_buf_reserve(struct vs_buf *buf, size_t want, uint8_t **ret_at, size_t *ret_room)
{
	int rc;

	if (want == 0 && vs_buf_room(buf) > 0)
		want = 1;
	rc = buf_room_for(buf, want);
	if (rc < 0)
		return rc;
	*ret_at = vs_buf_tail(buf);
	*ret_room = buf->size - buf->tail;
	return 0;
}

void
vs_buf_filled(struct vs_buf *buf, size_t len)
{
	assert(len <= buf->size - buf->tail);
	buf->tail += len;
}

void
vs_buf_consume(struct vs_buf *buf, size_t len)
{
	assert(len <= vs_buf_len(buf));
	buf->head += len;
	if (buf->head == buf->tail)
		vs_buf_clear(buf);
}

void
vs_buf_truncate(struct vs_buf *buf, size_t len)
{
	assert(len <= vs_buf_len(buf));
	buf->tail = buf->head + len;
}

void
vs_buf_clear(struct vs_buf *buf)
{
	buf->head = buf->tail = 0;
}

void
vs_buf_trim(struct vs_buf *buf)
{
	if (vs_buf_len(buf) == 0)
		vs_buf_fini(buf);
}

const char *
vs_buf_str(struct vs_buf *buf)
{
	if (buf->base == NULL)
		return "";
	buf->base[buf->tail] = '\0';
	return (const char *)buf->base + buf->head;
}
