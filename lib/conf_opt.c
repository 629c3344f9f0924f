/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/conf_opt.h"

#include <stdbool.h>
#include <string.h>

#include "lib/base.h"
#include "lib/conf.h"
#include "lib/log.h"

#define EGRESS_ALLOW_MAX 64
#define NO_PASSWORD      "must not hold a password: name a file of it by passfile="

#define OPT_STR(section_, key_, dflt, help_) \
	{ .section = #section_, \
		.key = #key_, \
		.type = CONF_OPT_STR, \
		.offset = offsetof(struct vs_conf, section_##_##key_), \
		.dflt_str = dflt, \
		.help = help_ },
#define OPT_INT(section_, key_, dflt, min_, max_, help_) \
	{ .section = #section_, \
		.key = #key_, \
		.type = CONF_OPT_INT, \
		.offset = offsetof(struct vs_conf, section_##_##key_), \
		.dflt_num = dflt, \
		.min = min_, \
		.max = max_, \
		.help = help_ },
#define OPT_BOOL(section_, key_, dflt, help_) \
	{ .section = #section_, \
		.key = #key_, \
		.type = CONF_OPT_BOOL, \
		.offset = offsetof(struct vs_conf, section_##_##key_), \
		.dflt_num = dflt, \
		.help = help_ },
#define REGION_STR(key_, dflt, help_)
#define REGION_INT(key_, dflt, min_, max_, help_)

const struct conf_opt conf_opts[] = {
#include "lib/opt.def"
};
const size_t conf_opts_count = VS_COUNTOF(conf_opts);
_Static_assert(VS_COUNTOF(conf_opts) <= CONF_OPT_MAX, "raise CONF_OPT_MAX");

#undef OPT_STR
#undef OPT_INT
#undef OPT_BOOL
#undef REGION_STR
#undef REGION_INT

#define OPT_STR(section_, key_, dflt, help_)
#define OPT_INT(section_, key_, dflt, min_, max_, help_)
#define OPT_BOOL(section_, key_, dflt, help_)
#define REGION_STR(key_, dflt, help_) \
	{ .key = #key_, \
		.type = CONF_OPT_STR, \
		.offset = offsetof(struct vs_region, key_), \
		.dflt_str = dflt, \
		.help = help_ },
#define REGION_INT(key_, dflt, min_, max_, help_) \
	{ .key = #key_, \
		.type = CONF_OPT_INT, \
		.offset = offsetof(struct vs_region, key_), \
		.dflt_num = dflt, \
		.min = min_, \
		.max = max_, \
		.help = help_ },

const struct conf_opt conf_opt_region[] = {
#include "lib/opt.def"
};
const size_t conf_opt_region_count = VS_COUNTOF(conf_opt_region);
_Static_assert(VS_COUNTOF(conf_opt_region) <= CONF_OPT_MAX, "raise CONF_OPT_MAX");

void *
conf_opt_slot(const struct conf_opt *opt, void *base)
{
	return (char *)base + opt->offset;
}

/* A decimal port, 1-65535, and nothing after it. */
static bool
is_port(const char *text)
{
	size_t len = strspn(text, "0123456789");
	long port = 0;

	if (len == 0 || len > 5 || text[len] != '\0')
		return false;
	for (size_t i = 0; i < len; i++)
		port = port * 10 + (text[i] - '0');
	return port >= 1 && port <= 65535;
}

/* host or [v6 address]; the length of it, 0 when it is neither. */
static size_t
host_len(const char *text)
{
	size_t len;

	if (text[0] != '[')
		return strspn(
		    text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-.");
	len = 1 + strspn(text + 1, "0123456789abcdefABCDEF:.");
	return len > 1 && text[len] == ']' ? len + 1 : 0;
}

/* host:port, or with a port that may be missing. */
static bool
is_host_port(const char *text, bool port_optional)
{
	size_t len = host_len(text);

	if (len == 0)
		return false;
	if (text[len] == '\0')
		return port_optional;
	return text[len] == ':' && is_port(text + len + 1);
}

static bool
is_base_url(const char *text)
{
	static const char *const schemes[] = { "http://", "https://" };

	for (size_t i = 0; i < VS_COUNTOF(schemes); i++) {
		size_t len = strlen(schemes[i]);

		if (strncmp(text, schemes[i], len) == 0)
			return is_host_port(text + len, true);
	}
	return false;
}

static bool
is_absolute(const char *text)
{
	return text[0] == '/';
}

/* Sockets are made in it, and the address of one has 107 bytes. */
static bool
is_socket_dir(const char *text)
{
	return is_absolute(text) && strlen(text) <= 80;
}

static bool
is_listen_address(const char *text)
{
	return text[0] == '\0' || is_absolute(text) || is_host_port(text, false);
}

static bool
is_log_level(const char *text)
{
	enum vs_log_level level;

	return vs_log_level_parse(text, &level) == 0;
}

static bool
is_log_format(const char *text)
{
	return strcmp(text, "json") == 0 || strcmp(text, "text") == 0;
}

static bool
is_driver(const char *text)
{
	return strcmp(text, "local") == 0;
}

/* The file may be read by more people than a password should be. */
static bool
is_without_password(const char *text)
{
	static const char word[] = "password";

	while ((text = strstr(text, word)) != NULL) {
		text += sizeof(word) - 1;
		if (text[strspn(text, " \t")] == '=')
			return false;
	}
	return true;
}

/* No host names, and no more than an agent takes; the agent looks at each closely. */
static bool
is_address_list(const char *text)
{
	size_t count = 0;

	for (text += strspn(text, " \t"); *text != '\0'; text += strspn(text, " \t")) {
		size_t len = strspn(text, "0123456789abcdefABCDEF.:/[]-");

		if (len == 0 || (text[len] != '\0' && strchr(" \t", text[len]) == NULL))
			return false;
		text += len;
		count++;
	}
	return count <= EGRESS_ALLOW_MAX;
}

static const struct {
	const char *section, *key;
	bool (*ok)(const char *text);
	const char *must;
} checks[] = {
	{ "platform", "public_url", is_base_url,
	    "must be http://host[:port] or https://host[:port], without a path or a final slash" },
	{ "platform", "state_dir", is_absolute, "must be an absolute path" },
	{ "platform", "run_dir", is_socket_dir, "must be an absolute path of at most 80 bytes" },
	{ "platform", "keys_dir", is_absolute, "must be an absolute path" },
	{ "platform", "log_level", is_log_level, "must be error, warning, info or debug" },
	{ "platform", "log_format", is_log_format, "must be json or text" },
	{ "database", "api", is_without_password, NO_PASSWORD },
	{ "database", "proxy", is_without_password, NO_PASSWORD },
	{ "database", "reaper", is_without_password, NO_PASSWORD },
	{ "database", "owner", is_without_password, NO_PASSWORD },
	{ "cdpd", "listen", is_listen_address, "must be an absolute path or address:port" },
	{ "reaperd", "agent_path", is_absolute, "must be an absolute path" },
	{ NULL, "driver", is_driver, "must be local" },
	{ NULL, "egress_allow", is_address_list,
	    "must be up to 64 of address[/length][:port[-port]], with blanks between" },
};

static bool
same_section(const char *a, const char *b)
{
	return a == b || (a != NULL && b != NULL && strcmp(a, b) == 0);
}

const char *
conf_opt_check(const struct conf_opt *opt, const char *value)
{
	for (size_t i = 0; i < VS_COUNTOF(checks); i++) {
		if (same_section(opt->section, checks[i].section) &&
		    strcmp(opt->key, checks[i].key) == 0)
			return checks[i].ok(value) ? NULL : checks[i].must;
	}
	return NULL;
}
