/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/jsonscan.h"

#include <limits.h>
#include <math.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "lib/err.h"
#include "lib/keyset.h"
#include "lib/utf8.h"

#define NUMBER_MAX 1024 /* characters of one number */

enum scan_state { SCAN_VALUE, SCAN_FIRST_ITEM, SCAN_FIRST_KEY, SCAN_KEY, SCAN_AFTER, SCAN_STATES };

struct scan {
	const uint8_t *base, *at, *end;
	enum scan_state state;
	uint32_t depth;
	bool is_object[VS_JSON_MAX_DEPTH + 1]; /* by depth; [0] is the text itself */
	struct vs_keyset keys;
	uint8_t *decoded; /* owned; names that had escapes, as they read without */
	size_t decoded_len;
	struct vs_json_fault *fault;
};

static int
fault_at(struct scan *scan, const uint8_t *at, const char *what)
{
	*scan->fault = (struct vs_json_fault){ .offset = (size_t)(at - scan->base), .what = what };
	return VS_EINVAL;
}

/* The byte at hand, or -1 at the end. */
static int
peek(const struct scan *scan)
{
	return scan->at < scan->end ? *scan->at : -1;
}

static int
unexpected(struct scan *scan, const char *what)
{
	return fault_at(scan, scan->at, scan->at == scan->end ? "the text ends too early" : what);
}

static bool
is_digit(int byte)
{
	return byte >= '0' && byte <= '9';
}

static bool
is_blank(int byte)
{
	return byte == ' ' || byte == '\n' || byte == '\r' || byte == '\t';
}

static int
hex_value(uint8_t byte)
{
	if (is_digit(byte))
		return byte - '0';
	byte |= 0x20;
	return byte >= 'a' && byte <= 'f' ? byte - 'a' + 10 : -1;
}

/* The four digits of \uXXXX at at, or -1. */
static int32_t
hex4(const uint8_t *at, const uint8_t *end)
{
	int32_t value = 0;

	if (end - at < 4)
		return -1;
	for (int i = 0; i < 4; i++) {
		int digit = hex_value(at[i]);

		if (digit < 0)
			return -1;
		value = value << 4 | digit;
	}
	return value;
}

static bool
is_high_surrogate(int32_t unit)
{
	return unit >= 0xd800 && unit <= 0xdbff;
}

static bool
is_low_surrogate(int32_t unit)
{
	return unit >= 0xdc00 && unit <= 0xdfff;
}

/* scan->at is behind the 'u'. */
static int
scan_unicode_escape(struct scan *scan)
{
	const uint8_t *escape = scan->at - 2;
	int32_t unit = hex4(scan->at, scan->end);

	if (unit < 0)
		return fault_at(scan, escape, "\\u needs four hexadecimal digits");
	if (unit == 0)
		return fault_at(scan, escape, "U+0000 is not allowed");
	scan->at += 4;
	if (is_low_surrogate(unit))
		return fault_at(scan, escape, "a lone surrogate");
	if (!is_high_surrogate(unit))
		return 0;
	if (scan->end - scan->at < 6 || scan->at[0] != '\\' || scan->at[1] != 'u' ||
	    !is_low_surrogate(hex4(scan->at + 2, scan->end)))
		return fault_at(scan, escape, "a lone surrogate");
	scan->at += 6;
	return 0;
}

static int
scan_escape(struct scan *scan)
{
	int byte;

	scan->at++;
	byte = peek(scan);
	if (byte < 0 || byte == '\0' || strchr("\"\\/bfnrtu", byte) == NULL)
		return unexpected(scan, "an unknown escape");
	scan->at++;
	return byte == 'u' ? scan_unicode_escape(scan) : 0;
}

static int
scan_utf8(struct scan *scan)
{
	size_t step = vs_utf8_step(scan->at, (size_t)(scan->end - scan->at));

	if (step == 0)
		return fault_at(scan, scan->at, "not valid UTF-8");
	scan->at += step;
	return 0;
}

/* Plain bytes of a string: no quote, backslash, control character, nor UTF-8 lead. */
static bool
is_plain(uint8_t byte)
{
	return byte >= 0x20 && byte < 0x80 && byte != '"' && byte != '\\';
}

/* From the opening quote to behind the closing one. ret_escapes may be NULL. */
static int
scan_string(struct scan *scan, bool *ret_escapes)
{
	bool escapes = false;
	int rc = 0;

	scan->at++;
	while (rc == 0) {
		while (scan->at < scan->end && is_plain(*scan->at))
			scan->at++;
		switch (peek(scan)) {
		case '"':
			scan->at++;
			*ret_escapes = escapes;
			return 0;
		case '\\':
			escapes = true;
			rc = scan_escape(scan);
			break;
		case -1:
			return unexpected(scan, NULL);
		default:
			if (*scan->at < 0x20)
				return fault_at(scan, scan->at, "a raw control character");
			rc = scan_utf8(scan);
		}
	}
	return rc;
}

