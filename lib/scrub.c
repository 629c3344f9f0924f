/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/scrub.h"

#include <stdint.h>
#include <string.h>
#include <strings.h>

/*
 * Keys, in lower case with '_' between words. WHOLE: only alone, not as the end of a
 * longer key. HEADER: "key: value" counts too, and the value is the whole line.
 * TEXT: in free text only; as a field of ours the word is harmless.
 */
enum { WHOLE = 1, HEADER = 2, TEXT = 4 };

static const struct key_row {
	const char *key;
	unsigned flags;
} key_rows[] = {
	{ "authorization", HEADER },
	{ "proxy_authorization", HEADER },
	{ "cookie", HEADER },
	{ "set_cookie", HEADER },
	{ "x_api_key", HEADER },
	{ "token", 0 },
	{ "access_token", 0 },
	{ "refresh_token", 0 },
	{ "secret", 0 },
	{ "client_secret", 0 },
	{ "password", 0 },
	{ "passwd", 0 },
	{ "passphrase", 0 },
	{ "api_key", 0 },
	{ "apikey", 0 },
	{ "private_key", 0 },
	{ "connect_url", 0 },
	{ "live_view_url", 0 },
	{ "recording_url", 0 },
	{ "vnc_password", 0 },
	{ "storage_state", 0 },
	{ "session_token", 0 },
	{ "csrf_token", 0 },
	{ "jwt", 0 },
	{ "bearer", 0 },
	{ "key", WHOLE | TEXT },
	{ "sig", WHOLE | TEXT },
	{ "signature", WHOLE | TEXT },
	{ "pass", WHOLE | TEXT },
	{ "pwd", WHOLE | TEXT },
};

struct span {
	size_t from, to;
};

/* What is looked at: the whole text, and the word (or one other byte) at hand. */
struct view {
	const char *text;
	size_t len;
	struct span word;
};

static bool
is_word(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
	       c == '_' || c == '-';
}

static bool
is_upper(char c)
{
	return c >= 'A' && c <= 'Z';
}

static bool
is_separator(char c)
{
	return c == '_' || c == '-';
}

static bool
is_blank(char c)
{
	return c == ' ' || c == '\t';
}

static char
at(const struct view *view, size_t pos)
{
	return pos < view->len ? view->text[pos] : '\0';
}

static size_t
skip(const struct view *view, size_t pos, bool (*is)(char))
{
	while (pos < view->len && is(view->text[pos]))
		pos++;
	return pos;
}

/*
 * Does word end with key, at the start of one of its words: db_password, dbPassword,
 * DB-PASSWORD, but not mypassword? Separators never count.
 */
static bool
word_ends_with(const char *word, size_t len, const struct key_row *row)
{
	size_t left = strlen(row->key);
	char first = '\0';

	while (left > 0) {
		if (row->key[left - 1] == '_') {
			left--;
			continue;
		}
		while (len > 0 && is_separator(word[len - 1]))
			len--;
		first = len > 0 ? word[len - 1] : '\0';
		if ((is_upper(first) ? first - 'A' + 'a' : first) != row->key[left - 1])
			return false;
		len--;
		left--;
	}
	if (len == 0)
		return true;
	return (row->flags & WHOLE) == 0 &&
	       (is_separator(word[len - 1]) || (is_upper(first) && !is_upper(word[len - 1])));
}

static const struct key_row *
key_find(const char *word, size_t len)
{
	for (size_t i = 0; i < VS_COUNTOF(key_rows); i++) {
		if (word_ends_with(word, len, &key_rows[i]))
			return &key_rows[i];
	}
	return NULL;
}

bool
vs_scrub_key(const char *key)
{
	const struct key_row *row = key_find(key, strlen(key));

	return row != NULL && (row->flags & TEXT) == 0;
}

/* vs_<key record's id>.<secret>: the part left of the dot may be shown. */
static bool
find_api_key(const struct view *view, struct span *ret_secret)
{
	static const char prefix[] = "vs_";
	const size_t id_len = 26;
	size_t from = view->word.to + 1;
	size_t start;

	if (view->word.to - view->word.from < sizeof(prefix) - 1 + id_len ||
	    at(view, view->word.to) != '.' || !is_word(at(view, from)))
		return false;
	start = view->word.to - id_len - (sizeof(prefix) - 1);
	if (strncasecmp(view->text + start, prefix, sizeof(prefix) - 1) != 0)
		return false;
	*ret_secret = (struct span){ from, skip(view, from, is_word) };
	return true;
}

