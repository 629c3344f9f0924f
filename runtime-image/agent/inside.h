/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * inside - the first process of the sandbox: starts the desktop and reaps it.
 *
 * It holds no secret and decides nothing: it makes sockets in its network namespace
 * when the agent asks, says which child ended and how, and leaves (and with it every
 * process of the namespace) when the agent's end of the link closes.
 */

/* Descriptors it is started with, in this order from INSIDE_FD_LINK on. */
enum inside_fd {
	INSIDE_FD_LINK = 3,
	INSIDE_FD_CDP_IN,	/* Chrome's debugging pipe: it reads here */
	INSIDE_FD_CDP_OUT,
	INSIDE_FD_CHROME_LOG,	/* Chrome's stdout and stderr */
	INSIDE_FD_END
};

int	inside_main(void);	/* the process's exit status */
