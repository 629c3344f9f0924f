/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/runtime/local.h"

#include <errno.h>
#include <fcntl.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/cleanup.h"
#include "lib/clock.h"
#include "lib/err.h"
#include "lib/runtime/local_proc.h"
#include "lib/runtime/local_rt.h"
#include "lib/runtime/local_spawn.h"

#define ADOPT_GIVE_UP_MS 5000 /* an agent that was there before answers at once */
#define UID_SPARE        64   /* runtimes that are going still have theirs */
#define SPEC_MAX_BYTES   32768

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
static void
adopt_living(struct local *local, const struct local_rec *rec, int pidfd)
{
	struct local_rt *rt = local_rt_new(local, rec, LOCAL_STARTING);
	char secret[VS_RUNTIME_SECRET_SIZE] = "";

	if (rt == NULL) {
		(void)close(pidfd); /* no memory: the next look will find it again */
		return;
	}
	/* An unknown kid leaves "": the agent answers 401, which ends the runtime. */
	(void)!vs_keyring_runtime_secret(local->ring, rec->secret_kid, rec->id, secret);
	local_rt_watch(rt, pidfd, secret, ADOPT_GIVE_UP_MS);
	explicit_bzero(secret, sizeof(secret));
}

/* One that is on disk and not in memory: an earlier reaperd's, or what it left. */
static void
adopt(struct local *local, const char *id)
{
	struct local_rec rec = { .uid = 0 };
	struct local_rt *rt;
	int rc, pidfd;

	rc = local_rec_read(local->rt_fd, id, &rec);
	if (rc == VS_ENOENT || rc == VS_EPROTO)
		(void)snprintf(rec.id, sizeof(rec.id), "%s", id);
	else if (rc < 0 || strcmp(rec.region, local->region->name) != 0)
		return;
	if (rec.agent.pid == 0) {
		rt = local_rt_new(local, &rec, LOCAL_DEBRIS);
		if (rt == NULL)
			return;
		rt->exited = true;
		local_rt_sweep_soon(rt);
		return;
	}
	rc = local_proc_open(&rec.agent, &pidfd);
	if (rc == 0) {
		adopt_living(local, &rec, pidfd);
		return;
	}
	rt = rc == VS_ENOENT ? local_rt_new(local, &rec, LOCAL_STARTING) : NULL;
	if (rt != NULL)
		local_rt_found_dead(rt);
}

static void
scan_one(void *ctx, const char *id)
{
	struct local *local = ctx;

	if (local_rt_find(local, id) == NULL)
		adopt(local, id);
}

/* Under the lock, so that nobody is half way through a start or a removal. */
static void
local_scan(struct local *local)
{
	vs_autofd int lock_fd = -1;

	if (local_rec_lock(local->rt_fd, &lock_fd) == 0)
		(void)!local_rec_scan(
		    local->rt_fd, scan_one, local); /* what it missed comes next time */
}

struct uid_taken {
	struct local *local;
	bool *taken;
};

static void
uid_take(const struct uid_taken *uids, int64_t uid)
{
	int64_t slot = uid - uids->local->region->uid_base;

	if (slot >= 0 && (size_t)slot < uids->local->nuids)
		uids->taken[slot] = true;
}

/* Records of other regions count too: their ranges may overlap with ours. */
static void
uid_of_record(void *ctx, const char *id)
{
	const struct uid_taken *uids = ctx;
	const struct local_rt *rt = local_rt_find(uids->local, id);
	struct local_rec rec;

	if (rt != NULL)
		uid_take(uids, rt->rec.uid);
	else if (local_rec_read(uids->local->rt_fd, id, &rec) == 0)
		uid_take(uids, rec.uid);
}

/* The lowest uid that nobody has. Under the lock. */
static int
uid_find(struct local *local, int64_t *ret_uid)
{
	vs_autofree bool *taken = NULL;
	struct uid_taken uids = { .local = local };
	int rc;

	*ret_uid = 0;
	if (!local->root)
		return 0;
	taken = calloc(local->nuids, sizeof(*taken));
	if (taken == NULL)
		return VS_ENOMEM;
	uids.taken = taken;
	rc = local_rec_scan(local->rt_fd, uid_of_record, &uids);
	if (rc < 0)
		return rc;
	for (size_t i = 0; i < local->nuids; i++) {
		if (taken[i] || local->strays[i])
			continue;
		*ret_uid = local->region->uid_base + (int64_t)i;
		return 0;
	}
	return VS_EFULL;
}

/* The runtime's own directory: its uid's, and passable for the platform's group. */
static int
rt_dir_make(struct local *local, const struct local_rec *rec)
{
	gid_t group = local->socket_group >= 0 ? (gid_t)local->socket_group : (gid_t)rec->uid;
	int rc = 0;

	if (mkdirat(local->rt_fd, rec->id, 0700) < 0)
		return vs_err_from_errno(errno);
	if (!local->root)
		return 0;
	/* Set-group-id: the agent's socket gets the group though the agent is not in it. */
	if (fchownat(local->rt_fd, rec->id, (uid_t)rec->uid, group, AT_SYMLINK_NOFOLLOW) < 0 ||
	    fchmodat(local->rt_fd, rec->id, 02750, 0) < 0)
		rc = vs_err_from_errno(errno);
	return rc;
}

