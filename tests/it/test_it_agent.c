/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A real agent, its sandbox and its Chrome. The first group shares one runtime; each
 * test of the second ends one of its own.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/base.h"
#include "lib/clock.h"
#include "tests/support/agentrun.h"
#include "tests/support/cdpclient.h"

static struct agentrun shared, other;
static struct cdpclient page;
static pid_t web_pid;
static uint16_t web_port, closed_port;

/* --- A web server on the host's loopback --- */

static int
listen_loopback(uint16_t *ret_port)
{
	struct sockaddr_in addr = { .sin_family = AF_INET,
		.sin_addr = { .s_addr = htonl(INADDR_LOOPBACK) } };
	socklen_t len = sizeof(addr);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_int_equal(bind(fd, (const struct sockaddr *)&addr, len), 0);
	assert_int_equal(listen(fd, 16), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&addr, &len), 0);
	*ret_port = ntohs(addr.sin_port);
	return fd;
}

/* A head, and the body it announces. */
static void
web_read(int fd, char *ret_request, size_t size)
{
	size_t len = 0, want = size - 1;
	ssize_t got = 1;

	while (got > 0 && len < want) {
		got = recv(fd, ret_request + len, size - 1 - len, 0);
		len += got > 0 ? (size_t)got : 0;
		ret_request[len] = '\0';
		const char *end = strstr(ret_request, "\r\n\r\n");
		const char *body = strcasestr(ret_request, "\r\nContent-Length:");
		if (end != NULL)
			want = (size_t)(end + 4 - ret_request) +
			       (body == NULL ? 0 : (size_t)atoi(body + 17));
	}
}

/* Answers with the request it got, so that the test sees what arrives. */
static void VS_NORETURN
web_serve(int listener)
{
	for (;;) {
		char request[8192], answer[9000];
		int fd = accept(listener, NULL, NULL);

		web_read(fd, request, sizeof(request));
		int n = snprintf(answer, sizeof(answer),
		    "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n"
		    "Access-Control-Allow-Origin: *\r\nContent-Length: %zu\r\n\r\n%s",
		    strlen(request), request);
		(void)send(fd, answer, (size_t)n, MSG_NOSIGNAL);
		(void)close(fd);
	}
}

