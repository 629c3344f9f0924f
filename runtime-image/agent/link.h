/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * link - messages and descriptors between the agent and the sandbox's first process.
 *
 * One SOCK_SEQPACKET pair that bwrap hands through. Descriptors cross, not bytes:
 * sockets that were made inside the session's network namespace are used from
 * outside it. Both ends are this same program, but the inner one stands within reach
 * of a hostile browser: whatever comes from there is checked.
 */

#include <stdint.h>

#include "lib/base.h"

#define LINK_TEXT_SIZE	544	/* a user agent of 512 characters, with room */
#define LINK_MAX_FDS	4

enum link_type {
	LINK_START = 1,		/* in: arg = viewport width, height; text = user agent or "" */
	LINK_HELLO,		/* out: one descriptor, the egress listener */
	LINK_WANT_SOCKETS,	/* in: arg[0] = how many, at most LINK_MAX_FDS */
	LINK_SOCKETS,		/* out: unconnected TCP sockets */
	LINK_CHILD_ENDED,	/* out: arg = enum link_child, wait status */
	LINK_FAILED		/* out: text = what could not be set up */
};

enum link_child { LINK_CHROME, LINK_XVNC, LINK_OPENBOX, LINK_CHILDREN };

struct link_msg {
	uint32_t	 type;
	int32_t		 arg[2];
	char		 text[LINK_TEXT_SIZE];	/* NUL-terminated */
};

/* The pair; both ends CLOEXEC, the outer one ([0]) non-blocking. */
int	link_pair(int ret_fds[2]) VS_MUST_USE;

int	link_send(int fd, const struct link_msg *msg, const int *fds, size_t nfds) VS_MUST_USE;

/*
 * One message; descriptors are owned by the caller, CLOEXEC. VS_EAGAIN; VS_ECLOSED
 * when the other end is gone; VS_EPROTO for anything malformed.
 */
int	link_recv(int fd, struct link_msg *ret_msg, int ret_fds[LINK_MAX_FDS], size_t *ret_nfds)
	    VS_MUST_USE;
