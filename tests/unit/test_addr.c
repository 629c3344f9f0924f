/* SPDX-License-Identifier: Apache-2.0 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/un.h>

#include "cdpd/addr.h"
#include "lib/err.h"

static void
addr_tcp__takes_numbers_only(void **state)
{
	static const struct {
		const char *text;
		int family; /* 0: refused */
		int port;
	} rows[] = {
		{ "127.0.0.1:9222", AF_INET, 9222 },
		{ "0.0.0.0:0", AF_INET, 0 },
		{ "[::1]:80", AF_INET6, 80 },
		{ "[2001:db8::1]:65535", AF_INET6, 65535 },
		{ "localhost:80", 0, 0 },
		{ "127.0.0.1", 0, 0 },
		{ "127.0.0.1:", 0, 0 },
		{ "127.0.0.1:http", 0, 0 },
		{ ":80", 0, 0 },
		{ "[]:80", 0, 0 },
		{ "", 0, 0 },
		{ "1111111111111111111111111111111111111111111111111111111111111111111111:1", 0,
		    0 },
	};
	struct sockaddr_storage addr;
	socklen_t len;

	(void)state;
	for (size_t i = 0; i < VS_COUNTOF(rows); i++) {
		int rc = addr_tcp(rows[i].text, &addr, &len);

		if (rc != (rows[i].family != 0 ? 0 : VS_EINVAL))
			fail_msg("%s", rows[i].text);
		if (rc < 0)
			continue;
		assert_int_equal(addr.ss_family, rows[i].family);
		/* The port stands at the same place in both kinds. */
		assert_int_equal(
		    ntohs(((const struct sockaddr_in *)&addr)->sin_port), rows[i].port);
	}
}

static void
addr_unix__takes_an_absolute_path_that_fits(void **state)
{
	struct sockaddr_storage addr;
	char path[200];
	socklen_t len;

	(void)state;
	assert_int_equal(addr_unix("/run/ventus/x.sock", &addr, &len), 0);
	assert_string_equal(((const struct sockaddr_un *)&addr)->sun_path, "/run/ventus/x.sock");
	assert_int_equal(addr_unix("x.sock", &addr, &len), VS_EINVAL);
	assert_int_equal(addr_unix("", &addr, &len), VS_EINVAL);
	memset(path, 'a', sizeof(path));
	path[0] = '/';
	path[107] = '\0';
	assert_int_equal(addr_unix(path, &addr, &len), 0);
	path[107] = 'a';
	path[108] = '\0';
	assert_int_equal(addr_unix(path, &addr, &len), VS_EINVAL);
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(addr_tcp__takes_numbers_only),
		cmocka_unit_test(addr_unix__takes_an_absolute_path_that_fits),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