static void
web_start(void)
{
	int fd = listen_loopback(&web_port);

	web_pid = fork();
	if (web_pid == 0) {
		(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
		web_serve(fd);
	}
	(void)close(fd);
	/* A second one that nobody may reach: it listens for the whole test. */
	(void)listen_loopback(&closed_port);
}

static void
open_browser(struct cdpclient *cdp, const struct agentrun *run)
{
	char path[TMPDIR_SIZE + 16];

	(void)snprintf(path, sizeof(path), "%s/agent.sock", run->dir);
	cdpclient_open(cdp, path, "/cdp", "Authorization: Bearer " AGENTRUN_SECRET "\r\n");
	/* Compressed frames could not be looked into on the way. */
	assert_null(strstr(cdp->ws.head, "Extensions"));
}

static void
open_page(struct cdpclient *cdp, const struct agentrun *run)
{
	open_browser(cdp, run);
	assert_true(cdpclient_find_page(cdp));
	cdpclient_attach(cdp);
}

static void
close_target(struct cdpclient *cdp)
{
	char params[128];

	cdp->session[0] = '\0';
	(void)snprintf(params, sizeof(params), "{\"targetId\":\"%s\"}", cdp->target);
	cdpclient_do(cdp, "Target.closeTarget", params);
}

static int
shared_setup(void **state)
{
	char more[256];

	(void)state;
	web_start();
	(void)snprintf(more, sizeof(more),
	    ",\"egress_allow\":[\"127.0.0.1:%u\"],\"user_agent\":\"Ventus test/1.0 \\\"a\\\" "
	    "\xe2\x80\xa6\"",
	    web_port);
	agentrun_start(&shared, &(struct agentrun_spec){ 1000, 601, 0, more });
	agentrun_start(&other, &(struct agentrun_spec){ .more = ",\"user_agent\":null" });
	(void)json_object_put(agentrun_event(&shared, "ready"));
	(void)json_object_put(agentrun_event(&other, "ready"));
	agentrun_take_family(&shared);
	agentrun_take_family(&other);
	open_page(&page, &shared);
	return 0;
}

static int
shared_teardown(void **state)
{
	(void)state;
	cdpclient_close(&page);
	agentrun_end(&shared);
	agentrun_end(&other);
	(void)kill(web_pid, SIGKILL);
	(void)waitpid(web_pid, NULL, 0);
	return 0;
}

static void
assert_eval(const char *expression, const char *want)
{
	char *got = cdpclient_eval(&page, expression);

	assert_string_equal(got, want);
	free(got);
}

/* --- The API --- */

static void
api__answers_nothing_without_the_secret(void **state)
{
	static const char *const requests[] = {
		"GET /health HTTP/1.1\r\nHost: a\r\n\r\n",
		"POST /stop HTTP/1.1\r\nHost: a\r\n\r\n",
		"GET /nonsense HTTP/1.1\r\nHost: a\r\n\r\n",
		"GET /health HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer \r\n\r\n",
		"GET /health HTTP/1.1\r\nHost: a\r\n"
		"Authorization: Bearer 00112233445566778899aabbccddeefe\r\n\r\n",
		"GET /health HTTP/1.1\r\nHost: a\r\nAuthorization: " AGENTRUN_SECRET "\r\n\r\n",
	};
	char answer[1024];

	(void)state;
	for (size_t i = 0; i < VS_COUNTOF(requests); i++)
		assert_int_equal(agentrun_raw(&shared, requests[i], answer, sizeof(answer)), 401);
	assert_int_equal(agentrun_http(&shared, "GET", "/health", NULL, NULL, 0), 200);
}

static void
api__says_that_it_is_ready(void **state)
{
	char body[512];

	(void)state;
	assert_int_equal(agentrun_http(&shared, "GET", "/health", NULL, body, sizeof(body)), 200);
	assert_non_null(strstr(body, "\"state\":\"ready\",\"end\":null,"
				     "\"cdp_path\":\"/devtools/browser/"));
}

static void
api__refuses_what_it_does_not_know(void **state)
{
	static const struct {
		const char *method, *path, *body;
		int status;
	} rows[] = {
		{ "GET", "/", NULL, 404 },
		{ "GET", "/cdpx", NULL, 404 },
		{ "GET", "/cdp/json/new", NULL, 404 },
		{ "GET", "/cdp/devtools/inspector.html", NULL, 404 },
		{ "GET", "/cdp", NULL, 400 },
		{ "POST", "/cdp", NULL, 405 },
		{ "POST", "/health", NULL, 405 },
		{ "GET", "/stop", NULL, 405 },
		{ "POST", "/deadline", NULL, 400 },
		{ "POST", "/deadline", "{\"deadline_ms\":\"1\"}", 400 },
		{ "POST", "/deadline", "{\"deadline_ms\":1e999}", 400 },
	};

	(void)state;
	for (size_t i = 0; i < VS_COUNTOF(rows); i++) {
		int status =
		    agentrun_http(&shared, rows[i].method, rows[i].path, rows[i].body, NULL, 0);

		if (status != rows[i].status)
			fail_msg("%s %s: %d", rows[i].method, rows[i].path, status);
	}
}

static void
api__passes_discovery_on_once_a_connection(void **state)
{
	static char answer[65536];
	char body[4096];

	(void)state;
	assert_int_equal(
	    agentrun_http(&shared, "GET", "/cdp/json/version/?token=x", NULL, body, sizeof(body)),
	    200);
	assert_non_null(strstr(body, "\"webSocketDebuggerUrl\": \"ws://127.0.0.1:"));
	/* A second request would reach Chrome unseen. */
	assert_int_equal(agentrun_raw(&shared,
			     "GET /cdp/json/version HTTP/1.1\r\nHost: a\r\n"
			     "Authorization: Bearer " AGENTRUN_SECRET "\r\n\r\n"
			     "PUT /json/new?about:blank HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n",
			     answer, sizeof(answer)),
	    200);
	assert_null(strstr(answer + 12, "HTTP/1.1"));
}

static void
api__carries_large_messages_both_ways(void **state)
{
	char *got;

	(void)state;
	got = cdpclient_eval(&page, "'x'.repeat(20000000)");
	assert_int_equal(strlen(got), 20000000);
	free(got);
	assert_eval("1+1", "2");
}

/* --- The browser --- */

static void
browser__is_headful_and_named_as_asked(void **state)
{
	struct json_object *version;
	char *browser;

	(void)state;
	assert_eval("navigator.userAgent", "Ventus test/1.0 \"a\" ?");
	assert_eval("String(navigator.webdriver)", "false");
	version = cdpclient_call(&page, "Browser.getVersion", NULL);
	browser = strdup(json_object_get_string(json_object_object_get(version, "product")));
	assert_ptr_equal(strstr(browser, "Chrome/"), browser);
	free(browser);
	(void)json_object_put(version);
}

static void
browser__page_is_as_large_as_asked(void **state)
{
	(void)state;
	assert_eval("innerWidth+'x'+innerHeight", "1000x601");
	assert_eval("screen.width+'x'+screen.height", "1000x688");
}

static void
browser__page_can_be_narrower_than_any_window(void **state)
{
	struct agentrun run;
	struct cdpclient cdp;
	char *size;

	(void)state;
	agentrun_start(&run, &(struct agentrun_spec){ .width = 320, .height = 240 });
	(void)json_object_put(agentrun_event(&run, "ready"));
	open_page(&cdp, &run);
	size = cdpclient_eval(&cdp, "innerWidth+'x'+innerHeight");
	assert_string_equal(size, "320x240");
	free(size);
	cdpclient_close(&cdp);
	agentrun_end(&run);
}

static void
browser__time_zone_and_language_tell_nothing(void **state)
{
	(void)state;
	assert_eval("Intl.DateTimeFormat().resolvedOptions().timeZone", "UTC");
	assert_eval("navigator.language", "en-US");
}

static void
browser__sandbox_is_on(void **state)
{
	struct cdpclient tab;
	char *text = NULL;
	vs_msec deadline = vs_clock_mono_ms() + 10000;

	(void)state;
	open_browser(&tab, &shared);
	struct json_object *made =
	    cdpclient_call(&tab, "Target.createTarget", "{\"url\":\"chrome://sandbox\"}");
	const char *id = json_object_get_string(json_object_object_get(made, "targetId"));
	(void)snprintf(tab.target, sizeof(tab.target), "%s", id);
	(void)json_object_put(made);
	cdpclient_attach(&tab);
	do {
		free(text);
		text = cdpclient_eval(&tab, "document.body ? document.body.innerText : ''");
	} while (strstr(text, "sandboxed.") == NULL && vs_clock_mono_ms() < deadline);
	assert_non_null(strstr(text, "You are adequately sandboxed."));
	free(text);
	close_target(&tab);
	cdpclient_close(&tab);
}

static void
browser__survives_the_end_of_its_last_page(void **state)
{
	vs_msec deadline = vs_clock_mono_ms() + 10000;
	struct cdpclient cdp;
	char *sum;

	(void)state;
	open_page(&cdp, &other);
	close_target(&cdp);
	while (cdpclient_find_page(&cdp))
		assert_true(vs_clock_mono_ms() < deadline);
	cdpclient_do(&cdp, "Target.createTarget", "{\"url\":\"about:blank\"}");
	assert_true(cdpclient_find_page(&cdp));
	cdpclient_attach(&cdp);
	sum = cdpclient_eval(&cdp, "1+2");
	assert_string_equal(sum, "3");
	free(sum);
	cdpclient_close(&cdp);
}

/* --- Egress --- */

static void
assert_fetch(const char *url, const char *want)
{
	char expression[512];

	(void)snprintf(expression, sizeof(expression),
	    "fetch('%s').then(async r => r.status + ' ' + (await r.text()).slice(0, 12),"
	    " e => 'failed')",
	    url);
	assert_eval(expression, want);
}

static void
egress__lets_through_what_is_listed(void **state)
{
	char url[128];

	(void)state;
	(void)snprintf(url, sizeof(url), "http://127.0.0.1:%u/a?b", web_port);
	assert_fetch(url, "200 GET /a?b HTT");
	(void)snprintf(url, sizeof(url), "http://localhost:%u/c", web_port);
	assert_fetch(url, "200 GET /c HTTP/");
}

static void
egress__refuses_the_rest_of_the_host(void **state)
{
	char url[128];

	(void)state;
	(void)snprintf(url, sizeof(url), "http://127.0.0.1:%u/", closed_port);
	assert_fetch(url, "failed"); /* 403 without CORS */
	assert_fetch("http://169.254.169.254/latest/meta-data", "failed");
	assert_fetch("http://[::1]:1/", "failed");
}

/* Through the relay itself, as a program in the sandbox would: inside its network. */
static int
enter_network(const struct agentrun *run)
{
	char path[64];

	(void)snprintf(
	    path, sizeof(path), "/proc/%d/ns/net", (int)agentrun_find(run, "ventus-inside"));
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	int rc = fd < 0 ? -1 : setns(fd, CLONE_NEWNET);
	(void)close(fd);
	return rc;
}

static int
dial(uint16_t port)
{
	struct sockaddr_in addr = { .sin_family = AF_INET,
		.sin_port = htons(port),
		.sin_addr = { .s_addr = htonl(INADDR_LOOPBACK) } };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (connect(fd, (const struct sockaddr *)&addr, sizeof(addr)) == 0)
		return fd;
	(void)close(fd);
	return -1;
}

static int
proxy_status(const char *request)
{
	char answer[4096];
	size_t len = 0;
	ssize_t got;
	int fd = dial(3128);

	if (fd < 0 || send(fd, request, strlen(request), MSG_NOSIGNAL) < 0)
		return -1;
	while (len < 13 && (got = recv(fd, answer + len, sizeof(answer) - 1 - len, 0)) > 0)
		len += (size_t)got;
	answer[len] = '\0';
	(void)close(fd);
	return len < 12 ? -1 : atoi(answer + 9);
}

/* In a child of its own, which may go into the sandbox's network. */
static void
in_network_of(const struct agentrun *run, int (*fn)(void))
{
	int status;

	if (geteuid() != 0)
		skip();
	pid_t pid = fork();
	if (pid == 0) {
		(void)alarm(30);
		_exit(enter_network(run) < 0 ? 99 : fn());
	}
	(void)waitpid(pid, &status, 0);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
}

/* The number of the row that was answered wrongly; 0: none. */
static int
probe_proxy(void)
{
	const struct {
		const char *target;
		int status;
	} rows[] = {
		{ "CONNECT 127.0.0.1:%u", 200 },
		{ "CONNECT 127.0.0.1:1", 403 },
		{ "CONNECT localhost:1", 403 },
		{ "CONNECT 0.0.0.0:%u", 403 },
		{ "CONNECT [::ffff:127.0.0.1]:1", 403 },
		{ "CONNECT [::1]:%u", 403 },
		{ "CONNECT 10.0.0.1:80", 403 },
		{ "CONNECT 169.254.169.254:80", 403 },
		{ "CONNECT update.googleapis.com:443", 403 },
		{ "CONNECT 127.0.0.1", 400 },
		{ "GET http://127.0.0.1:%u/", 200 },
		{ "GET /", 400 },
		{ "GET https://127.0.0.1:%u/", 400 },
		{ "GET http://user@127.0.0.1:%u/", 400 },
	};
	char line[128], request[256];

	for (size_t i = 0; i < VS_COUNTOF(rows); i++) {
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
		(void)snprintf(line, sizeof(line), rows[i].target, web_port);
#pragma GCC diagnostic pop
		(void)snprintf(request, sizeof(request), "%s HTTP/1.1\r\nHost: x\r\n\r\n", line);
		int status = proxy_status(request);
		if (status != rows[i].status) {
			(void)fprintf(stderr, "# %s: %d\n", line, status);
			return (int)i + 1;
		}
	}
	return 0;
}

static void
egress__judges_the_address_not_the_name(void **state)
{
	(void)state;
	in_network_of(&shared, probe_proxy);
}

static void
egress__passes_a_request_on_clean(void **state)
{
	char url[128], expression[512];

	(void)state;
	(void)snprintf(url, sizeof(url), "http://127.0.0.1:%u/", web_port);
	(void)snprintf(expression, sizeof(expression),
	    "fetch('%s', {method: 'POST', body: 'x'.repeat(1000)}).then(r => r.text())"
	    ".then(t => [/Proxy/i.test(t), /Connection: close/.test(t), t.endsWith('xxx')]+'')",
	    url);
	assert_eval(expression, "false,true,true");
}

/* --- Isolation --- */

static int
probe_loopback(void)
{
	if (dial(closed_port) >= 0 || dial(web_port) >= 0)
		return 1;
	return dial(3128) >= 0 ? 0 : 2; /* the probe itself works */
}

static void
isolation__loopback_is_the_sessions_own(void **state)
{
	(void)state;
	in_network_of(&shared, probe_loopback);
}

/* Abstract sockets belong to a network: X's of one session would be every other's. */
static void
isolation__abstract_sockets_are_the_sessions_own(void **state)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX, .sun_path = "\0ventus-test" };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	char path[64], line[512];

	(void)state;
	assert_int_equal(bind(fd, (const struct sockaddr *)&addr, sizeof(addr)), 0);
	(void)snprintf(
	    path, sizeof(path), "/proc/%d/net/unix", (int)agentrun_find(&shared, "ventus-inside"));
	FILE *sockets = fopen(path, "re");
	if (sockets == NULL)
		skip();
	while (fgets(line, sizeof(line), sockets) != NULL) {
		assert_null(strstr(line, "@ventus-test"));
		assert_null(strstr(line, "@/tmp/.X11-unix"));
	}
	(void)fclose(sockets);
	(void)close(fd);
}

