/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * conf - ventus.conf, read whole and checked whole.
 *
 * INI: [section], key = value, '#' and ';' comments. lib/opt.def is the one table
 * of what may stand there. Every fault is reported with its line, not the first
 * only. An environment variable VENTUS_<SECTION>_<KEY> wins over the file.
 *
 * Owner: the daemon's main, for the life of the process.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/base.h"
#include "lib/buf.h"

struct vs_region {
	char	*name;			/* owned, like every string here */
#define OPT_STR(section, key, dflt, help)
#define OPT_INT(section, key, dflt, min, max, help)
#define OPT_BOOL(section, key, dflt, help)
#define REGION_STR(key, dflt, help)		char *key;
#define REGION_INT(key, dflt, min, max, help)	int64_t key;
#include "lib/opt.def"
#undef REGION_STR
#undef REGION_INT
#undef OPT_STR
#undef OPT_INT
#undef OPT_BOOL
};

struct vs_conf {
#define REGION_STR(key, dflt, help)
#define REGION_INT(key, dflt, min, max, help)
#define OPT_STR(section, key, dflt, help)		char *section##_##key;
#define OPT_INT(section, key, dflt, min, max, help)	int64_t section##_##key;
#define OPT_BOOL(section, key, dflt, help)		bool section##_##key;
#include "lib/opt.def"
#undef REGION_STR
#undef REGION_INT
#undef OPT_STR
#undef OPT_INT
#undef OPT_BOOL
	struct vs_region	*regions;
	size_t			 nregions;
};

/*
 * Read path (NULL: defaults and environment only). 0, or VS_ECONF with one line
 * "path:line: what is wrong" per fault in faults, or VS_ENOMEM. On failure ret_conf
 * is untouched.
 */
int	vs_conf_load(const char *path, struct vs_buf *faults, struct vs_conf **ret_conf) VS_MUST_USE;

/* The same from memory; the seam for tests and the fuzzer. name stands in faults. */
int	vs_conf_parse(const char *name, const char *text, size_t len, struct vs_buf *faults,
	    struct vs_conf **ret_conf) VS_MUST_USE;
void	vs_conf_free(struct vs_conf *conf);

/* The configuration in force, as a file that would give the same. */
int	vs_conf_print(const struct vs_conf *conf, struct vs_buf *out) VS_MUST_USE;

/* The option table as an example file, each option commented with its help. */
int	vs_conf_print_example(struct vs_buf *out) VS_MUST_USE;

/* The option table as the OPTIONS part of ventus.conf(5), in man(7). */
int	vs_conf_print_man(struct vs_buf *out) VS_MUST_USE;

const struct vs_region	*vs_conf_region(const struct vs_conf *conf, const char *name);
