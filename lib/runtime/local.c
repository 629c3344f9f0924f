/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/runtime/local.h"

#include <errno.h>
#include <fcntl.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/cleanup.h"
#include "lib/clock.h"
#include "lib/err.h"
#include "lib/runtime/local_proc.h"
#include "lib/runtime/local_rt.h"
#include "lib/runtime/local_spawn.h"

#define ADOPT_GIVE_UP_MS 5000 /* an agent that was there before answers at once */
#define UID_SPARE        64   /* runtimes that are going still have theirs */

static struct local *
local_of(struct vs_runtime_driver *driver)
{
	return VS_CONTAINER(driver, struct local, driver);
}

static int
dir_make(const char *path, mode_t mode)
{
	return mkdir(path, mode) == 0 || errno == EEXIST ? 0 : vs_err_from_errno(errno);
}

/* state_dir and rt in it, which others may pass through and not list. */
static int
open_dir(struct local *local, struct vs_buf *note)
{
	char socket_path[LOCAL_SOCKET_SIZE];
	int rc;

	if (asprintf(&local->rt_dir, "%s/rt", local->conf->platform_state_dir) < 0) {
		local->rt_dir = NULL;
		return VS_ENOMEM;
	}
	if (!local_rt_socket(local, "00000000000000000000000000", socket_path)) {
		(void)!vs_buf_printf(note,
		    "%s is too long a path: a socket under it needs %zu more",
		    local->conf->platform_state_dir, sizeof("/rt//agent.sock") + VS_ULID_LEN);
		return VS_EUNSUPP;
	}
	rc = dir_make(local->conf->platform_state_dir, 0755);
	if (rc == 0)
		rc = dir_make(local->rt_dir, 0711);
	if (rc == 0)
		local->rt_fd = open(local->rt_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (rc < 0 || local->rt_fd < 0) {
		(void)!vs_buf_printf(note, "cannot make or open %s: %s", local->rt_dir,
		    vs_err_text(rc < 0 ? rc : vs_err_from_errno(errno)));
		return VS_EUNSUPP;
	}
	return 0;
}

static int
open_group(struct local *local, struct vs_buf *note)
{
	const char *user = local->conf->platform_user;
	const struct passwd *pw;

	local->socket_group = -1;
	if (!local->root || user == NULL || user[0] == '\0')
		return 0;
	pw = getpwnam(user);
	if (pw == NULL) {
		(void)!vs_buf_printf(note, "there is no user %s (platform.user)", user);
		return VS_EUNSUPP;
	}
	local->socket_group = pw->pw_gid;
	return 0;
}

static void
open_cgroups(struct local *local)
{
	char self[4096] = "";
	vs_autofd int fd = open("/proc/self/cgroup", O_RDONLY | O_CLOEXEC);
	ssize_t n = fd >= 0 ? read(fd, self, sizeof(self) - 1) : 0;

	self[n > 0 ? n : 0] = '\0';
	local_cgroups_find("/sys/fs/cgroup", self, &local->cgroups);
	local_cgroups_tidy(&local->cgroups);
}

/* Uids of the range that somebody uses whom we know nothing of. */
static int
open_uids(struct local *local)
{
	local->nuids = local->root ? (size_t)local->region->capacity + UID_SPARE : 0;
	local->strays = calloc(local->nuids + 1, sizeof(*local->strays));
	if (local->strays == NULL)
		return VS_ENOMEM;
	if (local->root)
		local_proc_uids(local->region->uid_base, local->nuids, local->strays);
	return 0;
}

static void
local_close(struct vs_runtime_driver *driver)
{
	struct local *local = local_of(driver);
	struct vs_node *it, *tmp;

	VS_LIST_EACH(it, tmp, &local->runtimes) {
		local_rt_free(VS_CONTAINER(it, struct local_rt, node));
	}
	vs_httpc_free(local->httpc);
	if (local->rt_fd >= 0)
		(void)close(local->rt_fd);
	free(local->rt_dir);
	free(local->strays);
	free(local);
}

static int
local_open_parts(struct local *local, struct vs_buf *note)
{
	int rc;

	rc = open_dir(local, note);
	if (rc == 0)
		rc = open_group(local, note);
	if (rc == 0)
		rc = open_uids(local);
	if (rc == 0)
		rc = local_self_test(local->conf->reaperd_agent_path,
		    local->root ? local->region->uid_base : 0, note);
	if (rc < 0)
		return rc;
	open_cgroups(local);
	vs_buf_clear(note);
	(void)!vs_buf_printf(note, "limits by %s, %s", local_cgroup_kind_text(local->cgroups.kind),
	    local->root ? "a uid per runtime" : "one uid for all");
	local->httpc = vs_httpc_new(local->loop);
	return local->httpc != NULL ? 0 : VS_ENOMEM;
}

static int
local_open(struct vs_loop *loop, const struct vs_conf *conf, const struct vs_region *region,
    const struct vs_keyring *ring, const struct vs_runtime_hooks *hooks, struct vs_buf *note,
    struct vs_runtime_driver **ret_driver)
{
	struct local *local = calloc(1, sizeof(*local));
	int rc;

	if (local == NULL)
		return VS_ENOMEM;
	local->driver.ops = &local_ops;
	local->loop = loop;
	local->conf = conf;
	local->region = region;
	local->ring = ring;
	local->hooks = *hooks;
	local->rt_fd = -1;
	local->root = geteuid() == 0;
	vs_list_init(&local->runtimes);
	rc = local_open_parts(local, note);
	if (rc < 0) {
		local_close(&local->driver);
		return rc;
	}
	*ret_driver = &local->driver;
	return 0;
}

/* An agent that lives: watch it. Without its secret it can only be stopped by force. */
static int
adopt_living(struct local *local, const struct local_rec *rec, int pidfd)
{
	struct local_rt *rt = local_rt_new(local, rec, LOCAL_STARTING);
	char secret[VS_RUNTIME_SECRET_SIZE] = "";

	if (rt == NULL) {
		(void)close(pidfd);
		return VS_ENOMEM;
	}
	/* An unknown kid leaves "": the agent answers 401, which ends the runtime. */
	(void)!vs_keyring_runtime_secret(local->ring, rec->secret_kid, rec->id, secret);
	local_rt_watch(rt, pidfd, secret, ADOPT_GIVE_UP_MS);
	explicit_bzero(secret, sizeof(secret));
	return 0;
}

/* One without a living agent: what was never started goes quietly, a death is told. */
static int
adopt_dead(struct local *local, const struct local_rec *rec)
{
	struct local_rt *rt =
	    local_rt_new(local, rec, rec->agent.pid == 0 ? LOCAL_DEBRIS : LOCAL_STARTING);

	if (rt == NULL)
		return VS_ENOMEM;
	rt->exited = true;
	if (rt->phase == LOCAL_DEBRIS)
		local_rt_sweep_soon(rt);
	else
		local_rt_found_dead(rt);
	return 0;
}

/* One that is on disk and not in memory: an earlier reaperd's, or what it left. */
static int
adopt(struct local *local, const char *id)
{
	struct local_rec rec = { .uid = 0 };
	int rc, pidfd;

	rc = local_rec_read(local->rt_fd, id, &rec);
	if (rc == VS_ENOENT || rc == VS_EPROTO)
		(void)snprintf(rec.id, sizeof(rec.id), "%s", id);
	else if (rc < 0)
		return rc;
	else if (strcmp(rec.region, local->region->name) != 0)
		return 0;
	rc = rec.agent.pid != 0 ? local_proc_open(&rec.agent, &pidfd) : VS_ENOENT;
	if (rc == 0)
		return adopt_living(local, &rec, pidfd);
	return rc == VS_ENOENT ? adopt_dead(local, &rec) : rc;
}

struct scan {
	struct local *local;
	int rc; /* the first error: what could not be seen is not therefore gone */
};

static void
scan_one(void *ctx, const char *id)
{
	struct scan *scan = ctx;
	int rc = 0;

	if (local_rt_find(scan->local, id) == NULL)
		rc = adopt(scan->local, id);
	if (scan->rc == 0)
		scan->rc = rc;
}

/* Under the lock, so that nobody is half way through a start or a removal. */
static int
local_scan(struct local *local)
{
	struct scan scan = { .local = local };
	vs_autofd int lock_fd = -1;
	int rc;

	rc = local_rec_lock(local->rt_fd, &lock_fd);
	if (rc == 0)
		rc = local_rec_scan(local->rt_fd, scan_one, &scan);
	return rc < 0 ? rc : scan.rc;
}

/* In memory, or else on disk. VS_ENOENT when it is in neither. */
static int
local_seek(struct local *local, const char *id, struct local_rt **ret_rt)
{
	struct local_rt *rt = local_rt_find(local, id);
	int rc = 0;

	if (rt == NULL) {
		rc = local_scan(local);
		rt = local_rt_find(local, id);
	}
	*ret_rt = rt;
	if (rt != NULL)
		return 0;
	return rc < 0 ? rc : VS_ENOENT;
}

static int
local_start(struct vs_runtime_driver *driver, const struct vs_runtime_spec *spec)
{
	struct local *local = local_of(driver);
	char secret[VS_RUNTIME_SECRET_SIZE];
	struct local_rt *rt;
	int rc;

	rc = local_seek(local, spec->id, &rt);
	if (rc < 0 && rc != VS_ENOENT)
		return rc;
	if (rt != NULL) {
		if (rt->phase != LOCAL_DEBRIS || local_rt_remove(rt) < 0)
			return VS_EEXIST;
		local_rt_free(rt);
	}
	rc = vs_keyring_runtime_secret(local->ring, spec->secret_kid, spec->id, secret);
	if (rc < 0)
		return rc;
	rc = local_rt_start(local, spec, secret);
	explicit_bzero(secret, sizeof(secret));
	return rc;
}

static void
local_rekey(struct vs_runtime_driver *driver, const struct vs_keyring *ring)
{
	local_of(driver)->ring = ring;
}

static int
local_stop(struct vs_runtime_driver *driver, const char *id)
{
	struct local *local = local_of(driver);
	struct local_rt *rt;
	int rc;

	rc = local_seek(local, id, &rt);
	if (rc == 0)
		local_rt_stop(rt);
	else if (rc == VS_ENOENT)
		local->hooks.gone(local->hooks.ctx, id);
	return rc == VS_ENOENT ? 0 : rc;
}

static int
local_extend(struct vs_runtime_driver *driver, const char *id, int64_t deadline_wall_ms)
{
	struct local_rt *rt = local_rt_find(local_of(driver), id);

	if (rt == NULL)
		return VS_ENOENT;
	local_rt_extend(rt, deadline_wall_ms);
	return 0;
}

static void
local_check(struct vs_runtime_driver *driver)
{
	struct vs_node *it, *tmp;

	VS_LIST_EACH(it, tmp, &local_of(driver)->runtimes) {
		local_rt_check(VS_CONTAINER(it, struct local_rt, node));
	}
}

static int
local_list(
    struct vs_runtime_driver *driver, void (*fn)(void *ctx, const char *id, bool ready), void *ctx)
{
	struct local *local = local_of(driver);
	struct vs_node *it, *tmp;
	int rc;

	rc = local_scan(local);
	if (rc < 0)
		return rc;
	VS_LIST_EACH(it, tmp, &local->runtimes) {
		const struct local_rt *rt = VS_CONTAINER(it, struct local_rt, node);

		if (rt->phase != LOCAL_DEBRIS)
			fn(ctx, rt->rec.id, rt->phase == LOCAL_READY);
	}
	return 0;
}

const struct vs_runtime_ops local_ops = {
	.name = "local",
	.open = local_open,
	.close = local_close,
	.rekey = local_rekey,
	.start = local_start,
	.stop = local_stop,
	.extend = local_extend,
	.check = local_check,
	.list = local_list,
};
