/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime-image/agent/egress.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/err.h"
#include "lib/httphead.h"
#include "runtime-image/agent/conn.h"
#include "runtime-image/agent/egress_dns.h"
#include "runtime-image/agent/egress_req.h"
#include "runtime-image/agent/relay.h"

#define EGRESS_MAX        256
#define EGRESS_CONNECT_MS 10000 /* all addresses of a name together */
#define EGRESS_ATTEMPT_MS 5000

struct egress {
	const struct addr_policy *policy;
	struct egress_dns *dns;
	struct conn_set set;
};

struct egress_conn {
	struct conn conn; /* first */
	bool connect;
	struct egress_lookup *lookup; /* owned; NULL before and after */
	size_t next;                  /* address to try */
	bool refused;                 /* the policy passed one over */
	vs_msec deadline;             /* of connecting */
};

static enum conn_next egress_request(struct conn *conn);
static enum conn_next egress_resolved(struct conn *conn);
static enum conn_next egress_connected(struct conn *conn);
static void egress_no_name(struct conn *conn);
static void egress_attempt_over(struct conn *conn);

static const struct conn_state state_request = {
	.name = "request", .timeout_ms = 10000, .poll = { EPOLLIN, 0 }, .run = egress_request
};
static const struct conn_state state_resolving = {
	.name = "resolving", .timeout_ms = 10000, .run = egress_resolved, .timeout = egress_no_name
};
static const struct conn_state state_connecting = { .name = "connecting",
	.timeout_ms = EGRESS_ATTEMPT_MS,
	.poll = { 0, EPOLLOUT },
	.run = egress_connected,
	.timeout = egress_attempt_over };

static struct egress_conn *
egress_conn_of(struct conn *conn)
{
	return VS_CONTAINER(conn, struct egress_conn, conn);
}

static struct egress *
egress_of(struct conn *conn)
{
	return VS_CONTAINER(conn->set, struct egress, set);
}

/* --- Answers of our own --- */

enum egress_fault {
	FAULT_REQUEST,
	FAULT_LENGTH,
	FAULT_REFUSED,
	FAULT_NAME,
	FAULT_CONNECT,
	FAULT_TIMEOUT
};

static const struct {
	const char *status, *text;
} faults[] = {
	[FAULT_REQUEST] = { "400 Bad Request", "This is not a request for a proxy." },
	[FAULT_LENGTH] = { "411 Length Required", "The body's length must be given." },
	[FAULT_REFUSED] = { "403 Forbidden", "This address is closed to the session." },
	[FAULT_NAME] = { "502 Bad Gateway", "The host's name was not found." },
	[FAULT_CONNECT] = { "502 Bad Gateway", "The host did not accept the connection." },
	[FAULT_TIMEOUT] = { "504 Gateway Timeout", "The host did not answer in time." },
};

static enum conn_next
egress_fail(struct conn *conn, enum egress_fault fault)
{
	struct vs_buf *out = &conn->side[CONN_UPSTREAM].in;

	if (vs_buf_printf(out,
		"HTTP/1.1 %s\r\nConnection: close\r\nContent-Type: text/plain\r\n"
		"Content-Length: %zu\r\n\r\n%s\n",
		faults[fault].status, strlen(faults[fault].text) + 1, faults[fault].text) < 0)
		return CONN_CLOSE;
	conn_goto(conn, &conn_draining);
	return CONN_AGAIN;
}

static void
egress_fail_now(struct conn *conn, enum egress_fault fault)
{
	if (egress_fail(conn, fault) == CONN_CLOSE)
		conn_bury(conn);
	else
		conn_drive(conn);
}

/* --- The request --- */

static void
egress_on_lookup(void *ctx)
{
	conn_drive(ctx);
}

