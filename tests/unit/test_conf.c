/* SPDX-License-Identifier: Apache-2.0 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/conf.h"
#include "lib/conf_opt.h"
#include "lib/err.h"

static struct vs_buf faults;

static int
setup(void **state)
{
	(void)state;
	vs_buf_init(&faults, 65536);
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	vs_buf_fini(&faults);
	return 0;
}

static struct vs_conf *
parse_ok(const char *text)
{
	struct vs_conf *conf = NULL;
	int rc = vs_conf_parse("f", text, strlen(text), &faults, &conf);

	if (rc != 0)
		fail_msg("%d: %s", rc, vs_buf_str(&faults));
	assert_int_equal(vs_buf_len(&faults), 0);
	return conf;
}

/* The text is refused for exactly this. */
static void
parse_refused(const char *text, size_t len, const char *want)
{
	struct vs_conf *conf = NULL;

	vs_buf_clear(&faults);
	assert_int_equal(vs_conf_parse("f", text, len, &faults, &conf), VS_ECONF);
	assert_null(conf);
	assert_string_equal(vs_buf_str(&faults), want);
}

static void
conf_parse__gives_the_defaults_for_nothing(void **state)
{
	struct vs_conf *conf = parse_ok("");

	(void)state;
	assert_string_equal(conf->platform_public_url, "http://localhost:8080");
	assert_int_equal(conf->api_workers, 4);
	assert_int_equal(conf->nregions, 1);
	assert_string_equal(conf->regions[0].name, "us-east1");
	assert_string_equal(conf->regions[0].driver, "local");
	assert_int_equal(conf->regions[0].capacity, 20);
	assert_ptr_equal(vs_conf_region(conf, "us-east1"), &conf->regions[0]);
	assert_null(vs_conf_region(conf, "us-east"));
	vs_conf_free(conf);
	vs_conf_free(NULL);
}

static void
conf_parse__reads_every_form_of_a_line(void **state)
{
	struct vs_conf *conf = parse_ok("# c\n; c\n\n  [ api ]  \r\n\tworkers=7\r\n"
					" max_body_bytes \t=\t65536 \n[platform]\nuser=\n"
					"[database]\napi = a=b # not a comment\n"
					"owner = passfile=/x/password options=-c\n"
					"[region b-1]\ncapacity = 3\n[region c]\n"
					"egress_allow = 127.0.0.1:80 10.0.0.0/8");

	(void)state;
	assert_int_equal(conf->api_workers, 7);
	assert_int_equal(conf->api_max_body_bytes, 65536);
	assert_string_equal(conf->platform_user, "");
	assert_string_equal(conf->database_api, "a=b # not a comment");
	assert_int_equal(conf->nregions, 2);
	assert_int_equal(vs_conf_region(conf, "b-1")->capacity, 3);
	assert_int_equal(vs_conf_region(conf, "c")->capacity, 20);
	assert_string_equal(vs_conf_region(conf, "c")->egress_allow, "127.0.0.1:80 10.0.0.0/8");
	assert_null(vs_conf_region(conf, "us-east1"));
	vs_conf_free(conf);
}

