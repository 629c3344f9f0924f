/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"
#include "ctl/ctl.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/log.h"

const struct ctl_command ctl_commands[] = {
	{ "migrate", "[--sql-dir DIR] [--roles]", "bring the database to this release's schema",
	    ctl_migrate },
	{ "bootstrap", "[--tenant NAME] [--workspace NAME] [--env-file PATH]",
	    "make a tenant, a workspace and its first two keys", ctl_bootstrap },
	{ "key create", "--workspace ID --role ROLE [--name NAME]", "make an API key and print it",
	    ctl_key_create },
	{ "keys new", "[--dir DIR]", "make a signing and sealing key file", ctl_keys_new },
	{ "probe", "[--timeout-ms N] URL|-", "ask the browser behind a connect_url for its version",
	    ctl_probe },
};
const size_t ctl_commands_count = VS_COUNTOF(ctl_commands);

static int
print_help(FILE *out, int status)
{
	(void)fprintf(out, "usage: ventusctl [-c FILE] COMMAND [OPTION...]\n"
			   "       ventusctl --help | --version\n\n");
	for (size_t i = 0; i < ctl_commands_count; i++)
		(void)fprintf(out, "  %-12s %s\n", ctl_commands[i].name, ctl_commands[i].summary);
	return fflush(out) == 0 ? status : CTL_FAILED;
}

/* How many words of argv name this command; 0: it is another. */
static int
command_words(const struct ctl_command *command, int argc, char **argv)
{
	size_t first = strcspn(command->name, " ");

	if (argc < 1 || strlen(argv[0]) != first || strncmp(command->name, argv[0], first) != 0)
		return 0;
	if (command->name[first] == '\0')
		return 1;
	return argc > 1 && strcmp(command->name + first + 1, argv[1]) == 0 ? 2 : 0;
}

static int
dispatch(int argc, char **argv)
{
	for (size_t i = 0; i < ctl_commands_count; i++) {
		int words = command_words(&ctl_commands[i], argc, argv);

		if (words > 0)
			return ctl_commands[i].run(&ctl_commands[i], argc - words, argv + words);
	}
	(void)fprintf(stderr, "ventusctl: no command \"%s\"; ventusctl --help lists them\n",
	    argc > 0 ? argv[0] : "");
	return CTL_USAGE;
}

int
main(int argc, char **argv)
{
	vs_log_init("ventusctl", VS_LOG_WARNING, VS_LOG_TEXT);
	if (argc > 1 && strcmp(argv[1], "--help") == 0)
		return print_help(stdout, EXIT_SUCCESS);
	if (argc > 1 && strcmp(argv[1], "--version") == 0) {
		(void)puts("ventusctl " PACKAGE_VERSION);
		return fflush(stdout) == 0 ? EXIT_SUCCESS : CTL_FAILED;
	}
	argc--;
	argv++;
	if (argc > 1 && (strcmp(argv[0], "-c") == 0 || strcmp(argv[0], "--config") == 0)) {
		ctl_set_conf_path(argv[1]);
		argc -= 2;
		argv += 2;
	}
	if (argc == 0)
		return print_help(stderr, CTL_USAGE);
	return dispatch(argc, argv);
}