static void
assert_absent(pid_t pid, const char *path)
{
	char inside[4200];
	struct stat st;

	(void)snprintf(inside, sizeof(inside), "/proc/%d/root%s", (int)pid, path);
	if (stat(inside, &st) == 0)
		fail_msg("%s is there", path);
	assert_int_equal(errno, ENOENT);
}

static void
isolation__files_of_the_host_are_not_there(void **state)
{
	pid_t inside = agentrun_find(&shared, "ventus-inside");
	char path[128];

	(void)state;
	if (geteuid() != 0)
		skip();
	assert_absent(inside, "/etc/passwd");
	assert_absent(inside, "/etc/shadow");
	assert_absent(inside, "/root");
	assert_absent(inside, "/sys");
	assert_absent(inside, shared.dir);
	assert_absent(inside, other.dir);
	(void)snprintf(path, sizeof(path), "/proc/%d", (int)getpid());
	assert_absent(inside, path);
}

static void
isolation__nothing_runs_as_root_or_with_a_capability(void **state)
{
	char path[64], line[256];

	(void)state;
	for (size_t i = 1; i < shared.nfamily; i++) {
		(void)snprintf(path, sizeof(path), "/proc/%d/status", (int)shared.family[i]);
		FILE *status = fopen(path, "re");
		if (status == NULL)
			continue; /* it has left */
		while (fgets(line, sizeof(line), status) != NULL) {
			unsigned long long number = 1;

			if (sscanf(line, "Uid: %llu", &number) == 1)
				assert_int_not_equal(number, 0);
			if (sscanf(line, "NoNewPrivs: %llu", &number) == 1)
				assert_int_equal(number, 1);
		}
		(void)fclose(status);
	}
}