static const struct {
	const char *in, *want;
} refused[] = {
	{ "workers = 1", "f:1: a key before the first section\n" },
	{ "[api]\nworkers", "f:2: neither a section nor key = value\n" },
	{ "[api", "f:1: a section's line must end with ]\n" },
	{ "[]", "f:1: the name of a section must be of a-z, 0-9, _ and -\n" },
	{ "[API]", "f:1: the name of a section must be of a-z, 0-9, _ and -\n" },
	{ "[nope]\nx = 1\ny = 2", "f:1: there is no section [nope]\n" },
	{ "[api]\nnope = 1", "f:2: there is no key nope in this section\n" },
	{ "[api]\nuser = 1", "f:2: there is no key user in this section\n" },
	{ "[api]\nWorkers = 1", "f:2: a key must be of a-z, 0-9 and _\n" },
	{ "[api]\n = 1", "f:2: a key must be of a-z, 0-9 and _\n" },
	{ "[api]\nworkers = 1\nworkers = 1", "f:3: workers stands on line 2 already\n" },
	{ "[api]\n[cdpd]\n[api]\nworkers = 0", "f:3: section [api] stands on line 1 already\n" },
	{ "[api]\nworkers = ", "f:2: workers must be a whole number\n" },
	{ "[api]\nworkers = +1", "f:2: workers must be a whole number\n" },
	{ "[api]\nworkers = -1", "f:2: workers must be a whole number\n" },
	{ "[api]\nworkers = 1 2", "f:2: workers must be a whole number\n" },
	{ "[api]\nworkers = 0x1", "f:2: workers must be a whole number\n" },
	{ "[api]\nworkers = 0", "f:2: workers must be between 1 and 64\n" },
	{ "[api]\nworkers = 65", "f:2: workers must be between 1 and 64\n" },
	{ "[api]\nworkers = 99999999999999999999999999",
	    "f:2: workers must be between 1 and 64\n" },
	{ "[platform]\nuser = a\x01", "f:2: user has a control character or is not UTF-8\n" },
	{ "[platform]\nuser = a\xff", "f:2: user has a control character or is not UTF-8\n" },
	{ "[platform]\nlog_level = loud",
	    "f:2: log_level must be error, warning, info or debug\n" },
	{ "[platform]\nlog_format = xml", "f:2: log_format must be json or text\n" },
	{ "[platform]\nkeys_dir = keys", "f:2: keys_dir must be an absolute path\n" },
	{ "[region]\n", "f:1: there is no section [region]\n" },
	{ "[region ]\n", "f:1: there is no section [region]\n" },
	{ "[region A]\ncapacity = 0",
	    "f:1: the name of a region must be 1-63 of a-z, 0-9 and -\n" },
	{ "[region a b]", "f:1: the name of a region must be 1-63 of a-z, 0-9 and -\n" },
	{ "[region a]\n[region b]\n[region a]", "f:3: region a stands on line 1 already\n" },
	{ "[region a]\ndriver = docker", "f:2: driver must be local\n" },
	{ "[region a]\negress_allow = 10.0.0.0/8 localhost:80",
	    "f:2: egress_allow must be up to 64 of address[/length][:port[-port]], "
	    "with blanks between\n" },
	{ "[database]\napi = dbname=x password = y",
	    "f:2: api must not hold a password: name a file of it by passfile=\n" },
	{ "[region a]\npids = 1\n[region b]\npids = 2",
	    "f:2: pids must be between 50 and 100000\n"
	    "f:4: pids must be between 50 and 100000\n" },
	{ "[region a]\npids = 60\npids = 60", "f:3: pids stands on line 2 already\n" },
};

static void
conf_parse__names_each_fault_and_its_line(void **state)
{
	(void)state;
	for (size_t i = 0; i < VS_COUNTOF(refused); i++)
		parse_refused(refused[i].in, strlen(refused[i].in), refused[i].want);
	parse_refused("[api]\nwork\0ers = 1\n", 18, "f:2: the line has a NUL byte\n");
	parse_refused("[x]\n[api]\nworkers = 0\n[cdpd]\nfoo = 1\nworkers = x\n", 49,
	    "f:1: there is no section [x]\n"
	    "f:3: workers must be between 1 and 64\n"
	    "f:5: there is no key foo in this section\n"
	    "f:6: workers must be a whole number\n");
}

static void
conf_parse__checks_the_public_url(void **state)
{
	static const char *const good[] = { "http://a", "https://a.b-c.example:443",
		"http://127.0.0.1:8080", "http://[::1]:8080" };
	static const char *const bad[] = { "", "a", "ftp://a", "http://", "http://a/", "http://a/b",
		"http://a:", "http://a:0", "http://a:65536", "http://a:8080/", "http://u@a",
		"http://a?b", "http://[::1", "HTTP://a", "http:// a", "http://a:080808" };
	char text[200];

	(void)state;
	for (size_t i = 0; i < VS_COUNTOF(good); i++) {
		(void)snprintf(text, sizeof(text), "[platform]\npublic_url = %s", good[i]);
		vs_conf_free(parse_ok(text));
	}
	for (size_t i = 0; i < VS_COUNTOF(bad); i++) {
		(void)snprintf(text, sizeof(text), "[platform]\npublic_url = %s", bad[i]);
		parse_refused(text, strlen(text),
		    "f:2: public_url must be http://host[:port] or https://host[:port], "
		    "without a path or a final slash\n");
	}
}

