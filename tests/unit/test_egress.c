/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The egress relay in a network of the test's own, with a name server that answers
 * what an attacker's would.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <netinet/in.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/clock.h"
#include "runtime-image/agent/egress.h"

#define OWN_PUBLIC "8.8.4.4" /* given to this network's loopback */
#define WAIT_MS    20000

static struct vs_loop *loop;
static struct egress *egress;
static struct addr_policy policy;
static uint16_t relay_port, web_port;
static int web_fd;
static pid_t dns_pid;
static bool have_network;

/* --- A name server --- */

static const struct {
	const char *name; /* as on the wire: length bytes */
	const char *a[2], *aaaa;
} records[] = {
	{ "\7private\4test", { "10.0.0.1", NULL }, NULL },
	{ "\4loop\4test", { "127.0.0.1", NULL }, NULL },
	{ "\5loop6\4test", { NULL, NULL }, "::1" },
	{ "\6mapped\4test", { NULL, NULL }, "::ffff:127.0.0.1" },
	{ "\4meta\4test", { "169.254.169.254", NULL }, NULL },
	{ "\5mixed\4test", { "10.0.0.1", "127.0.0.9" }, NULL },
	{ "\3own\4test", { OWN_PUBLIC, NULL }, NULL },
	{ "\6listed\4test", { "127.0.0.9", NULL }, NULL },
};

static size_t
dns_put(uint8_t *at, int family, const char *addr)
{
	static const uint8_t head[] = { 0xc0, 12, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0 };
	size_t len = family == AF_INET ? 4 : 16;

	if (addr == NULL)
		return 0;
	memcpy(at, head, sizeof(head));
	at[3] = family == AF_INET ? 1 : 28;
	at[11] = (uint8_t)len;
	(void)inet_pton(family, addr, at + 12);
	return 12 + len;
}

/* The query with answers behind its question; an unknown name does not exist. */
static size_t
dns_answer(uint8_t *msg, size_t question_end)
{
	int type = msg[question_end - 3];
	size_t end = question_end;

	msg[2] |= 0x80;
	msg[3] = 3;
	memset(msg + 6, 0, 6);
	for (size_t i = 0; i < VS_COUNTOF(records); i++) {
		if (strcasecmp((const char *)msg + 12, records[i].name) != 0)
			continue;
		msg[3] = 0;
		for (int n = 0; type == 1 && n < 2; n++) {
			msg[7] += records[i].a[n] != NULL;
			end += dns_put(msg + end, AF_INET, records[i].a[n]);
		}
		if (type == 28 && records[i].aaaa != NULL) {
			msg[7]++;
			end += dns_put(msg + end, AF_INET6, records[i].aaaa);
		}
	}
	return end;
}

static void VS_NORETURN
dns_serve(int fd)
{
	for (;;) {
		uint8_t msg[1024];
		struct sockaddr_in from;
		socklen_t len = sizeof(from);
		ssize_t got = recvfrom(fd, msg, 512, 0, (struct sockaddr *)&from, &len);

		if (got < 17)
			continue;
		size_t end = 12 + strlen((const char *)msg + 12) + 1 + 4;
		end = dns_answer(msg, end);
		(void)sendto(fd, msg, end, 0, (struct sockaddr *)&from, len);
	}
}

/* --- The network --- */

static bool
write_file(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	bool good = fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text);

	(void)close(fd);
	return good;
}

static bool
enter_namespaces(void)
{
	char map[64];
	uid_t uid = geteuid();

	if (uid == 0)
		return unshare(CLONE_NEWNET | CLONE_NEWNS) == 0;
	if (unshare(CLONE_NEWUSER | CLONE_NEWNET | CLONE_NEWNS) < 0)
		return false;
	(void)snprintf(map, sizeof(map), "0 %u 1", uid);
	return write_file("/proc/self/uid_map", map);
}

