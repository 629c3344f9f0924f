/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/conf.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/cleanup.h"
#include "lib/conf_opt.h"
#include "lib/err.h"
#include "lib/utf8.h"

#define FILE_MAX_BYTES   1048576
#define LINE_MAX_BYTES   4096
#define REGIONS_MAX      64
#define REGION_NAME_MAX  63
#define REGION_DEFAULT   "us-east1"
#define ENV_PREFIX       "VENTUS_"
#define ENV_NAME_BYTES   128
#define LOWER_AND_DIGITS "abcdefghijklmnopqrstuvwxyz0123456789"

VS_DEFINE_AUTO(conf_auto_free, struct vs_conf *, vs_conf_free)

/* A stretch of the file; not terminated. */
struct text {
	const char *at;
	size_t len;
};

/* The section whose keys are being read. */
struct section {
	const char *name;            /* NULL before the first, and in a region */
	const struct conf_opt *opts; /* NULL: an unknown one, its keys are passed over */
	size_t count;
	void *base;                   /* the struct vs_conf or vs_region to fill */
	unsigned lines[CONF_OPT_MAX]; /* by option: where it was set; 0: not yet */
};

struct parse {
	const char *name; /* of the file or of an environment variable */
	unsigned line;    /* 0: not of a file */
	struct vs_buf *faults;
	bool faulty;
	struct vs_conf *conf;
	struct section section;
	unsigned section_lines[CONF_OPT_MAX]; /* by the section's first option */
	unsigned region_lines[REGIONS_MAX];
};

static void fault(struct parse *parse, const char *fmt, ...) VS_PRINTF(2, 3);

/* A fault that finds no room any more is not told, but still one. */
static void
fault(struct parse *parse, const char *fmt, ...)
{
	size_t before = vs_buf_len(parse->faults);
	va_list args;
	int rc;

	parse->faulty = true;
	if (parse->line > 0)
		rc = vs_buf_printf(parse->faults, "%s:%u: ", parse->name, parse->line);
	else
		rc = vs_buf_printf(parse->faults, "%s: ", parse->name);
	va_start(args, fmt);
	if (rc == 0)
		rc = vs_buf_vprintf(parse->faults, fmt, args);
	va_end(args);
	if (rc == 0)
		rc = vs_buf_puts(parse->faults, "\n");
	if (rc < 0)
		vs_buf_truncate(parse->faults, before);
}

static bool
is_blank(char c)
{
	return c == ' ' || c == '\t';
}

static struct text
text_trim(struct text text)
{
	while (text.len > 0 && is_blank(text.at[0])) {
		text.at++;
		text.len--;
	}
	while (text.len > 0 && is_blank(text.at[text.len - 1]))
		text.len--;
	return text;
}

static bool
text_is(struct text text, const char *word)
{
	return strlen(word) == text.len && memcmp(text.at, word, text.len) == 0;
}

/* One or more of these characters, and at most max. */
static bool
text_of(struct text text, const char *chars, size_t max)
{
	for (size_t i = 0; i < text.len; i++) {
		if (text.at[i] == '\0' || strchr(chars, text.at[i]) == NULL)
			return false;
	}
	return text.len > 0 && text.len <= max;
}

/* UTF-8 without control characters other than tabs. */
static bool
text_is_clean(struct text text)
{
	for (size_t i = 0; i < text.len; i++) {
		unsigned char c = (unsigned char)text.at[i];

		if ((c < ' ' && c != '\t') || c == 0x7f)
			return false;
	}
	return vs_utf8_ok(text.at, text.len);
}

static int
set_str(struct parse *parse, const struct conf_opt *opt, void *base, struct text value)
{
	char **slot = conf_opt_slot(opt, base);
	char *copy = strndup(value.at, value.len);
	const char *must;

	if (copy == NULL)
		return VS_ENOMEM;
	must = conf_opt_check(opt, copy);
	if (must != NULL)
		fault(parse, "%s %s", opt->key, must);
	free(*slot);
	*slot = copy;
	return 0;
}

