/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/utf8.h"

/* The rows of RFC 3629 section 4: lead bytes, and what the second byte may be. */
static const struct {
	uint8_t lead_min, lead_max, second_min, second_max, len;
} sequences[] = {
	{ 0xc2, 0xdf, 0x80, 0xbf, 2 },
	{ 0xe0, 0xe0, 0xa0, 0xbf, 3 },
	{ 0xe1, 0xec, 0x80, 0xbf, 3 },
	{ 0xed, 0xed, 0x80, 0x9f, 3 },
	{ 0xee, 0xef, 0x80, 0xbf, 3 },
	{ 0xf0, 0xf0, 0x90, 0xbf, 4 },
	{ 0xf1, 0xf3, 0x80, 0xbf, 4 },
	{ 0xf4, 0xf4, 0x80, 0x8f, 4 },
};

static bool
is_tail(uint8_t byte)
{
	return (byte & 0xc0) == 0x80;
}

size_t
vs_utf8_step(const uint8_t *text, size_t len)
{
	if (len == 0)
		return 0;
	if (text[0] < 0x80)
		return 1;
	for (size_t i = 0; i < VS_COUNTOF(sequences); i++) {
		if (text[0] < sequences[i].lead_min || text[0] > sequences[i].lead_max)
			continue;
		if (len < sequences[i].len || text[1] < sequences[i].second_min ||
		    text[1] > sequences[i].second_max)
			return 0;
		for (size_t n = 2; n < sequences[i].len; n++) {
			if (!is_tail(text[n]))
				return 0;
		}
		return sequences[i].len;
	}
	return 0;
}

bool
vs_utf8_ok(const char *text, size_t len)
{
	for (size_t at = 0; at < len;) {
		size_t step = vs_utf8_step((const uint8_t *)text + at, len - at);

		if (step == 0)
			return false;
		at += step;
	}
	return true;
}

bool
vs_utf8_printable(const char *text, size_t len)
{
	const uint8_t *at = (const uint8_t *)text;
	size_t step;

	for (size_t i = 0; i < len; i += step) {
		step = vs_utf8_step(at + i, len - i);
		if (step == 0 || at[i] < 0x20 || at[i] == 0x7f)
			return false;
		if (step == 2 && at[i] == 0xc2 && at[i + 1] < 0xa0)
			return false; /* C1 */
		if (step == 3 && at[i] == 0xe2 && at[i + 1] == 0x80 &&
		    (at[i + 2] == 0xa8 || at[i + 2] == 0xa9))
			return false; /* U+2028, U+2029 */
	}
	return true;
}

size_t
vs_utf8_count(const char *text, size_t len)
{
	size_t count = 0;

	for (size_t i = 0; i < len; i++)
		count += !is_tail((uint8_t)text[i]);
	return count;
}

size_t
vs_utf8_cut(const char *text, size_t len, size_t max)
{
	if (len <= max)
		return len;
	while (max > 0 && is_tail((uint8_t)text[max]))
		max--;
	return max;
}

void
vs_utf8_repair(char *text, size_t len)
{
	for (size_t at = 0; at < len;) {
		size_t step = vs_utf8_step((const uint8_t *)text + at, len - at);

		if (step == 0)
			text[at] = '?';
		at += step == 0 ? 1 : step;
	}
}

size_t
vs_utf8_put(uint32_t code_point, uint8_t *ret_bytes)
{
	static const uint8_t lead[] = { 0x00, 0x00, 0xc0, 0xe0, 0xf0 };
	size_t len = code_point < 0x80 ? 1 : code_point < 0x800 ? 2 : code_point < 0x10000 ? 3 : 4;

	for (size_t i = len - 1; i > 0; i--) {
		ret_bytes[i] = (uint8_t)(0x80 | (code_point & 0x3f));
		code_point >>= 6;
	}
	ret_bytes[0] = (uint8_t)(lead[len] | code_point);
	return len;
}
