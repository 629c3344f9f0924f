/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"
#include "lib/daemon.h"

#include <errno.h>
#include <getopt.h>
#include <grp.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "lib/cleanup.h"
#include "lib/err.h"
#include "lib/log.h"

#define EXIT_USAGE       2
#define FAULTS_MAX_BYTES 65536
#define PRINT_MAX_BYTES  (1 << 20)

enum { OPT_CHECK = 256, OPT_SHOW, OPT_HELP, OPT_VERSION };

static const struct option long_options[] = {
	{ "config", required_argument, NULL, 'c' },
	{ "check-config", no_argument, NULL, OPT_CHECK },
	{ "show-config", no_argument, NULL, OPT_SHOW },
	{ "help", no_argument, NULL, OPT_HELP },
	{ "version", no_argument, NULL, OPT_VERSION },
	{ NULL, 0, NULL, 0 },
};

static void
print_help(const char *program, const char *summary)
{
	(void)printf("%s - %s\n\n"
		     "usage: %s [-c FILE] [--check-config | --show-config]\n\n"
		     "  -c, --config FILE  read FILE; without it: defaults and VENTUS_* variables\n"
		     "      --check-config say what is wrong with the configuration, and exit\n"
		     "      --show-config  print the configuration in force, and exit\n"
		     "      --help         print this, and exit\n"
		     "      --version      print the version, and exit\n",
	    program, summary, program);
}

/* --check-config and --show-config: the exit status. */
static int
report_conf(const struct vs_daemon_opts *opts, const char *program)
{
	struct vs_conf *conf = vs_daemon_conf(opts, program);
	struct vs_buf out;
	int rc = 0;

	vs_buf_init(&out, PRINT_MAX_BYTES);
	if (opts->show_config)
		rc = vs_conf_print(conf, &out);
	if (rc == 0)
		(void)fwrite(vs_buf_str(&out), 1, vs_buf_len(&out), stdout);
	else
		(void)fprintf(stderr, "%s: %s\n", program, vs_err_text(rc));
	vs_buf_fini(&out);
	vs_conf_free(conf);
	return rc == 0 && fflush(stdout) == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

void
vs_daemon_options(int argc, char **argv, const char *program, const char *summary,
    struct vs_daemon_opts *ret_opts, int *ret_rest)
{
	struct vs_daemon_opts opts = { .conf_path = NULL };
	int c;

	optind = 0; /* GNU: start anew */
	while ((c = getopt_long(argc, argv, "c:", long_options, NULL)) != -1) {
		switch (c) {
		case 'c':
			opts.conf_path = optarg;
			break;
		case OPT_CHECK:
			opts.check_config = true;
			break;
		case OPT_SHOW:
			opts.show_config = true;
			break;
		case OPT_HELP:
			print_help(program, summary);
			exit(fflush(stdout) == 0 ? EXIT_SUCCESS : EXIT_FAILURE);
		case OPT_VERSION:
			(void)printf("%s %s\n", program, PACKAGE_VERSION);
			exit(fflush(stdout) == 0 ? EXIT_SUCCESS : EXIT_FAILURE);
		default:
			exit(EXIT_USAGE); /* getopt has said why */
		}
	}
	if (opts.check_config || opts.show_config)
		exit(report_conf(&opts, program));
	*ret_opts = opts;
	*ret_rest = optind;
}

/* Does this text, checked by the configuration already, ask for this format? */
static enum vs_log_format
log_format(const struct vs_conf *conf)
{
	return strcmp(conf->platform_log_format, "text") == 0 ? VS_LOG_TEXT : VS_LOG_JSON;
}

struct vs_conf *
vs_daemon_conf(const struct vs_daemon_opts *opts, const char *program)
{
	enum vs_log_level level = VS_LOG_INFO;
	struct vs_conf *conf = NULL;
	struct vs_buf faults;
	int rc;

	vs_buf_init(&faults, FAULTS_MAX_BYTES);
	rc = vs_conf_load(opts->conf_path, &faults, &conf);
	if (rc == 0)
		rc = vs_log_level_parse(conf->platform_log_level, &level);
	if (rc < 0) {
		(void)fwrite(vs_buf_str(&faults), 1, vs_buf_len(&faults), stderr);
		(void)fprintf(stderr, "%s: %s\n", program, vs_err_text(rc));
		vs_buf_fini(&faults);
		exit(EXIT_USAGE);
	}
	vs_buf_fini(&faults);
	vs_log_init(program, level, log_format(conf));
	/* A peer or a log reader that went away is an error code, not the end. */
	(void)sigaction(SIGPIPE, &(struct sigaction){ .sa_handler = SIG_IGN }, NULL);
	return conf;
}

int
vs_daemon_become(const char *user)
{
	const struct passwd *pw;
	int death_signal = 0;

	if (*user == '\0' || geteuid() != 0)
		return 0;
	errno = 0;
	pw = getpwnam(user);
	if (pw == NULL)
		return errno == 0 ? VS_ENOENT : vs_err_from_errno(errno);
	if (pw->pw_uid == 0)
		return 0;
	/* The kernel forgets the parent-death signal when the ids change. */
	(void)prctl(PR_GET_PDEATHSIG, &death_signal);
	if (initgroups(pw->pw_name, pw->pw_gid) != 0 || setgid(pw->pw_gid) != 0 ||
	    setuid(pw->pw_uid) != 0)
		return vs_err_from_errno(errno);
	if (prctl(PR_SET_PDEATHSIG, death_signal) != 0)
		return vs_err_from_errno(errno);
	/* There must be no way back. */
	return setuid(0) == 0 ? VS_EPERM : 0;
}

/* sd_notify(3) by hand. Nobody to tell, or not heard: no matter, systemd times out. */
static void
notify(const char *state)
{
	const char *path = getenv("NOTIFY_SOCKET");
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	vs_autofd int fd = -1;
	socklen_t len;

	if (path == NULL || (path[0] != '/' && path[0] != '@') ||
	    strlen(path) >= sizeof(addr.sun_path))
		return;
	memcpy(addr.sun_path, path, strlen(path));
	if (path[0] == '@')
		addr.sun_path[0] = '\0'; /* the abstract name space */
	len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + strlen(path));
	fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd >= 0)
		(void)sendto(fd, state, strlen(state), MSG_NOSIGNAL, (struct sockaddr *)&addr, len);
}

void
vs_daemon_ready(void)
{
	notify("READY=1");
}

void
vs_daemon_stopping(void)
{
	notify("STOPPING=1");
}
