/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/support/keys.h"

#include <err.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "tests/support/tmpdir.h"

static void
put_key(const char *dir, const char *kid, size_t kid_len, int fill)
{
	uint8_t bytes[VS_KEY_BYTES];
	char path[256];
	int fd;

	memset(bytes, fill, sizeof(bytes));
	(void)snprintf(path, sizeof(path), "%s/%.*s.key", dir, (int)kid_len, kid);
	fd = open(path, O_WRONLY | O_CREAT | O_EXCL, 0600);
	if (fd < 0 || write(fd, bytes, sizeof(bytes)) != (ssize_t)sizeof(bytes) || close(fd) != 0)
		err(1, "keys: %s", path);
}

void
keys_write(const char *dir, const char *kids)
{
	int n = 0;

	while (*kids != '\0') {
		size_t len = strcspn(kids, " ");

		put_key(dir, kids, len, ++n);
		kids += len + strspn(kids + len, " ");
	}
}

struct vs_keyring *
keys_new(const char *kids)
{
	struct vs_keyring *ring = NULL;
	struct vs_buf fault;
	char dir[TMPDIR_SIZE];

	tmpdir_new(dir);
	keys_write(dir, kids);
	vs_buf_init(&fault, 1024);
	if (vs_keyring_load(dir, &fault, &ring) < 0)
		errx(1, "keys: %s", vs_buf_str(&fault));
	vs_buf_fini(&fault);
	tmpdir_remove(dir);
	return ring;
}
