/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * b64url - base64url without padding (RFC 4648 section 5), canonical only: one
 * text per byte string, so that a token cannot be changed and still be the same.
 */

#include <stddef.h>
#include <stdint.h>

#include "lib/base.h"

#define VS_B64URL_SIZE(len)	(((len) * 4 + 2) / 3 + 1)	/* with the NUL */

/* ret_text has VS_B64URL_SIZE(len) bytes of room. */
void	vs_b64url_encode(const uint8_t *bytes, size_t len, char *ret_text);

/*
 * At most room bytes into ret_bytes. VS_EINVAL: a foreign character, padding, an
 * impossible length, trailing bits that are not zero. VS_EFULL.
 */
int	vs_b64url_decode(const char *text, size_t len, uint8_t *ret_bytes, size_t room,
	    size_t *ret_len) VS_MUST_USE;
