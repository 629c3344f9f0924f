/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/log.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "lib/clock.h"
#include "lib/err.h"
#include "lib/scrub.h"
#include "lib/utf8.h"

/* A pipe takes a write of up to PIPE_BUF (4096) whole, whoever else writes to it. */
#define LINE_MAX_BYTES  4096
#define VALUE_MAX_BYTES 1024
#define CUT_MARK        "...[cut]"
#define REPLACEMENT     "\xef\xbf\xbd"
#define PATIENCE_MS     20

static const char *const level_names[] = { "error", "warning", "info", "debug" };

static struct {
	const char *program;
	enum vs_log_level level;
	enum vs_log_format format;
	int fd;
	uint64_t dropped; /* lines lost since the last one that went out */
	bool torn;        /* the last line went out in part only */
} logger = { .program = "ventus", .level = VS_LOG_INFO, .fd = STDERR_FILENO };

/* A line under construction. Past limit nothing is added and full is set. */
struct line {
	char text[LINE_MAX_BYTES];
	size_t len, limit;
	bool full;
};

void
vs_log_init(const char *program, enum vs_log_level level, enum vs_log_format format)
{
	logger.program = program;
	logger.level = level;
	logger.format = format;
}

void
vs_log_fd(int fd)
{
	logger.fd = fd;
	logger.dropped = 0;
	logger.torn = false;
}

int
vs_log_level_parse(const char *text, enum vs_log_level *ret_level)
{
	for (size_t i = 0; i < VS_COUNTOF(level_names); i++) {
		if (strcmp(text, level_names[i]) == 0) {
			*ret_level = (enum vs_log_level)i;
			return 0;
		}
	}
	return VS_EINVAL;
}

static void
line_put(struct line *line, const char *text, size_t len)
{
	if (line->full || len > line->limit - line->len) {
		line->full = true;
		return;
	}
	memcpy(line->text + line->len, text, len);
	line->len += len;
}

static void
line_puts(struct line *line, const char *text)
{
	line_put(line, text, strlen(text));
}

static void
line_put_int(struct line *line, int64_t num)
{
	char digits[24];

	line_put(line, digits, (size_t)snprintf(digits, sizeof(digits), "%lld", (long long)num));
}

/* Is this character kept out of a line as it is: controls of ASCII and of Latin-1? */
static bool
is_control(const char *text, size_t len)
{
	unsigned char first = (unsigned char)text[0];

	return first < 0x20 || first == 0x7f ||
	       (len == 2 && first == 0xc2 && (unsigned char)text[1] < 0xa0);
}

/* One character of a JSON string; its size in text is returned. */
static size_t
line_put_char(struct line *line, const char *text, size_t len)
{
	size_t step = vs_utf8_step((const uint8_t *)text, len);
	char escape[8];

	if (step == 0) {
		line_puts(line, REPLACEMENT);
		return 1;
	}
	if (is_control(text, step))
		line_put(line, escape,
		    (size_t)snprintf(
			escape, sizeof(escape), "\\u%04x", (unsigned char)text[step - 1]));
	else if (text[0] == '"' || text[0] == '\\')
		line_put(line, (const char[]){ '\\', text[0] }, 2);
	else
		line_put(line, text, step);
	return step;
}

/* A JSON string of what the scrubber lets through, cut at VALUE_MAX_BYTES. */
static void
line_put_str(struct line *line, const char *text)
{
	size_t whole_limit = line->limit;
	size_t limit = line->len + 1 + VALUE_MAX_BYTES;
	struct vs_scrub scrub;
	const char *piece;
	size_t len;

	line_puts(line, "\"");
	if (limit < whole_limit)
		line->limit = limit;
	vs_scrub_start(&scrub, text, strlen(text));
	while (!line->full && vs_scrub_next(&scrub, &piece, &len)) {
		for (size_t i = 0; i < len && !line->full;)
			i += line_put_char(line, piece + i, len - i);
	}
	/* Full by the value's own limit: say so, and go on with the line. */
	if (line->full && line->limit < whole_limit) {
		line->full = false;
		line->limit = whole_limit;
		line_puts(line, CUT_MARK);
	}
	line->limit = whole_limit;
	line_puts(line, "\"");
}