/* Base64url of '{"', and at least one more part; all parts are the secret. */
static bool
find_jwt(const struct view *view, struct span *ret_secret)
{
	static const char start[] = "eyJ";
	const size_t least_head = 8, least_part = 4;
	const char *word = view->text + view->word.from;
	size_t to = view->word.to;
	const char *head;

	if (at(view, to) != '.')
		return false;
	head = memmem(word, to - view->word.from, start, sizeof(start) - 1);
	if (head == NULL || (size_t)(view->text + to - head) < least_head)
		return false;
	for (size_t i = 1; i <= least_part; i++) {
		if (!is_word(at(view, to + i)))
			return false;
	}
	while (at(view, to) == '.' && is_word(at(view, to + 1)))
		to = skip(view, to + 1, is_word);
	*ret_secret = (struct span){ (size_t)(head - view->text), to };
	return true;
}

static bool
is_credential(char c)
{
	return is_word(c) || (c != '\0' && strchr(".~+/=", c) != NULL);
}

/* Is this word one of the list, in any case? */
static bool
is_listed(const char *const *list, size_t count, const char *word, size_t len)
{
	for (size_t i = 0; i < count; i++) {
		if (strlen(list[i]) == len && strncasecmp(word, list[i], len) == 0)
			return true;
	}
	return false;
}

/* The word before credentials; never the credentials themselves. */
static bool
is_scheme(const char *word, size_t len)
{
	static const char *const schemes[] = { "bearer", "basic" };

	return is_listed(schemes, VS_COUNTOF(schemes), word, len);
}

/* "Bearer x", "Basic x", but not "a bearer token". */
static bool
find_credentials(const struct view *view, struct span *ret_secret)
{
	static const char *const prose[] = { "and", "auth", "authentication", "authorization",
		"credential", "credentials", "is", "key", "keys", "or", "scheme", "token",
		"tokens" };
	const char *word = view->text + view->word.from;
	size_t from = skip(view, view->word.to, is_blank);
	size_t to, len;

	if (from == view->word.to || !is_scheme(word, view->word.to - view->word.from))
		return false;
	to = skip(view, from, is_credential);
	len = to - from;
	while (len > 0 && view->text[from + len - 1] == '.')
		len--;
	if (len == 0 || is_scheme(view->text + from, len) ||
	    is_listed(prose, VS_COUNTOF(prose), view->text + from, len))
		return false;
	*ret_secret = (struct span){ from, to };
	return true;
}

static bool
ends_authority(char c)
{
	return (unsigned char)c <= ' ' || strchr("/?#\"'<>\\`", c) != NULL;
}

/* //user:password@host */
static bool
find_userinfo(const struct view *view, struct span *ret_secret)
{
	size_t from = view->word.from + 2;
	size_t to = from;

	if (at(view, view->word.from) != '/' || at(view, view->word.from + 1) != '/')
		return false;
	for (size_t i = from; i < view->len && !ends_authority(view->text[i]); i++) {
		if (view->text[i] == '@')
			to = i;
	}
	*ret_secret = (struct span){ from, to };
	return to > from;
}

/*
 * A quote at pos with the backslashes that quoting it in JSON again and again has put
 * before it (0, 1, 3, ...). The place after it, or pos when there is none.
 */
static size_t
skip_quote(const struct view *view, size_t pos, char *ret_quote, size_t *ret_level)
{
	size_t i = pos;

	while (at(view, i) == '\\')
		i++;
	if (at(view, i) != '"' && at(view, i) != '\'')
		return pos;
	*ret_quote = view->text[i];
	*ret_level = i - pos;
	return i + 1;
}

/* Where the string that quote opened ends; at the end of the text when it is open. */
static size_t
quoted_end(const struct view *view, size_t from, char quote, size_t level)
{
	size_t slashes = 0;

	for (size_t i = from; i < view->len; i++) {
		if (view->text[i] == quote && slashes % (2 * (level + 1)) == level)
			return i - slashes;
		slashes = view->text[i] == '\\' ? slashes + 1 : 0;
	}
	return view->len;
}

/* The end of the JSON object or array that opens at from. */
static size_t
structure_end(const struct view *view, size_t from)
{
	size_t depth = 0;
	bool in_string = false;

	for (size_t i = from; i < view->len; i++) {
		char c = view->text[i];

		if (c == '\\')
			i++;
		else if (c == '"')
			in_string = !in_string;
		else if (!in_string && (c == '{' || c == '['))
			depth++;
		else if (!in_string && (c == '}' || c == ']') && --depth == 0)
			return i + 1;
	}
	return view->len;
}

static bool
ends_line(char c)
{
	return c == '\n' || c == '\r';
}

static bool
ends_value(char c)
{
	return (unsigned char)c <= ' ' || strchr("&\"'<>`", c) != NULL;
}

static bool
ends_json_value(char c)
{
	return ends_value(c) || c == ',' || c == '}' || c == ']';
}

static size_t
value_end(const struct view *view, size_t from, bool (*ends)(char))
{
	while (from < view->len && !ends(view->text[from]))
		from++;
	return from;
}

