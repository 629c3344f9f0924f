/* SPDX-License-Identifier: Apache-2.0 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <json-c/json.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/clock.h"
#include "lib/err.h"
#include "lib/log.h"

static int ends[2];
static char line[8192];

/* The next writes: how often they are interrupted, and how much they take. */
static int write_interrupts;
static size_t write_at_most = SIZE_MAX;

ssize_t __real_write(int fd, const void *bytes, size_t len);
ssize_t __wrap_write(int fd, const void *bytes, size_t len);

ssize_t
__wrap_write(int fd, const void *bytes, size_t len)
{
	if (write_interrupts > 0) {
		write_interrupts--;
		errno = EINTR;
		return -1;
	}
	return __real_write(fd, bytes, len < write_at_most ? len : write_at_most);
}

static int
setup(void **state)
{
	(void)state;
	assert_int_equal(pipe2(ends, O_NONBLOCK | O_CLOEXEC), 0);
	vs_log_init("unit", VS_LOG_INFO, VS_LOG_JSON);
	vs_log_fd(ends[1]);
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	vs_log_fd(STDERR_FILENO);
	(void)close(ends[0]);
	(void)close(ends[1]);
	return 0;
}

/* What was written since the last call. */
static size_t
read_line(void)
{
	ssize_t len = read(ends[0], line, sizeof(line) - 1);

	line[len > 0 ? len : 0] = '\0';
	return len > 0 ? (size_t)len : 0;
}

static struct json_object *
read_json(void)
{
	struct json_tokener *tok = json_tokener_new();
	size_t len = read_line();
	struct json_object *obj;

	assert_true(len > 0 && len <= 4096);
	assert_int_equal(line[len - 1], '\n');
	assert_ptr_equal(strchr(line, '\n'), line + len - 1);
	json_tokener_set_flags(tok, JSON_TOKENER_STRICT | JSON_TOKENER_VALIDATE_UTF8);
	obj = json_tokener_parse_ex(tok, line, (int)len - 1);
	if (json_tokener_get_error(tok) == json_tokener_continue)
		obj = json_tokener_parse_ex(tok, "", -1);
	assert_int_equal(json_tokener_get_error(tok), json_tokener_success);
	json_tokener_free(tok);
	return obj;
}

static const char *
member(struct json_object *obj, const char *key)
{
	struct json_object *value;

	assert_true(json_object_object_get_ex(obj, key, &value));
	return json_object_get_string(value);
}

static void
log__writes_one_json_object(void **state)
{
	struct json_object *obj;
	int64_t ms;

	(void)state;
	errno = ENOTTY;
	log_info("session.admit", VS_LOG_STR("session", "01ARZ3NDEKTSV4RRFFQ69G5FAV"),
	    VS_LOG_INT("clients", INT64_MIN), VS_LOG_BOOL("warm", true), VS_LOG_STR("nil", NULL),
	    VS_LOG_ERR(VS_EIO));
	assert_int_equal(errno, ENOTTY);
	obj = read_json();
	assert_int_equal(strncmp(line, "{\"time\":\"", 9), 0);
	assert_int_equal(vs_clock_rfc3339_parse(member(obj, "time"), &ms), 0);
	assert_string_equal(member(obj, "level"), "info");
	assert_string_equal(member(obj, "program"), "unit");
	assert_string_equal(member(obj, "event"), "session.admit");
	assert_string_equal(member(obj, "session"), "01ARZ3NDEKTSV4RRFFQ69G5FAV");
	assert_string_equal(member(obj, "clients"), "-9223372036854775808");
	assert_string_equal(member(obj, "warm"), "true");
	assert_null(member(obj, "nil"));
	assert_string_equal(member(obj, "error"), vs_err_text(VS_EIO));
	json_object_put(obj);
}

static void
log__keeps_quiet_below_its_level(void **state)
{
	(void)state;
	log_debug("unit.debug");
	assert_int_equal(read_line(), 0);
	vs_log_init("unit", VS_LOG_ERROR, VS_LOG_JSON);
	log_warning("unit.warning");
	assert_int_equal(read_line(), 0);
	log_error("unit.error");
	assert_true(read_line() > 0);
}

static void
log__never_shows_a_secret(void **state)
{
	struct json_object *obj;

	(void)state;
	log_info("unit.secret", VS_LOG_STR("token", "hunter2"), VS_LOG_INT("password", 4711),
	    VS_LOG_STR("path", "/x?token=hunter2&a=b"), VS_LOG_STR("Connect-URL", NULL));
	obj = read_json();
	assert_null(strstr(line, "hunter2"));
	assert_null(strstr(line, "4711"));
	assert_string_equal(member(obj, "token"), "[redacted]");
	assert_string_equal(member(obj, "path"), "/x?token=[redacted]&a=b");
	assert_string_equal(member(obj, "Connect-URL"), "[redacted]");
	json_object_put(obj);
}

static void
log__is_valid_json_whatever_the_bytes(void **state)
{
	char text[1025];
	struct json_object *obj;

	(void)state;
	log_info("unit.bytes", VS_LOG_STR("a", "x\"\\\n\t\x01\x7f\xc2\x9b\xff\xc3(\xed\xa0\x80z"));
	obj = read_json();
	assert_non_null(strstr(line, "x\\\"\\\\\\u000a\\u0009\\u0001\\u007f\\u009b\xef\xbf\xbd"));
	assert_null(strchr(member(obj, "a"), '\xff'));
	json_object_put(obj);
	for (int start = 1; start < 256; start++) {
		for (size_t i = 0; i < sizeof(text) - 1; i++)
			text[i] = (char)(1 + (start + i * 37) % 255);
		text[sizeof(text) - 1] = '\0';
		log_info("unit.bytes", VS_LOG_STR("a", text), VS_LOG_STR("b", text),
		    VS_LOG_STR("c", text), VS_LOG_STR("d", text));
		json_object_put(read_json());
	}
}

