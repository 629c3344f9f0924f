/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * conf_opt - lib/opt.def as a table: what lib/conf*.c read and nobody else.
 */

#include <stddef.h>
#include <stdint.h>

enum conf_opt_type { CONF_OPT_STR, CONF_OPT_INT, CONF_OPT_BOOL };

struct conf_opt {
	const char		*section;	/* NULL: a key of [region NAME] */
	const char		*key;
	enum conf_opt_type	 type;
	size_t			 offset;	/* in struct vs_conf or struct vs_region */
	const char		*dflt_str;
	int64_t			 dflt_num;	/* also of a bool */
	int64_t			 min, max;
	const char		*help;
};

/* Rows of one section stand together; the region's keys are a table of their own. */
extern const struct conf_opt	conf_opts[];
extern const size_t		conf_opts_count;
extern const struct conf_opt	conf_opt_region[];
extern const size_t		conf_opt_region_count;

/* No table is longer: for arrays beside one. */
#define CONF_OPT_MAX	128

/* Where the option stands in the struct vs_conf or vs_region at base. */
void	*conf_opt_slot(const struct conf_opt *opt, void *base);

/* NULL when a string option may have this value, or what it must be. */
const char	*conf_opt_check(const struct conf_opt *opt, const char *value);
