/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * cursor - where a list goes on: the last row's place, signed, so that nobody can
 * make one up or take one from another list or workspace.
 *
 * base64url of: kid length, kid, key (8 bytes), id, the first 16 bytes of an
 * HMAC-SHA256 over scope, workspace and all of these.
 */

#include "lib/base.h"
#include "lib/keyring.h"
#include "lib/ulid.h"

struct cursor {
	int64_t	 key;			/* what the list is ordered by */
	char	 id[VS_ULID_SIZE];
};

#define CURSOR_SIZE	124	/* the longest, with its NUL */

/* What a cursor is good for. */
struct cursor_scope {
	const struct vs_keyring	*ring;
	const char		*list, *workspace_id;
};

void	cursor_print(const struct cursor_scope *scope, const struct cursor *cursor,
	    char ret_text[CURSOR_SIZE]);

/* VS_EINVAL: not one of ours for this list. */
int	cursor_parse(const struct cursor_scope *scope, const char *text, struct cursor *ret_cursor)
	    VS_MUST_USE;
