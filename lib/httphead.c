/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/httphead.h"

#include <stdint.h>
#include <string.h>
#include <strings.h>

#include "lib/err.h"

enum { CC_TOKEN = 1, CC_TARGET = 2, CC_TEXT = 4, CC_DIGIT = 8 };

/* RFC 9110 5.6.2 (token), RFC 9112 3.2 (target: what is visible), RFC 9110 5.5 (values). */
static const uint8_t char_class[256] = {
	['\t'] = CC_TEXT,
	[' '] = CC_TEXT,
	['!'] = CC_TOKEN | CC_TARGET | CC_TEXT,
	['"'] = CC_TARGET | CC_TEXT,
	['#' ... '\''] = CC_TOKEN | CC_TARGET | CC_TEXT,
	['(' ... ')'] = CC_TARGET | CC_TEXT,
	['*' ... '+'] = CC_TOKEN | CC_TARGET | CC_TEXT,
	[','] = CC_TARGET | CC_TEXT,
	['-' ... '.'] = CC_TOKEN | CC_TARGET | CC_TEXT,
	['/'] = CC_TARGET | CC_TEXT,
	['0' ... '9'] = CC_TOKEN | CC_TARGET | CC_TEXT | CC_DIGIT,
	[':' ... '@'] = CC_TARGET | CC_TEXT,
	['A' ... 'Z'] = CC_TOKEN | CC_TARGET | CC_TEXT,
	['[' ... ']'] = CC_TARGET | CC_TEXT,
	['^' ... 'z'] = CC_TOKEN | CC_TARGET | CC_TEXT,
	['{'] = CC_TARGET | CC_TEXT,
	['|'] = CC_TOKEN | CC_TARGET | CC_TEXT,
	['}'] = CC_TARGET | CC_TEXT,
	['~'] = CC_TOKEN | CC_TARGET | CC_TEXT,
	[0x80 ... 0xff] = CC_TEXT,
};

/* What is still to be read. Running out of bytes is VS_EAGAIN everywhere. */
struct cursor {
	const char *at, *end;
};

/* Bytes of the class, at least min of them, and one byte after them in view. */
static int
take_class(struct cursor *cur, uint8_t class, size_t min, struct vs_str *ret_str)
{
	const char *at = cur->at;

	while (at < cur->end && (char_class[(uint8_t)*at] & class) != 0)
		at++;
	if (at == cur->end)
		return VS_EAGAIN;
	if ((size_t)(at - cur->at) < min)
		return VS_EPROTO;
	*ret_str = (struct vs_str){ .ptr = cur->at, .len = (size_t)(at - cur->at) };
	cur->at = at;
	return 0;
}

static int
take_literal(struct cursor *cur, const char *text)
{
	for (; *text != '\0'; text++) {
		if (cur->at == cur->end)
			return VS_EAGAIN;
		if (*cur->at != *text)
			return VS_EPROTO;
		cur->at++;
	}
	return 0;
}

static int
take_version(struct cursor *cur, int *ret_minor)
{
	int rc = take_literal(cur, "HTTP/1.");

	if (rc < 0)
		return rc;
	if (cur->at == cur->end)
		return VS_EAGAIN;
	if (*cur->at != '0' && *cur->at != '1')
		return VS_EPROTO;
	*ret_minor = *cur->at++ - '0';
	return 0;
}

static int
take_request_line(struct cursor *cur, struct vs_http_head *head)
{
	int rc = take_class(cur, CC_TOKEN, 1, &head->method);

	if (rc == 0)
		rc = take_literal(cur, " ");
	if (rc == 0)
		rc = take_class(cur, CC_TARGET, 1, &head->target);
	if (rc == 0)
		rc = take_literal(cur, " ");
	if (rc == 0)
		rc = take_version(cur, &head->minor);
	if (rc == 0)
		rc = take_literal(cur, "\r\n");
	return rc;
}

/* The reason may be missing, and the blank before it too: many servers send neither. */
static int
take_status_line(struct cursor *cur, struct vs_http_head *head)
{
	struct vs_str code = { .len = 0 }, reason;
	int rc = take_version(cur, &head->minor);

	if (rc == 0)
		rc = take_literal(cur, " ");
	if (rc == 0)
		rc = take_class(cur, CC_DIGIT, 3, &code);
	if (rc < 0)
		return rc;
	if (code.len != 3 || code.ptr[0] < '1' || code.ptr[0] > '5')
		return VS_EPROTO;
	head->status = (code.ptr[0] - '0') * 100 + (code.ptr[1] - '0') * 10 + (code.ptr[2] - '0');
	if (*cur->at == ' ')
		rc = take_class(cur, CC_TEXT, 1, &reason);
	if (rc == 0)
		rc = take_literal(cur, "\r\n");
	return rc;
}

static struct vs_str
trim_blanks(struct vs_str str)
{
	while (str.len > 0 && (str.ptr[0] == ' ' || str.ptr[0] == '\t'))
		str = (struct vs_str){ .ptr = str.ptr + 1, .len = str.len - 1 };
	while (str.len > 0 && (str.ptr[str.len - 1] == ' ' || str.ptr[str.len - 1] == '\t'))
		str.len--;
	return str;
}

static int
take_field(struct cursor *cur, struct vs_http_field *ret_field)
{
	struct vs_str name, value;
	int rc = take_class(cur, CC_TOKEN, 1, &name);

	if (rc == 0)
		rc = take_literal(cur, ":");
	if (rc == 0)
		rc = take_class(cur, CC_TEXT, 0, &value);
	if (rc == 0)
		rc = take_literal(cur, "\r\n");
	if (rc == 0)
		*ret_field = (struct vs_http_field){ .name = name, .value = trim_blanks(value) };
	return rc;
}

