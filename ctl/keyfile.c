/* SPDX-License-Identifier: Apache-2.0 */
#include "ctl/keyfile.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/crypto.h>
#include <openssl/rand.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/cleanup.h"
#include "lib/clock.h"
#include "lib/err.h"

#define TMP_NAME ".new-XXXXXX"

/* The bytes on the disk, under a name that the keyring does not read. */
static int
write_key(int fd, int dirfd)
{
	uint8_t key[VS_KEY_BYTES];
	struct stat st;
	int rc = 0;

	if (RAND_priv_bytes(key, sizeof(key)) != 1)
		return VS_EIO;
	if (fstat(dirfd, &st) != 0 || fchmod(fd, 0640) != 0 ||
	    write(fd, key, sizeof(key)) != (ssize_t)sizeof(key) || fsync(fd) != 0)
		rc = VS_EIO;
	OPENSSL_cleanse(key, sizeof(key));
	/* Not ours to give: then our own group reads it, and mode 0640 is still right. */
	if (rc == 0 && fchown(fd, (uid_t)-1, st.st_gid) != 0 && errno != EPERM)
		rc = VS_EIO;
	return rc;
}

/* Give the finished file the first name that is free. */
static int
link_free(int dirfd, const char *tmp, const char *date, char ret_kid[VS_KID_MAX + 1])
{
	char name[VS_KID_MAX + 8];

	for (char letter = 'a'; letter <= 'z'; letter++) {
		(void)snprintf(ret_kid, VS_KID_MAX + 1, "%s%c", date, letter);
		(void)snprintf(name, sizeof(name), "%s.key", ret_kid);
		if (linkat(AT_FDCWD, tmp, dirfd, name, 0) == 0)
			return fsync(dirfd) == 0 ? 0 : VS_EIO;
		if (errno != EEXIST)
			return vs_err_from_errno(errno);
	}
	return VS_EFULL;
}

int
keyfile_new(const char *dir, int64_t now_wall_ms, char ret_kid[VS_KID_MAX + 1])
{
	vs_autofd int dirfd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	vs_autofree char *tmp = NULL;
	vs_autofd int fd = -1;
	char now[VS_RFC3339_SIZE], date[9];
	int rc;

	if (dirfd < 0)
		return vs_err_from_errno(errno);
	vs_clock_rfc3339(now_wall_ms, now);
	(void)snprintf(date, sizeof(date), "%.4s%.2s%.2s", now, now + 5, now + 8);
	if (asprintf(&tmp, "%s/" TMP_NAME, dir) < 0) {
		tmp = NULL;
		return VS_ENOMEM;
	}
	fd = mkostemp(tmp, O_CLOEXEC);
	if (fd < 0)
		return vs_err_from_errno(errno);
	rc = write_key(fd, dirfd);
	if (rc == 0)
		rc = link_free(dirfd, tmp, date, ret_kid);
	(void)unlink(tmp);
	return rc;
}
