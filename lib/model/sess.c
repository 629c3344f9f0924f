/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/model/sess.h"

#include <string.h>

static const struct {
	const char *text;
	bool final;
} statuses[] = {
	[SESS_NO_STATUS] = { NULL, false },
#define SESS_STATUS(name, is_final) [SESS_##name] = { #name, is_final },
#define SESS_EVENT(name, text)
#define SESS_ERROR(code)
#include "lib/model/sess.def"
#undef SESS_STATUS
#undef SESS_EVENT
#undef SESS_ERROR
};

static const char *const event_texts[] = {
#define SESS_STATUS(name, final)
#define SESS_EVENT(name, text) [SESS_EVENT_##name] = text,
#define SESS_ERROR(code)
#include "lib/model/sess.def"
#undef SESS_STATUS
#undef SESS_EVENT
#undef SESS_ERROR
};

const char *
sess_status_text(enum sess_status status)
{
	return statuses[status].text;
}

enum sess_status
sess_status_parse(const char *text)
{
	for (size_t i = SESS_NO_STATUS + 1; i < VS_COUNTOF(statuses); i++) {
		if (strcmp(statuses[i].text, text) == 0)
			return (enum sess_status)i;
	}
	return SESS_NO_STATUS;
}

bool
sess_status_final(enum sess_status status)
{
	return statuses[status].final;
}

bool
sess_status_reached(enum sess_status now, enum sess_status wanted)
{
	/* Before a final one the statuses stand in the order of a session's life. */
	return sess_status_final(now) || (!sess_status_final(wanted) && now >= wanted);
}

const char *
sess_event_text(enum sess_event event)
{
	return event_texts[event];
}

int64_t
sess_billable_seconds(const struct sess *sess, int64_t now_ms)
{
	int64_t end = now_ms;

	if (sess->running_at == 0)
		return 0;
	if (sess->status == SESS_EXPIRED)
		end = sess->expires_at;
	else if (sess->ended_at != 0)
		end = sess->ended_at;
	return end > sess->running_at ? (end - sess->running_at + 999) / 1000 : 0;
}