/* 18 digits at most, so that no sum of lengths overflows. */
static int
note_content_length(struct vs_http_head *head, struct vs_str value)
{
	int64_t length = 0;

	if (head->content_length >= 0 || value.len == 0 || value.len > 18)
		return VS_EPROTO;
	for (size_t i = 0; i < value.len; i++) {
		if ((char_class[(uint8_t)value.ptr[i]] & CC_DIGIT) == 0)
			return VS_EPROTO;
		length = length * 10 + (value.ptr[i] - '0');
	}
	head->content_length = length;
	return 0;
}

/* No other coding than chunked, once, and not from an HTTP/1.0 peer (RFC 9112 6.1). */
static int
note_transfer_encoding(struct vs_http_head *head, struct vs_str value)
{
	if (head->chunked || head->minor == 0 || !vs_str_eq_nocase(value, "chunked"))
		return VS_EPROTO;
	head->chunked = true;
	return 0;
}

static int
note_host(struct vs_http_head *head, struct vs_str value)
{
	(void)value; /* whom it names is the caller's affair */
	/* The field itself is counted already, so the first one found is an earlier one. */
	return vs_http_find(head, "Host") == &head->field[head->nfields - 1].value ? 0 : VS_EPROTO;
}

static const struct {
	const char *name;
	int (*note)(struct vs_http_head *head, struct vs_str value);
} known_fields[] = {
	{ "Content-Length", note_content_length },
	{ "Transfer-Encoding", note_transfer_encoding },
	{ "Host", note_host },
};

static int
note_field(struct vs_http_head *head, const struct vs_http_field *field)
{
	for (size_t i = 0; i < VS_COUNTOF(known_fields); i++) {
		if (vs_str_eq_nocase(field->name, known_fields[i].name))
			return known_fields[i].note(head, field->value);
	}
	return 0;
}

static int
take_fields(struct cursor *cur, struct vs_http_head *head)
{
	int rc;

	for (;;) {
		if (cur->at == cur->end)
			return VS_EAGAIN;
		if (*cur->at == '\r')
			break;
		if (head->nfields == VS_HTTP_MAX_FIELDS)
			return VS_ETOOBIG;
		rc = take_field(cur, &head->field[head->nfields]);
		if (rc < 0)
			return rc;
		head->nfields++;
		rc = note_field(head, &head->field[head->nfields - 1]);
		if (rc < 0)
			return rc;
	}
	rc = take_literal(cur, "\r\n");
	if (rc == 0 && head->chunked && head->content_length >= 0)
		return VS_EPROTO;
	return rc;
}

static int
head_parse(const char *bytes, size_t len,
    int (*take_first_line)(struct cursor *, struct vs_http_head *), struct vs_http_head *ret_head)
{
	size_t view = len < VS_HTTP_HEAD_MAX ? len : VS_HTTP_HEAD_MAX;
	struct cursor cur = { .at = bytes, .end = bytes + view };
	int rc;

	ret_head->method = ret_head->target = (struct vs_str){ .ptr = NULL };
	ret_head->status = 0;
	ret_head->nfields = 0;
	ret_head->content_length = -1;
	ret_head->chunked = false;
	rc = take_first_line(&cur, ret_head);
	if (rc == 0)
		rc = take_fields(&cur, ret_head);
	if (rc == VS_EAGAIN && view == VS_HTTP_HEAD_MAX)
		return VS_ETOOBIG;
	ret_head->size = (size_t)(cur.at - bytes);
	return rc;
}

int
vs_http_request(const char *bytes, size_t len, struct vs_http_head *ret_head)
{
	return head_parse(bytes, len, take_request_line, ret_head);
}

int
vs_http_answer(const char *bytes, size_t len, struct vs_http_head *ret_head)
{
	return head_parse(bytes, len, take_status_line, ret_head);
}

const struct vs_str *
vs_http_find(const struct vs_http_head *head, const char *name)
{
	for (size_t i = 0; i < head->nfields; i++) {
		if (vs_str_eq_nocase(head->field[i].name, name))
			return &head->field[i].value;
	}
	return NULL;
}

/* Take the first item of a comma-separated list off the front of list. */
static struct vs_str
list_shift(struct vs_str *list)
{
	const char *comma = memchr(list->ptr, ',', list->len);
	size_t len = comma == NULL ? list->len : (size_t)(comma - list->ptr);
	size_t skip = comma == NULL ? len : len + 1;
	struct vs_str item = { .ptr = list->ptr, .len = len };

	*list = (struct vs_str){ .ptr = list->ptr + skip, .len = list->len - skip };
	return trim_blanks(item);
}

bool
vs_http_has_token(const struct vs_http_head *head, const char *name, const char *token)
{
	for (size_t i = 0; i < head->nfields; i++) {
		struct vs_str list = head->field[i].value;

		if (!vs_str_eq_nocase(head->field[i].name, name))
			continue;
		while (list.len > 0) {
			if (vs_str_eq_nocase(list_shift(&list), token))
				return true;
		}
	}
	return false;
}

bool
vs_str_eq(struct vs_str str, const char *text)
{
	return strlen(text) == str.len && memcmp(str.ptr, text, str.len) == 0;
}

bool
vs_str_eq_nocase(struct vs_str str, const char *text)
{
	return strlen(text) == str.len && strncasecmp(str.ptr, text, str.len) == 0;
}
