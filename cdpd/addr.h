/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * addr - socket addresses from text. Names are not resolved: nothing here blocks.
 */

#include <sys/socket.h>

#include "lib/base.h"

/* An absolute path. VS_EINVAL. */
int	addr_unix(const char *path, struct sockaddr_storage *ret_addr, socklen_t *ret_len)
	    VS_MUST_USE;

/* "192.0.2.1:9000" or "[2001:db8::1]:9000". VS_EINVAL. */
int	addr_tcp(const char *text, struct sockaddr_storage *ret_addr, socklen_t *ret_len) VS_MUST_USE;
