/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/ulid.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/clock.h"

#define ULID_TIME_CHARS   10
#define ULID_RANDOM_BYTES 10
#define ULID_MS_MAX       ((INT64_C(1) << 48) - 1)

static const char alphabet[] = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";

/* The id made last; the next one is greater. */
static struct {
	pid_t pid; /* whose state this is: a forked child must not go on with it */
	int64_t ms;
	uint8_t random[ULID_RANDOM_BYTES];
} last;

static void
last_reseed(int64_t ms)
{
	last.ms = ms;
	if (getentropy(last.random, sizeof(last.random)) != 0)
		abort(); /* no id is better than one that might be somebody else's */
}

/* The next greater id of the same millisecond; when all are used, of the next one. */
static void
last_increment(void)
{
	for (int i = ULID_RANDOM_BYTES - 1; i >= 0; i--) {
		if (++last.random[i] != 0)
			return;
	}
	last_reseed(last.ms + 1);
}

static void
encode(int64_t ms, const uint8_t *random, char *ret_id)
{
	unsigned bits = 0;
	unsigned have = 0;
	char *at = ret_id + ULID_TIME_CHARS;

	for (int i = ULID_TIME_CHARS - 1; i >= 0; i--) {
		ret_id[i] = alphabet[ms & 31];
		ms >>= 5;
	}
	for (int i = 0; i < ULID_RANDOM_BYTES; i++) {
		bits = (bits << 8) | random[i];
		for (have += 8; have >= 5; have -= 5)
			*at++ = alphabet[(bits >> (have - 5)) & 31];
	}
	*at = '\0';
}

void
vs_ulid_new(char ret_id[VS_ULID_SIZE])
{
	int64_t now = vs_clock_wall_ms() & ULID_MS_MAX;
	pid_t pid = getpid();

	if (pid != last.pid || now > last.ms) {
		last.pid = pid;
		last_reseed(now);
	} else {
		last_increment();
	}
	encode(last.ms, last.random, ret_id);
}

static int
char_value(char c)
{
	const char *at = c == '\0' ? NULL : strchr(alphabet, c);

	return at == NULL ? -1 : (int)(at - alphabet);
}

bool
vs_ulid_ok(const char *text, size_t len)
{
	if (len != VS_ULID_LEN || text[0] > '7')
		return false;
	for (size_t i = 0; i < len; i++) {
		if (char_value(text[i]) < 0)
			return false;
	}
	return true;
}

int64_t
vs_ulid_wall_ms(const char *id)
{
	int64_t ms = 0;

	for (int i = 0; i < ULID_TIME_CHARS; i++)
		ms = ms * 32 + char_value(id[i]);
	return ms;
}
