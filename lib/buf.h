/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * buf - a byte queue with a hard cap.
 *
 * One side appends at the tail, the other consumes at the head. An append that
 * would pass the cap fails whole and changes nothing: the cap is what turns a
 * slow reader into backpressure instead of memory growth. An empty buf holds no
 * memory once vs_buf_trim() was called.
 *
 * Owner: embedded in the object that uses it. Threads: one.
 */

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "lib/base.h"

struct vs_buf {
	uint8_t	*base;		/* owned; NULL until the first append */
	size_t	 head, tail;	/* head <= tail <= size */
	size_t	 size, cap;	/* size <= cap; cap is fixed at init */
};

void	vs_buf_init(struct vs_buf *buf, size_t cap);
void	vs_buf_fini(struct vs_buf *buf);	/* safe on a zeroed buf */

/* Append all of src, or nothing. 0, VS_EFULL past the cap, VS_ENOMEM. */
int	vs_buf_append(struct vs_buf *buf, const void *src, size_t len) VS_MUST_USE;
int	vs_buf_puts(struct vs_buf *buf, const char *text) VS_MUST_USE;
int	vs_buf_printf(struct vs_buf *buf, const char *fmt, ...) VS_PRINTF(2, 3) VS_MUST_USE;
int	vs_buf_vprintf(struct vs_buf *buf, const char *fmt, va_list args) VS_PRINTF(2, 0) VS_MUST_USE;

/*
 * Room for at least want bytes at the tail, to be filled by read(2) and then claimed
 * by vs_buf_filled(). Never past the cap. want may be 0: whatever there is, at least
 * one byte unless the buf is full. 0, VS_EFULL, VS_ENOMEM.
 */
int	vs_buf_reserve(struct vs_buf *buf, size_t want, uint8_t **ret_at, size_t *ret_room) VS_MUST_USE;
void	vs_buf_filled(struct vs_buf *buf, size_t len);

/* Drop len bytes from the head. len must not exceed vs_buf_len(). */
void	vs_buf_consume(struct vs_buf *buf, size_t len);
void	vs_buf_truncate(struct vs_buf *buf, size_t len);	/* only the first len bytes stay */
void	vs_buf_clear(struct vs_buf *buf);	/* keeps the memory */
void	vs_buf_trim(struct vs_buf *buf);	/* gives the memory back when empty */

static inline size_t
vs_buf_len(const struct vs_buf *buf)
{
	return buf->tail - buf->head;
}

static inline const uint8_t *
vs_buf_data(const struct vs_buf *buf)
{
	return buf->base == NULL ? NULL : buf->base + buf->head;
}

/* Where the next byte would go; NULL while no memory is held. */
static inline uint8_t *
vs_buf_tail(const struct vs_buf *buf)
{
	return buf->base == NULL ? NULL : buf->base + buf->tail;
}

/* How many more bytes an append may bring. */
static inline size_t
vs_buf_room(const struct vs_buf *buf)
{
	return buf->cap - vs_buf_len(buf);
}

/*
 * The content as a NUL-terminated string (the NUL is not counted in the length).
 * Borrowed until the next call; never NULL.
 */
const char	*vs_buf_str(struct vs_buf *buf);
