/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * cdp_policy - the few CDP commands that do not just pass through.
 *
 * One table of methods. Looks at the top level of one JSON message and at nothing
 * else; what is not clearly one of the methods passes, because Chrome is the judge
 * of everything else. This keeps a client from ending by mistake what it shares: the
 * browser is its own, so a message made to slip through harms nobody but its sender.
 *
 * Pure.
 */

#include <stddef.h>
#include <stdint.h>

#include "lib/base.h"
#include "lib/buf.h"

#define CDP_POLICY_MAX		512	/* longer messages are not looked into */
#define CDP_POLICY_SESSION_MAX	64

enum cdp_action {
	CDP_PASS,
	CDP_END,	/* Browser.close: what it means depends on keep_alive_seconds */
	CDP_REFUSE	/* answered with an error, never passed */
};

struct cdp_call {
	enum cdp_action	 action;
	const char	*method;	/* static; NULL when CDP_PASS */
	int32_t		 id;
	char		 session[CDP_POLICY_SESSION_MAX + 1];	/* CDP sessionId; "": none */
};

/* text is the unmasked payload of one whole text message, shorter than CDP_POLICY_MAX. */
void	cdp_policy_judge(const char *text, size_t len, struct cdp_call *ret_call);

/* The answer Chrome would give: an empty result for CDP_END, an error for CDP_REFUSE. */
int	cdp_policy_answer(const struct cdp_call *call, struct vs_buf *out) VS_MUST_USE;
