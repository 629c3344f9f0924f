/* SPDX-License-Identifier: Apache-2.0 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/err.h"
#include "runtime-image/agent/link.h"

static int pair[2];
static struct link_msg got;
static int fds[LINK_MAX_FDS];
static size_t nfds;

static int
setup(void **state)
{
	(void)state;
	return link_pair(pair);
}

static int
teardown(void **state)
{
	(void)state;
	(void)close(pair[0]);
	(void)close(pair[1]);
	return 0;
}

static void
link__carries_message_and_descriptors(void **state)
{
	struct link_msg msg = { .type = LINK_SOCKETS, .arg = { -1, 7 }, .text = "words" };
	const int sent[2] = { 0, 1 };

	(void)state;
	assert_int_equal(link_send(pair[1], &msg, sent, 2), 0);
	assert_int_equal(link_recv(pair[0], &got, fds, &nfds), 0);
	assert_int_equal(got.type, LINK_SOCKETS);
	assert_int_equal(got.arg[0], -1);
	assert_int_equal(got.arg[1], 7);
	assert_string_equal(got.text, "words");
	assert_int_equal(nfds, 2);
	for (size_t i = 0; i < nfds; i++) {
		assert_int_equal(fcntl(fds[i], F_GETFD), FD_CLOEXEC);
		(void)close(fds[i]);
	}
	assert_int_equal(link_recv(pair[0], &got, fds, &nfds), VS_EAGAIN);
}

static void
link__refuses_what_is_malformed(void **state)
{
	struct link_msg msg = { .type = LINK_HELLO };
	char big[sizeof(msg) + 1] = { 0 };

	(void)state;
	assert_true(send(pair[1], "short", 5, 0) == 5);
	assert_int_equal(link_recv(pair[0], &got, fds, &nfds), VS_EPROTO);
	/* without the text's end */
	memset(msg.text, 'x', sizeof(msg.text));
	assert_true(send(pair[1], &msg, sizeof(msg), 0) > 0);
	assert_int_equal(link_recv(pair[0], &got, fds, &nfds), VS_EPROTO);
	assert_true(send(pair[1], big, sizeof(big), 0) > 0);
	assert_int_equal(link_recv(pair[0], &got, fds, &nfds), VS_EPROTO);
}

static int
open_fds(void)
{
	int count = 0;

	for (int fd = 0; fd < 256; fd++)
		count += fcntl(fd, F_GETFD) >= 0;
	return count;
}

static void
link__keeps_no_descriptor_of_a_bad_message(void **state)
{
	union {
		struct cmsghdr align;
		char bytes[CMSG_SPACE(sizeof(int) * 16)];
	} space = { .bytes = { 0 } };
	char byte = 0;
	struct iovec iov = { &byte, 1 };
	struct msghdr hdr = { .msg_iov = &iov, .msg_iovlen = 1, .msg_control = space.bytes };
	const int counts[] = { 1, LINK_MAX_FDS, 16 };
	int before = open_fds();

	(void)state;
	for (size_t i = 0; i < VS_COUNTOF(counts); i++) {
		struct cmsghdr *cmsg;

		hdr.msg_controllen = CMSG_SPACE(sizeof(int) * (size_t)counts[i]);
		cmsg = CMSG_FIRSTHDR(&hdr);
		cmsg->cmsg_level = SOL_SOCKET;
		cmsg->cmsg_type = SCM_RIGHTS;
		cmsg->cmsg_len = CMSG_LEN(sizeof(int) * (size_t)counts[i]);
		memset(CMSG_DATA(cmsg), 0, sizeof(int) * (size_t)counts[i]);
		assert_int_equal(sendmsg(pair[1], &hdr, 0), 1);
		assert_int_equal(link_recv(pair[0], &got, fds, &nfds), VS_EPROTO);
		assert_int_equal(open_fds(), before);
	}
}

static void
link__says_when_the_other_end_is_gone(void **state)
{
	struct link_msg msg = { .type = LINK_HELLO };

	(void)state;
	(void)close(pair[1]);
	pair[1] = -1;
	assert_int_equal(link_recv(pair[0], &got, fds, &nfds), VS_ECLOSED);
	assert_int_equal(link_send(pair[0], &msg, NULL, 0), VS_ECLOSED);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
		    link__carries_message_and_descriptors, setup, teardown),
		cmocka_unit_test_setup_teardown(link__refuses_what_is_malformed, setup, teardown),
		cmocka_unit_test_setup_teardown(
		    link__keeps_no_descriptor_of_a_bad_message, setup, teardown),
		cmocka_unit_test_setup_teardown(
		    link__says_when_the_other_end_is_gone, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