static int
spec_make(struct local *local, const struct vs_runtime_spec *spec, const struct local_rec *rec,
    const char *secret, struct vs_buf *out)
{
	char dir[LOCAL_SOCKET_SIZE];
	struct local_spec_site site = { .region = local->region,
		.dir = dir,
		.secret = secret,
		.memory_cgroup = rec->cgroup.memory,
		.socket_group = local->socket_group };

	(void)snprintf(dir, sizeof(dir), "%s/%s", local->rt_dir, rec->id);
	return local_spec_print(spec, &site, out);
}

/* Between the record and the agent, all that the agent needs. Under the lock. */
static int
agent_start(struct local *local, const struct vs_runtime_spec *spec, struct local_rt *rt,
    int rec_fd, const char *secret)
{
	struct local_spawn spawn = { .agent_path = local->conf->reaperd_agent_path,
		.uid = rt->rec.uid,
		.cgroup = &rt->rec.cgroup,
		.rec_fd = rec_fd };
	const struct local_cgroup_limits limits = { .memory_mib = local->region->memory_mib,
		.pids = local->region->pids };
	struct vs_buf json;
	int rc, pidfd;

	vs_buf_init(&json, SPEC_MAX_BYTES);
	rc = local_cgroup_make(&rt->rec.cgroup, &limits);
	if (rc == 0)
		rc = rt_dir_make(local, &rt->rec);
	if (rc == 0)
		rc = spec_make(local, spec, &rt->rec, secret, &json);
	if (rc == 0) {
		spawn.spec = (const char *)vs_buf_data(&json);
		spawn.spec_len = vs_buf_len(&json);
		rc = local_spawn(&spawn, &rt->rec.agent.pid);
	}
	if (vs_buf_len(&json) > 0)
		explicit_bzero(json.base, json.size);
	vs_buf_fini(&json);
	if (rc < 0)
		return rc;
	/* Our child, not reaped: the pid is still its own, even if it has ended already. */
	pidfd = pidfd_open(rt->rec.agent.pid, 0);
	if (pidfd < 0) {
		rc = vs_err_from_errno(errno);
		(void)kill(rt->rec.agent.pid, SIGKILL);
		(void)waitpid(rt->rec.agent.pid, NULL, 0);
		return rc;
	}
	rt->deadline_told = spec->deadline_wall_ms;
	rt->exited = false;
	rt->phase = LOCAL_STARTING;
	local_rt_watch(rt, pidfd, secret, 0);
	return 0;
}

/* What an attempt that failed has left goes by itself. */
static int
rt_start(struct local *local, const struct vs_runtime_spec *spec, const char *secret)
{
	struct local_rec rec = { .uid = 0 };
	vs_autofd int lock_fd = -1;
	vs_autofd int rec_fd = -1;
	struct local_rt *rt;
	int rc;

	rc = local_rec_lock(local->rt_fd, &lock_fd);
	if (rc == 0)
		rc = uid_find(local, &rec.uid);
	(void)snprintf(rec.id, sizeof(rec.id), "%s", spec->id);
	(void)snprintf(rec.region, sizeof(rec.region), "%s", local->region->name);
	(void)snprintf(rec.secret_kid, sizeof(rec.secret_kid), "%s", spec->secret_kid);
	if (rc == 0)
		rc = local_cgroup_place(&local->cgroups, spec->id, &rec.cgroup);
	if (rc == 0)
		rc = local_rec_create(local->rt_fd, &rec, &rec_fd);
	if (rc < 0)
		return rc;
	rt = local_rt_new(local, &rec, LOCAL_DEBRIS);
	if (rt == NULL)
		return VS_ENOMEM; /* the record stays: the next look sweeps it up */
	rt->exited = true;
	rc = agent_start(local, spec, rt, rec_fd, secret);
	if (rc < 0)
		local_rt_sweep_soon(rt);
	return rc;
}

static int
local_start(struct vs_runtime_driver *driver, const struct vs_runtime_spec *spec)
{
	struct local *local = local_of(driver);
	struct local_rt *rt = local_rt_find(local, spec->id);
	char secret[VS_RUNTIME_SECRET_SIZE];
	int rc;

	if (rt == NULL) {
		local_scan(local);
		rt = local_rt_find(local, spec->id);
	}
	if (rt != NULL) {
		if (rt->phase != LOCAL_DEBRIS || local_rt_remove(rt) < 0)
			return VS_EEXIST;
		local_rt_free(rt);
	}
	rc = vs_keyring_runtime_secret(local->ring, spec->secret_kid, spec->id, secret);
	if (rc < 0)
		return rc;
	rc = rt_start(local, spec, secret);
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
	struct local_rt *rt = local_rt_find(local, id);

	if (rt == NULL) {
		local_scan(local);
		rt = local_rt_find(local, id);
	}
	if (rt != NULL)
		local_rt_stop(rt);
	else
		local->hooks.gone(local->hooks.ctx, id);
	return 0;
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

static void
local_list(
    struct vs_runtime_driver *driver, void (*fn)(void *ctx, const char *id, bool ready), void *ctx)
{
	struct local *local = local_of(driver);
	struct vs_node *it, *tmp;

	local_scan(local);
	VS_LIST_EACH(it, tmp, &local->runtimes) {
		const struct local_rt *rt = VS_CONTAINER(it, struct local_rt, node);

		if (rt->phase != LOCAL_DEBRIS)
			fn(ctx, rt->rec.id, rt->phase == LOCAL_READY);
	}
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