static void
set_int(struct parse *parse, const struct conf_opt *opt, void *base, struct text value)
{
	int64_t num = 0;

	if (!text_of(value, "0123456789", SIZE_MAX)) {
		fault(parse, "%s must be a whole number", opt->key);
		return;
	}
	for (size_t i = 0; i < value.len && num <= opt->max; i++)
		num = num * 10 + (value.at[i] - '0');
	if (num < opt->min || num > opt->max) {
		fault(parse, "%s must be between %lld and %lld", opt->key, (long long)opt->min,
		    (long long)opt->max);
		return;
	}
	*(int64_t *)conf_opt_slot(opt, base) = num;
}

static void
set_bool(struct parse *parse, const struct conf_opt *opt, void *base, struct text value)
{
	if (text_is(value, "yes") || text_is(value, "true"))
		*(bool *)conf_opt_slot(opt, base) = true;
	else if (text_is(value, "no") || text_is(value, "false"))
		*(bool *)conf_opt_slot(opt, base) = false;
	else
		fault(parse, "%s must be yes or no", opt->key);
}

static int
set_value(struct parse *parse, const struct conf_opt *opt, void *base, struct text value)
{
	if (!text_is_clean(value)) {
		fault(parse, "%s has a control character or is not UTF-8", opt->key);
		return 0;
	}
	if (opt->type == CONF_OPT_STR)
		return set_str(parse, opt, base, value);
	if (opt->type == CONF_OPT_INT)
		set_int(parse, opt, base, value);
	else
		set_bool(parse, opt, base, value);
	return 0;
}

static int
set_defaults(const struct conf_opt *opts, size_t count, void *base)
{
	for (size_t i = 0; i < count; i++) {
		void *slot = conf_opt_slot(&opts[i], base);

		if (opts[i].type == CONF_OPT_INT)
			*(int64_t *)slot = opts[i].dflt_num;
		else if (opts[i].type == CONF_OPT_BOOL)
			*(bool *)slot = opts[i].dflt_num != 0;
		else if ((*(char **)slot = strdup(opts[i].dflt_str)) == NULL)
			return VS_ENOMEM;
	}
	return 0;
}

static int
region_add(struct vs_conf *conf, struct text name)
{
	struct vs_region *regions;
	struct vs_region *region;

	regions = realloc(conf->regions, (conf->nregions + 1) * sizeof(*regions));
	if (regions == NULL)
		return VS_ENOMEM;
	conf->regions = regions;
	region = &regions[conf->nregions++];
	memset(region, 0, sizeof(*region));
	region->name = strndup(name.at, name.len);
	if (region->name == NULL)
		return VS_ENOMEM;
	return set_defaults(conf_opt_region, conf_opt_region_count, region);
}

/* [region NAME] */
static int
region_begin(struct parse *parse, struct text name)
{
	struct vs_conf *conf = parse->conf;
	int rc;

	if (!text_of(name, LOWER_AND_DIGITS "-", REGION_NAME_MAX)) {
		fault(
		    parse, "the name of a region must be 1-%d of a-z, 0-9 and -", REGION_NAME_MAX);
		return 0;
	}
	for (size_t i = 0; i < conf->nregions; i++) {
		if (text_is(name, conf->regions[i].name)) {
			fault(parse, "region %s stands on line %u already", conf->regions[i].name,
			    parse->region_lines[i]);
			return 0;
		}
	}
	if (conf->nregions == REGIONS_MAX) {
		fault(parse, "there may be %d regions", REGIONS_MAX);
		return 0;
	}
	rc = region_add(conf, name);
	if (rc < 0)
		return rc;
	parse->region_lines[conf->nregions - 1] = parse->line;
	parse->section.opts = conf_opt_region;
	parse->section.count = conf_opt_region_count;
	parse->section.base = &conf->regions[conf->nregions - 1];
	return 0;
}

static void
section_begin(struct parse *parse, struct text name)
{
	size_t first = 0;

	while (first < conf_opts_count && !text_is(name, conf_opts[first].section))
		first++;
	if (first == conf_opts_count) {
		fault(parse, "there is no section [%.*s]", (int)name.len, name.at);
		return;
	}
	if (parse->section_lines[first] > 0) {
		fault(parse, "section [%s] stands on line %u already", conf_opts[first].section,
		    parse->section_lines[first]);
		return;
	}
	parse->section_lines[first] = parse->line;
	parse->section.name = conf_opts[first].section;
	parse->section.opts = conf_opts;
	parse->section.count = conf_opts_count;
	parse->section.base = parse->conf;
}

