/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/cleanup.h"
#include "lib/err.h"
#include "lib/runtime/local_rt.h"
#include "lib/runtime/local_spawn.h"

#define SPEC_MAX_BYTES 32768

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

struct start {
	const struct vs_runtime_spec *spec;
	const char *secret;
	int lock_fd, rec_fd;
};

/* Between the record and the agent, all that the agent needs. Under the lock. */
static int
agent_start(struct local_rt *rt, const struct start *start)
{
	struct local *local = rt->local;
	struct local_spawn spawn = { .agent_path = local->conf->reaperd_agent_path,
		.uid = rt->rec.uid,
		.cgroup = &rt->rec.cgroup,
		.rec_fd = start->rec_fd,
		.lock_fd = start->lock_fd };
	const struct local_cgroup_limits limits = { .memory_mib = local->region->memory_mib,
		.pids = local->region->pids };
	struct vs_buf json;
	int rc, pidfd;

	vs_buf_init(&json, SPEC_MAX_BYTES);
	rc = local_cgroup_make(&rt->rec.cgroup, &limits);
	if (rc == 0)
		rc = rt_dir_make(local, &rt->rec);
	if (rc == 0)
		rc = spec_make(local, start->spec, &rt->rec, start->secret, &json);
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
	rt->deadline_told = start->spec->deadline_wall_ms;
	rt->exited = false;
	rt->phase = LOCAL_STARTING;
	local_rt_watch(rt, pidfd, start->secret, 0);
	return 0;
}

int
local_rt_start(struct local *local, const struct vs_runtime_spec *spec, const char *secret)
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
	rc = agent_start(
	    rt, &(struct start){
		    .spec = spec, .secret = secret, .lock_fd = lock_fd, .rec_fd = rec_fd });
	if (rc < 0)
		local_rt_sweep_soon(rt);
	return rc;
}