/* Past what stands between a key and its value; pos when nothing of the kind does. */
static size_t
skip_assignment(const struct view *view, size_t pos, bool header, bool *ret_json)
{
	char quote;
	size_t level;
	size_t i = skip_quote(view, pos, &quote, &level);
	bool quoted = i != pos;

	i = skip(view, i, is_blank);
	*ret_json = quoted && at(view, i) == ':';
	if (at(view, i) == '=' || (at(view, i) == ':' && (quoted || header)))
		return skip(view, i + 1, is_blank);
	if (at(view, i) == '%' && at(view, i + 1) == '3' && (at(view, i + 2) | 0x20) == 'd')
		return i + 3;
	return pos;
}

/* key=value, "key": value, Header: value. */
static bool
find_value(const struct view *view, struct span *ret_secret)
{
	size_t word = view->word.from;
	const struct key_row *row;
	bool json, header;
	size_t from, level;
	char quote;

	/* What cannot be followed by a value is not worth a look at the keys. */
	if (skip_assignment(view, view->word.to, true, &json) == view->word.to)
		return false;
	if (word > 0 && view->text[word - 1] == '%' && view->word.to - word > 2)
		word += 2; /* of a percent-encoded character */
	row = key_find(view->text + word, view->word.to - word);
	if (row == NULL)
		return false;
	header = (row->flags & HEADER) != 0;
	ret_secret->from = skip_assignment(view, view->word.to, header, &json);
	if (ret_secret->from == view->word.to)
		return false;
	from = skip_quote(view, ret_secret->from, &quote, &level);
	if (from != ret_secret->from)
		*ret_secret = (struct span){ from, quoted_end(view, from, quote, level) };
	else if (at(view, from) == '{' || at(view, from) == '[')
		ret_secret->to = structure_end(view, from);
	else if (header && !json)
		ret_secret->to = value_end(view, from, ends_line);
	else
		ret_secret->to = value_end(view, from, json ? ends_json_value : ends_value);
	/* token=Bearer x: the secret is found as the credentials behind the scheme. */
	return ret_secret->to > ret_secret->from &&
	       !is_scheme(view->text + ret_secret->from, ret_secret->to - ret_secret->from);
}

/*
 * The shapes. Each looks at the word at hand (or the one byte that is not of a word)
 * and may look past it only as far as what it finds reaches, or a run of blanks or
 * backslashes, or the authority of a URL: that is what keeps the whole linear.
 */
static const struct shape {
	bool of_word;
	bool (*find)(const struct view *view, struct span *ret_secret);
} shapes[] = {
	{ true, find_api_key },
	{ true, find_jwt },
	{ true, find_value },
	{ true, find_credentials },
	{ false, find_userinfo },
};

/* The first secret from pos on, or an empty span at the end. */
static struct span
secret_next(const char *text, size_t len, size_t pos)
{
	struct view view = { .text = text, .len = len };
	struct span first = { len, len };
	struct span found;

	while (pos < len && first.from == len) {
		bool of_word = is_word(text[pos]);

		view.word = (struct span){ pos, of_word ? skip(&view, pos, is_word) : pos + 1 };
		for (size_t i = 0; i < VS_COUNTOF(shapes); i++) {
			if (shapes[i].of_word == of_word && shapes[i].find(&view, &found) &&
			    found.from < first.from)
				first = found;
		}
		pos = view.word.to;
	}
	return first;
}

void
vs_scrub_start(struct vs_scrub *scrub, const char *text, size_t len)
{
	struct span secret = secret_next(text, len, 0);

	*scrub = (struct vs_scrub){ text, len, 0, secret.from, secret.to };
}

bool
vs_scrub_next(struct vs_scrub *scrub, const char **ret_piece, size_t *ret_len)
{
	struct span secret;

	if (scrub->pos < scrub->secret_from) {
		*ret_piece = scrub->text + scrub->pos;
		*ret_len = scrub->secret_from - scrub->pos;
		scrub->pos = scrub->secret_from;
		return true;
	}
	if (scrub->pos == scrub->len)
		return false;
	*ret_piece = VS_SCRUBBED;
	*ret_len = sizeof(VS_SCRUBBED) - 1;
	scrub->pos = scrub->secret_to;
	secret = secret_next(scrub->text, scrub->len, scrub->pos);
	scrub->secret_from = secret.from;
	scrub->secret_to = secret.to;
	return true;
}

int
vs_scrub_text(struct vs_buf *out, const char *text, size_t len)
{
	size_t before = vs_buf_len(out);
	struct vs_scrub scrub;
	const char *piece;
	size_t piece_len;
	int rc = 0;

	vs_scrub_start(&scrub, text, len);
	while (rc == 0 && vs_scrub_next(&scrub, &piece, &piece_len))
		rc = vs_buf_append(out, piece, piece_len);
	if (rc < 0)
		vs_buf_truncate(out, before);
	return rc;
}
