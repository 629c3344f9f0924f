/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime-image/agent/addr_policy.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include "lib/err.h"

#define V4_OFFSET 12 /* where the IPv4 address lies in a mapped one */
#define V4_BITS   96

struct net {
	const char *addr;
	int bits;
};

/* IANA's special-purpose registries, and what clouds serve their machines' secrets on. */
static const struct net refused_v4[] = {
	{ "0.0.0.0", 8 },
	{ "10.0.0.0", 8 },
	{ "100.64.0.0", 10 },
	{ "127.0.0.0", 8 },
	{ "168.63.129.16", 32 }, /* Azure's wire server, an ordinary-looking address */
	{ "169.254.0.0", 16 },
	{ "172.16.0.0", 12 },
	{ "192.0.0.0", 24 },
	{ "192.0.2.0", 24 },
	{ "192.88.99.0", 24 },
	{ "192.168.0.0", 16 },
	{ "198.18.0.0", 15 },
	{ "198.51.100.0", 24 },
	{ "203.0.113.0", 24 },
	{ "224.0.0.0", 4 },
	{ "240.0.0.0", 4 },
};

/* Within 2000::/3; everything outside of it is refused anyway. */
static const struct net refused_v6[] = {
	{ "2001::", 23 }, /* Teredo, ORCHID and others */
	{ "2001:db8::", 32 },
	{ "2002::", 16 }, /* 6to4 embeds any IPv4 address */
	{ "3fff::", 20 },
};

static const struct net global_v6 = { "2000::", 3 };
static const struct net nat64 = { "64:ff9b::", 96 };
static const struct net mapped_v4 = { "::ffff:0.0.0.0", V4_BITS };

static bool
addr_has_prefix(const uint8_t *addr, const uint8_t *prefix, int bits)
{
	int whole = bits / 8, rest = bits % 8;

	if (memcmp(addr, prefix, (size_t)whole) != 0)
		return false;
	return rest == 0 || ((addr[whole] ^ prefix[whole]) >> (8 - rest)) == 0;
}

static bool
addr_in(const uint8_t *addr, int family, const struct net *net)
{
	uint8_t prefix[16];

	return inet_pton(family, net->addr, prefix) == 1 &&
	       addr_has_prefix(addr, prefix, net->bits);
}

static bool
addr_in_any(const uint8_t *addr, int family, const struct net *nets, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		if (addr_in(addr, family, &nets[i]))
			return true;
	}
	return false;
}

/* The 16 bytes (IPv4 mapped, NAT64 unwrapped) and the port; false: no IP address. */
static bool
addr_normalise(const struct sockaddr *addr, uint8_t ret_addr[16], uint16_t *ret_port)
{
	if (addr->sa_family == AF_INET) {
		struct sockaddr_in v4;

		memcpy(&v4, addr, sizeof(v4));
		memset(ret_addr, 0, 10);
		memset(ret_addr + 10, 0xff, 2);
		memcpy(ret_addr + V4_OFFSET, &v4.sin_addr, 4);
		*ret_port = ntohs(v4.sin_port);
		return true;
	}
	if (addr->sa_family != AF_INET6)
		return false;
	struct sockaddr_in6 v6;
	memcpy(&v6, addr, sizeof(v6));
	memcpy(ret_addr, &v6.sin6_addr, 16);
	if (addr_in(ret_addr, AF_INET6, &nat64)) {
		memset(ret_addr, 0, 10);
		memset(ret_addr + 10, 0xff, 2);
	}
	*ret_port = ntohs(v6.sin6_port);
	return true;
}

static int
number_parse(const char *text, size_t len, int max, int *ret_number)
{
	int number = 0;

	if (len == 0 || len > 5 || (len > 1 && text[0] == '0'))
		return VS_EINVAL;
	for (size_t i = 0; i < len; i++) {
		if (text[i] < '0' || text[i] > '9')
			return VS_EINVAL;
		number = number * 10 + (text[i] - '0');
	}
	if (number > max)
		return VS_EINVAL;
	*ret_number = number;
	return 0;
}