static void
line_put_value(struct line *line, const struct vs_log_field *field)
{
	if (vs_scrub_key(field->key))
		line_puts(line, "\"" VS_SCRUBBED "\"");
	else if (field->type == VS_LOG_F_INT)
		line_put_int(line, field->num);
	else if (field->type == VS_LOG_F_BOOL)
		line_puts(line, field->num != 0 ? "true" : "false");
	else if (field->str == NULL)
		line_puts(line, "null");
	else
		line_put_str(line, field->str);
}

/* The whole field, or nothing of it. */
static void
line_put_field(struct line *line, const struct vs_log_field *field)
{
	size_t before = line->len;

	if (line->full)
		return;
	if (logger.format == VS_LOG_JSON) {
		line_puts(line, ",");
		line_put_str(line, field->key);
		line_puts(line, ":");
	} else {
		line_puts(line, " ");
		line_puts(line, field->key);
		line_puts(line, "=");
	}
	line_put_value(line, field);
	if (line->full)
		line->len = before;
}

static void
line_start(struct line *line, enum vs_log_level level, const char *event)
{
	char time[VS_RFC3339_SIZE];

	vs_clock_rfc3339(vs_clock_wall_ms(), time);
	if (logger.torn)
		line_puts(line, "\n");
	if (logger.format == VS_LOG_TEXT) {
		const char *parts[] = { time, " ", level_names[level], " ", logger.program, "[" };

		for (size_t i = 0; i < VS_COUNTOF(parts); i++)
			line_puts(line, parts[i]);
		line_put_int(line, getpid());
		line_puts(line, "] ");
		line_puts(line, event);
		return;
	}
	line_puts(line, "{\"time\":\"");
	line_puts(line, time);
	line_puts(line, "\"");
	line_put_field(line, &VS_LOG_STR("level", level_names[level]));
	line_put_field(line, &VS_LOG_STR("program", logger.program));
	line_put_field(line, &VS_LOG_INT("pid", getpid()));
	line_put_field(line, &VS_LOG_STR("event", event));
}

/* Room that line_end() needs beyond the limit of the fields. */
static const char end_json[] = ",\"cut\":true}\n";
static const char end_text[] = " cut=true\n";

static void
line_end(struct line *line)
{
	bool json = logger.format == VS_LOG_JSON;
	bool cut = line->full;

	line->limit = sizeof(line->text);
	line->full = false;
	if (json)
		line_puts(line, cut ? end_json : "}\n");
	else
		line_puts(line, cut ? end_text : "\n");
}

/*
 * Write the line at once or drop it. A reader that is merely behind gets a moment;
 * one that has stopped, or is gone (POLLERR: no SIGPIPE), costs no line but the first
 * a wait.
 */
static void
line_write(const struct line *line)
{
	struct pollfd out = { .fd = logger.fd, .events = POLLOUT };
	ssize_t n = -1;

	if (poll(&out, 1, logger.dropped > 0 ? 0 : PATIENCE_MS) == 1 && out.revents == POLLOUT) {
		do
			n = write(logger.fd, line->text, line->len);
		while (n < 0 && errno == EINTR);
	}
	if (n < 0) {
		logger.dropped++;
		return;
	}
	logger.torn = (size_t)n < line->len;
	logger.dropped = logger.torn ? 1 : 0;
}

void
vs_log_fields(
    enum vs_log_level level, const char *event, const struct vs_log_field *fields, size_t count)
{
	int saved_errno = errno;
	struct line line;

	if (level > logger.level)
		return;
	line.len = 0;
	line.limit = sizeof(line.text) - sizeof(end_json);
	line.full = false;
	line_start(&line, level, event);
	if (logger.dropped > 0)
		line_put_field(&line, &VS_LOG_INT("dropped", logger.dropped));
	for (size_t i = 0; i < count; i++)
		line_put_field(&line, &fields[i]);
	line_end(&line);
	line_write(&line);
	errno = saved_errno;
}
