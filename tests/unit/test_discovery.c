/* SPDX-License-Identifier: Apache-2.0 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "cdpd/discovery.h"
#include "lib/err.h"

#define DOOR "ws://h:1/v1/sessions/ID/cdp"

static const struct discovery_door door = {
	.public_url = "http://h:1", .session_id = "ID", .token = "T.T-_"
};

static void
discovery__leads_back_to_the_door(void **state)
{
	static const struct {
		const char *in, *out; /* NULL: refused */
	} rows[] = {
		{ "{\"Browser\":\"Chrome/1\",\"webSocketDebuggerUrl\":"
		  "\"ws://127.0.0.1/devtools/browser/A-1\"}",
		    "{\"Browser\":\"Chrome/1\",\"webSocketDebuggerUrl\":"
		    "\"" DOOR "/devtools/browser/A-1?token=T.T-_\"}" },
		{ "[ {\"id\":\"P\",\"title\":\"a \\\"b\",\"devtoolsFrontendUrl\":\"/x\","
		  "\"webSocketDebuggerUrl\":\"ws://127.0.0.1/devtools/page/P\"}, {\"id\":\"Q\"} ]",
		    "[{\"id\":\"P\",\"title\":\"a \\\"b\",\"webSocketDebuggerUrl\":"
		    "\"" DOOR "/devtools/page/P?token=T.T-_\"},{\"id\":\"Q\"}]" },
		{ "{\"version\":{\"major\":\"1\"},\"domains\":[]}",
		    "{\"version\":{\"major\":\"1\"},\"domains\":[]}" },
		{ "[]", "[]" },
		{ "{\"webSocketDebuggerUrl\":\"http://evil/\"}", NULL },
		{ "{\"webSocketDebuggerUrl\":7}", NULL },
		{ "[1]", NULL },
		{ "\"x\"", NULL },
		{ "{", NULL },
		{ "", NULL },
	};
	struct vs_buf out;

	(void)state;
	for (size_t i = 0; i < VS_COUNTOF(rows); i++) {
		int rc;

		vs_buf_init(&out, 4096);
		rc = discovery_rewrite(&door, rows[i].in, strlen(rows[i].in), &out);
		if ((rc < 0) != (rows[i].out == NULL))
			fail_msg("%s: %d", rows[i].in, rc);
		if (rc == 0)
			assert_string_equal(vs_buf_str(&out), rows[i].out);
		vs_buf_fini(&out);
	}
}

static void
discovery__speaks_wss_behind_https(void **state)
{
	static const char text[] = "{\"webSocketDebuggerUrl\":\"ws://x/devtools/page/P\"}";
	struct discovery_door tls = door;
	struct vs_buf out;

	(void)state;
	tls.public_url = "https://ventus.example";
	vs_buf_init(&out, 4096);
	assert_int_equal(discovery_rewrite(&tls, text, strlen(text), &out), 0);
	assert_string_equal(vs_buf_str(&out),
	    "{\"webSocketDebuggerUrl\":\"wss://ventus.example/v1/sessions/ID/cdp/devtools/page/P"
	    "?token=T.T-_\"}");
	vs_buf_fini(&out);
}

static void
discovery__says_when_it_does_not_fit(void **state)
{
	struct vs_buf out;

	(void)state;
	vs_buf_init(&out, 8);
	assert_int_equal(discovery_rewrite(&door, "{\"abc\":\"def\"}", 13, &out), VS_EFULL);
	vs_buf_fini(&out);
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(discovery__leads_back_to_the_door),
		cmocka_unit_test(discovery__speaks_wss_behind_https),
		cmocka_unit_test(discovery__says_when_it_does_not_fit),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