/* --- The self-test --- */

/* Its exit status; no_namespaces: where no user namespace can be made. */
static int
self_test(bool no_namespaces, char *ret_text, size_t size)
{
	const char *build = getenv("top_builddir");
	char path[4096];
	int says[2], status;

	(void)snprintf(path, sizeof(path), "%s/ventus-agent", build == NULL ? "." : build);
	assert_int_equal(pipe2(says, O_CLOEXEC), 0);
	pid_t pid = fork();
	if (pid == 0) {
		(void)dup2(says[1], 1);
		/* Within one whose only user has no name, the kernel refuses another. */
		if (no_namespaces &&
		    ((geteuid() == 0 && setuid(65534) < 0) || unshare(CLONE_NEWUSER) < 0))
			_exit(99);
		(void)execl(path, "ventus-agent", "--self-test", (char *)NULL);
		_exit(98);
	}
	(void)close(says[1]);
	ssize_t len = read(says[0], ret_text, size - 1);
	ret_text[len < 0 ? 0 : len] = '\0';
	(void)close(says[0]);
	(void)waitpid(pid, &status, 0);
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}

static void
self_test__passes_where_runtimes_run(void **state)
{
	char text[512];

	(void)state;
	assert_int_equal(self_test(false, text, sizeof(text)), 0);
	assert_string_equal(text, "This machine can run sandboxed desktops.\n");
}

