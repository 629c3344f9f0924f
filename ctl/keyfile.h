/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * keyfile - make the key files that lib/keyring.h reads.
 */

#include <stdint.h>

#include "lib/base.h"
#include "lib/keyring.h"

/*
 * A new <kid>.key in dir, the kid made of the date in UTC and the next free letter:
 * 20261201a. It appears whole or not at all, mode 0640, in the directory's group.
 * VS_EFULL: no letter is free; VS_ENOENT, VS_EPERM, VS_EIO.
 */
int	keyfile_new(const char *dir, int64_t now_wall_ms, char ret_kid[VS_KID_MAX + 1]) VS_MUST_USE;
