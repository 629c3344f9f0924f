/* SPDX-License-Identifier: Apache-2.0 */
#include "cdpd/addr.h"

#include <netdb.h>
#include <string.h>
#include <sys/un.h>

#include "lib/err.h"

int
addr_unix(const char *path, struct sockaddr_storage *ret_addr, socklen_t *ret_len)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	size_t len = strlen(path);

	if (path[0] != '/' || len >= sizeof(addr.sun_path))
		return VS_EINVAL;
	memcpy(addr.sun_path, path, len);
	memcpy(ret_addr, &addr, sizeof(addr));
	*ret_len = sizeof(addr);
	return 0;
}

int
addr_tcp(const char *text, struct sockaddr_storage *ret_addr, socklen_t *ret_len)
{
	const struct addrinfo hints = {
		.ai_flags = AI_NUMERICHOST | AI_NUMERICSERV,
		.ai_family = AF_UNSPEC,
		.ai_socktype = SOCK_STREAM,
	};
	const char *colon = strrchr(text, ':');
	struct addrinfo *found;
	char host[64];
	size_t len;

	if (colon == NULL || colon[1] == '\0')
		return VS_EINVAL;
	len = (size_t)(colon - text);
	if (len >= 2 && text[0] == '[' && text[len - 1] == ']') {
		text++;
		len -= 2;
	}
	if (len == 0 || len >= sizeof(host))
		return VS_EINVAL;
	memcpy(host, text, len);
	host[len] = '\0';
	if (getaddrinfo(host, colon + 1, &hints, &found) != 0)
		return VS_EINVAL;
	memcpy(ret_addr, found->ai_addr, found->ai_addrlen);
	*ret_len = found->ai_addrlen;
	freeaddrinfo(found);
	return 0;
}
