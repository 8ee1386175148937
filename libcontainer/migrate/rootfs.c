/* SPDX-License-Identifier: Apache-2.0 */
#include "libcontainer/migrate/rootfs.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/command.h"
#include "base/fd.h"
#include "base/file.h"
#include "base/str.h"
#include "libcontainer/state_store.h"

/** In the bundle at the destination: the root beside it was put there by a migration, and may be overwritten by one. */
#define MARKER ".wherry-rootfs-copy"

static const char rsync_path[] = "/usr/bin/rsync";

/** rsync's exit status when files vanished while it looked at them: no failure while the container runs. */
#define RSYNC_VANISHED 24

int migrate_rootfs_words(const struct migrate_destination *destination, const char *rsh,
			 const char *rootfs, enum migrate_rootfs_pass pass, struct arena *arena,
			 const char ***ret_argv, struct wh_error *err)
{
	const char **argv = arena_array(arena, const char *, 20);
	size_t n = 0;
	const char *from = arena_printf(arena, "%s/", rootfs);
	const char *to = from;
	const char *shell = rsh ? rsh : "ssh";

	if (destination->port)
		shell = arena_printf(arena, "%s -p %s", shell, destination->port);
	if (!destination->local)
		to = arena_printf(arena,
				  strchr(destination->host, ':') ? "%s%s[%s]:%s/" : "%s%s%s:%s/",
				  destination->user ? destination->user : "",
				  destination->user ? "@" : "", destination->host, rootfs);
	if (!argv || !from || !to || !shell)
		return wh_oom(err);
	argv[n++] = "rsync";
	argv[n++] = "-aHAXS";
	argv[n++] = "--numeric-ids";
	if (pass == MIGRATE_ROOTFS_NAMED) {
		argv[n++] = "--from0";
		argv[n++] = "--files-from=-";
		argv[n++] = "--ignore-times";
	} else {
		argv[n++] = "--delete";
	}
	/* nanoseconds count: what is written within one second of the first pass is another file */
	argv[n++] = "--modify-window=-1";
	argv[n++] = "--protect-args";
	if (!destination->local) {
		argv[n++] = "-e";
		argv[n++] = shell;
	}
	argv[n++] = "--";
	argv[n++] = from;
	argv[n++] = to;
	*ret_argv = argv;
	return 0;
}

static int run_rsync(const struct migrate_destination *destination, const char *rsh,
		     const char *rootfs, enum migrate_rootfs_pass pass,
		     const struct migrate_names *names, struct arena *arena, struct wh_error *err)
{
	struct command command = {.path = rsync_path,
				  .envp = (const char *const *)environ,
				  .cwd_fd = -EBADF,
				  .input = names ? names->data : NULL,
				  .input_len = names ? names->len : 0,
				  .timeout_ms = COMMAND_NO_TIMEOUT};
	struct command_result result;
	const char **argv;
	int rc = migrate_rootfs_words(destination, rsh, rootfs, pass, arena, &argv, err);

	if (rc < 0)
		return rc;
	command.argv = argv;
	rc = command_run(&command, &result, err);
	if (rc < 0)
		return rc;
	if (result.exec_errno)
		return wh_fail(err, result.exec_errno, "run '%s', which --rootfs copy needs",
			       rsync_path);
	if (result.status == 0 ||
	    (pass == MIGRATE_ROOTFS_RUNNING && result.status == RSYNC_VANISHED))
		return 0;
	return wh_fail(err, 0, "copy the root file system '%s': rsync ended with %d: %s", rootfs,
		       result.status, result.output);
}

int migrate_rootfs_copy(const struct migrate_destination *destination, const char *rsh,
			const char *rootfs, struct arena *arena, struct migrate_copied *ret_copied,
			struct wh_error *err)
{
	int rc;

	clock_gettime(CLOCK_REALTIME_COARSE, &ret_copied->begun);
	rc = run_rsync(destination, rsh, rootfs, MIGRATE_ROOTFS_RUNNING, NULL, arena, err);
	clock_gettime(CLOCK_REALTIME_COARSE, &ret_copied->ended);
	return rc;
}

