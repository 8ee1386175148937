/* SPDX-License-Identifier: Apache-2.0 */
#include "libcontainer/checkpoint/archive_tar.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "base/command.h"
#include "base/path.h"
#include "base/str.h"

const char *const archive_files[] = {ARCHIVE_CONFIG, ARCHIVE_SPEC,  ARCHIVE_ROOT,
				     ARCHIVE_LOG,    ARCHIVE_STATS, NULL};

static const char *const programs[] = {"/usr/bin/tar", "/bin/tar"};
static const char *const environment[] = {
    "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL=C", NULL};

/** A file system with less than this is what tar has failed of. */
#define FULL_BELOW ((uint64_t)256 << 10)

static int space_of(int dir_fd, uint64_t *ret)
{
	struct statvfs fs;

	if (fstatvfs(dir_fd, &fs) < 0)
		return -errno;
	*ret = (uint64_t)fs.f_bavail * fs.f_frsize;
	return 0;
}

int archive_check_space(int dir_fd, uint64_t needed, const char *what, const char *place,
			const char *option, struct wh_error *err)
{
	uint64_t left = 0;
	int rc = space_of(dir_fd, &left);

	if (rc < 0)
		return wh_fail(err, -rc, "look at the space for '%s'", place);
	if (needed <= left)
		return 0;
	return wh_fail(err, ENOSPC,
		       "%s: '%s' needs %llu MiB, and its file system has %llu left: make room, or "
		       "name another place by %s",
		       what, place, (unsigned long long)((needed + (1 << 20) - 1) >> 20),
		       (unsigned long long)(left >> 20), option);
}

/** Its first complaint: what follows is that it gives up. */
static void cut_to_cause(char *output)
{
	char *first = strstr(output, "tar: ");
	char *next = first ? strstr(first + 1, " tar: ") : NULL;

	if (next)
		*next = '\0';
}

static int explain(const struct archive_tar *tar, struct command_result *result,
		   struct wh_error *err)
{
	uint64_t left = 0;

	if (space_of(tar->dir_fd, &left) == 0 && left < FULL_BELOW)
		return wh_fail(err, ENOSPC,
			       "%s: there is no room left for '%s': make some, or name another "
			       "place by %s",
			       tar->what, tar->place, tar->option);
	cut_to_cause(result->output);
	return wh_fail(err, 0, "%s: %s", tar->what, result->output);
}

int archive_tar_run(const struct archive_tar *tar, uint64_t *ret_totals, struct wh_error *err)
{
	static struct command_result result;
	static const char totals[] = "Total bytes read: ";
	const char *argv[ARCHIVE_TAR_MAX_ARGS + 2] = {"tar"};
	struct command command = {.argv = argv,
				  .envp = environment,
				  .cwd_fd = tar->dir_fd,
				  .timeout_ms = COMMAND_NO_TIMEOUT,
				  .attended = true};
	const char *found;
	int rc = 0;

	for (size_t i = 0; tar->args[i]; i++)
		argv[i + 1] = tar->args[i];
	result.exec_errno = ENOENT;
	for (size_t i = 0; rc == 0 && result.exec_errno == ENOENT && i < ARRAY_LEN(programs); i++) {
		command.path = programs[i];
		rc = command_run(&command, &result, err);
	}
	if (rc < 0)
		return rc;
	if (result.exec_errno)
		return wh_fail_kind(err, WH_ERROR_UNSUPPORTED, result.exec_errno,
				    "%s: execute '%s'", tar->what, command.path);
	if (result.cancelled)
		return wh_fail(err, 0, "%s: interrupted by signal %d", tar->what, result.cancelled);
	if (result.status != 0)
		return explain(tar, &result, err);
	found = strstr(result.output, totals);
	if (ret_totals)
		*ret_totals = found ? strtoull(found + strlen(totals), NULL, 10) : 0;
	return 0;
}

int archive_path_absolute(const char *path, char *buf, size_t size, struct wh_error *err)
{
	char here[PATH_MAX];
	int n;

	if (path[0] == '/') {
		n = snprintf(buf, size, "%s", path);
	} else {
		if (!getcwd(here, sizeof(here)))
			return wh_fail(err, errno, "find the current directory");
		n = snprintf(buf, size, "%s/%s", here, path);
	}
	return (size_t)n < size ? 0 : wh_fail(err, ENAMETOOLONG, "'%s'", path);
}

void archive_remove_tree(const char *path, int fd)
{
	if (fd < 0)
		return;
	path_remove_entries(fd, PATH_REMOVE_ALL);
	rmdir(path);
}

void archive_tell(const struct archive_options *archive, const char *text)
{
	if (archive->progress)
		archive->progress(archive->ctx, text);
}