static int
parse_section(struct parse *parse, struct text line)
{
	static const char region[] = "region";
	struct text name = text_trim((struct text){ line.at + 1, line.len - 1 });

	parse->section = (struct section){ .name = "" };
	if (name.len == 0 || name.at[name.len - 1] != ']') {
		fault(parse, "a section's line must end with ]");
		return 0;
	}
	name = text_trim((struct text){ name.at, name.len - 1 });
	if (name.len > sizeof(region) - 1 && memcmp(name.at, region, sizeof(region) - 1) == 0 &&
	    is_blank(name.at[sizeof(region) - 1])) {
		name.at += sizeof(region);
		name.len -= sizeof(region);
		return region_begin(parse, text_trim(name));
	}
	if (text_of(name, LOWER_AND_DIGITS "_-", REGION_NAME_MAX))
		section_begin(parse, name);
	else
		fault(parse, "the name of a section must be of a-z, 0-9, _ and -");
	return 0;
}

/* The option of the present section with this key, or NULL. */
static const struct conf_opt *
section_find(const struct section *section, struct text key)
{
	for (size_t i = 0; i < section->count; i++) {
		const struct conf_opt *opt = &section->opts[i];

		if (text_is(key, opt->key) &&
		    (opt->section == NULL || strcmp(opt->section, section->name) == 0))
			return opt;
	}
	return NULL;
}

static int
parse_assignment(struct parse *parse, struct text line)
{
	struct section *section = &parse->section;
	const char *equals = memchr(line.at, '=', line.len);
	const struct conf_opt *opt;
	struct text key, value;
	unsigned *seen;

	if (equals == NULL) {
		fault(parse, "neither a section nor key = value");
		return 0;
	}
	key = text_trim((struct text){ line.at, (size_t)(equals - line.at) });
	value = text_trim((struct text){ equals + 1, line.len - (size_t)(equals - line.at) - 1 });
	if (section->name == NULL && section->opts == NULL)
		fault(parse, "a key before the first section");
	if (section->opts == NULL)
		return 0;
	if (!text_of(key, LOWER_AND_DIGITS "_", REGION_NAME_MAX)) {
		fault(parse, "a key must be of a-z, 0-9 and _");
		return 0;
	}
	opt = section_find(section, key);
	if (opt == NULL) {
		fault(parse, "there is no key %.*s in this section", (int)key.len, key.at);
		return 0;
	}
	seen = &section->lines[opt - section->opts];
	if (*seen > 0) {
		fault(parse, "%s stands on line %u already", opt->key, *seen);
		return 0;
	}
	*seen = parse->line;
	return set_value(parse, opt, section->base, value);
}

static int
parse_line(struct parse *parse, struct text line)
{
	if (line.len > 0 && line.at[line.len - 1] == '\r')
		line.len--;
	if (line.len > LINE_MAX_BYTES) {
		fault(parse, "the line is longer than %d bytes", LINE_MAX_BYTES);
		return 0;
	}
	if (memchr(line.at, '\0', line.len) != NULL) {
		fault(parse, "the line has a NUL byte");
		return 0;
	}
	line = text_trim(line);
	if (line.len == 0 || line.at[0] == '#' || line.at[0] == ';')
		return 0;
	if (line.at[0] == '[')
		return parse_section(parse, line);
	return parse_assignment(parse, line);
}

static int
parse_file(struct parse *parse, struct text file)
{
	int rc = 0;

	if (file.len > FILE_MAX_BYTES) {
		fault(parse, "the file is larger than %d bytes", FILE_MAX_BYTES);
		return 0;
	}
	while (file.len > 0 && rc == 0) {
		const char *end = memchr(file.at, '\n', file.len);
		size_t len = end == NULL ? file.len : (size_t)(end - file.at);
		size_t step = end == NULL ? len : len + 1;

		parse->line++;
		rc = parse_line(parse, (struct text){ file.at, len });
		file.at += step;
		file.len -= step;
	}
	return rc;
}

/* VENTUS_<SECTION>_<KEY> of opt. */
static void
env_name(const struct conf_opt *opt, char ret_name[ENV_NAME_BYTES])
{
	(void)snprintf(ret_name, ENV_NAME_BYTES, ENV_PREFIX "%s_%s", opt->section, opt->key);
	for (char *at = ret_name; *at != '\0'; at++) {
		if (*at >= 'a' && *at <= 'z')
			*at = (char)(*at - 'a' + 'A');
	}
}

