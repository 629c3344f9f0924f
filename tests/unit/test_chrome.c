/* SPDX-License-Identifier: Apache-2.0 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "lib/clock.h"
#include "runtime-image/agent/chrome.h"

#define LISTENING \
	"DevTools listening on ws://127.0.0.1:40673/devtools/browser/" \
	"92ad90c0-837e-4470-917c-b5e2980e6006"

/* A Chrome that is played by the test: the other ends of its three pipes. */
static struct vs_loop *loop;
static struct chrome chrome;
static int in[2], out[2], log_pipe[2];
static int changes;

static void
on_change(void *ctx)
{
	(void)ctx;
	changes++;
}

static void
open_pipe(int fds[2])
{
	assert_int_equal(pipe2(fds, O_CLOEXEC | O_NONBLOCK), 0);
}

static int
setup(void **state)
{
	const struct agent_viewport viewport = { 1280, 720 };

	(void)state;
	changes = 0;
	loop = vs_loop_new();
	open_pipe(in);
	open_pipe(out);
	open_pipe(log_pipe);
	chrome_init(&chrome, loop, &viewport, on_change, NULL);
	return chrome_attach(&chrome, in[1], out[0], log_pipe[0]);
}

static int
teardown(void **state)
{
	(void)state;
	chrome_fini(&chrome);
	vs_loop_free(loop);
	for (int i = 0; i < 2; i++) {
		(void)close(in[i]);
		(void)close(out[i]);
		(void)close(log_pipe[i]);
	}
	return 0;
}

/* The next command, once there is one; the words that must be in it. */
static void
expect(const char *words)
{
	char text[1024];
	vs_msec deadline = vs_clock_mono_ms() + 5000;
	ssize_t len;

	while ((len = read(in[0], text, sizeof(text))) < 0) {
		assert_true(vs_clock_mono_ms() < deadline);
		assert_int_equal(vs_loop_once(loop, 20), 0);
	}
	assert_int_equal(text[len - 1], '\0');
	if (strstr(text, words) == NULL)
		fail_msg("%s instead of %s", text, words);
}

static void
answer(const char *text)
{
	assert_int_equal(write(out[1], text, strlen(text) + 1), strlen(text) + 1);
	assert_int_equal(vs_loop_once(loop, 1000), 0);
}

static void
say(const char *text)
{
	assert_int_equal(write(log_pipe[1], text, strlen(text)), strlen(text));
	assert_int_equal(vs_loop_once(loop, 1000), 0);
}

static void
chrome__reads_only_its_own_line(void **state)
{
	static const char *const bad[] = {
		"",
		"DevTools listening on ws://127.0.0.1:",
		"DevTools listening on ws://127.0.0.1:0/devtools/browser/a",
		"DevTools listening on ws://127.0.0.1:65536/devtools/browser/a",
		"DevTools listening on ws://127.0.0.1:-1/devtools/browser/a",
		"DevTools listening on ws://127.0.0.1: 1/devtools/browser/a",
		"DevTools listening on ws://127.0.0.1:1/devtools/page/a",
		"DevTools listening on ws://127.0.0.1:1/devtools/browser/",
		"DevTools listening on ws://127.0.0.1:1/devtools/browser/a b",
		"DevTools listening on ws://192.0.2.1:1/devtools/browser/a",
		" " LISTENING,
		LISTENING LISTENING,
	};
	char path[CHROME_PATH_SIZE];
	uint16_t port = 0;

	(void)state;
	assert_true(chrome_parse_listening(LISTENING, &port, path));
	assert_int_equal(port, 40673);
	assert_string_equal(path, "/devtools/browser/92ad90c0-837e-4470-917c-b5e2980e6006");
	for (size_t i = 0; i < VS_COUNTOF(bad); i++) {
		if (chrome_parse_listening(bad[i], &port, path))
			fail_msg("%s", bad[i]);
	}
}

static void
chrome__is_ready_when_it_answers_and_is_placed(void **state)
{
	(void)state;
	expect("Target.getTargets");
	say("noise\n\nDevTools listening on ws://127.0.0.1:9222/dev");
	assert_false(chrome_ready(&chrome));
	say("tools/browser/ab-cd\nmore noise\n");
	assert_false(chrome_ready(&chrome));
	answer("{\"id\":1,\"result\":{\"targetInfos\":[]}}");
	expect("Target.getTargets"); /* until there is a page */
	answer(
	    "{\"id\":1,\"result\":{\"targetInfos\":["
	    "{\"type\":\"iframe\",\"targetId\":\"X\"},{\"type\":\"page\",\"targetId\":\"AB\"}]}}");
	expect("\"targetId\":\"AB\"");
	answer("{\"id\":2,\"result\":{\"windowId\":7,\"bounds\":{\"windowState\":\"normal\"}}}");
	assert_false(chrome_ready(&chrome));
	expect("Browser.getWindowForTarget");
	answer("{\"id\":2,\"result\":{\"windowId\":7,\"bounds\":{\"windowState\":\"maximized\"}}}");
	assert_true(chrome_ready(&chrome));
	assert_string_equal(chrome.cdp_path, "/devtools/browser/ab-cd");
	assert_int_equal(chrome.port, 9222);
	assert_int_equal(changes, 2);
}

