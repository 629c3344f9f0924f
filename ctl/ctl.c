/* SPDX-License-Identifier: Apache-2.0 */
#include "ctl/ctl.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "ctl/tenant_sql.h"
#include "lib/err.h"

#define INSTALLED_CONF VS_SYSCONFDIR "/ventus.conf"

static const char *conf_path;

void
ctl_set_conf_path(const char *path)
{
	conf_path = path;
}

int
ctl_fail(const struct ctl_command *self, const char *fmt, ...)
{
	va_list args;

	(void)fprintf(stderr, "ventusctl %s: ", self->name);
	va_start(args, fmt);
	(void)vfprintf(stderr, fmt, args);
	va_end(args);
	(void)fputc('\n', stderr);
	return CTL_FAILED;
}

int
ctl_usage(const struct ctl_command *self)
{
	(void)fprintf(stderr, "usage: ventusctl [-c FILE] %s %s\n", self->name, self->arguments);
	return CTL_USAGE;
}

static const struct ctl_option *
option_find(const struct ctl_option *options, size_t noptions, const char *name, size_t len)
{
	for (size_t i = 0; i < noptions; i++) {
		if (strlen(options[i].name) == len && strncmp(options[i].name, name, len) == 0)
			return &options[i];
	}
	return NULL;
}

/* Take argv[0], an option, and its value. How many words that was; 0: none of ours. */
static int
option_take(const struct ctl_option *options, size_t noptions, int argc, char **argv)
{
	const char *name = argv[0] + 2;
	size_t len = strcspn(name, "=");
	const struct ctl_option *option = option_find(options, noptions, name, len);

	if (option == NULL)
		return 0;
	if (option->flag != NULL) {
		*option->flag = true;
		return name[len] == '\0' ? 1 : 0;
	}
	if (name[len] == '=') {
		*option->value = name + len + 1;
		return 1;
	}
	if (argc < 2)
		return 0;
	*option->value = argv[1];
	return 2;
}

bool
ctl_options(const struct ctl_command *self, int argc, char **argv, const struct ctl_option *options,
    size_t noptions, int nrest, const char **rest)
{
	int have = 0;

	for (int i = 0; i < argc;) {
		int words = 1;

		if (strcmp(argv[i], "-c") == 0 && i + 1 < argc) {
			ctl_set_conf_path(argv[i + 1]);
			words = 2;
		} else if (strncmp(argv[i], "--", 2) == 0) {
			words = option_take(options, noptions, argc - i, argv + i);
		} else if (have < nrest) {
			rest[have++] = argv[i];
		} else {
			words = 0;
		}
		if (words == 0) {
			(void)ctl_usage(self);
			return false;
		}
		i += words;
	}
	if (have < nrest)
		(void)ctl_usage(self);
	return have == nrest;
}

struct vs_conf *
ctl_conf(void)
{
	const char *path = conf_path;
	struct vs_conf *conf = NULL;
	struct vs_buf faults;
	int rc;

	if (path == NULL && access(INSTALLED_CONF, F_OK) == 0)
		path = INSTALLED_CONF;
	vs_buf_init(&faults, 65536);
	rc = vs_conf_load(path, &faults, &conf);
	if (rc < 0 && vs_buf_len(&faults) > 0)
		(void)fputs(vs_buf_str(&faults), stderr);
	else if (rc < 0)
		(void)fprintf(stderr, "ventusctl: %s: %s\n", path, vs_err_text(rc));
	vs_buf_fini(&faults);
	return conf;
}

struct vs_db *
ctl_owner_db(const struct ctl_command *self, const struct vs_conf *conf)
{
	struct vs_db *db = vs_db_new(conf->database_owner);
	int rc = db != NULL ? owner_assume(db) : VS_ENOMEM;

	if (rc == 0)
		rc = vs_db_check_schema(db);
	if (rc == 0)
		return db;
	(void)ctl_fail(self, "[database] owner: %s (%s)", vs_err_text(rc),
	    db != NULL ? vs_db_errtext(db) : "");
	vs_db_free(db);
	return NULL;
}
