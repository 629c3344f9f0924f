/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <string.h>

#include "lib/conf.h"
#include "lib/conf_opt.h"
#include "lib/err.h"

#define HELP_COLUMNS   76
#define REGION_EXAMPLE "us-east1"

/* Does the row begin a section? Rows of one stand together. */
static bool
starts_section(const struct conf_opt *opts, size_t i)
{
	return i == 0 || strcmp(opts[i].section, opts[i - 1].section) != 0;
}

/* "key = value", and nothing behind the equals sign for an empty value. */
static int
print_option(const struct conf_opt *opt, const void *slot, struct vs_buf *out)
{
	const char *text;

	switch (opt->type) {
	case CONF_OPT_INT:
		return vs_buf_printf(
		    out, "%s = %lld\n", opt->key, (long long)*(const int64_t *)slot);
	case CONF_OPT_BOOL:
		return vs_buf_printf(
		    out, "%s = %s\n", opt->key, *(const bool *)slot ? "yes" : "no");
	default:
		text = *(char *const *)slot;
		return vs_buf_printf(out, "%s =%s%s\n", opt->key, *text != '\0' ? " " : "", text);
	}
}

static int
print_option_of(const struct conf_opt *opt, const void *base, struct vs_buf *out)
{
	return print_option(opt, (const char *)base + opt->offset, out);
}

int
vs_conf_print(const struct vs_conf *conf, struct vs_buf *out)
{
	int rc = 0;

	for (size_t i = 0; i < conf_opts_count && rc == 0; i++) {
		if (starts_section(conf_opts, i))
			rc = vs_buf_printf(
			    out, "%s[%s]\n", i == 0 ? "" : "\n", conf_opts[i].section);
		if (rc == 0)
			rc = print_option_of(&conf_opts[i], conf, out);
	}
	for (size_t r = 0; r < conf->nregions && rc == 0; r++) {
		rc = vs_buf_printf(out, "\n[region %s]\n", conf->regions[r].name);
		for (size_t i = 0; i < conf_opt_region_count && rc == 0; i++)
			rc = print_option_of(&conf_opt_region[i], &conf->regions[r], out);
	}
	return rc;
}

/* text as comment lines, broken between words. */
static int
print_comment(const char *text, struct vs_buf *out)
{
	int rc = 0;

	while (*text != '\0' && rc == 0) {
		size_t len = strlen(text);

		if (len > HELP_COLUMNS) {
			len = HELP_COLUMNS;
			while (len > 0 && text[len] != ' ')
				len--;
			if (len == 0)
				len = HELP_COLUMNS;
		}
		rc = vs_buf_printf(out, "# %.*s\n", (int)len, text);
		text += len;
		text += strspn(text, " ");
	}
	return rc;
}

/* The option's default, laid out as its own slot would be. */
static const void *
default_slot(const struct conf_opt *opt, const bool *on)
{
	switch (opt->type) {
	case CONF_OPT_INT:
		return &opt->dflt_num;
	case CONF_OPT_BOOL:
		return on;
	default:
		return &opt->dflt_str;
	}
}

static int
print_example(const struct conf_opt *opt, struct vs_buf *out)
{
	bool on = opt->dflt_num != 0;
	int rc = vs_buf_puts(out, "\n");

	if (rc == 0)
		rc = print_comment(opt->help, out);
	if (rc == 0 && opt->type == CONF_OPT_INT)
		rc = vs_buf_printf(
		    out, "# %lld to %lld.\n", (long long)opt->min, (long long)opt->max);
	if (rc == 0)
		rc = vs_buf_puts(out, "#");
	return rc < 0 ? rc : print_option(opt, default_slot(opt, &on), out);
}

int
vs_conf_print_example(struct vs_buf *out)
{
	int rc;

	rc = vs_buf_puts(out,
	    "# ventus.conf - see ventus.conf(5). Commented lines show the defaults.\n"
	    "# The environment variable VENTUS_<SECTION>_<KEY> wins over a line here.\n");
	for (size_t i = 0; i < conf_opts_count && rc == 0; i++) {
		if (starts_section(conf_opts, i))
			rc = vs_buf_printf(out, "\n[%s]\n", conf_opts[i].section);
		if (rc == 0)
			rc = print_example(&conf_opts[i], out);
	}
	if (rc == 0)
		rc = vs_buf_puts(out,
		    "\n# As many regions as there are pools of runtimes; without any, this one.\n"
		    "[region " REGION_EXAMPLE "]\n");
	for (size_t i = 0; i < conf_opt_region_count && rc == 0; i++)
		rc = print_example(&conf_opt_region[i], out);
	return rc;
}

/* text for roff: nothing in it is a request or an escape. */
static int
print_roff(const char *text, struct vs_buf *out)
{
	int rc = 0;

	for (; *text != '\0' && rc == 0; text++) {
		if (*text == '\\')
			rc = vs_buf_puts(out, "\\e");
		else if (*text == '-')
			rc = vs_buf_puts(out, "\\-");
		else
			rc = vs_buf_append(out, text, 1);
	}
	return rc;
}

static int
print_man_default(const struct conf_opt *opt, struct vs_buf *out)
{
	int rc;

	if (opt->type == CONF_OPT_INT)
		return vs_buf_printf(out, "%lld to %lld, default %lld.\n", (long long)opt->min,
		    (long long)opt->max, (long long)opt->dflt_num);
	if (opt->type == CONF_OPT_BOOL)
		return vs_buf_printf(out, "Default: %s.\n", opt->dflt_num != 0 ? "yes" : "no");
	if (*opt->dflt_str == '\0')
		return vs_buf_puts(out, "Default: empty.\n");
	rc = vs_buf_puts(out, "Default: ");
	if (rc == 0)
		rc = print_roff(opt->dflt_str, out);
	return rc < 0 ? rc : vs_buf_puts(out, ".\n");
}

static int
print_man_option(const struct conf_opt *opt, struct vs_buf *out)
{
	int rc = vs_buf_printf(out, ".TP\n.B %s\n", opt->key);

	if (rc == 0)
		rc = print_roff(opt->help, out);
	if (rc == 0)
		rc = vs_buf_puts(out, "\n");
	return rc < 0 ? rc : print_man_default(opt, out);
}

int
vs_conf_print_man(struct vs_buf *out)
{
	int rc = 0;

	for (size_t i = 0; i < conf_opts_count && rc == 0; i++) {
		if (starts_section(conf_opts, i))
			rc = vs_buf_printf(out, ".SS [%s]\n", conf_opts[i].section);
		if (rc == 0)
			rc = print_man_option(&conf_opts[i], out);
	}
	if (rc == 0)
		rc = vs_buf_puts(out, ".SS [region NAME]\n");
	for (size_t i = 0; i < conf_opt_region_count && rc == 0; i++)
		rc = print_man_option(&conf_opt_region[i], out);
	return rc;
}