static void
conf_parse__has_caps(void **state)
{
	static char text[1048577 + 100];
	int len = 0;

	(void)state;
	memset(text, '#', 4097);
	parse_refused(text, 4097, "f:1: the line is longer than 4096 bytes\n");
	memset(text, '\n', sizeof(text));
	parse_refused(text, 1048577, "f: the file is larger than 1048576 bytes\n");
	for (int i = 0; i < 65; i++)
		len += snprintf(text + len, sizeof(text) - (size_t)len, "[region r%d]\n", i);
	parse_refused(text, (size_t)len, "f:65: there may be 64 regions\n");
}

static void
conf_parse__is_refused_when_faults_find_no_room(void **state)
{
	struct vs_conf *conf = NULL;
	struct vs_buf small;

	(void)state;
	vs_buf_init(&small, 35);
	assert_int_equal(vs_conf_parse("f", "[x]\n[y]\n", 8, &small, &conf), VS_ECONF);
	assert_string_equal(vs_buf_str(&small), "f:1: there is no section [x]\n");
	vs_buf_fini(&small);
	vs_buf_init(&small, 3);
	assert_int_equal(vs_conf_load("/nonexistent/f", &small, &conf), VS_ECONF);
	assert_int_equal(vs_buf_len(&small), 0);
	assert_null(conf);
	vs_buf_fini(&small);
}

static void
conf_parse__lets_the_environment_win(void **state)
{
	static const char text[] = "[api]\nworkers = 2\n";
	char too_long[4098];
	struct vs_conf *conf;

	(void)state;
	assert_int_equal(setenv("VENTUS_API_WORKERS", " 3 ", 1), 0);
	assert_int_equal(setenv("VENTUS_PLATFORM_PUBLIC_URL", "https://x.example", 1), 0);
	assert_int_equal(setenv("VENTUS_REGION_PIDS", "1", 1), 0);
	assert_int_equal(setenv("VENTUS_API_KEY", "not an option", 1), 0);
	conf = parse_ok(text);
	assert_int_equal(conf->api_workers, 3);
	assert_string_equal(conf->platform_public_url, "https://x.example");
	vs_conf_free(conf);
	memset(too_long, 'a', sizeof(too_long) - 1);
	too_long[sizeof(too_long) - 1] = '\0';
	assert_int_equal(setenv("VENTUS_PLATFORM_USER", too_long, 1), 0);
	parse_refused(text, strlen(text), "VENTUS_PLATFORM_USER: longer than 4096 bytes\n");
	assert_int_equal(unsetenv("VENTUS_PLATFORM_USER"), 0);
	vs_buf_clear(&faults);
	assert_int_equal(setenv("VENTUS_API_WORKERS", "", 1), 0);
	assert_int_equal(setenv("VENTUS_PLATFORM_PUBLIC_URL", "x", 1), 0);
	parse_refused(text, strlen(text),
	    "VENTUS_PLATFORM_PUBLIC_URL: public_url must be http://host[:port] or "
	    "https://host[:port], without a path or a final slash\n"
	    "VENTUS_API_WORKERS: workers must be a whole number\n");
	assert_int_equal(unsetenv("VENTUS_API_WORKERS"), 0);
	assert_int_equal(unsetenv("VENTUS_PLATFORM_PUBLIC_URL"), 0);
	assert_int_equal(unsetenv("VENTUS_REGION_PIDS"), 0);
	assert_int_equal(unsetenv("VENTUS_API_KEY"), 0);
}

