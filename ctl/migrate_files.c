/* SPDX-License-Identifier: Apache-2.0 */
#include "ctl/migrate_files.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <openssl/evp.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/cleanup.h"
#include "lib/err.h"

static int
fault_say(struct vs_buf *fault, const char *path, const char *what)
{
	int rc = vs_buf_printf(fault, "%s: %s", path, what);

	return rc < 0 ? rc : VS_ECONF;
}

static int
read_all(int fd, char *text, size_t len)
{
	size_t have = 0;

	while (have < len) {
		ssize_t n = read(fd, text + have, len - have);

		if (n <= 0)
			return VS_EIO;
		have += (size_t)n;
	}
	return 0;
}

int
migrate_file_read(const char *path, struct vs_buf *fault, char **ret_text)
{
	vs_autofd int fd = open(path, O_RDONLY | O_CLOEXEC);
	vs_autofree char *text = NULL;
	struct stat st;
	size_t len;

	if (fd < 0 || fstat(fd, &st) != 0)
		return fault_say(fault, path, strerror(errno));
	if (!S_ISREG(st.st_mode) || st.st_size > MIGRATE_MAX_BYTES)
		return fault_say(fault, path, "not a regular file of at most 1 MiB");
	len = (size_t)st.st_size;
	text = malloc(len + 1);
	if (text == NULL)
		return VS_ENOMEM;
	if (read_all(fd, text, len) < 0)
		return fault_say(fault, path, "cannot be read whole");
	text[len] = '\0';
	if (strlen(text) != len)
		return fault_say(fault, path, "holds a NUL byte");
	*ret_text = text;
	text = NULL;
	return 0;
}

/* NNNN_what.sql; anything else in the directory is none of ours. */
static bool
is_migration(const char *name)
{
	size_t digits = strspn(name, "0123456789");
	size_t what = strspn(name + digits, "abcdefghijklmnopqrstuvwxyz0123456789_");

	return digits == 4 && name[4] == '_' && what > 1 && strcmp(name + 4 + what, ".sql") == 0;
}

static int
entry_filter(const struct dirent *entry)
{
	return is_migration(entry->d_name);
}

static int
file_load(const char *dir, size_t version, struct migrate_file *file, struct vs_buf *fault)
{
	vs_autofree char *path = NULL;
	unsigned char digest[EVP_MAX_MD_SIZE];
	unsigned int digest_len = 0;
	int rc;

	if (asprintf(&path, "%s/%s", dir, file->name) < 0) {
		path = NULL;
		return VS_ENOMEM;
	}
	if (strtoul(file->name, NULL, 10) != version)
		return fault_say(fault, path, "the numbers before it have a gap or a double");
	rc = migrate_file_read(path, fault, &file->text);
	if (rc < 0)
		return rc;
	if (EVP_Digest(file->text, strlen(file->text), digest, &digest_len, EVP_sha256(), NULL) !=
	    1)
		return VS_EIO;
	for (unsigned int i = 0; i < digest_len; i++)
		(void)snprintf(file->sha256 + 2 * i, 3, "%02x", digest[i]);
	return 0;
}

/* Take the names of the sorted entries; the entries are freed whatever happens. */
static int
take_names(struct dirent **entries, size_t count, struct migrate_files *files)
{
	int rc = 0;

	files->file = calloc(count + 1, sizeof(*files->file));
	if (files->file == NULL)
		rc = VS_ENOMEM;
	for (size_t i = 0; i < count; i++) {
		if (rc == 0) {
			files->file[i].name = strdup(entries[i]->d_name);
			files->count = i + 1;
			if (files->file[i].name == NULL)
				rc = VS_ENOMEM;
		}
		free(entries[i]);
	}
	free(entries);
	return rc;
}

int
migrate_files_load(const char *dir, struct vs_buf *fault, struct migrate_files *ret_files)
{
	struct migrate_files files = { .file = NULL };
	struct dirent **entries = NULL;
	int count = scandir(dir, &entries, entry_filter, alphasort);
	int rc;

	if (count < 0)
		return fault_say(fault, dir, strerror(errno));
	rc = take_names(entries, (size_t)count, &files);
	if (rc == 0 && (count == 0 || count > MIGRATE_MAX_FILES))
		rc = fault_say(fault, dir, "holds no NNNN_name.sql file, or more than 1000");
	for (size_t i = 0; rc == 0 && i < files.count; i++)
		rc = file_load(dir, i + 1, &files.file[i], fault);
	if (rc < 0) {
		migrate_files_fini(&files);
		return rc;
	}
	*ret_files = files;
	return 0;
}

void
migrate_files_fini(struct migrate_files *files)
{
	for (size_t i = 0; i < files->count; i++) {
		free(files->file[i].name);
		free(files->file[i].text);
	}
	free(files->file);
	*files = (struct migrate_files){ .file = NULL };
}