static void
self_test__says_what_is_missing(void **state)
{
	char text[512];

	(void)state;
	assert_int_equal(self_test(true, text, sizeof(text)), 1);
	assert_non_null(strstr(text, "user namespaces"));
	assert_non_null(strchr(text, '\n'));
}

/* --- Ends --- */

static void
assert_ended(struct agentrun *run, const char *end)
{
	struct json_object *event = agentrun_event(run, "ended");

	assert_string_equal(json_object_get_string(json_object_object_get(event, "end")), end);
	(void)json_object_put(event);
	int status = agentrun_wait(run, 5000);
	assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
	assert_true(agentrun_family_gone(run, 0));
	agentrun_end(run);
}

static void
start_ready(struct agentrun *run, const char *more)
{
	agentrun_start(run, &(struct agentrun_spec){ .more = more });
	(void)json_object_put(agentrun_event(run, "ready"));
	agentrun_take_family(run);
	assert_true(run->nfamily > 8);
}

static void
end__stop_leaves_nothing_within_two_seconds(void **state)
{
	struct agentrun run;

	(void)state;
	start_ready(&run, NULL);
	vs_msec begin = vs_clock_mono_ms();
	assert_int_equal(agentrun_http(&run, "POST", "/stop", NULL, NULL, 0), 204);
	(void)agentrun_wait(&run, 2000);
	assert_true(agentrun_family_gone(&run, 0));
	assert_true(vs_clock_mono_ms() - begin < 2000);
	agentrun_end(&run);
}

