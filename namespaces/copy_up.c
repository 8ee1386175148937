/* SPDX-License-Identifier: Apache-2.0 */
#include "namespaces/copy_up.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/str.h"
#include "base/sys.h"

/** Each level holds two fds. */
#define DEPTH_MAX 128

struct kernel_dirent {
	uint64_t inode;
	int64_t offset; /* to seek to for what comes after this entry */
	unsigned short length;
	unsigned char type;
	char name[];
};

/**
 * Buffers that all levels share: a level reads its directory again from where it was after the
 * levels below used them.
 */
struct copier {
	char entries[2048];
	char names[1024];
	char value[4096];
};

static int copy_directory(struct copier *copier, int from_fd, int to_fd, int depth,
			  struct wh_error *err);

/** Open @name in @dir_fd: no links, and nothing that opening would wait for. */
static int open_source(int dir_fd, const char *name, int flags)
{
	const struct open_how how = {
	    .flags = (uint64_t)(flags | O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC),
	    .resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS,
	};

	return sys_openat2(dir_fd, name, &how);
}

/* What the tmpfs has no place for (user.* before Linux 6.6) stays behind. */
static int copy_xattrs(struct copier *copier, int from_fd, int to_fd, struct wh_error *err)
{
	ssize_t size = flistxattr(from_fd, copier->names, sizeof(copier->names));

	if (size < 0)
		return errno == ENOTSUP ? 0 : wh_fail(err, errno, "list extended attributes");
	for (const char *name = copier->names; name < copier->names + size;
	     name += strlen(name) + 1) {
		ssize_t len = fgetxattr(from_fd, name, copier->value, sizeof(copier->value));

		if (len < 0)
			return wh_fail(err, errno, "read the extended attribute '%s'", name);
		if (fsetxattr(to_fd, name, copier->value, (size_t)len, 0) < 0 && errno != ENOTSUP &&
		    errno != EPERM)
			return wh_fail(err, errno, "set the extended attribute '%s'", name);
	}
	return 0;
}

/** Owner before mode: a change of owner clears the set-id bits; times last. */
static int copy_attributes(struct copier *copier, int from_fd, int to_fd, const struct stat *st,
			   struct wh_error *err)
{
	const struct timespec times[] = {st->st_atim, st->st_mtim};
	int rc;

	if (fchown(to_fd, st->st_uid, st->st_gid) < 0)
		return wh_fail(err, errno, "set the owner");
	rc = copy_xattrs(copier, from_fd, to_fd, err);
	if (rc < 0)
		return rc;
	if (fchmod(to_fd, st->st_mode & 07777) < 0)
		return wh_fail(err, errno, "set the mode");
	if (futimens(to_fd, times) < 0)
		return wh_fail(err, errno, "set the times");
	return 0;
}

