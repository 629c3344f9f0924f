/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * daemon - what the mains of all daemons share: options, listening sockets,
 * becoming another user, telling systemd.
 */

#include <stdbool.h>
#include <stdint.h>

#include "lib/base.h"
#include "lib/conf.h"

struct vs_daemon_opts {
	const char	*conf_path;	/* -c; NULL: defaults and environment */
	bool		 check_config;	/* --check-config: print faults, exit */
	bool		 show_config;	/* --show-config */
};

/*
 * -c FILE, --check-config, --show-config, --help, --version. Exits itself for the
 * latter four kinds and for a bad option (2). argv beyond options stays: *ret_rest.
 */
void	vs_daemon_options(int argc, char **argv, const char *program, const char *summary,
	    struct vs_daemon_opts *ret_opts, int *ret_rest);

/*
 * Load and check the configuration or print every fault and exit 2; sets up the log
 * and ignores SIGPIPE.
 */
struct vs_conf	*vs_daemon_conf(const struct vs_daemon_opts *opts, const char *program);

/*
 * A listening unix socket with this mode and (when root and user is not empty) that
 * user's group; a dead one in the way is replaced, a live one is VS_EEXIST. Or the
 * one systemd passed (LISTEN_FDS): the one with this path, or the only one. The
 * descriptor is owned, non-blocking, CLOEXEC. Before any thread: it sets the umask.
 */
int	vs_daemon_listen_unix(const char *path, int mode, const char *user, int backlog,
	    int *ret_fd) VS_MUST_USE;

/*
 * Become user (initgroups, setgid, setuid, no way back), and keep the parent-death
 * signal. "" or not root: stay. VS_ENOENT: no such user.
 */
int	vs_daemon_become(const char *user) VS_MUST_USE;

void	vs_daemon_ready(void);		/* READY=1 to $NOTIFY_SOCKET, if there is one */
void	vs_daemon_stopping(void);