/* Put the origin server's request in the place of the proxy's. */
static int
egress_rewrite(struct conn *conn, const struct vs_http_head *head, const struct egress_req *req)
{
	struct conn_side *client = &conn->side[CONN_CLIENT];
	size_t body = vs_buf_len(&client->in) - head->size;
	int64_t left = (head->content_length < 0 ? 0 : head->content_length) - (int64_t)body;
	struct vs_buf out;

	if (left < 0)
		return VS_EPROTO; /* more than one request at a time */
	vs_buf_init(&out, CONN_BUF_MAX);
	int rc = egress_req_head(head, req, &out);
	if (rc == 0)
		rc = vs_buf_append(&out, vs_buf_data(&client->in) + head->size, body);
	if (rc < 0) {
		vs_buf_fini(&out);
		return rc;
	}
	vs_buf_fini(&client->in);
	client->in = out;
	relay_limit(client, left);
	return 0;
}

static enum conn_next
egress_accept(struct conn *conn, const struct vs_http_head *head)
{
	struct egress_conn *ec = egress_conn_of(conn);
	struct egress_req req;

	if (egress_req_parse(head, &req) < 0)
		return egress_fail(conn, FAULT_REQUEST);
	if (!req.connect && head->chunked)
		return egress_fail(conn, FAULT_LENGTH);
	if (egress_req_phones_home(req.host))
		return egress_fail(conn, FAULT_REFUSED);
	ec->connect = req.connect;
	ec->lookup =
	    egress_dns_start(egress_of(conn)->dns, req.host, req.port, egress_on_lookup, conn);
	if (ec->lookup == NULL)
		return CONN_CLOSE;
	/* The views in head end here. */
	if (req.connect)
		vs_buf_consume(&conn->side[CONN_CLIENT].in, head->size);
	else if (egress_rewrite(conn, head, &req) < 0)
		return egress_fail(conn, FAULT_REQUEST);
	conn_goto(conn, &state_resolving);
	return CONN_AGAIN;
}

static enum conn_next
egress_request(struct conn *conn)
{
	const struct vs_buf *in = &conn->side[CONN_CLIENT].in;
	struct vs_http_head head;

	int rc = conn_read(conn, CONN_CLIENT);
	if (rc < 0)
		return rc == VS_EAGAIN ? CONN_WAIT : CONN_CLOSE;
	rc = vs_http_request((const char *)vs_buf_data(in), vs_buf_len(in), &head);
	if (rc == VS_EAGAIN)
		return CONN_WAIT;
	return rc < 0 ? egress_fail(conn, FAULT_REQUEST) : egress_accept(conn, &head);
}

/* --- Name and address --- */

static socklen_t
addr_len(const struct sockaddr_storage *addr)
{
	return addr->ss_family == AF_INET ? sizeof(struct sockaddr_in)
					  : sizeof(struct sockaddr_in6);
}

static bool
addr_same_host(const struct sockaddr_storage *a, const struct sockaddr_storage *b)
{
	if (a->ss_family != b->ss_family)
		return false;
	if (a->ss_family == AF_INET)
		return ((const struct sockaddr_in *)(const void *)a)->sin_addr.s_addr ==
		       ((const struct sockaddr_in *)(const void *)b)->sin_addr.s_addr;
	return IN6_ARE_ADDR_EQUAL(&((const struct sockaddr_in6 *)(const void *)a)->sin6_addr,
	    &((const struct sockaddr_in6 *)(const void *)b)->sin6_addr);
}

/*
 * Is it an address of this machine, a public one included? What listens here trusts
 * its firewall, and we are behind that. The kernel answers: it would talk to itself.
 */