int migrate_rootfs_finish(const struct migrate_destination *destination, const char *rsh,
			  const char *rootfs, const struct migrate_copied *copied,
			  struct arena *arena, struct wh_error *err)
{
	auto_fd root = open(rootfs, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct migrate_names names = {0};
	int rc = root < 0 ? wh_fail(err, errno, "open the root file system '%s'", rootfs)
			  : migrate_unsure_find(root, copied, &names, err);

	if (rc == 0)
		rc = run_rsync(destination, rsh, rootfs, MIGRATE_ROOTFS_FROZEN, NULL, arena, err);
	if (rc == 0 && names.len > 0)
		rc = run_rsync(destination, rsh, rootfs, MIGRATE_ROOTFS_NAMED, &names, arena, err);
	migrate_names_done(&names);
	return rc;
}

/* The destination */

static bool is_empty(int dir_fd)
{
	auto_dir *dir = fd_list(dir_fd);
	struct dirent *entry;

	if (!dir)
		return false;
	while ((entry = readdir(dir))) {
		if (!streq(entry->d_name, ".") && !streq(entry->d_name, ".."))
			return false;
	}
	return true;
}

void migrate_rootfs_check(const struct migrate_offer *offer, struct migrate_obstacles *obstacles)
{
	auto_fd bundle = open(offer->bundle, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	auto_fd root = open(offer->rootfs, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct stat st;

	if (root < 0)
		return;
	if (!str_empty(offer->witness) &&
	    fstatat(root, offer->witness, &st, AT_SYMLINK_NOFOLLOW) == 0)
		migrate_obstacle(obstacles,
				 "the root file system '%s' there is the source's own: there is "
				 "nothing to copy",
				 offer->rootfs);
	else if (!is_empty(root) &&
		 (bundle < 0 || fstatat(bundle, MARKER, &st, AT_SYMLINK_NOFOLLOW) < 0))
		migrate_obstacle(obstacles,
				 "the directory '%s' there is not empty, and was not copied there "
				 "by a migration",
				 offer->rootfs);
}

/** mkdir -p of the destination's own path. Returns its fd or -errno. */
static int make_dirs(const char *path, struct wh_error *err)
{
	char buf[PATH_MAX];
	int fd;

	if ((size_t)snprintf(buf, sizeof(buf), "%s", path) >= sizeof(buf))
		return wh_fail(err, ENAMETOOLONG, "directory '%s'", path);
	for (char *slash = strchr(buf + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
		*slash = '\0';
		if (mkdir(buf, 0755) < 0 && errno != EEXIST)
			return wh_fail(err, errno, "make directory '%s'", buf);
		*slash = '/';
	}
	if (mkdir(path, 0755) < 0 && errno != EEXIST)
		return wh_fail(err, errno, "make directory '%s'", path);
	fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return fd < 0 ? wh_fail(err, errno, "open directory '%s'", path) : fd;
}

/** A file of the bundle that is there once, however often this is tried. */
static int put_file(int dir_fd, const char *name, const void *data, size_t len,
		    struct wh_error *err)
{
	struct wh_error reason = WH_ERROR_INIT;
	int rc = file_create(dir_fd, name, data, len, 0644, &reason);

	if (rc == 0 || rc == -EEXIST)
		return 0;
	*err = reason;
	return rc;
}

int migrate_rootfs_prepare(const struct migrate_offer *offer, const char *config, size_t len,
			   struct wh_error *err)
{
	auto_fd bundle = make_dirs(offer->bundle, err);
	auto_fd root = bundle < 0 ? -EBADF : make_dirs(offer->rootfs, err);
	int rc;

	if (bundle < 0)
		return bundle;
	if (root < 0)
		return root;
	rc = put_file(bundle, MARKER, "", 0, err);
	return rc < 0 ? rc : put_file(bundle, STATE_CONFIG_FILE, config, len, err);
}
