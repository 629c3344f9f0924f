/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * reaper - the whole of reaperd: its connections, its regions, what it has to do.
 *
 * Rows say what is wanted, drivers say what is there; jobs look at both and make the
 * difference go away. Everything is done in such a way that it may be done again, so
 * reaperd can be killed anywhere, and a second one only does the same twice.
 *
 * Owner: main. Threads: one.
 */

#include <stdbool.h>
#include <stddef.h>

#include "lib/arena.h"
#include "lib/conf.h"
#include "lib/db.h"
#include "lib/keyring.h"
#include "lib/loop.h"
#include "lib/model/sess.h"
#include "lib/runtime/runtime.h"
#include "reaperd/fact.h"
#include "reaperd/idset.h"
#include "reaperd/job.h"
#include "reaperd/leader.h"

/* What a local or Kubernetes pool serves; Windows desktops have none yet. */
#define POOL_KIND		"chromium"
/* The agent's own deadline comes after ours, so that a session ends EXPIRED. */
#define POOL_DEADLINE_GRACE_MS	2000

/* A region of ours and its runtimes. */
struct pool {
	struct reaper			*reaper;
	const struct vs_region		*region;	/* borrowed from conf */
	struct vs_runtime_driver	*driver;	/* owned; NULL until we led it first */
	bool				 lead;		/* set by leader.c only */
	struct idset			 starting;	/* not ready yet; at most max_starts are begun */
	struct idset			 stopping;	/* asked to go, not gone */
};

struct reaper {
	const struct vs_conf	*conf;		/* borrowed */
	struct vs_keyring	*ring;		/* owned */
	struct vs_loop		*loop;		/* borrowed */
	struct vs_db		*db;		/* owned */
	struct leader		*leader;	/* owned; NULL with --dry-run */
	struct vs_arena		 arena;		/* of one job's run in one pool */
	struct caller		 self;		/* what the audit log says of us */
	struct pool		*pools;		/* owned */
	size_t			 npools;
	size_t			 max_starts;	/* of each pool */
	char			*pool_list;	/* owned: text[] literal of "region/kind" */
	struct facts		 facts;
	struct jobs		 jobs;
	bool			 schema_known;
	bool			 failed;	/* the loop was stopped because we cannot go on */
};

/* Nothing is connected or opened yet. VS_ECONF with a sentence in fault, VS_ENOMEM. */
int	reaper_new(struct vs_loop *loop, const struct vs_conf *conf, struct vs_buf *fault,
	    struct reaper **ret_reaper) VS_MUST_USE;
void	reaper_free(struct reaper *reaper);	/* leaves runtimes alone */

/* Read the keys again; the old ones stay when that fails. */
void	reaper_reload(struct reaper *reaper);

/* Log the sentence and stop the loop: nothing can be done without it. */
void	reaper_fail(struct reaper *reaper, const char *sentence);

/* Led by us, and open. */
bool	pool_is_led(const struct pool *pool);

/* Open its driver, if it is not. VS_EDB: try again later; else reaper_fail() was called. */
int	pool_open(struct pool *pool) VS_MUST_USE;

/* Start the runtime of a row; a failure becomes a fact. */
struct runtime_row;
void	pool_start(struct pool *pool, const struct runtime_row *row);
void	pool_stop(struct pool *pool, const char *id);

/* A row's deadline on our own clock, as the driver wants it. */
int64_t	pool_deadline(const struct runtime_row *row);
