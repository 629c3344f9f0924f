/* SPDX-License-Identifier: Apache-2.0 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "fcgi/route.h"

#define ID "01JZZZZZZZZZZZZZZZZZZZZZZZ"

/* clang-format off */
static const struct {
	const char *method, *path, *want;	/* the row's path; NULL: none */
} found[] = {
	{ "GET", "/v1/health", "/v1/health" },
	{ "HEAD", "/v1/health", "/v1/health" },
	{ "GET", "/v1/ready", "/v1/ready" },
	{ "POST", "/v1/sessions", "/v1/sessions" },
	{ "GET", "/v1/sessions", "/v1/sessions" },
	{ "GET", "/v1/sessions/" ID, "/v1/sessions/{id}" },
	{ "PATCH", "/v1/sessions/" ID, "/v1/sessions/{id}" },
	{ "POST", "/v1/sessions/" ID, "/v1/sessions/{id}" },
	{ "DELETE", "/v1/sessions/" ID, "/v1/sessions/{id}" },
	{ "GET", "/v1/sessions/" ID "/events", "/v1/sessions/{id}/events" },
	{ "POST", "/v1/sessions/" ID ":keepalive", "/v1/sessions/{id}:keepalive" },
};

static const char *const unknown[] = {
	"", "/", "/v1", "/v1/", "/v2/sessions", "/v1/sessions/", "/v1/Sessions",
	"/v1/sessions/" ID "/", "/v1/sessions/" ID "/event", "/v1/sessions/" ID "/events/",
	"/v1/sessions/" ID ":", "/v1/sessions/" ID ":Keepalive", "/v1/sessions/" ID ":keepalive/",
	"/v1/sessions/" ID ":live-view", "/v1/sessions/" ID ":save-profile",
	"/v1/sessions/01jzzzzzzzzzzzzzzzzzzzzzzz",
	"/v1/sessions/81JZZZZZZZZZZZZZZZZZZZZZZZ",
	"/v1/sessions/01JZZZZZZZZZZZZZZZZZZZZZZ",
	"/v1/sessions/" ID "Z",
	"/v1/sessions/01JZZZZZZZZZZZZZZZZZZZZZZ%",
	"/v1/sessions/{id}", "/v1/profiles", "/v1/usage", "/v1/audit",
};
/* clang-format on */

static void
route_find__finds_each_address(void **state)
{
	struct route_match match;

	(void)state;
	for (size_t i = 0; i < VS_COUNTOF(found); i++) {
		route_find(method_parse(found[i].method), found[i].path, &match);
		if (match.route == NULL || strcmp(match.route->path, found[i].want) != 0)
			fail_msg("%s %s", found[i].method, found[i].path);
		assert_string_equal(match.id, strstr(found[i].path, ID) != NULL ? ID : "");
	}
}

static void
route_find__knows_no_other_address(void **state)
{
	static const char *const methods[] = { "GET", "POST", "PATCH", "DELETE", "PUT" };
	struct route_match match;

	(void)state;
	for (size_t i = 0; i < VS_COUNTOF(unknown); i++) {
		for (size_t m = 0; m < VS_COUNTOF(methods); m++) {
			route_find(method_parse(methods[m]), unknown[i], &match);
			if (match.near != NULL || match.route != NULL)
				fail_msg("%s %s", methods[m], unknown[i]);
		}
	}
}

static void
route_allow__lists_the_methods_of_a_path(void **state)
{
	static const char *const other[] = { "TRACE", "OPTIONS", "PUT", "get", "", "QUERY" };
	char allow[ROUTE_ALLOW_SIZE];
	struct route_match match;

	(void)state;
	for (size_t i = 0; i < VS_COUNTOF(other); i++) {
		route_find(method_parse(other[i]), "/v1/sessions/" ID, &match);
		assert_null(match.route);
		assert_non_null(match.near);
		route_allow(match.near, allow);
		assert_string_equal(allow, "GET, HEAD, PATCH, POST, DELETE");
	}
	route_find(METHOD_GET, "/v1/sessions/" ID ":keepalive", &match);
	assert_null(match.route);
	route_allow(match.near, allow);
	assert_string_equal(allow, "POST");
}

static void
routes__open_ones_are_open_for_every_method(void **state)
{
	(void)state;
	for (size_t i = 0; i < routes_count; i++) {
		for (size_t k = 0; k < routes_count; k++) {
			if (strcmp(routes[i].path, routes[k].path) == 0)
				assert_int_equal(
				    routes[i].role == ROLE_NONE, routes[k].role == ROLE_NONE);
		}
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(route_find__finds_each_address),
		cmocka_unit_test(route_find__knows_no_other_address),
		cmocka_unit_test(route_allow__lists_the_methods_of_a_path),
		cmocka_unit_test(routes__open_ones_are_open_for_every_method),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
