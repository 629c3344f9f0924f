/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/clock.h"

#include <stdbool.h>
#include <string.h>
#include <time.h>

#include "lib/err.h"

#define WALL_MIN INT64_C(-62167219200000) /* 0000-01-01T00:00:00.000Z */
#define WALL_MAX INT64_C(253402300799999) /* 9999-12-31T23:59:59.999Z */

static int64_t
clock_ms(clockid_t id)
{
	struct timespec now;

	(void)clock_gettime(id, &now); /* cannot fail for the two clocks used here */
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

vs_msec
vs_clock_mono_ms(void)
{
	return clock_ms(CLOCK_MONOTONIC);
}

int64_t
vs_clock_wall_ms(void)
{
	return clock_ms(CLOCK_REALTIME);
}

static char *
put_digits(char *at, int value, int width)
{
	for (int i = width - 1; i >= 0; i--) {
		at[i] = (char)('0' + value % 10);
		value /= 10;
	}
	return at + width;
}

void
vs_clock_rfc3339(int64_t wall_ms, char ret_text[VS_RFC3339_SIZE])
{
	struct tm tm;
	int64_t ms;
	time_t sec;
	char *at = ret_text;

	wall_ms = wall_ms < WALL_MIN ? WALL_MIN : wall_ms > WALL_MAX ? WALL_MAX : wall_ms;
	ms = (wall_ms % 1000 + 1000) % 1000;
	sec = (time_t)((wall_ms - ms) / 1000);
	(void)gmtime_r(&sec, &tm); /* fails past the range clamped to only */
	const struct {
		int value, width;
		char after;
	} parts[] = {
		{ tm.tm_year + 1900, 4, '-' },
		{ tm.tm_mon + 1, 2, '-' },
		{ tm.tm_mday, 2, 'T' },
		{ tm.tm_hour, 2, ':' },
		{ tm.tm_min, 2, ':' },
		{ tm.tm_sec, 2, '.' },
		{ (int)ms, 3, 'Z' },
	};
	for (size_t i = 0; i < VS_COUNTOF(parts); i++) {
		at = put_digits(at, parts[i].value, parts[i].width);
		*at++ = parts[i].after;
	}
	*at = '\0';
}

/* Exactly width digits within [min, max], then the character after ('\0': any). */
static bool
take_number(const char **at, int width, int min, int max, char after, int *ret_value)
{
	const char *p = *at;
	int value = 0;

	for (int i = 0; i < width; i++, p++) {
		if (*p < '0' || *p > '9')
			return false;
		value = value * 10 + (*p - '0');
	}
	if (value < min || value > max || (after != '\0' && *p != after))
		return false;
	*at = after != '\0' ? p + 1 : p;
	*ret_value = value;
	return true;
}

/* An optional fraction; what is finer than a millisecond is dropped. */
static bool
take_fraction(const char **at, int *ret_ms)
{
	const char *p = *at;
	int scale = 100;
	int ms = 0;

	*ret_ms = 0;
	if (*p != '.')
		return true;
	p++;
	if (*p < '0' || *p > '9')
		return false;
	for (; *p >= '0' && *p <= '9'; p++, scale /= 10)
		ms += (*p - '0') * scale;
	*at = p;
	*ret_ms = ms;
	return true;
}

static bool
take_offset(const char **at, int *ret_seconds)
{
	int hours, minutes;
	int sign = **at == '-' ? -1 : 1;

	if (**at == 'Z' || **at == 'z') {
		(*at)++;
		*ret_seconds = 0;
		return true;
	}
	if (**at != '+' && **at != '-')
		return false;
	(*at)++;
	if (!take_number(at, 2, 0, 23, ':', &hours) || !take_number(at, 2, 0, 59, '\0', &minutes))
		return false;
	*ret_seconds = sign * (hours * 3600 + minutes * 60);
	return true;
}

static bool
take_date_time(const char **at, struct tm *tm)
{
	if (!take_number(at, 4, 0, 9999, '-', &tm->tm_year) ||
	    !take_number(at, 2, 1, 12, '-', &tm->tm_mon) ||
	    !take_number(at, 2, 1, 31, '\0', &tm->tm_mday))
		return false;
	if (**at != 'T' && **at != 't')
		return false;
	(*at)++;
	tm->tm_year -= 1900;
	tm->tm_mon -= 1;
	return take_number(at, 2, 0, 23, ':', &tm->tm_hour) &&
	       take_number(at, 2, 0, 59, ':', &tm->tm_min) &&
	       take_number(at, 2, 0, 60, '\0', &tm->tm_sec);
}

int
vs_clock_rfc3339_parse(const char *text, int64_t *ret_wall_ms)
{
	struct tm tm = { 0 };
	int ms, offset, day;
	bool leap;
	int64_t sec;

	if (!take_date_time(&text, &tm) || !take_fraction(&text, &ms) ||
	    !take_offset(&text, &offset) || *text != '\0')
		return VS_EINVAL;
	day = tm.tm_mday;
	leap = tm.tm_sec == 60;
	tm.tm_sec -= leap;
	sec = (int64_t)timegm(&tm);
	if (tm.tm_mday != day)
		return VS_EINVAL; /* timegm() made 30 February into 2 March */
	sec -= offset;
	/* A leap second ends a UTC day; it counts as the second that follows. */
	if (leap && (sec + 1) % 86400 != 0)
		return VS_EINVAL;
	*ret_wall_ms = (sec + leap) * 1000 + ms;
	return 0;
}
