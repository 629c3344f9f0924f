/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * log - one JSON object a line on stderr (or text for people).
 *
 *	vs_log(VS_LOG_INFO, "session.admit", VS_LOG_STR("session", sess->id),
 *	    VS_LOG_INT("clients", n), VS_LOG_END)   - or by the macros below
 *
 * Event name first, then ids under the same keys everywhere (session, workspace,
 * runtime, conn, request_id). Every value passes lib/scrub.h. A line is one
 * write(2) of at most 4 KiB; longer values are cut and say so.
 *
 * error: somebody must act. warning: we carried on. info: a state changed.
 * debug: free. Threads: one.
 */

#include <stdbool.h>
#include <stdint.h>

#include "lib/base.h"

enum vs_log_level { VS_LOG_ERROR, VS_LOG_WARNING, VS_LOG_INFO, VS_LOG_DEBUG };
enum vs_log_format { VS_LOG_JSON, VS_LOG_TEXT };

struct vs_log_field {
	const char	*key;
	enum { VS_LOG_F_STR, VS_LOG_F_INT, VS_LOG_F_BOOL } type;
	const char	*str;		/* NULL prints null */
	int64_t		 num;
};

#define VS_LOG_STR(k, v)	((struct vs_log_field){ .key = (k), .type = VS_LOG_F_STR, .str = (v) })
#define VS_LOG_INT(k, v)	((struct vs_log_field){ .key = (k), .type = VS_LOG_F_INT, .num = (int64_t)(v) })
#define VS_LOG_BOOL(k, v)	((struct vs_log_field){ .key = (k), .type = VS_LOG_F_BOOL, .num = (v) })
#define VS_LOG_ERR(rc)		VS_LOG_STR("error", vs_err_text(rc))	/* needs lib/err.h */

/* program: the "program" field of each line. */
void	vs_log_init(const char *program, enum vs_log_level level, enum vs_log_format format);
int	vs_log_level_parse(const char *text, enum vs_log_level *ret_level) VS_MUST_USE;

/* Where lines go; stderr's descriptor until set. Tests use it. */
void	vs_log_fd(int fd);

void	vs_log_fields(enum vs_log_level level, const char *event,
	    const struct vs_log_field *fields, size_t count);

#define VS_LOG_(level, event, ...)						\
	vs_log_fields((level), (event),						\
	    (const struct vs_log_field[]){ { .key = NULL }, ##__VA_ARGS__ } + 1,	\
	    sizeof((const struct vs_log_field[]){ { .key = NULL }, ##__VA_ARGS__ })	\
	    / sizeof(struct vs_log_field) - 1)

#define log_error(event, ...)	VS_LOG_(VS_LOG_ERROR, event, ##__VA_ARGS__)
#define log_warning(event, ...)	VS_LOG_(VS_LOG_WARNING, event, ##__VA_ARGS__)
#define log_info(event, ...)	VS_LOG_(VS_LOG_INFO, event, ##__VA_ARGS__)
#define log_debug(event, ...)	VS_LOG_(VS_LOG_DEBUG, event, ##__VA_ARGS__)
