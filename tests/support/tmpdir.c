/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/support/tmpdir.h"

#include <err.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>

void
tmpdir_new(char ret_path[TMPDIR_SIZE])
{
	(void)snprintf(ret_path, TMPDIR_SIZE, "/tmp/ventus-test-XXXXXX");
	if (mkdtemp(ret_path) == NULL)
		err(1, "tmpdir: %s", ret_path);
}

static int
remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st;
	(void)type;
	(void)ftw;
	return remove(path);
}

void
tmpdir_remove(const char *path)
{
	if (nftw(path, remove_one, 16, FTW_DEPTH | FTW_PHYS) != 0)
		err(1, "tmpdir: remove %s", path);
}
