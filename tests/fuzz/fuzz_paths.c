/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A random tree of directories, files and links in memory, and a random path: whatever is opened, made or
 * named by the one resolver lies inside the root. The kernel says where a descriptor is.
 */
#include <fcntl.h>
#include <limits.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/path.h"
#include "base/str.h"
#include "fuzz.h"

#define ENTRIES 8

static int top_fd = -EBADF; /* holds "root" and, beside it, "outside" */
static char top_path[PATH_MAX] = "/dev/shm/wherry-fuzz-XXXXXX";

static void remove_top(void)
{
	path_remove_entries(top_fd, PATH_REMOVE_ALL);
	rmdir(top_path);
}

static void make_top(void)
{
	if (top_fd >= 0)
		return;
	fuzz_check(mkdtemp(top_path) != NULL, "make a directory in /dev/shm");
	top_fd = open(top_path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	atexit(remove_top);
}

/** Two components of few names, so that paths and links meet. */
static void take_path(struct fuzz_bytes *bytes, char *path, size_t size, bool may_leave)
{
	static const char *const names[] = {"a", "b", "c", "..", ".", "", "a/b", "outside"};
	size_t count = fuzz_choose(bytes, 4) + 1;
	size_t len = may_leave && fuzz_choose(bytes, 2) ? (size_t)snprintf(path, size, "/") : 0;

	path[len] = '\0';
	for (size_t i = 0; i < count; i++)
		len += (size_t)snprintf(path + len, size - len, "%s%s", i ? "/" : "",
					names[fuzz_choose(bytes, ARRAY_LEN(names))]);
}

/** One in the root, or in a directory of it that no link leads to. */
static void make_entry(struct fuzz_bytes *bytes, int root_fd)
{
	static const char *const names[] = {"a", "b", "c"};
	const char *above = names[fuzz_choose(bytes, ARRAY_LEN(names))];
	const char *name = names[fuzz_choose(bytes, ARRAY_LEN(names))];
	auto_fd above_fd = path_open_beneath(root_fd, above, O_PATH | O_DIRECTORY, 0);
	const int dir_fd = above_fd >= 0 ? above_fd : root_fd;
	char target[64];

	switch (fuzz_choose(bytes, 3)) {
	case 0:
		(void)mkdirat(dir_fd, name, 0755);
		break;
	case 1:
		(void)mknodat(dir_fd, name, S_IFREG | 0644, 0);
		break;
	default:
		take_path(bytes, target, sizeof(target), true);
		(void)symlinkat(target, dir_fd, name);
		break;
	}
}

/** @fd, which is closed, is of the root or below it. */
static void check_inside(int fd, const char *root, const char *what)
{
	char path[PATH_MAX];
	const char *rest;

	if (fd < 0)
		return;
	fuzz_check(fd_path(fd, path, sizeof(path)) > 0, "no path");
	rest = str_after(path, root);
	fuzz_check(rest && (*rest == '\0' || *rest == '/'), what);
	fd_close(fd);
}

static void check_resolver(struct fuzz_bytes *bytes, int root_fd, const char *root)
{
	char path[64], clean[PATH_MAX], again[PATH_MAX];
	const char *name = NULL;
	ssize_t len;
	int fd;

	take_path(bytes, path, sizeof(path), true);
	check_inside(path_open_in_root(root_fd, path, O_PATH, 0), root, "opened outside");
	check_inside(path_make_target(root_fd, path, fuzz_choose(bytes, 2), NULL), root,
		     "made a target outside");
	check_inside(path_mkdir_in_root(root_fd, path, 0755, NULL), root,
		     "made a directory outside");
	fd = path_open_parent(root_fd, path, 0755, &name, NULL);
	fuzz_check(fd < 0 || (!strchr(name, '/') && !streq(name, "..")), "no name");
	check_inside(fd, root, "a parent outside");
	fd = path_open_beneath(root_fd, path, O_PATH, 0);
	fuzz_check(fd < 0 || path[0] != '/', "beneath by an absolute path");
	check_inside(fd, root, "not beneath");
	len = path_clean(path, clean, sizeof(clean));
	fuzz_check(len > 0 && clean[0] == '/' && !strstr(clean, "//") && !strstr(clean, "/../"),
		   "not clean");
	fuzz_check(path_clean(clean, again, sizeof(again)) == len && streq(clean, again),
		   "cleaner the second time");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz_bytes bytes = {data, size};
	char root[PATH_MAX + 8];
	auto_fd root_fd = -EBADF;

	make_top();
	path_remove_entries(top_fd, PATH_REMOVE_ALL);
	fuzz_check(mkdirat(top_fd, "root", 0755) == 0 && mkdirat(top_fd, "outside", 0755) == 0,
		   "make the root");
	root_fd = openat(top_fd, "root", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	snprintf(root, sizeof(root), "%s/root", top_path);
	for (int i = 0; i < ENTRIES; i++)
		make_entry(&bytes, root_fd);
	for (int i = 0; i < 2; i++)
		check_resolver(&bytes, root_fd, root);
	fuzz_check(unlinkat(top_fd, "outside", AT_REMOVEDIR) == 0, "something was made outside");
	return 0;
}