static bool
addr_is_ours(const struct sockaddr_storage *addr)
{
	int fd = socket(addr->ss_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	struct sockaddr_storage from;
	socklen_t len = sizeof(from);

	if (fd < 0)
		return true;
	bool ours = connect(fd, (const struct sockaddr *)addr, addr_len(addr)) == 0 &&
		    getsockname(fd, (struct sockaddr *)&from, &len) == 0 &&
		    addr_same_host(addr, &from);
	(void)close(fd);
	return ours;
}

static bool
egress_permits(const struct egress *egress, const struct sockaddr_storage *addr)
{
	const struct sockaddr *sa = (const struct sockaddr *)addr;

	if (addr_policy_listed(egress->policy, sa))
		return true;
	return addr_policy_permits(egress->policy, sa) && !addr_is_ours(addr);
}

/* Begin to connect. 0; VS_EAGAIN: this address failed at once. */
static int
egress_dial(struct conn *conn, const struct sockaddr_storage *addr)
{
	int fd = socket(addr->ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	if (fd < 0)
		return VS_EAGAIN;
	if (connect(fd, (const struct sockaddr *)addr, addr_len(addr)) < 0 &&
	    errno != EINPROGRESS) {
		(void)close(fd);
		return VS_EAGAIN;
	}
	return conn_set_upstream(conn, fd) < 0 ? VS_EAGAIN : 0;
}

/* The next address that the policy permits and that does not fail at once. */
static enum conn_next
egress_try_next(struct conn *conn)
{
	struct egress_conn *ec = egress_conn_of(conn);

	while (ec->next < ec->lookup->naddrs) {
		const struct sockaddr_storage *addr = &ec->lookup->addr[ec->next++];

		if (!egress_permits(egress_of(conn), addr)) {
			ec->refused = true;
			continue;
		}
		if (egress_dial(conn, addr) == 0) {
			conn_goto(conn, &state_connecting);
			return CONN_WAIT;
		}
	}
	if (ec->lookup->naddrs == 0)
		return egress_fail(conn, FAULT_NAME);
	return egress_fail(conn, ec->refused ? FAULT_REFUSED : FAULT_CONNECT);
}

static enum conn_next
egress_resolved(struct conn *conn)
{
	struct egress_conn *ec = egress_conn_of(conn);

	if (!ec->lookup->finished)
		return CONN_WAIT;
	ec->deadline = vs_loop_now(conn->set->loop) + EGRESS_CONNECT_MS;
	return egress_try_next(conn);
}

static enum conn_next
egress_connected(struct conn *conn)
{
	struct egress_conn *ec = egress_conn_of(conn);
	struct conn_side *upstream = &conn->side[CONN_UPSTREAM];
	int error = 0;
	socklen_t len = sizeof(error);

	if (getsockopt(upstream->io.fd, SOL_SOCKET, SO_ERROR, &error, &len) < 0 || error != 0)
		return egress_try_next(conn);
	egress_lookup_free(ec->lookup);
	ec->lookup = NULL;
	if (ec->connect &&
	    vs_buf_puts(&upstream->in, "HTTP/1.1 200 Connection established\r\n\r\n") < 0)
		return CONN_CLOSE;
	conn_goto(conn, &relay_idle);
	return CONN_AGAIN;
}

static void
egress_no_name(struct conn *conn)
{
	egress_fail_now(conn, FAULT_TIMEOUT);
}

static void
egress_attempt_over(struct conn *conn)
{
	struct egress_conn *ec = egress_conn_of(conn);

	if (vs_loop_now(conn->set->loop) >= ec->deadline || ec->next == ec->lookup->naddrs)
		egress_fail_now(conn, FAULT_TIMEOUT);
	else if (egress_try_next(conn) == CONN_AGAIN)
		conn_drive(conn);
}

/* --- The relay as a whole --- */

static void
egress_accepted(struct conn *conn)
{
	conn_goto(conn, &state_request);
}

static void
egress_buried(struct conn *conn)
{
	struct egress_conn *ec = egress_conn_of(conn);

	egress_lookup_free(ec->lookup);
	ec->lookup = NULL;
}

int
egress_open(struct vs_loop *loop, const struct addr_policy *policy, struct egress **ret_egress)
{
	struct egress *egress = calloc(1, sizeof(*egress));

	if (egress == NULL)
		return VS_ENOMEM;
	egress->policy = policy;
	egress->set = (struct conn_set){ .conn_size = sizeof(struct egress_conn),
		.accepted = egress_accepted,
		.buried = egress_buried };
	int rc = conn_set_init(&egress->set, loop, EGRESS_MAX);
	if (rc == 0)
		rc = egress_dns_open(loop, &egress->dns);
	if (rc < 0) {
		egress_free(egress);
		return rc;
	}
	*ret_egress = egress;
	return 0;
}

void
egress_free(struct egress *egress)
{
	if (egress == NULL)
		return;
	conn_set_fini(&egress->set);
	egress_dns_free(egress->dns);
	free(egress);
}

int
egress_listen(struct egress *egress, int fd)
{
	return conn_set_listen(&egress->set, fd);
}