static void
end__stop_works_while_starting(void **state)
{
	struct agentrun run;

	(void)state;
	agentrun_start(&run, &(struct agentrun_spec){ .more = NULL });
	(void)json_object_put(agentrun_event(&run, "starting"));
	agentrun_take_family(&run);
	assert_int_equal(agentrun_http(&run, "POST", "/stop", NULL, NULL, 0), 204);
	assert_ended(&run, "stopped");
}

static void
end__killed_agent_takes_all_with_it(void **state)
{
	struct agentrun run;

	(void)state;
	start_ready(&run, NULL);
	(void)kill(run.pid, SIGKILL);
	(void)agentrun_wait(&run, 1000);
	assert_true(agentrun_family_gone(&run, 2000));
	agentrun_end(&run);
}

static void
end__hangup_is_no_end(void **state)
{
	struct agentrun run;

	(void)state;
	start_ready(&run, NULL);
	(void)kill(run.pid, SIGHUP);
	assert_int_equal(agentrun_http(&run, "GET", "/health", NULL, NULL, 0), 200);
	(void)kill(run.pid, SIGTERM);
	assert_ended(&run, "stopped");
}

static void
end__closed_browser_is_told(void **state)
{
	struct agentrun run;
	struct cdpclient cdp;

	(void)state;
	start_ready(&run, NULL);
	open_browser(&cdp, &run);
	cdpclient_do(&cdp, "Browser.close", NULL);
	assert_ended(&run, "browser_closed");
	cdpclient_close(&cdp);
}