static bool
set_address(const char *interface, const char *addr)
{
	struct ifreq req = { .ifr_flags = 0 };
	struct sockaddr_in in = { .sin_family = AF_INET };
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	(void)snprintf(req.ifr_name, sizeof(req.ifr_name), "%s", interface);
	(void)inet_pton(AF_INET, addr, &in.sin_addr);
	memcpy(&req.ifr_addr, &in, sizeof(in));
	bool good = ioctl(fd, SIOCSIFADDR, &req) == 0;
	req.ifr_flags = IFF_UP | IFF_RUNNING;
	good = good && ioctl(fd, SIOCSIFFLAGS, &req) == 0;
	(void)close(fd);
	return good;
}

static bool
use_own_resolver(void)
{
	char path[] = "/tmp/ventus-resolv-XXXXXX";
	int fd = mkstemp(path);
	bool good = fd >= 0 && write_file(path, "nameserver 127.0.0.1\n") &&
		    mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0 &&
		    mount(path, "/etc/resolv.conf", NULL, MS_BIND, NULL) == 0;

	(void)close(fd);
	(void)unlink(path);
	return good;
}

static int
bound(int type, const char *addr, uint16_t port, uint16_t *ret_port)
{
	struct sockaddr_in in = { .sin_family = AF_INET, .sin_port = htons(port) };
	socklen_t len = sizeof(in);
	int fd = socket(AF_INET, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	(void)inet_pton(AF_INET, addr, &in.sin_addr);
	assert_int_equal(bind(fd, (const struct sockaddr *)&in, len), 0);
	if (type == SOCK_STREAM)
		assert_int_equal(listen(fd, 64), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&in, &len), 0);
	*ret_port = ntohs(in.sin_port);
	return fd;
}

