/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * runtime - what reaperd asks of a driver: start a desktop with a browser, say how
 * it fares, stop it, list what is really there.
 *
 * A driver works on reaperd's loop and reports through hooks; nothing here blocks
 * for longer than a fork or a connect to a local socket. Everything is idempotent
 * by runtime id, because reaperd may die between any two calls. A driver finds the
 * runtimes of an earlier reaperd again when it is opened.
 */

#include <stdbool.h>
#include <stdint.h>

#include "lib/base.h"
#include "lib/conf.h"
#include "lib/keyring.h"
#include "lib/loop.h"
#include "lib/ulid.h"

/* Everything a runtime is told at its start. Strings are borrowed for the call. */
struct vs_runtime_spec {
	const char	*id;		/* runtime */
	const char	*session_id;	/* for the logs */
	const char	*secret_kid;
	int64_t		 viewport_width, viewport_height;
	const char	*user_agent;	/* NULL: Chrome's own */
	int64_t		 deadline_wall_ms;	/* the agent ends by itself then */
};

/* How a runtime ended, as the agent or the driver saw it. */
enum vs_runtime_end {
	VS_RUNTIME_STOPPED,		/* asked to */
	VS_RUNTIME_BROWSER_CLOSED,	/* Chrome left by itself, status 0 */
	VS_RUNTIME_BROWSER_CRASHED,
	VS_RUNTIME_OOM_KILLED,
	VS_RUNTIME_START_FAILED,	/* never became ready */
	VS_RUNTIME_DESKTOP_CRASHED,	/* the X server or the sandbox's init died */
	VS_RUNTIME_DEADLINE,		/* the agent's own deadline */
	VS_RUNTIME_AGENT_LOST		/* the agent is gone without a word */
};

struct vs_runtime_hooks {
	/* CDP answers. endpoint: "unix:<path>" or "tcp:<host>:<port>" of the agent. */
	void	(*ready)(void *ctx, const char *id, const char *endpoint);
	/* Over; detail is a short text without any page's data, may be NULL. Not gone yet. */
	void	(*ended)(void *ctx, const char *id, enum vs_runtime_end end, const char *detail);
	/* Nothing of it is left: processes, files, cgroup, uid. */
	void	(*gone)(void *ctx, const char *id);
	void	*ctx;
};

struct vs_runtime_driver;

struct vs_runtime_ops {
	const char	*name;

	/*
	 * VS_EUNSUPP with a plain sentence in note when this machine cannot run it; 0
	 * with a remark for the log on how it will.
	 */
	int	(*open)(struct vs_loop *loop, const struct vs_conf *conf,
		    const struct vs_region *region, const struct vs_keyring *ring,
		    const struct vs_runtime_hooks *hooks, struct vs_buf *note,
		    struct vs_runtime_driver **ret_driver);
	void	(*close)(struct vs_runtime_driver *driver);	/* leaves runtimes alone */

	/* The keys were read again; the old ring is still there for this call. */
	void	(*rekey)(struct vs_runtime_driver *driver, const struct vs_keyring *ring);

	/* Begin; ready or ended follows. VS_EEXIST: there already, being watched. */
	int	(*start)(struct vs_runtime_driver *driver, const struct vs_runtime_spec *spec);

	/* End it within 2 s, whatever state it is in; gone follows, also for an unknown id. */
	int	(*stop)(struct vs_runtime_driver *driver, const char *id);

	/* A new deadline after a keepalive. VS_ENOENT. */
	int	(*extend)(struct vs_runtime_driver *driver, const char *id, int64_t deadline_wall_ms);

	/* Ask every ready runtime how it is; ended follows for one that stays silent. */
	void	(*check)(struct vs_runtime_driver *driver);

	/*
	 * Look, and call fn for every runtime that is really there, live or half-dead.
	 * Those of another reaperd are watched from then on. An error: not all could be
	 * seen, so nobody may conclude that one is gone.
	 */
	int	(*list)(struct vs_runtime_driver *driver,
		    void (*fn)(void *ctx, const char *id, bool ready), void *ctx);
};

struct vs_runtime_driver {
	const struct vs_runtime_ops	*ops;	/* first member of each driver's own struct */
};

/* The driver named so, or NULL. */
const struct vs_runtime_ops	*vs_runtime_ops_find(const char *name);