static void
end__killed_browser_is_told(void **state)
{
	struct agentrun run;

	(void)state;
	start_ready(&run, NULL);
	(void)kill(agentrun_find(&run, "chromium"), SIGKILL);
	assert_ended(&run, "browser_crashed");
}

static void
end__killed_desktop_is_told(void **state)
{
	struct agentrun run;

	(void)state;
	start_ready(&run, NULL);
	(void)kill(agentrun_find(&run, "Xtigervnc"), SIGKILL);
	assert_ended(&run, "desktop_crashed");
	start_ready(&run, NULL);
	(void)kill(agentrun_find(&run, "ventus-inside"), SIGKILL);
	assert_ended(&run, "desktop_crashed");
}

static void
end__deadline_can_be_moved_and_comes(void **state)
{
	struct agentrun run;
	char body[128];

	(void)state;
	agentrun_start(&run, &(struct agentrun_spec){ .life_ms = 40000 });
	(void)json_object_put(agentrun_event(&run, "ready"));
	agentrun_take_family(&run);
	(void)snprintf(
	    body, sizeof(body), "{\"deadline_ms\":%lld}", (long long)vs_clock_wall_ms() + 300);
	assert_int_equal(agentrun_http(&run, "POST", "/deadline", body, NULL, 0), 204);
	vs_msec begin = vs_clock_mono_ms();
	assert_ended(&run, "deadline");
	assert_in_range(vs_clock_mono_ms() - begin, 250, 3000);
}

static void
end__bad_specification_is_explained(void **state)
{
	struct agentrun run;
	char text[4096];

	(void)state;
	agentrun_start(&run, &(struct agentrun_spec){ .width = 100,
				 .more = ",\"egress_allow\":[\"10.0.0.1/8\"],\"colour\":1" });
	int status = agentrun_wait(&run, 5000);
	assert_int_equal(WEXITSTATUS(status), 2);
	agentrun_stderr(&run, text, sizeof(text));
	assert_non_null(strstr(text, "/viewport/width"));
	assert_non_null(strstr(text, "/egress_allow entry 0"));
	assert_non_null(strstr(text, "/colour"));
	assert_null(strstr(text, AGENTRUN_SECRET));
	agentrun_end(&run);
}

/* A user with one process too few for a sandbox: bwrap's words are passed on. */
static void
end__impossible_sandbox_is_explained(void **state)
{
	struct rlimit before, none;
	struct agentrun run;

	(void)state;
	if (geteuid() != 0)
		skip();
	assert_int_equal(getrlimit(RLIMIT_NPROC, &before), 0);
	none = (struct rlimit){ 2, before.rlim_max };
	assert_int_equal(setrlimit(RLIMIT_NPROC, &none), 0);
	agentrun_start(&run, &(struct agentrun_spec){ .more = NULL });
	assert_int_equal(setrlimit(RLIMIT_NPROC, &before), 0);
	struct json_object *event = agentrun_event(&run, "ended");
	const char *text = json_object_to_json_string(event);
	assert_non_null(strstr(text, "start_failed"));
	assert_non_null(strstr(text, "bwrap: "));
	(void)json_object_put(event);
	(void)agentrun_wait(&run, 5000);
	agentrun_end(&run);
}

/* --- Memory --- */

static bool
put_file(const char *dir, const char *name, const char *text)
{
	char path[256];

	(void)snprintf(path, sizeof(path), "%s/%s", dir, name);
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	bool good = fd >= 0 && write(fd, text, strlen(text)) > 0;
	(void)close(fd);
	return good;
}