/* "" for all ports, or ":port" or ":low-high". */
static int
ports_parse(const char *text, struct addr_net *net)
{
	int low = 0, high = 65535;

	if (*text != '\0') {
		size_t len = strcspn(text + 1, "-");

		if (*text != ':' || number_parse(text + 1, len, 65535, &low) < 0)
			return VS_EINVAL;
		text += 1 + len;
		high = low;
		if (*text == '-' && number_parse(text + 1, strlen(text + 1), 65535, &high) < 0)
			return VS_EINVAL;
	}
	if (low > high)
		return VS_EINVAL;
	net->port_lo = (uint16_t)low;
	net->port_hi = (uint16_t)high;
	return 0;
}

/* The address in front of '/', ':' (or ']') into net; what follows it in *ret_rest. */
static int
host_parse(const char *entry, struct addr_net *net, int *ret_family, const char **ret_rest)
{
	char host[INET6_ADDRSTRLEN];
	bool bracket = *entry == '[';
	bool v6 = bracket || strchr(entry, ':') != strrchr(entry, ':');
	const char *start = entry + bracket;
	size_t len = strcspn(start, bracket ? "]" : v6 ? "/" : "/:");

	if (len >= sizeof(host) || (bracket && start[len] != ']'))
		return VS_EINVAL;
	memcpy(host, start, len);
	host[len] = '\0';
	memset(net->addr, 0, 10);
	memset(net->addr + 10, 0xff, 2);
	if (inet_pton(v6 ? AF_INET6 : AF_INET, host, net->addr + (v6 ? 0 : V4_OFFSET)) != 1)
		return VS_EINVAL;
	*ret_family = v6 ? AF_INET6 : AF_INET;
	*ret_rest = start + len + bracket;
	return 0;
}

static bool
host_bits_clear(const struct addr_net *net)
{
	for (int bit = net->bits; bit < 128; bit++) {
		if ((net->addr[bit / 8] & (0x80 >> (bit % 8))) != 0)
			return false;
	}
	return true;
}

int
addr_policy_allow(struct addr_policy *policy, const char *entry)
{
	struct addr_net net;
	const char *rest;
	int family, bits;

	if (host_parse(entry, &net, &family, &rest) < 0)
		return VS_EINVAL;
	bits = family == AF_INET ? 32 : 128;
	if (*rest == '/') {
		size_t len = strcspn(rest + 1, ":");

		if (number_parse(rest + 1, len, bits, &bits) < 0)
			return VS_EINVAL;
		rest += 1 + len;
	}
	net.bits = (uint8_t)(family == AF_INET ? V4_BITS + bits : bits);
	/* 10.1.2.3/8 is more likely a slip than a wish. */
	if (!host_bits_clear(&net) || ports_parse(rest, &net) < 0)
		return VS_EINVAL;
	if (policy->count == ADDR_POLICY_MAX)
		return VS_EFULL;
	policy->allow[policy->count++] = net;
	return 0;
}

bool
addr_policy_listed(const struct addr_policy *policy, const struct sockaddr *addr)
{
	uint8_t bytes[16];
	uint16_t port;

	if (!addr_normalise(addr, bytes, &port))
		return false;
	for (size_t i = 0; i < policy->count; i++) {
		const struct addr_net *net = &policy->allow[i];

		if (addr_has_prefix(bytes, net->addr, net->bits) && port >= net->port_lo &&
		    port <= net->port_hi)
			return true;
	}
	return false;
}

bool
addr_policy_permits(const struct addr_policy *policy, const struct sockaddr *addr)
{
	uint8_t bytes[16];
	uint16_t port;

	if (!addr_normalise(addr, bytes, &port))
		return false;
	if (addr_policy_listed(policy, addr))
		return true;
	if (addr_in(bytes, AF_INET6, &mapped_v4))
		return !addr_in_any(bytes + V4_OFFSET, AF_INET, refused_v4, VS_COUNTOF(refused_v4));
	return addr_in(bytes, AF_INET6, &global_v6) &&
	       !addr_in_any(bytes, AF_INET6, refused_v6, VS_COUNTOF(refused_v6));
}