static void
conf_load__reads_a_file_or_says_why_not(void **state)
{
	char path[] = "/tmp/vs-conf-XXXXXX";
	int fd = mkstemp(path);
	struct vs_conf *conf = NULL;

	(void)state;
	assert_true(fd >= 0);
	assert_int_equal(write(fd, "[api]\nworkers = 9\n", 18), 18);
	assert_int_equal(close(fd), 0);
	assert_int_equal(vs_conf_load(path, &faults, &conf), 0);
	assert_int_equal(conf->api_workers, 9);
	vs_conf_free(conf);
	conf = NULL;
	assert_int_equal(unlink(path), 0);
	assert_int_equal(vs_conf_load(path, &faults, &conf), VS_ECONF);
	assert_non_null(strstr(vs_buf_str(&faults), ": cannot be read: No such file"));
	vs_buf_clear(&faults);
	assert_int_equal(vs_conf_load("/tmp", &faults, &conf), VS_ECONF);
	assert_non_null(strstr(vs_buf_str(&faults), "/tmp: cannot be read: Is a directory"));
	vs_buf_clear(&faults);
	assert_int_equal(vs_conf_load("/dev/zero", &faults, &conf), VS_ECONF);
	assert_null(conf);
	assert_int_equal(vs_conf_load(NULL, &faults, &conf), 0);
	vs_conf_free(conf);
}

static void
conf_print__gives_a_file_that_means_the_same(void **state)
{
	struct vs_conf *conf = parse_ok("[platform]\nlog_level = debug\n[api]\nworkers = 9\n"
					"[region x]\npids = 77\n[region y]\n");
	struct vs_buf first, second;

	(void)state;
	vs_buf_init(&first, 65536);
	vs_buf_init(&second, 65536);
	assert_int_equal(vs_conf_print(conf, &first), 0);
	vs_conf_free(conf);
	assert_non_null(strstr(vs_buf_str(&first), "log_level = debug\n"));
	assert_non_null(strstr(vs_buf_str(&first), "[region x]\n"));
	conf = parse_ok(vs_buf_str(&first));
	assert_int_equal(vs_conf_print(conf, &second), 0);
	assert_string_equal(vs_buf_str(&first), vs_buf_str(&second));
	vs_conf_free(conf);
	vs_buf_fini(&first);
	vs_buf_fini(&second);
}

/* Uncommented, the example is valid and says nothing but the defaults. */
static void
conf_print_example__shows_the_defaults(void **state)
{
	struct vs_conf *conf = parse_ok("");
	struct vs_buf example, want, got;
	char *text;

	(void)state;
	vs_buf_init(&example, 65536);
	vs_buf_init(&want, 65536);
	vs_buf_init(&got, 65536);
	assert_int_equal(vs_conf_print(conf, &want), 0);
	vs_conf_free(conf);
	assert_int_equal(vs_conf_print_example(&example), 0);
	text = strdup(vs_buf_str(&example));
	assert_non_null(text);
	for (char *at = text; (at = strstr(at, "\n#")) != NULL; at++) {
		if (at[2] != ' ')
			at[1] = ' ';
	}
	conf = parse_ok(text);
	free(text);
	assert_int_equal(vs_conf_print(conf, &got), 0);
	assert_string_equal(vs_buf_str(&got), vs_buf_str(&want));
	vs_conf_free(conf);
	vs_buf_fini(&example);
	vs_buf_fini(&want);
	vs_buf_fini(&got);
}

static void
conf_print_man__names_every_option(void **state)
{
	struct vs_buf man;
	char entry[100];

	(void)state;
	vs_buf_init(&man, 65536);
	assert_int_equal(vs_conf_print_man(&man), 0);
	for (size_t i = 0; i < conf_opts_count; i++) {
		(void)snprintf(entry, sizeof(entry), ".TP\n.B %s\n", conf_opts[i].key);
		assert_non_null(strstr(vs_buf_str(&man), entry));
	}
	for (size_t i = 0; i < conf_opt_region_count; i++) {
		(void)snprintf(entry, sizeof(entry), ".TP\n.B %s\n", conf_opt_region[i].key);
		assert_non_null(strstr(vs_buf_str(&man), entry));
	}
	vs_buf_fini(&man);
}

