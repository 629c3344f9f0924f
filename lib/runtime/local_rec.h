/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * local_rec - what a later reaperd must know of a runtime, in a file beside its
 * directory: <state_dir>/rt/<id>.rec.
 *
 * Not inside the directory: that belongs to the runtime's uid, and what stands here
 * decides whom reaperd, as root, will signal. It is written before anything of the
 * runtime exists and removed after everything of it is gone. The child adds its own
 * name before it becomes the agent, so there is no agent without its name on file.
 *
 * Threads: one. Processes: whoever makes, reads or removes one holds local_rec_lock().
 */

#include <stdint.h>

#include "lib/base.h"
#include "lib/keyring.h"
#include "lib/runtime/local_cgroup.h"
#include "lib/runtime/local_proc.h"
#include "lib/ulid.h"

#define LOCAL_REGION_MAX	64

struct local_rec {
	char			id[VS_ULID_SIZE];
	char			region[LOCAL_REGION_MAX];
	char			secret_kid[VS_KID_MAX + 1];
	int64_t			uid;		/* 0: none of its own */
	struct local_cgroup	cgroup;
	struct local_proc	agent;		/* pid 0: never started */
};

/*
 * Wait for the turn on a directory of runtimes; over when every process that has the
 * descriptor has closed it. A child inherits it, so nobody reads a record between the
 * fork and local_rec_sign().
 */
int	local_rec_lock(int rt_fd, int *ret_lock_fd) VS_MUST_USE;

/* VS_EEXIST. The descriptor is for local_rec_sign(). */
int	local_rec_create(int rt_fd, const struct local_rec *rec, int *ret_fd) VS_MUST_USE;

/* Add the calling process as the agent. */
int	local_rec_sign(int rec_fd) VS_MUST_USE;

/* VS_ENOENT; VS_EPROTO: torn or not ours, so nothing was ever started from it. */
int	local_rec_read(int rt_fd, const char *id, struct local_rec *ret_rec) VS_MUST_USE;

void	local_rec_remove(int rt_fd, const char *id);	/* idempotent */

/* Call fn for the id of each record and of each directory that has none. */
int	local_rec_scan(int rt_fd, void (*fn)(void *ctx, const char *id), void *ctx) VS_MUST_USE;

/* Remove a directory and all in it; follows no link, crosses no mount. Idempotent. */
int	local_dir_remove(int at_fd, const char *name) VS_MUST_USE;
