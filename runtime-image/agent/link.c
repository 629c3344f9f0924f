/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime-image/agent/link.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stddef.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/err.h"

union fd_space {
	struct cmsghdr align;
	char bytes[CMSG_SPACE(sizeof(int) * LINK_MAX_FDS)];
};

int
link_pair(int ret_fds[2])
{
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ret_fds) < 0)
		return vs_err_from_errno(errno);
	if (fcntl(ret_fds[0], F_SETFL, O_NONBLOCK) < 0) {
		(void)close(ret_fds[0]);
		(void)close(ret_fds[1]);
		return VS_EIO;
	}
	return 0;
}

int
link_send(int fd, const struct link_msg *msg, const int *fds, size_t nfds)
{
	union fd_space space = { .bytes = { 0 } };
	struct iovec iov = { .iov_base = (void *)(uintptr_t)msg,
		.iov_len = offsetof(struct link_msg, text) + strlen(msg->text) + 1 };
	struct msghdr hdr = { .msg_iov = &iov, .msg_iovlen = 1 };

	if (nfds > LINK_MAX_FDS)
		return VS_EINVAL;
	if (nfds > 0) {
		hdr.msg_control = space.bytes;
		hdr.msg_controllen = CMSG_SPACE(sizeof(int) * nfds);
		struct cmsghdr *cmsg = CMSG_FIRSTHDR(&hdr);
		cmsg->cmsg_level = SOL_SOCKET;
		cmsg->cmsg_type = SCM_RIGHTS;
		cmsg->cmsg_len = CMSG_LEN(sizeof(int) * nfds);
		memcpy(CMSG_DATA(cmsg), fds, sizeof(int) * nfds);
	}
	if (sendmsg(fd, &hdr, MSG_NOSIGNAL) < 0)
		return vs_err_from_errno(errno);
	return 0;
}

static size_t
link_take_fds(struct msghdr *hdr, int ret_fds[LINK_MAX_FDS])
{
	struct cmsghdr *cmsg = CMSG_FIRSTHDR(hdr);

	if (cmsg == NULL || cmsg->cmsg_level != SOL_SOCKET || cmsg->cmsg_type != SCM_RIGHTS)
		return 0;
	size_t nfds = (cmsg->cmsg_len - CMSG_LEN(0)) / sizeof(int);
	memcpy(ret_fds, CMSG_DATA(cmsg), nfds * sizeof(int));
	return nfds;
}

static bool
link_well_formed(const struct link_msg *msg, size_t len, const struct msghdr *hdr)
{
	size_t head = offsetof(struct link_msg, text);

	return (hdr->msg_flags & (MSG_TRUNC | MSG_CTRUNC)) == 0 && len > head &&
	       memchr(msg->text, '\0', len - head) != NULL;
}

int
link_recv(int fd, struct link_msg *ret_msg, int ret_fds[LINK_MAX_FDS], size_t *ret_nfds)
{
	union fd_space space;
	struct iovec iov = { .iov_base = ret_msg, .iov_len = sizeof(*ret_msg) };
	struct msghdr hdr = { .msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = space.bytes,
		.msg_controllen = sizeof(space.bytes) };
	ssize_t len;

	do {
		len = recvmsg(fd, &hdr, MSG_CMSG_CLOEXEC);
	} while (len < 0 && errno == EINTR);
	if (len < 0)
		return vs_err_from_errno(errno);
	if (len == 0)
		return VS_ECLOSED;
	size_t nfds = link_take_fds(&hdr, ret_fds);
	if (!link_well_formed(ret_msg, (size_t)len, &hdr)) {
		while (nfds > 0)
			(void)close(ret_fds[--nfds]);
		return VS_EPROTO;
	}
	*ret_nfds = nfds;
	return 0;
}
