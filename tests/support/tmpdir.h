/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * tmpdir - a directory of the test's own under /tmp, and its end.
 */

#define TMPDIR_SIZE	64

void	tmpdir_new(char ret_path[TMPDIR_SIZE]);	/* mode 0700; fails the test if not */
void	tmpdir_remove(const char *path);	/* with all that is in it */