static int
parse_environment(struct parse *parse)
{
	const char *file_name = parse->name;
	char name[ENV_NAME_BYTES];
	int rc = 0;

	parse->name = name;
	parse->line = 0;
	for (size_t i = 0; i < conf_opts_count && rc == 0; i++) {
		const char *value;

		env_name(&conf_opts[i], name);
		value = secure_getenv(name);
		if (value == NULL)
			continue;
		if (strlen(value) > LINE_MAX_BYTES)
			fault(parse, "longer than %d bytes", LINE_MAX_BYTES);
		else
			rc = set_value(parse, &conf_opts[i], parse->conf,
			    text_trim((struct text){ value, strlen(value) }));
	}
	parse->name = file_name;
	return rc;
}

int
vs_conf_parse(const char *name, const char *text, size_t len, struct vs_buf *faults,
    struct vs_conf **ret_conf)
{
	vs_auto(conf_auto_free) struct vs_conf *conf = calloc(1, sizeof(*conf));
	struct parse parse = { .name = name, .faults = faults, .conf = conf };
	int rc;

	if (conf == NULL)
		return VS_ENOMEM;
	rc = set_defaults(conf_opts, conf_opts_count, conf);
	if (rc == 0)
		rc = parse_file(&parse, (struct text){ text, len });
	if (rc == 0)
		rc = parse_environment(&parse);
	if (rc == 0 && conf->nregions == 0)
		rc = region_add(conf, (struct text){ REGION_DEFAULT, strlen(REGION_DEFAULT) });
	if (rc == 0 && parse.faulty)
		rc = VS_ECONF;
	if (rc < 0)
		return rc;
	*ret_conf = conf;
	conf = NULL;
	return 0;
}

/* All of the file, or one byte more than it may have; errno tells what failed. */
static int
read_file(const char *path, struct vs_buf *out)
{
	vs_autofd int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	ssize_t n = 1;

	if (fd < 0)
		return VS_EIO;
	while (n > 0 && vs_buf_room(out) > 0) {
		uint8_t *at;
		size_t room;
		int rc = vs_buf_reserve(out, 0, &at, &room);

		if (rc < 0)
			return rc;
		n = read(fd, at, room);
		if (n < 0 && errno == EINTR)
			n = 1;
		else if (n < 0)
			return VS_EIO;
		else
			vs_buf_filled(out, (size_t)n);
	}
	return 0;
}

int
vs_conf_load(const char *path, struct vs_buf *faults, struct vs_conf **ret_conf)
{
	struct parse parse = { .name = path, .faults = faults };
	struct vs_buf file;
	int rc;

	if (path == NULL)
		return vs_conf_parse("defaults", "", 0, faults, ret_conf);
	vs_buf_init(&file, FILE_MAX_BYTES + 1);
	rc = read_file(path, &file);
	if (rc == VS_EIO) {
		fault(&parse, "cannot be read: %s", strerror(errno));
		rc = VS_ECONF;
	} else if (rc == 0) {
		rc = vs_conf_parse(path, vs_buf_str(&file), vs_buf_len(&file), faults, ret_conf);
	}
	vs_buf_fini(&file);
	return rc;
}

static void
free_strings(const struct conf_opt *opts, size_t count, void *base)
{
	for (size_t i = 0; i < count; i++) {
		if (opts[i].type == CONF_OPT_STR)
			free(*(char **)conf_opt_slot(&opts[i], base));
	}
}

void
vs_conf_free(struct vs_conf *conf)
{
	if (conf == NULL)
		return;
	for (size_t i = 0; i < conf->nregions; i++) {
		free_strings(conf_opt_region, conf_opt_region_count, &conf->regions[i]);
		free(conf->regions[i].name);
	}
	free(conf->regions);
	free_strings(conf_opts, conf_opts_count, conf);
	free(conf);
}

const struct vs_region *
vs_conf_region(const struct vs_conf *conf, const char *name)
{
	for (size_t i = 0; i < conf->nregions; i++) {
		if (strcmp(conf->regions[i].name, name) == 0)
			return &conf->regions[i];
	}
	return NULL;
}
