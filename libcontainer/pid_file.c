/* SPDX-License-Identifier: Apache-2.0 */
#include "libcontainer/pid_file.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/file.h"

/** Open the directory of @path; *@ret_name points at the file's name in it. */
static int open_directory(const char *path, const char **ret_name, struct wh_error *err)
{
	const char *slash = strrchr(path, '/');
	char dir[PATH_MAX];
	int fd;

	*ret_name = slash ? slash + 1 : path;
	if (**ret_name == '\0')
		return wh_fail_kind(err, WH_ERROR_USAGE, 0, "--pid-file '%s' names no file", path);
	if (!slash)
		snprintf(dir, sizeof(dir), ".");
	else if ((size_t)snprintf(dir, sizeof(dir), "%.*s", (int)(slash - path + 1), path) >=
		 sizeof(dir))
		return wh_fail(err, ENAMETOOLONG, "--pid-file");
	fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return fd < 0 ? wh_fail(err, errno, "--pid-file '%s': open its directory", path) : fd;
}

int pid_file_check(const char *path, struct wh_error *err)
{
	const char *name;
	auto_fd dir = open_directory(path, &name, err);
	struct stat st;

	if (dir < 0)
		return dir;
	if (fstatat(dir, name, &st, 0) == 0 && S_ISDIR(st.st_mode))
		return wh_fail(err, EISDIR, "--pid-file '%s'", path);
	return 0;
}

int pid_file_write(const char *path, pid_t pid, struct wh_error *err)
{
	const char *name;
	auto_fd dir = open_directory(path, &name, err);
	char text[24];
	int rc;

	if (dir < 0)
		return dir;
	snprintf(text, sizeof(text), "%d", (int)pid);
	rc = file_replace(dir, name, text, strlen(text), 0644, err);
	if (rc < 0)
		wh_error_prefix(err, "--pid-file '%s'", path);
	return rc;
}
