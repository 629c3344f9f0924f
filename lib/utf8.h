/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * utf8 - RFC 3629 exactly: no overlong forms, no surrogates, nothing past U+10FFFF.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/base.h"

/* Bytes of the well-formed sequence at the front of text, or 0 when there is none. */
size_t	vs_utf8_step(const uint8_t *text, size_t len);

bool	vs_utf8_ok(const char *text, size_t len);

/* Code points in well-formed text. */
size_t	vs_utf8_count(const char *text, size_t len);

/*
 * Well-formed, and no control character (C0, DEL, C1) or line or paragraph separator:
 * what may stand in a header or on one line of a log.
 */
bool	vs_utf8_printable(const char *text, size_t len);

/* The greatest length <= max that does not cut a sequence of well-formed text in two. */
size_t	vs_utf8_cut(const char *text, size_t len, size_t max);

/* Put '?' for every byte that is in no well-formed sequence. */
void	vs_utf8_repair(char *text, size_t len);

/* Write code_point (not a surrogate, <= 0x10FFFF) at ret_bytes (4 of room); its size. */
size_t	vs_utf8_put(uint32_t code_point, uint8_t *ret_bytes);