static int copy_file(struct copier *copier, int from_dir, int to_dir, const char *name, int depth,
		     struct wh_error *err)
{
	auto_fd from = open_source(from_dir, name, 0);
	auto_fd to =
	    openat(to_dir, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	struct stat st;
	ssize_t n;

	if (from < 0)
		return wh_fail(err, -from, "open the file");
	if (to < 0 || fstat(from, &st) < 0)
		return wh_fail(err, errno, "create the copy");
	if (!S_ISREG(st.st_mode))
		return wh_fail(err, ESTALE, "open the file");
	do {
		n = sendfile(to, from, NULL, 1 << 20);
	} while (n > 0);
	if (n < 0)
		return wh_fail(err, errno, "copy the file");
	return copy_attributes(copier, from, to, &st, err);
}

static int copy_subdirectory(struct copier *copier, int from_dir, int to_dir, const char *name,
			     int depth, struct wh_error *err)
{
	auto_fd from = open_source(from_dir, name, O_DIRECTORY);
	auto_fd to = -EBADF;
	struct stat st;
	int rc;

	if (from < 0)
		return wh_fail(err, -from, "open the directory");
	if (mkdirat(to_dir, name, 0700) < 0)
		return wh_fail(err, errno, "create the directory");
	to = openat(to_dir, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (to < 0 || fstat(from, &st) < 0)
		return wh_fail(err, errno, "open the directory");
	rc = copy_directory(copier, from, to, depth + 1, err);
	return rc < 0 ? rc : copy_attributes(copier, from, to, &st, err);
}

static int copy_link(struct copier *copier, int from_dir, int to_dir, const char *name, int depth,
		     struct wh_error *err)
{
	ssize_t len = readlinkat(from_dir, name, copier->value, sizeof(copier->value) - 1);
	struct stat st;

	if (len < 0 || fstatat(from_dir, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return wh_fail(err, errno, "read the link");
	copier->value[len] = '\0';
	if (symlinkat(copier->value, to_dir, name) < 0)
		return wh_fail(err, errno, "create the link");
	if (fchownat(to_dir, name, st.st_uid, st.st_gid, AT_SYMLINK_NOFOLLOW) < 0)
		return wh_fail(err, errno, "set the owner");
	return 0;
}

/* The umask does not matter: the mode is set again. */
static int copy_node(struct copier *copier, int from_dir, int to_dir, const char *name, int depth,
		     struct wh_error *err)
{
	struct stat st;

	if (fstatat(from_dir, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return wh_fail(err, errno, "look at it");
	if (S_ISLNK(st.st_mode) || S_ISREG(st.st_mode))
		return wh_fail(err, ESTALE, "look at it");
	if (mknodat(to_dir, name, st.st_mode, st.st_rdev) < 0 ||
	    fchownat(to_dir, name, st.st_uid, st.st_gid, AT_SYMLINK_NOFOLLOW) < 0 ||
	    fchmodat(to_dir, name, st.st_mode & 07777, 0) < 0)
		return wh_fail(err, errno, "create the node");
	return 0;
}

static int copy_nothing(struct copier *copier, int from_dir, int to_dir, const char *name,
			int depth, struct wh_error *err)
{
	return 0;
}

struct file_kind {
	mode_t type;
	int (*copy)(struct copier *, int from_dir, int to_dir, const char *name, int depth,
		    struct wh_error *err);
};

static const struct file_kind file_kinds[] = {
    {S_IFREG,  copy_file        },
    {S_IFDIR,  copy_subdirectory},
    {S_IFLNK,  copy_link        },
    {S_IFCHR,  copy_node        },
    {S_IFBLK,  copy_node        },
    {S_IFIFO,  copy_node        },
    {S_IFSOCK, copy_nothing     },
};

/** *@ret_is_dir: whether the shared buffers were used by levels below. */
static int copy_entry(struct copier *copier, int from_fd, int to_fd, const char *name, int depth,
		      bool *ret_is_dir, struct wh_error *err)
{
	struct stat st;
	int rc = 0;

	if (fstatat(from_fd, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return wh_fail(err, errno, "look at '%s'", name);
	*ret_is_dir = S_ISDIR(st.st_mode);
	for (size_t i = 0; i < ARRAY_LEN(file_kinds); i++) {
		if ((st.st_mode & S_IFMT) == file_kinds[i].type)
			rc = file_kinds[i].copy(copier, from_fd, to_fd, name, depth, err);
	}
	return rc;
}

/** Copy the entries in the buffer, up to the first directory. *@ret_offset: where to go on. */
static int copy_entries(struct copier *copier, long size, int from_fd, int to_fd, int depth,
			int64_t *ret_offset, struct wh_error *err)
{
	for (long at = 0; at < size;) {
		const struct kernel_dirent *entry =
		    (const struct kernel_dirent *)(const void *)(copier->entries + at);
		char name[256];
		bool is_dir = false;
		int rc;

		at += entry->length;
		*ret_offset = entry->offset;
		if (streq(entry->name, ".") || streq(entry->name, ".."))
			continue;
		strncpy(name, entry->name, sizeof(name) - 1);
		name[sizeof(name) - 1] = '\0';
		rc = copy_entry(copier, from_fd, to_fd, name, depth, &is_dir, err);
		if (rc < 0) {
			if (err)
				wh_error_prefix(err, "'%s'", name);
			return rc;
		}
		if (is_dir)
			return 0;
	}
	return 0;
}

static int copy_directory(struct copier *copier, int from_fd, int to_fd, int depth,
			  struct wh_error *err)
{
	int64_t offset = 0;
	long size;
	int rc;

	if (depth > DEPTH_MAX)
		return wh_fail(err, ELOOP, "more than %d directories deep", DEPTH_MAX);
	for (;;) {
		if (lseek(from_fd, offset, SEEK_SET) < 0)
			return wh_fail(err, errno, "read the directory");
		size = syscall(SYS_getdents64, from_fd, copier->entries, sizeof(copier->entries));
		if (size < 0)
			return wh_fail(err, errno, "read the directory");
		if (size == 0)
			return 0;
		rc = copy_entries(copier, size, from_fd, to_fd, depth, &offset, err);
		if (rc < 0)
			return rc;
	}
}

int copy_up_tree(int from_fd, int to_fd, struct wh_error *err)
{
	struct copier copier __attribute__((aligned(8)));
	auto_fd from = openat(from_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	auto_fd to = openat(to_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct stat st;
	int rc;

	if (from < 0 || to < 0 || fstat(from, &st) < 0 || fchown(to, st.st_uid, st.st_gid) < 0)
		rc = wh_fail(err, errno, "open the directory");
	else
		rc = copy_directory(&copier, from, to, 0, err);
	if (rc < 0 && err)
		wh_error_prefix(err, "tmpcopyup");
	return rc;
}
