/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * ctl - what the commands of ventusctl share. A command is one row of the table in
 * main.c and one cmd_<name>.c.
 *
 * Exit status: 0 done, 1 it failed (one line on stderr says why), 2 bad usage or
 * configuration.
 */

#include <stdbool.h>
#include <stddef.h>

#include "lib/base.h"
#include "lib/conf.h"
#include "lib/db.h"

#define CTL_FAILED	1
#define CTL_USAGE	2

struct ctl_command {
	const char	*name;		/* one word or two: "migrate", "keys new" */
	const char	*arguments;	/* for the usage line */
	const char	*summary;
	int		(*run)(const struct ctl_command *self, int argc, char **argv);
};

extern const struct ctl_command ctl_commands[];
extern const size_t ctl_commands_count;

int	ctl_migrate(const struct ctl_command *self, int argc, char **argv);
int	ctl_bootstrap(const struct ctl_command *self, int argc, char **argv);
int	ctl_key_create(const struct ctl_command *self, int argc, char **argv);
int	ctl_keys_new(const struct ctl_command *self, int argc, char **argv);
int	ctl_probe(const struct ctl_command *self, int argc, char **argv);

/* One long option: --name VALUE into *value, or --name into *flag. */
struct ctl_option {
	const char	*name;
	const char	**value;
	bool		*flag;
};

/*
 * argv[0] on: options, then exactly nrest words, left in rest (borrowed). False
 * after a line of usage on stderr.
 */
bool	ctl_options(const struct ctl_command *self, int argc, char **argv,
	    const struct ctl_option *options, size_t noptions, int nrest, const char **rest)
	    VS_MUST_USE;

/* "ventusctl <name>: ..." on stderr; returns CTL_FAILED. */
int	ctl_fail(const struct ctl_command *self, const char *fmt, ...) VS_PRINTF(2, 3);
int	ctl_usage(const struct ctl_command *self);	/* returns CTL_USAGE */

/*
 * The configuration: of -c, else the installed one if there is one, else the
 * defaults. NULL after the faults stand on stderr. Owned.
 */
struct vs_conf	*ctl_conf(void);
void	ctl_set_conf_path(const char *path);

/* [database] owner, acting as ventus_owner. NULL after a line on stderr. Owned. */
struct vs_db	*ctl_owner_db(const struct ctl_command *self, const struct vs_conf *conf);
