/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * chrome - what the agent itself wants of the browser: to know that it answers, where
 * its debugging port is, and that the page area has exactly the size asked for. Ready
 * means that the window manager has maximised the window, which makes the size; that
 * the page sees it too is checked (and set right) after, at no one's expense.
 *
 * The agent speaks over the debugging pipe, clients over the port. Chrome's own output
 * is read for the one line that names the port and thrown away: it may hold addresses
 * of pages.
 *
 * Owner: embedded in the agent. Threads: one.
 */

#include <stdbool.h>
#include <stdint.h>

#include "lib/base.h"
#include "lib/buf.h"
#include "lib/loop.h"
#include "runtime-image/agent/spec.h"

#define CHROME_PATH_SIZE	80	/* /devtools/browser/ and a UUID */

struct chrome {
	struct vs_loop		*loop;
	struct vs_watch		 log, out;	/* descriptors are the sandbox's */
	int			 in_fd;
	struct vs_buf		 line, answer;
	struct agent_viewport	 viewport;
	uint16_t		 port;		/* 0: not known yet */
	char			 cdp_path[CHROME_PATH_SIZE];
	bool			 placed;	/* answers, and its window fills the screen */
	int			 step, tries;	/* tries of this step */
	bool			 resized;
	int64_t			 window;
	char			 target[64], session[64];
	struct vs_timer		 again;
	void			(*changed)(void *ctx);
	void			*ctx;
};

/* changed(ctx) is called when chrome_ready() may have become true. */
void	chrome_init(struct chrome *chrome, struct vs_loop *loop, const struct agent_viewport *viewport,
	    void (*changed)(void *ctx), void *ctx);
int	chrome_attach(struct chrome *chrome, int in_fd, int out_fd, int log_fd) VS_MUST_USE;
void	chrome_fini(struct chrome *chrome);

bool	chrome_ready(const struct chrome *chrome);

/* "DevTools listening on ws://127.0.0.1:<port><path>" */
bool	chrome_parse_listening(const char *line, uint16_t *ret_port,
	    char ret_path[CHROME_PATH_SIZE]);