static void
conf_print__reports_a_full_buffer(void **state)
{
	struct vs_conf *conf = parse_ok("");
	struct vs_buf small;

	(void)state;
	for (size_t cap = 0; cap < 700; cap += 13) {
		vs_buf_init(&small, cap);
		assert_int_equal(vs_conf_print(conf, &small), VS_EFULL);
		vs_buf_clear(&small);
		assert_int_equal(vs_conf_print_example(&small), VS_EFULL);
		vs_buf_clear(&small);
		assert_int_equal(vs_conf_print_man(&small), VS_EFULL);
		vs_buf_fini(&small);
	}
	vs_conf_free(conf);
}

static const struct conf_opt *
opt_find(const char *section, const char *key)
{
	for (size_t i = 0; i < conf_opts_count; i++) {
		if (strcmp(conf_opts[i].section, section) == 0 &&
		    strcmp(conf_opts[i].key, key) == 0)
			return &conf_opts[i];
	}
	return NULL;
}

/* The table itself: defaults obey their own rules, sections stand together. */
static void
conf_opt__rows_are_consistent(void **state)
{
	(void)state;
	for (size_t i = 0; i < conf_opts_count; i++) {
		const struct conf_opt *opt = &conf_opts[i];

		assert_ptr_equal(opt_find(opt->section, opt->key), opt);
		assert_true(strlen(opt->help) > 10);
		if (opt->type == CONF_OPT_INT)
			assert_in_range(opt->dflt_num, opt->min, opt->max);
		if (opt->type == CONF_OPT_STR)
			assert_null(conf_opt_check(opt, opt->dflt_str));
		for (size_t j = i + 2; j < conf_opts_count; j++) {
			if (strcmp(conf_opts[j - 1].section, opt->section) != 0)
				assert_string_not_equal(conf_opts[j].section, opt->section);
		}
	}
	for (size_t i = 0; i < conf_opt_region_count; i++) {
		const struct conf_opt *opt = &conf_opt_region[i];

		assert_null(opt->section);
		if (opt->type == CONF_OPT_INT)
			assert_in_range(opt->dflt_num, opt->min, opt->max);
		else
			assert_null(conf_opt_check(opt, opt->dflt_str));
	}
}

static void
conf_opt_check__knows_addresses(void **state)
{
	const struct conf_opt *listen = opt_find("cdpd", "listen");
	const struct conf_opt *run_dir = opt_find("platform", "run_dir");
	char path[82];

	(void)state;
	assert_non_null(listen);
	assert_non_null(run_dir);
	assert_null(conf_opt_check(listen, ""));
	assert_null(conf_opt_check(listen, "/run/x.sock"));
	assert_null(conf_opt_check(listen, "127.0.0.1:1"));
	assert_null(conf_opt_check(listen, "[::1]:65535"));
	assert_non_null(conf_opt_check(listen, "run/x.sock"));
	assert_non_null(conf_opt_check(listen, "127.0.0.1"));
	assert_non_null(conf_opt_check(listen, ":80"));
	memset(path, '/', sizeof(path) - 1);
	path[80] = '\0';
	assert_null(conf_opt_check(run_dir, path));
	path[80] = '/';
	path[81] = '\0';
	assert_non_null(conf_opt_check(run_dir, path));
}

#define CONF_TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		CONF_TEST(conf_parse__gives_the_defaults_for_nothing),
		CONF_TEST(conf_parse__reads_every_form_of_a_line),
		CONF_TEST(conf_parse__names_each_fault_and_its_line),
		CONF_TEST(conf_parse__checks_the_public_url),
		CONF_TEST(conf_parse__has_caps),
		CONF_TEST(conf_parse__is_refused_when_faults_find_no_room),
		CONF_TEST(conf_parse__lets_the_environment_win),
		CONF_TEST(conf_load__reads_a_file_or_says_why_not),
		CONF_TEST(conf_print__gives_a_file_that_means_the_same),
		CONF_TEST(conf_print_example__shows_the_defaults),
		CONF_TEST(conf_print_man__names_every_option),
		CONF_TEST(conf_print__reports_a_full_buffer),
		CONF_TEST(conf_opt__rows_are_consistent),
		CONF_TEST(conf_opt_check__knows_addresses),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