/* One escape of a string already found right: at is behind the backslash. */
static size_t
decode_escape(const uint8_t *at, const uint8_t *end, uint8_t *to, size_t *ret_put)
{
	static const char letters[] = "\"\\/bfnrt", meant[] = "\"\\/\b\f\n\r\t";
	int32_t unit, low;

	if (*at != 'u') {
		*to = (uint8_t)meant[strchr(letters, *at) - letters];
		*ret_put = 1;
		return 1;
	}
	unit = hex4(at + 1, end);
	if (!is_high_surrogate(unit)) {
		*ret_put = vs_utf8_put((uint32_t)unit, to);
		return 5;
	}
	low = hex4(at + 7, end);
	unit = 0x10000 + ((unit - 0xd800) << 10) + (low - 0xdc00);
	*ret_put = vs_utf8_put((uint32_t)unit, to);
	return 11;
}

/* The name between from and end without its escapes, which never makes it longer. */
static int
decode_name(struct scan *scan, const uint8_t **name, const uint8_t **end)
{
	const uint8_t *from = *name;
	uint8_t *to;

	if (scan->decoded == NULL)
		scan->decoded = malloc((size_t)(scan->end - scan->base));
	if (scan->decoded == NULL)
		return VS_ENOMEM;
	to = scan->decoded + scan->decoded_len;
	*name = to;
	while (from < *end) {
		size_t put = 1;

		if (*from == '\\')
			from += 1 + decode_escape(from + 1, *end, to, &put);
		else
			*to = *from++;
		to += put;
	}
	*end = to;
	scan->decoded_len = (size_t)(to - scan->decoded);
	return 0;
}

/* A member's name and the ':' behind it. */
static int
scan_key(struct scan *scan)
{
	const uint8_t *quote = scan->at, *name = quote + 1, *end;
	bool escapes;
	int rc;

	if (peek(scan) != '"')
		return unexpected(scan, "a member's name in double quotes is expected");
	rc = scan_string(scan, &escapes);
	if (rc < 0)
		return rc;
	end = scan->at - 1;
	if (escapes)
		rc = decode_name(scan, &name, &end);
	if (rc == 0)
		rc = vs_keyset_add(&scan->keys, scan->depth, name, (size_t)(end - name));
	if (rc == VS_EEXIST)
		return fault_at(scan, quote, "a member's name stands twice in one object");
	if (rc < 0)
		return rc;
	while (is_blank(peek(scan)))
		scan->at++;
	if (peek(scan) != ':')
		return unexpected(scan, "':' is expected");
	scan->at++;
	scan->state = SCAN_VALUE;
	return 0;
}

static int
scan_digits(struct scan *scan)
{
	if (!is_digit(peek(scan)))
		return unexpected(scan, "a digit is expected");
	while (is_digit(peek(scan)))
		scan->at++;
	return 0;
}

/* json-c keeps what does not fit as the nearest that does: such numbers are refused here. */
static int
check_range(struct scan *scan, const uint8_t *number, bool whole)
{
	char text[NUMBER_MAX + 1];
	size_t len = (size_t)(scan->at - number);
	size_t digits = len - (*number == '-');

	if (len > NUMBER_MAX)
		return fault_at(scan, number, "a number is too long");
	if (whole && digits < 19)
		return 0;
	memcpy(text, number, len);
	text[len] = '\0';
	if (whole) {
		static const char limit[] = "9223372036854775807";
		const char *text_digits = text + (len - digits);
		int order = digits > 19 ? 1 : strcmp(text_digits, limit);
		bool lowest = *number == '-' && strcmp(text_digits, "9223372036854775808") == 0;

		return order <= 0 || lowest
			   ? 0
			   : fault_at(scan, number, "an integer does not fit into 64 bits");
	}
	return isinf(strtod(text, NULL)) ? fault_at(scan, number, "a number is out of range") : 0;
}

