/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * migrate_files - the migration files of one directory, read whole and in order.
 */

#include <stddef.h>
#include <stdint.h>

#include "lib/base.h"
#include "lib/buf.h"

#define MIGRATE_MAX_FILES	1000
#define MIGRATE_MAX_BYTES	(1024 * 1024)	/* of one file */

struct migrate_file {
	char	*name;		/* owned; NNNN_what.sql */
	char	*text;		/* owned; NUL-terminated */
	char	 sha256[65];	/* hex */
};

struct migrate_files {
	struct migrate_file	*file;	/* owned; file[i] has version i + 1 */
	size_t			 count;
};

/* Read all. VS_ECONF with a sentence in fault, VS_ENOMEM. */
int	migrate_files_load(const char *dir, struct vs_buf *fault,
	    struct migrate_files *ret_files) VS_MUST_USE;
void	migrate_files_fini(struct migrate_files *files);	/* safe on a zeroed one */

/* One file as an owned string. VS_ECONF with a sentence in fault, VS_ENOMEM. */
int	migrate_file_read(const char *path, struct vs_buf *fault, char **ret_text) VS_MUST_USE;
