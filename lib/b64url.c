/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/b64url.h"

#include "lib/err.h"

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

void
vs_b64url_encode(const uint8_t *bytes, size_t len, char *ret_text)
{
	uint32_t bits = 0;
	int nbits = 0;

	for (size_t i = 0; i < len; i++) {
		bits = (bits << 8 | bytes[i]) & 0xffffff;
		for (nbits += 8; nbits >= 6; nbits -= 6)
			*ret_text++ = alphabet[bits >> (nbits - 6) & 63];
	}
	if (nbits > 0)
		*ret_text++ = alphabet[bits << (6 - nbits) & 63];
	*ret_text = '\0';
}

static int
sextet(char c)
{
	if (c >= 'A' && c <= 'Z')
		return c - 'A';
	if (c >= 'a' && c <= 'z')
		return c - 'a' + 26;
	if (c >= '0' && c <= '9')
		return c - '0' + 52;
	if (c == '-')
		return 62;
	return c == '_' ? 63 : -1;
}

int
vs_b64url_decode(const char *text, size_t len, uint8_t *ret_bytes, size_t room, size_t *ret_len)
{
	uint32_t bits = 0;
	int nbits = 0;
	size_t n = 0;

	if (len % 4 == 1)
		return VS_EINVAL;
	for (size_t i = 0; i < len; i++) {
		int value = sextet(text[i]);

		if (value < 0)
			return VS_EINVAL;
		bits = (bits << 6 | (uint32_t)value) & 0xffffff;
		nbits += 6;
		if (nbits < 8)
			continue;
		if (n == room)
			return VS_EFULL;
		nbits -= 8;
		ret_bytes[n++] = (uint8_t)(bits >> nbits);
	}
	if ((bits & ((1U << nbits) - 1)) != 0)
		return VS_EINVAL;
	*ret_len = n;
	return 0;
}