static void
log__cuts_long_values_and_long_lines(void **state)
{
	static char text[100000];
	struct json_object *obj;
	const char *value;

	(void)state;
	memset(text, 'a', sizeof(text) - 1);
	log_info("unit.long", VS_LOG_STR("a", text), VS_LOG_STR("session", "S"));
	obj = read_json();
	value = member(obj, "a");
	assert_int_equal(strlen(value), 1024 + strlen("...[cut]"));
	assert_string_equal(value + 1024, "...[cut]");
	assert_string_equal(member(obj, "session"), "S");
	assert_false(json_object_object_get_ex(obj, "cut", NULL));
	json_object_put(obj);
	log_info("unit.long", VS_LOG_STR("a", text), VS_LOG_STR("b", text), VS_LOG_STR("c", text),
	    VS_LOG_STR("d", text), VS_LOG_STR("e", "short"));
	obj = read_json();
	assert_string_equal(member(obj, "cut"), "true");
	assert_false(json_object_object_get_ex(obj, "d", NULL));
	json_object_put(obj);
}

static void
log__drops_lines_nobody_reads_and_says_so(void **state)
{
	struct json_object *obj;
	vs_msec before = vs_clock_mono_ms();

	(void)state;
	assert_int_equal(fcntl(ends[1], F_SETFL, 0), 0); /* even a descriptor that would block */
	for (int i = 0; i < 5000; i++)
		log_info("unit.flood", VS_LOG_INT("i", i));
	assert_true(vs_clock_mono_ms() - before < 5000);
	while (read_line() > 0)
		;
	log_info("unit.after");
	obj = read_json();
	assert_true(atoi(member(obj, "dropped")) > 0);
	json_object_put(obj);
	log_info("unit.after");
	obj = read_json();
	assert_false(json_object_object_get_ex(obj, "dropped", NULL));
	json_object_put(obj);
}

/* A stream that takes a part of a line: the next one begins on a line of its own. */
static void
log__starts_anew_after_a_torn_line(void **state)
{
	(void)state;
	write_at_most = 10;
	log_info("unit.torn");
	write_at_most = SIZE_MAX;
	assert_int_equal(read_line(), 10);
	log_info("unit.after");
	assert_true(read_line() > 0);
	assert_int_equal(strncmp(line, "\n{\"time\":", 9), 0);
	assert_non_null(strstr(line, "\"event\":\"unit.after\",\"dropped\":1}\n"));
	log_info("unit.whole");
	json_object_put(read_json());
	assert_null(strstr(line, "dropped"));
}

static void
log__tries_again_when_interrupted(void **state)
{
	(void)state;
	write_interrupts = 3;
	log_info("unit.interrupted");
	assert_int_equal(write_interrupts, 0);
	json_object_put(read_json());
}

/* No SIGPIPE, no error: a daemon outlives the reader of its log. */
static void
log__survives_a_reader_that_is_gone(void **state)
{
	(void)state;
	(void)close(ends[0]);
	log_info("unit.gone");
	log_info("unit.gone");
	vs_log_fd(-1);
	log_info("unit.nowhere");
	ends[0] = -1;
}

static void
log__is_readable_as_text(void **state)
{
	(void)state;
	vs_log_init("unit", VS_LOG_INFO, VS_LOG_TEXT);
	log_warning("unit.text", VS_LOG_STR("a", "b \"c\"\n"), VS_LOG_INT("n", 3),
	    VS_LOG_STR("secret", "x"));
	assert_true(read_line() > 0);
	assert_non_null(strstr(line, "Z warning unit["));
	assert_non_null(
	    strstr(line, "] unit.text a=\"b \\\"c\\\"\\u000a\" n=3 secret=\"[redacted]\"\n"));
}

static void
log_level_parse__knows_four_names(void **state)
{
	enum vs_log_level level = VS_LOG_INFO;

	(void)state;
	assert_int_equal(vs_log_level_parse("debug", &level), 0);
	assert_int_equal(level, VS_LOG_DEBUG);
	assert_int_equal(vs_log_level_parse("error", &level), 0);
	assert_int_equal(level, VS_LOG_ERROR);
	assert_int_equal(vs_log_level_parse("Info", &level), VS_EINVAL);
	assert_int_equal(level, VS_LOG_ERROR);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(log__writes_one_json_object, setup, teardown),
		cmocka_unit_test_setup_teardown(log__keeps_quiet_below_its_level, setup, teardown),
		cmocka_unit_test_setup_teardown(log__never_shows_a_secret, setup, teardown),
		cmocka_unit_test_setup_teardown(
		    log__is_valid_json_whatever_the_bytes, setup, teardown),
		cmocka_unit_test_setup_teardown(
		    log__cuts_long_values_and_long_lines, setup, teardown),
		cmocka_unit_test_setup_teardown(
		    log__drops_lines_nobody_reads_and_says_so, setup, teardown),
		cmocka_unit_test_setup_teardown(
		    log__starts_anew_after_a_torn_line, setup, teardown),
		cmocka_unit_test_setup_teardown(log__tries_again_when_interrupted, setup, teardown),
		cmocka_unit_test_setup_teardown(
		    log__survives_a_reader_that_is_gone, setup, teardown),
		cmocka_unit_test_setup_teardown(log__is_readable_as_text, setup, teardown),
		cmocka_unit_test(log_level_parse__knows_four_names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