static int
scan_number(struct scan *scan)
{
	const uint8_t *number = scan->at;
	bool whole = true;
	int rc = 0;

	if (peek(scan) == '-')
		scan->at++;
	if (peek(scan) == '0')
		scan->at++;
	else
		rc = scan_digits(scan);
	if (rc == 0 && is_digit(peek(scan)))
		return fault_at(scan, number, "a number has a leading zero");
	if (rc == 0 && peek(scan) == '.') {
		whole = false;
		scan->at++;
		rc = scan_digits(scan);
	}
	if (rc == 0 && (peek(scan) == 'e' || peek(scan) == 'E')) {
		whole = false;
		scan->at++;
		if (peek(scan) == '+' || peek(scan) == '-')
			scan->at++;
		rc = scan_digits(scan);
	}
	if (rc < 0)
		return rc;
	scan->state = SCAN_AFTER;
	return check_range(scan, number, whole);
}

static int
scan_literal(struct scan *scan, const char *word)
{
	size_t len = strlen(word);

	if ((size_t)(scan->end - scan->at) < len || memcmp(scan->at, word, len) != 0)
		return fault_at(scan, scan->at, "a value is expected");
	scan->at += len;
	scan->state = SCAN_AFTER;
	return 0;
}

static int
open_container(struct scan *scan, bool is_object)
{
	if (scan->depth == VS_JSON_MAX_DEPTH) {
		(void)fault_at(scan, scan->at, "nested too deeply"); /* its own code */
		return VS_ETOOBIG;
	}
	scan->at++;
	scan->is_object[++scan->depth] = is_object;
	scan->state = is_object ? SCAN_FIRST_KEY : SCAN_FIRST_ITEM;
	return 0;
}

static int
close_container(struct scan *scan)
{
	scan->at++;
	if (scan->is_object[scan->depth])
		vs_keyset_close(&scan->keys, scan->depth);
	scan->depth--;
	scan->state = SCAN_AFTER;
	return 0;
}

static int
scan_value(struct scan *scan)
{
	bool escapes;

	switch (peek(scan)) {
	case '{':
		return open_container(scan, true);
	case '[':
		return open_container(scan, false);
	case '"':
		scan->state = SCAN_AFTER;
		return scan_string(scan, &escapes);
	case 't':
		return scan_literal(scan, "true");
	case 'f':
		return scan_literal(scan, "false");
	case 'n':
		return scan_literal(scan, "null");
	default:
		if (peek(scan) == '-' || is_digit(peek(scan)))
			return scan_number(scan);
		return unexpected(scan, "a value is expected");
	}
}

static int
scan_first_item(struct scan *scan)
{
	return peek(scan) == ']' ? close_container(scan) : scan_value(scan);
}

static int
scan_first_key(struct scan *scan)
{
	return peek(scan) == '}' ? close_container(scan) : scan_key(scan);
}

static int
scan_after(struct scan *scan)
{
	bool is_object = scan->is_object[scan->depth];

	if (scan->depth == 0)
		return fault_at(scan, scan->at, "the text goes on after its value");
	if (peek(scan) == (is_object ? '}' : ']'))
		return close_container(scan);
	if (peek(scan) != ',')
		return unexpected(
		    scan, is_object ? "',' or '}' is expected" : "',' or ']' is expected");
	scan->at++;
	scan->state = is_object ? SCAN_KEY : SCAN_VALUE;
	return 0;
}

static int (*const scan_steps[SCAN_STATES])(struct scan *scan) = {
	[SCAN_VALUE] = scan_value,
	[SCAN_FIRST_ITEM] = scan_first_item,
	[SCAN_FIRST_KEY] = scan_first_key,
	[SCAN_KEY] = scan_key,
	[SCAN_AFTER] = scan_after,
};

static int
scan_run(struct scan *scan)
{
	int rc = 0;

	if (scan->end - scan->at >= 3 && memcmp(scan->at, "\xef\xbb\xbf", 3) == 0)
		return fault_at(scan, scan->at, "a byte order mark is not allowed");
	while (rc == 0) {
		while (is_blank(peek(scan)))
			scan->at++;
		if (scan->state == SCAN_AFTER && scan->depth == 0 && scan->at == scan->end)
			return 0;
		rc = scan_steps[scan->state](scan);
	}
	return rc;
}

int
vs_json_scan(const char *text, size_t len, struct vs_json_fault *fault)
{
	struct scan scan = { .base = (const uint8_t *)text, .fault = fault };
	int rc;

	scan.at = scan.base;
	scan.end = len == 0 ? scan.base : scan.base + len; /* text may be NULL then */
	*fault = (struct vs_json_fault){ .what = "" };
	if (len > INT_MAX) {
		fault->what = "the text is too long";
		return VS_ETOOBIG;
	}
	vs_keyset_init(&scan.keys);
	rc = scan_run(&scan);
	vs_keyset_fini(&scan.keys);
	free(scan.decoded);
	return rc;
}
