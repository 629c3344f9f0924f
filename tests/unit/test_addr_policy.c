/* SPDX-License-Identifier: Apache-2.0 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <string.h>

#include "lib/err.h"
#include "runtime-image/agent/addr_policy.h"

static struct sockaddr_storage
address(const char *text, uint16_t port)
{
	struct sockaddr_in v4 = { .sin_family = AF_INET, .sin_port = htons(port) };
	struct sockaddr_in6 v6 = { .sin6_family = AF_INET6, .sin6_port = htons(port) };
	struct sockaddr_storage out = { .ss_family = AF_UNSPEC };

	if (inet_pton(AF_INET, text, &v4.sin_addr) == 1)
		memcpy(&out, &v4, sizeof(v4));
	else if (inet_pton(AF_INET6, text, &v6.sin6_addr) == 1)
		memcpy(&out, &v6, sizeof(v6));
	else
		fail_msg("%s is no address", text);
	return out;
}

static bool
permits(const struct addr_policy *policy, const char *text, uint16_t port)
{
	struct sockaddr_storage addr = address(text, port);

	return addr_policy_permits(policy, (const struct sockaddr *)&addr);
}

static void
addr_policy__knows_what_is_of_the_internet(void **state)
{
	static const struct {
		const char *addr;
		bool permitted;
	} rows[] = {
		{ "8.8.8.8", true },
		{ "1.1.1.1", true },
		{ "0.0.0.0", false },
		{ "0.1.2.3", false },
		{ "9.255.255.255", true },
		{ "10.0.0.0", false },
		{ "10.255.255.255", false },
		{ "11.0.0.0", true },
		{ "100.63.255.255", true },
		{ "100.64.0.0", false },
		{ "100.100.100.200", false },
		{ "100.127.255.255", false },
		{ "100.128.0.0", true },
		{ "127.0.0.1", false },
		{ "127.255.255.254", false },
		{ "168.63.129.15", true },
		{ "168.63.129.16", false },
		{ "169.253.255.255", true },
		{ "169.254.169.254", false },
		{ "172.15.255.255", true },
		{ "172.16.0.0", false },
		{ "172.31.255.255", false },
		{ "172.32.0.0", true },
		{ "192.0.0.192", false },
		{ "192.0.1.0", true },
		{ "192.0.2.1", false },
		{ "192.88.99.1", false },
		{ "192.168.0.1", false },
		{ "192.169.0.0", true },
		{ "198.17.255.255", true },
		{ "198.18.0.1", false },
		{ "198.19.255.255", false },
		{ "198.51.100.1", false },
		{ "203.0.113.1", false },
		{ "223.255.255.255", true },
		{ "224.0.0.1", false },
		{ "239.255.255.255", false },
		{ "240.0.0.1", false },
		{ "255.255.255.255", false },
		{ "::", false },
		{ "::1", false },
		{ "::7f00:1", false },
		{ "::ffff:127.0.0.1", false },
		{ "::ffff:10.1.2.3", false },
		{ "::ffff:8.8.8.8", true },
		{ "64:ff9b::8.8.8.8", true },
		{ "64:ff9b::127.0.0.1", false },
		{ "64:ff9b::169.254.169.254", false },
		{ "64:ff9b:1::8.8.8.8", false },
		{ "100::1", false },
		{ "2001:4860:4860::8888", true },
		{ "2001::1", false },
		{ "2001:1ff:ffff::1", false },
		{ "2001:200::1", true },
		{ "2001:db8::1", false },
		{ "2002:7f00:1::", false },
		{ "2003::1", true },
		{ "2606:4700::1111", true },
		{ "3fff::1", false },
		{ "3fff:1000::1", true },
		{ "4000::1", false },
		{ "5f00::1", false },
		{ "fc00::1", false },
		{ "fd00:ec2::254", false },
		{ "fe80::1", false },
		{ "fec0::1", false },
		{ "ff02::1", false },
	};
	const struct addr_policy none = { .count = 0 };

	(void)state;
	for (size_t i = 0; i < VS_COUNTOF(rows); i++) {
		if (permits(&none, rows[i].addr, 443) != rows[i].permitted)
			fail_msg("%s", rows[i].addr);
	}
}

static void
addr_policy__an_entry_opens_what_it_says(void **state)
{
	static const struct {
		const char *entry, *addr;
		uint16_t port;
		bool permitted;
	} rows[] = {
		{ "127.0.0.1", "127.0.0.1", 1, true },
		{ "127.0.0.1", "127.0.0.2", 1, false },
		{ "127.0.0.1", "::ffff:127.0.0.1", 1, true },
		{ "127.0.0.1", "::1", 1, false },
		{ "127.0.0.1:80", "127.0.0.1", 80, true },
		{ "127.0.0.1:80", "127.0.0.1", 81, false },
		{ "127.0.0.1:8090-8099", "127.0.0.1", 8089, false },
		{ "127.0.0.1:8090-8099", "127.0.0.1", 8090, true },
		{ "127.0.0.1:8090-8099", "127.0.0.1", 8099, true },
		{ "127.0.0.1:8090-8099", "127.0.0.1", 8100, false },
		{ "10.1.0.0/16", "10.1.255.1", 443, true },
		{ "10.1.0.0/16", "10.2.0.1", 443, false },
		{ "10.1.0.0/16:443", "10.1.0.1", 444, false },
		{ "10.0.0.0/9", "10.127.0.1", 1, true },
		{ "10.0.0.0/9", "10.128.0.1", 1, false },
		{ "0.0.0.0/0", "127.0.0.1", 65535, true },
		{ "0.0.0.0/0", "fd00::1", 1, false },
		{ "::1", "::1", 1, true },
		{ "fd00::/8", "fd12::1", 1, true },
		{ "fd00::/8", "fc00::1", 1, false },
		{ "fd00::/8:443", "fd12::1", 80, false },
		{ "[::1]:8080", "::1", 8080, true },
		{ "[::1]:8080", "::1", 8081, false },
		{ "[fd00::]/8:1-2", "fd12::1", 2, true },
	};

	(void)state;
	for (size_t i = 0; i < VS_COUNTOF(rows); i++) {
		struct addr_policy policy = { .count = 0 };

		assert_int_equal(addr_policy_allow(&policy, rows[i].entry), 0);
		if (permits(&policy, rows[i].addr, rows[i].port) != rows[i].permitted)
			fail_msg("%s: %s port %u", rows[i].entry, rows[i].addr, rows[i].port);
	}
}

static void
addr_policy__refuses_entries_that_are_not_exact(void **state)
{
	static const char *const rows[] = {
		"",
		" ",
		"localhost",
		"127.0.0.1 ",
		" 127.0.0.1",
		"127.1",
		"2130706433",
		"127.0.0.1:",
		"127.0.0.1:-",
		"127.0.0.1:80-",
		"127.0.0.1:-80",
		"127.0.0.1:90-80",
		"127.0.0.1:65536",
		"127.0.0.1:080",
		"127.0.0.1:80x",
		"127.0.0.1:80-81-82",
		"127.0.0.1/",
		"127.0.0.1/33",
		"127.0.0.1/-1",
		"127.0.0.1/8",
		"10.0.0.1/8",
		"10.0.0.0/08",
		"10.0.0.0/8/8",
		"[::1",
		"::1]",
		"[127.0.0.1]",
		"[]",
		"[::1]80",
		"fd00::1/8",
		"fd00::/129",
		"fe80::1%eth0",
		"*",
	};
	struct addr_policy policy = { .count = 0 };

	(void)state;
	for (size_t i = 0; i < VS_COUNTOF(rows); i++) {
		if (addr_policy_allow(&policy, rows[i]) != VS_EINVAL)
			fail_msg("'%s' was taken", rows[i]);
	}
	assert_int_equal(policy.count, 0);
}

static void
addr_policy__has_a_cap(void **state)
{
	struct addr_policy policy = { .count = 0 };

	(void)state;
	for (int i = 0; i < ADDR_POLICY_MAX; i++)
		assert_int_equal(addr_policy_allow(&policy, "127.0.0.1"), 0);
	assert_int_equal(addr_policy_allow(&policy, "127.0.0.1"), VS_EFULL);
}

static void
addr_policy__only_a_listed_address_is_listed(void **state)
{
	struct addr_policy policy = { .count = 0 };
	struct sockaddr_storage addr = address("127.0.0.1", 80);

	(void)state;
	assert_int_equal(addr_policy_allow(&policy, "127.0.0.1:80"), 0);
	assert_true(addr_policy_listed(&policy, (const struct sockaddr *)&addr));
	addr = address("8.8.8.8", 80);
	assert_false(addr_policy_listed(&policy, (const struct sockaddr *)&addr));
	assert_true(addr_policy_permits(&policy, (const struct sockaddr *)&addr));
	addr.ss_family = AF_UNIX;
	assert_false(addr_policy_permits(&policy, (const struct sockaddr *)&addr));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(addr_policy__knows_what_is_of_the_internet),
		cmocka_unit_test(addr_policy__an_entry_opens_what_it_says),
		cmocka_unit_test(addr_policy__refuses_entries_that_are_not_exact),
		cmocka_unit_test(addr_policy__has_a_cap),
		cmocka_unit_test(addr_policy__only_a_listed_address_is_listed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
