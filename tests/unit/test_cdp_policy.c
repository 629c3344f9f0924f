/* SPDX-License-Identifier: Apache-2.0 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "cdpd/cdp_policy.h"

static const struct {
	const char *text;
	enum cdp_action action;
	int32_t id;
	const char *session;
} cases[] = {
	{ "{\"id\":1,\"method\":\"Browser.close\"}", CDP_END, 1, "" },
	{ "{\"method\":\"Browser.close\",\"id\":2}", CDP_END, 2, "" },
	{ " {\n\t\"id\" : 3 , \"method\" : \"Browser.close\" } ", CDP_END, 3, "" },
	{ "{\"id\":4,\"method\":\"Browser.close\",\"params\":{}}", CDP_END, 4, "" },
	{ "{\"id\":5,\"params\":{\"a\":[1,{\"b\":\"]}\\\"\"}],\"c\":null},\"method\":\"Browser."
	  "close\"}",
	    CDP_END, 5, "" },
	{ "{\"id\":6,\"method\":\"Browser.crash\",\"sessionId\":\"AB12\"}", CDP_REFUSE, 6, "AB12" },
	{ "{\"id\":7,\"method\":\"Browser.crashGpuProcess\"}", CDP_REFUSE, 7, "" },
	{ "{\"id\":8,\"method\":\"Browser.cl\\u006fse\"}", CDP_END, 8, "" },
	{ "{\"id\":9,\"\\u006dethod\":\"Browser.close\"}", CDP_END, 9, "" },
	{ "{\"id\":10.0,\"method\":\"Browser.close\"}", CDP_END, 10, "" },
	{ "{\"id\":-11,\"method\":\"Browser.close\"}", CDP_END, -11, "" },
	{ "{\"id\":12,\"method\":\"x\",\"method\":\"Browser.close\"}", CDP_END, 12, "" },
	{ "{\"id\":13,\"method\":\"Browser.getVersion\"}", CDP_PASS, 0, NULL },
	{ "{\"id\":14,\"method\":\"Browser.closed\"}", CDP_PASS, 0, NULL },
	{ "{\"id\":15,\"method\":\"Browser.clos\"}", CDP_PASS, 0, NULL },
	{ "{\"id\":16,\"method\":\"Runtime.evaluate\",\"params\":{\"method\":\"Browser.close\"}}",
	    CDP_PASS, 0, NULL },
	{ "{\"id\":17,\"method\":\"Runtime.evaluate\",\"params\":\"Browser.close\"}", CDP_PASS, 0,
	    NULL },
	{ "{\"method\":\"Browser.close\"}", CDP_PASS, 0, NULL },
	{ "{\"id\":1.5,\"method\":\"Browser.close\"}", CDP_PASS, 0, NULL },
	{ "{\"id\":4294967296,\"method\":\"Browser.close\"}", CDP_PASS, 0, NULL },
	{ "{\"id\":\"1\",\"method\":\"Browser.close\"}", CDP_PASS, 0, NULL },
	{ "{\"id\":18,\"method\":[\"Browser.close\"]}", CDP_PASS, 0, NULL },
	{ "{\"id\":19,\"method\":\"Browser.close\"", CDP_PASS, 0, NULL },
	{ "[{\"id\":20,\"method\":\"Browser.close\"}]", CDP_PASS, 0, NULL },
	{ "{\"id\":21,\"method\":\"Browser.close", CDP_PASS, 0, NULL },
	{ "{\"id\":22,\"method\":\"Browser.close\\", CDP_PASS, 0, NULL },
	{ "{\"id\":23,\"method\":\"Browser.cl\\u00", CDP_PASS, 0, NULL },
	{ "{\"id\":24,\"x\":", CDP_PASS, 0, NULL },
	{ "{\"id\":25,\"x\":]}", CDP_PASS, 0, NULL },
	{ "{\"id\":26,,\"method\":\"Browser.close\"}", CDP_PASS, 0, NULL },
	{ "{}", CDP_PASS, 0, NULL },
	{ "{", CDP_PASS, 0, NULL },
	{ "", CDP_PASS, 0, NULL },
	{ "Browser.close", CDP_PASS, 0, NULL },
};

static void
cdp_policy__knows_its_methods_wherever_they_stand(void **state)
{
	struct cdp_call call;

	(void)state;
	for (size_t i = 0; i < VS_COUNTOF(cases); i++) {
		cdp_policy_judge(cases[i].text, strlen(cases[i].text), &call);
		if (call.action != cases[i].action)
			fail_msg("%s: %d", cases[i].text, call.action);
		if (call.action == CDP_PASS)
			continue;
		assert_int_equal(call.id, cases[i].id);
		assert_string_equal(call.session, cases[i].session);
	}
}

static void
cdp_policy__reads_no_further_than_the_message(void **state)
{
	static const char text[] = "{\"id\":1,\"method\":\"Browser.close\"}";
	struct cdp_call call;

	(void)state;
	/* Every prefix, each in memory of exactly its size: ASan sees a step too far. */
	for (size_t len = 0; len < sizeof(text); len++) {
		char *copy = malloc(len + 1);

		assert_non_null(copy);
		memcpy(copy, text, len);
		cdp_policy_judge(copy, len, &call);
		assert_int_equal(call.action, len == sizeof(text) - 1 ? CDP_END : CDP_PASS);
		free(copy);
	}
}

static void
cdp_policy__passes_bytes_that_are_no_text(void **state)
{
	char text[CDP_POLICY_MAX - 1];
	struct cdp_call call;

	(void)state;
	srandom(1);
	for (int round = 0; round < 2000; round++) {
		for (size_t i = 0; i < sizeof(text); i++)
			text[i] = "{}[]\",:\\u0 \"methodid1\0\xff"[random() % 24];
		text[0] = '{';
		cdp_policy_judge(text, sizeof(text), &call);
		assert_int_equal(call.action, CDP_PASS);
	}
}

static void
cdp_policy__answers_as_chrome_would(void **state)
{
	static const struct {
		const char *text, *want;
	} rows[] = {
		{ "{\"id\":1,\"method\":\"Browser.close\"}", "{\"id\":1,\"result\":{}}" },
		{ "{\"id\":2,\"method\":\"Browser.close\",\"sessionId\":\"0AfF\"}",
		    "{\"id\":2,\"result\":{},\"sessionId\":\"0AfF\"}" },
		{ "{\"id\":3,\"method\":\"Browser.close\",\"sessionId\":\"\\\"<x>\"}",
		    "{\"id\":3,\"result\":{}}" },
		{ "{\"id\":4,\"method\":\"Browser.crash\"}",
		    "{\"id\":4,\"error\":{\"code\":-32000,\"message\":\"Browser.crash is not "
		    "allowed "
		    "here\"}}" },
	};
	struct cdp_call call;
	struct vs_buf out;

	(void)state;
	for (size_t i = 0; i < VS_COUNTOF(rows); i++) {
		vs_buf_init(&out, 512);
		cdp_policy_judge(rows[i].text, strlen(rows[i].text), &call);
		assert_int_equal(cdp_policy_answer(&call, &out), 0);
		assert_string_equal(vs_buf_str(&out), rows[i].want);
		vs_buf_fini(&out);
	}
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(cdp_policy__knows_its_methods_wherever_they_stand),
		cmocka_unit_test(cdp_policy__reads_no_further_than_the_message),
		cmocka_unit_test(cdp_policy__passes_bytes_that_are_no_text),
		cmocka_unit_test(cdp_policy__answers_as_chrome_would),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