static void
bring_to_size(void)
{
	expect("Target.getTargets");
	answer("{\"id\":1,\"result\":{\"targetInfos\":[{\"type\":\"page\",\"targetId\":\"AB\"}]}}");
	expect("Browser.getWindowForTarget");
	answer("{\"id\":2,\"result\":{\"windowId\":7,\"bounds\":{\"windowState\":\"maximized\"}}}");
	expect("Target.attachToTarget");
	answer("{\"method\":\"Target.attachedToTarget\",\"params\":{}}");
	answer("{\"id\":3,\"result\":{\"sessionId\":\"S1\"}}");
}

static void
chrome__sets_a_wrong_size_right(void **state)
{
	(void)state;
	bring_to_size();
	for (int i = 0; i < 20; i++) {
		expect("innerWidth");
		answer("{\"id\":4,\"result\":{\"result\":{\"value\":\"1280x664\"}}}");
	}
	expect("\"windowId\":7,\"width\":1280,\"height\":720");
	answer("{\"id\":5,\"result\":{}}");
	expect("innerWidth");
	answer("{\"id\":4,\"result\":{\"result\":{\"value\":\"1280x720\"}}}");
	assert_int_equal(chrome.step, 0);
}

static void
chrome__leaves_a_right_size_alone(void **state)
{
	char byte;

	(void)state;
	bring_to_size();
	expect("\"sessionId\":\"S1\"");
	answer("{\"id\":4,\"result\":{\"result\":{\"value\":\"1280x720\"}}}");
	assert_int_equal(chrome.step, 0);
	assert_int_equal(read(in[0], &byte, 1), -1);
}

/* Each page gets its size, those that come later too. */
static void
chrome__emulates_what_is_narrower_than_a_window(void **state)
{
	static const char attached[] = "{\"method\":\"Target.attachedToTarget\","
				       "\"params\":{\"sessionId\":\"S1\",\"targetInfo\":{}}}";

	(void)state;
	chrome.viewport.width = 320;
	expect("Target.getTargets");
	answer("{\"id\":1,\"result\":{\"targetInfos\":[{\"type\":\"page\",\"targetId\":\"AB\"}]}}");
	expect("Browser.getWindowForTarget");
	answer("{\"id\":2,\"result\":{\"windowId\":7,\"bounds\":{\"windowState\":\"maximized\"}}}");
	expect("Target.setAutoAttach");
	answer(attached);
	expect("Emulation.setDeviceMetricsOverride");
	assert_int_equal(changes, 0);
	answer("{\"id\":6,\"result\":{}}");
	answer("{\"id\":7,\"result\":{}}");
	assert_int_equal(changes, 1);
	answer(attached);
	expect("\"sessionId\":\"S1\",\"params\":{\"width\":320,\"height\":720");
	answer("{\"id\":7,\"result\":{}}");
	assert_int_equal(changes, 1);
}

/* An id goes into the next command: nothing that could end its string. */
static void
chrome__takes_no_strange_id(void **state)
{
	(void)state;
	expect("Target.getTargets");
	answer("{\"id\":1,\"result\":{\"targetInfos\":["
	       "{\"type\":\"page\",\"targetId\":\"A\\\",\\\"x\\\":\\\"\"}]}}");
	expect("Target.getTargets");
}

static void
chrome__survives_nonsense(void **state)
{
	static char long_line[4000];

	(void)state;
	expect("Target.getTargets");
	answer("nonsense");
	answer("{\"id\":1}"); /* an error */
	answer("[]");
	answer("{\"id\":\"1\"}");
	memset(long_line, 'x', sizeof(long_line) - 1);
	say(long_line);
	for (int i = 0; i < 10; i++)
		assert_int_equal(vs_loop_once(loop, 0), 0);
	say("\n" LISTENING "\n");
	for (int i = 0; i < 10; i++)
		assert_int_equal(vs_loop_once(loop, 0), 0);
	assert_int_equal(chrome.port, 40673);
	(void)close(out[1]);
	(void)close(log_pipe[1]);
	for (int i = 0; i < 3; i++)
		assert_int_equal(vs_loop_once(loop, 10), 0);
	assert_int_equal(chrome.out.fd, -1);
	assert_int_equal(chrome.log.fd, -1);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(chrome__reads_only_its_own_line),
		TEST(chrome__is_ready_when_it_answers_and_is_placed),
		TEST(chrome__sets_a_wrong_size_right),
		TEST(chrome__leaves_a_right_size_alone),
		TEST(chrome__emulates_what_is_narrower_than_a_window),
		TEST(chrome__takes_no_strange_id),
		TEST(chrome__survives_nonsense),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