static void
end__out_of_memory_is_told(void **state)
{
	struct agentrun run;
	struct cdpclient cdp;
	char cgroup[128], more[256], pid[16];

	(void)state;
	(void)snprintf(
	    cgroup, sizeof(cgroup), "/sys/fs/cgroup/memory/ventus-test-%d", (int)getpid());
	if (geteuid() != 0 || mkdir(cgroup, 0755) < 0)
		skip();
	assert_true(put_file(cgroup, "memory.limit_in_bytes", "400M"));
	/* The agent is started from within: it and all of its own are limited. */
	assert_true(put_file(cgroup, "cgroup.procs", "0"));
	(void)snprintf(more, sizeof(more), ",\"memory_cgroup\":\"%s\"", cgroup);
	agentrun_start(&run, &(struct agentrun_spec){ .more = more });
	(void)snprintf(pid, sizeof(pid), "%d", (int)getpid());
	assert_true(put_file("/sys/fs/cgroup/memory", "cgroup.procs", pid));
	(void)json_object_put(agentrun_event(&run, "ready"));
	agentrun_take_family(&run);
	open_page(&cdp, &run);
	/* No answer comes to this one: listen to the agent. */
	cdpclient_post(&cdp, "Runtime.evaluate",
	    "{\"expression\":\"a=[];for(;;)a.push(new Uint8Array(1<<24).fill(1))\"}");
	assert_ended(&run, "oom_killed");
	cdpclient_close(&cdp);
	assert_int_equal(rmdir(cgroup), 0);
}

int
main(void)
{
	const struct CMUnitTest shared_tests[] = {
		cmocka_unit_test(api__answers_nothing_without_the_secret),
		cmocka_unit_test(api__says_that_it_is_ready),
		cmocka_unit_test(api__refuses_what_it_does_not_know),
		cmocka_unit_test(api__passes_discovery_on_once_a_connection),
		cmocka_unit_test(api__carries_large_messages_both_ways),
		cmocka_unit_test(browser__is_headful_and_named_as_asked),
		cmocka_unit_test(browser__page_is_as_large_as_asked),
		cmocka_unit_test(browser__page_can_be_narrower_than_any_window),
		cmocka_unit_test(browser__time_zone_and_language_tell_nothing),
		cmocka_unit_test(browser__sandbox_is_on),
		cmocka_unit_test(browser__survives_the_end_of_its_last_page),
		cmocka_unit_test(egress__lets_through_what_is_listed),
		cmocka_unit_test(egress__refuses_the_rest_of_the_host),
		cmocka_unit_test(egress__judges_the_address_not_the_name),
		cmocka_unit_test(egress__passes_a_request_on_clean),
		cmocka_unit_test(isolation__loopback_is_the_sessions_own),
		cmocka_unit_test(isolation__abstract_sockets_are_the_sessions_own),
		cmocka_unit_test(isolation__files_of_the_host_are_not_there),
		cmocka_unit_test(isolation__nothing_runs_as_root_or_with_a_capability),
		cmocka_unit_test(self_test__passes_where_runtimes_run),
		cmocka_unit_test(self_test__says_what_is_missing),
		cmocka_unit_test(end__stop_leaves_nothing_within_two_seconds),
		cmocka_unit_test(end__stop_works_while_starting),
		cmocka_unit_test(end__killed_agent_takes_all_with_it),
		cmocka_unit_test(end__hangup_is_no_end),
		cmocka_unit_test(end__closed_browser_is_told),
		cmocka_unit_test(end__killed_browser_is_told),
		cmocka_unit_test(end__killed_desktop_is_told),
		cmocka_unit_test(end__deadline_can_be_moved_and_comes),
		cmocka_unit_test(end__bad_specification_is_explained),
		cmocka_unit_test(end__impossible_sandbox_is_explained),
		cmocka_unit_test(end__out_of_memory_is_told),
	};

	return cmocka_run_group_tests(shared_tests, shared_setup, shared_teardown);
}