static void
dns_start(void)
{
	uint16_t port;
	int fd = bound(SOCK_DGRAM, "127.0.0.1", 53, &port);

	(void)fcntl(fd, F_SETFL, 0);
	dns_pid = fork();
	if (dns_pid == 0) {
		(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
		dns_serve(fd);
	}
	(void)close(fd);
}

static int
group_setup(void **state)
{
	(void)state;
	have_network = enter_namespaces() && set_address("lo", "127.0.0.1") &&
		       set_address("lo:0", OWN_PUBLIC) && use_own_resolver();
	if (!have_network)
		return 0;
	dns_start();
	web_fd = bound(SOCK_STREAM, "0.0.0.0", 0, &web_port);
	return 0;
}

static int
group_teardown(void **state)
{
	(void)state;
	if (!have_network)
		return 0;
	(void)kill(dns_pid, SIGKILL);
	(void)waitpid(dns_pid, NULL, 0);
	return close(web_fd);
}

static int
setup(void **state)
{
	(void)state;
	if (!have_network)
		return 0;
	policy.count = 0;
	assert_int_equal(addr_policy_allow(&policy, "127.0.0.9"), 0);
	loop = vs_loop_new();
	assert_int_equal(egress_open(loop, &policy, &egress), 0);
	assert_int_equal(egress_listen(egress, bound(SOCK_STREAM, "127.0.0.1", 0, &relay_port)), 0);
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	if (!have_network)
		return 0;
	egress_free(egress);
	vs_loop_free(loop);
	return 0;
}

/* --- Clients --- */

static int
client_ask(const char *request)
{
	struct sockaddr_in in = { .sin_family = AF_INET,
		.sin_port = htons(relay_port),
		.sin_addr = { .s_addr = htonl(INADDR_LOOPBACK) } };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (!have_network)
		skip();
	assert_int_equal(connect(fd, (const struct sockaddr *)&in, sizeof(in)), 0);
	assert_int_equal(send(fd, request, strlen(request), MSG_NOSIGNAL), strlen(request));
	return fd;
}

/* The next bytes; "" at the end of the stream. */
static void
client_hear(int fd, char *ret_text, size_t size)
{
	vs_msec deadline = vs_clock_mono_ms() + WAIT_MS;
	ssize_t len;

	while ((len = recv(fd, ret_text, size - 1, MSG_DONTWAIT)) < 0) {
		assert_int_equal(errno, EAGAIN);
		assert_true(vs_clock_mono_ms() < deadline);
		assert_int_equal(vs_loop_once(loop, 20), 0);
	}
	ret_text[len] = '\0';
}

static int
status_of(const char *format)
{
	char request[512], answer[1024];
	char *at = strstr(format, "PORT");

	assert_non_null(at);
	(void)snprintf(request, sizeof(request), "%.*s%u%s HTTP/1.1\r\nHost: x\r\n\r\n",
	    (int)(at - format), format, web_port, at + 4);
	int fd = client_ask(request);
	client_hear(fd, answer, sizeof(answer));
	(void)close(fd);
	return atoi(answer + 9);
}

static void
egress__judges_what_a_name_resolves_to(void **state)
{
	static const struct {
		const char *request;
		int status;
	} rows[] = {
		{ "CONNECT listed.test:PORT", 200 },
		{ "CONNECT private.test:PORT", 403 },
		{ "CONNECT loop.test:PORT", 403 },
		{ "CONNECT loop6.test:PORT", 403 },
		{ "CONNECT mapped.test:PORT", 403 },
		{ "CONNECT meta.test:PORT", 403 },
		{ "CONNECT LOOP.test.:PORT", 403 },
		{ "CONNECT nowhere.test:PORT", 502 },
		{ "CONNECT localhost:PORT", 403 },
		{ "CONNECT a.localhost:PORT", 403 },
		{ "CONNECT 127.0.0.1:PORT", 403 },
		{ "GET http://loop.test:PORT/", 403 },
	};

	(void)state;
	for (size_t i = 0; i < VS_COUNTOF(rows); i++) {
		int status = status_of(rows[i].request);

		if (status != rows[i].status)
			fail_msg("%s: %d", rows[i].request, status);
	}
}

static void
egress__passes_over_a_refused_address_of_a_name(void **state)
{
	(void)state;
	assert_int_equal(status_of("CONNECT mixed.test:PORT"), 200);
}

static void
egress__refuses_this_machines_public_address(void **state)
{
	(void)state;
	assert_int_equal(status_of("CONNECT " OWN_PUBLIC ":PORT"), 403);
	assert_int_equal(status_of("CONNECT own.test:PORT"), 403);
	assert_int_equal(addr_policy_allow(&policy, OWN_PUBLIC), 0);
	assert_int_equal(status_of("CONNECT own.test:PORT"), 200);
}

static void
egress__says_that_nobody_listens(void **state)
{
	char answer[1024];
	int fd = client_ask("CONNECT 127.0.0.9:1 HTTP/1.1\r\nHost: x\r\n\r\n");

	(void)state;
	client_hear(fd, answer, sizeof(answer));
	assert_int_equal(atoi(answer + 9), 502);
	client_hear(fd, answer, sizeof(answer));
	assert_string_equal(answer, "");
	(void)close(fd);
}

static void
egress__wants_a_body_with_a_length(void **state)
{
	char answer[1024];
	int fd = client_ask("POST http://listed.test/ HTTP/1.1\r\nHost: x\r\n"
			    "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n");

	(void)state;
	client_hear(fd, answer, sizeof(answer));
	assert_int_equal(atoi(answer + 9), 411);
	(void)close(fd);
}

/* Under a sanitizer: an answer for a client that has left touches nothing. */
static void
egress__forgets_who_leaves_while_it_resolves(void **state)
{
	char request[128];

	(void)state;
	for (int i = 0; i < 20; i++) {
		(void)snprintf(
		    request, sizeof(request), "CONNECT n%d.test:80 HTTP/1.1\r\nHost: x\r\n\r\n", i);
		int fd = client_ask(request);
		assert_int_equal(vs_loop_once(loop, 1000), 0);
		(void)close(fd);
	}
	(void)client_ask("CONNECT last.test:80 HTTP/1.1\r\nHost: x\r\n\r\n");
	assert_int_equal(vs_loop_once(loop, 1000), 0);
	/* The relay itself ends with lookups under way. */
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(egress__judges_what_a_name_resolves_to),
		TEST(egress__passes_over_a_refused_address_of_a_name),
		TEST(egress__refuses_this_machines_public_address),
		TEST(egress__says_that_nobody_listens),
		TEST(egress__wants_a_body_with_a_length),
		TEST(egress__forgets_who_leaves_while_it_resolves),
	};

	return cmocka_run_group_tests(tests, group_setup, group_teardown);
}
