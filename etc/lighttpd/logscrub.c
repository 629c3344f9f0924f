/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ventus-logscrub - lighttpd's log lines, without their secrets, into a file.
 *
 * lighttpd writes whole request targets into its error log and a target's query
 * holds a token. lighttpd starts this program as the reader of a pipe, with its
 * other descriptors on /dev/null: so it keeps a file of its own, and one older
 * (FILE.1), each of at most FILE_MAX_BYTES. The access log is JSON already and
 * only passes the scrubber; with --error each line becomes one record of ours.
 */

#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/buf.h"
#include "lib/log.h"
#include "lib/scrub.h"

#define LINE_MAX_BYTES 8192 /* the rest of a longer line is dropped */
#define FILE_MAX_BYTES (8 << 20)

static const char usage[] = "usage: ventus-logscrub [--error] FILE < log\n";

/* The next line without its end; false at the end of input. */
static bool
line_read(char line[LINE_MAX_BYTES])
{
	size_t len;
	int c;

	if (fgets(line, LINE_MAX_BYTES, stdin) == NULL)
		return false;
	len = strlen(line);
	if (len > 0 && line[len - 1] == '\n') {
		line[len - 1] = '\0';
		return true;
	}
	while ((c = getchar()) != EOF && c != '\n')
		continue;
	return true;
}

/* A line that cannot be scrubbed is not shown; one that cannot be written is lost. */
static void
access_print(int fd, struct vs_buf *out, const char *line)
{
	vs_buf_clear(out);
	if (vs_scrub_text(out, line, strlen(line)) < 0 || vs_buf_puts(out, "\n") < 0)
		return;
	if (write(fd, vs_buf_data(out), vs_buf_len(out)) < 0)
		return;
}

/* The descriptor lines go to: the same, or a new file when this one is full. */
static int
log_file(int fd, const char *path)
{
	char old[4096];
	struct stat st;

	if (fd >= 0 && fstat(fd, &st) == 0 && st.st_size < FILE_MAX_BYTES)
		return fd;
	if (fd >= 0) {
		(void)close(fd);
		if (snprintf(old, sizeof(old), "%s.1", path) < (int)sizeof(old))
			(void)rename(path, old);
	}
	return open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0640);
}

int
main(int argc, char **argv)
{
	static char line[LINE_MAX_BYTES];
	struct vs_buf out;
	const char *path;
	bool errors;
	int fd;

	errors = argc == 3 && strcmp(argv[1], "--error") == 0;
	if (argc != 2 + errors || argv[argc - 1][0] == '-') {
		(void)fputs(usage, stderr);
		return 2;
	}
	path = argv[argc - 1];
	vs_log_init("lighttpd", VS_LOG_INFO, VS_LOG_JSON);
	vs_buf_init(&out, 4 * LINE_MAX_BYTES);
	fd = log_file(-1, path);
	while (fd >= 0 && line_read(line)) {
		vs_log_fd(fd);
		if (errors)
			log_warning("web.error", VS_LOG_STR("text", line));
		else
			access_print(fd, &out, line);
		fd = log_file(fd, path);
	}
	vs_buf_fini(&out);
	return fd < 0;
}
