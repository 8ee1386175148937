/* SPDX-License-Identifier: Apache-2.0 */
#include "base/path.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/str.h"
#include "base/sys.h"

/*
 * openat2(2) answers EAGAIN when a rename or a mount anywhere on the host happened while it walked
 * a "..". A container can provoke that for ever, so the retries are bounded.
 */
#define PATH_RETRIES 64
/* How many dangling links are made good on one path; as many as the kernel follows
 * (path_resolution(7)). */
#define PATH_MAX_LINKS 40

#define TARGET_DIR_MODE  0755
#define TARGET_FILE_MODE 0644

static int resolve(int dir_fd, const char *path, int flags, mode_t mode, uint64_t resolve_flags)
{
	bool creates = (flags & O_CREAT) || (flags & O_TMPFILE) == O_TMPFILE;
	struct open_how how = {
	    .flags = (uint64_t)(unsigned int)(flags | O_CLOEXEC),
	    .mode = creates ? mode : 0, /* openat2(2): anything else is EINVAL */
	    .resolve = resolve_flags,
	};
	int r = -EAGAIN;

	for (int i = 0; i < PATH_RETRIES && (r == -EAGAIN || r == -EINTR); i++)
		r = sys_openat2(dir_fd, path, &how);
	return r;
}

int path_open_in_root(int root_fd, const char *path, int flags, mode_t mode)
{
	return resolve(root_fd, path, flags, mode, RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS);
}

int path_open_beneath(int dir_fd, const char *path, int flags, mode_t mode)
{
	return resolve(dir_fd, path, flags, mode,
		       RESOLVE_BENEATH | RESOLVE_NO_XDEV | RESOLVE_NO_SYMLINKS |
			   RESOLVE_NO_MAGICLINKS);
}

/*
 * A path that is being made, rewritten whenever a dangling link on it is met. @start and @stop
 * bound the component at hand: what is before it exists.
 */
struct walk {
	int root_fd;
	unsigned int links; /* dangling links met so far */
	size_t start, stop;
	char path[PATH_MAX];
};

static int walk_init(struct walk *walk, int root_fd, const char *path, size_t len)
{
	if (len >= sizeof(walk->path))
		return -ENAMETOOLONG;
	walk->root_fd = root_fd;
	walk->links = 0;
	walk->start = walk->stop = 0;
	memcpy(walk->path, path, len);
	walk->path[len] = '\0';
	return 0;
}

/* Step to the component after the one at hand. False at the end of the path. */
static bool walk_next(struct walk *walk)
{
	walk->start = walk->stop + strspn(walk->path + walk->stop, "/");
	walk->stop = walk->start + strcspn(walk->path + walk->start, "/");
	return walk->stop > walk->start;
}

/*
 * The component at hand exists but leads nowhere: put where the link points in its place, and begin
 * again. The kernel resolves the new path inside the root as it did the old one, so "../../.." in
 * it ends at the root. Returns 0, or -errno; a component that is no link (any more) is left to be
 * opened again.
 */
static int walk_follow(struct walk *walk, int parent_fd, const char *name)
{
	char target[PATH_MAX], whole[PATH_MAX];
	ssize_t len;
	int n;

	if (++walk->links > PATH_MAX_LINKS)
		return -ELOOP;
	len = readlinkat(parent_fd, name, target, sizeof(target) - 1);
	if (len < 0 && errno != EINVAL && errno != ENOENT)
		return -errno;
	if (len >= 0) {
		int kept = target[0] == '/' ? 0 : (int)walk->start;

		target[len] = '\0';
		n = snprintf(whole, sizeof(whole), "%.*s%s%s", kept, walk->path, target,
			     walk->path + walk->stop);
		if (n < 0 || (size_t)n >= sizeof(whole))
			return -ENAMETOOLONG;
		memcpy(walk->path, whole, (size_t)n + 1);
	}
	walk->start = walk->stop = 0;
	return 0;
}

/* Open the path up to and with the component at hand. Returns the fd or -errno. */
static int walk_open(struct walk *walk, int flags)
{
	char kept = walk->path[walk->stop];
	int fd;

	walk->path[walk->stop] = '\0';
	fd = path_open_in_root(walk->root_fd, walk->path, flags, 0);
	walk->path[walk->stop] = kept;
	return fd;
}

/*
 * Make the component at hand, which was found missing, in @parent_fd: nothing is followed here.
 * When the name is taken it is a dangling link, or somebody was faster. Returns 1 when the
 * component is to be opened again, 0 when the walk begins again, or -errno.
 */
static int walk_make_dir(struct walk *walk, int parent_fd, mode_t mode)
{
	char name[NAME_MAX + 1];
	size_t len = walk->stop - walk->start;

	if (len > NAME_MAX)
		return -ENAMETOOLONG;
	memcpy(name, walk->path + walk->start, len);
	name[len] = '\0';
	if (mkdirat(parent_fd, name, mode) == 0)
		return 1;
	return errno == EEXIST ? walk_follow(walk, parent_fd, name) : -errno;
}

/* mkdir -p of the walk's path. Returns an O_PATH fd of its last component or -errno. */
static int walk_make(struct walk *walk, mode_t mode)
{
	const int flags = O_PATH | O_DIRECTORY;
	auto_fd fd = path_open_in_root(walk->root_fd, "/", flags, 0);

	if (fd < 0)
		return fd;
	while (walk_next(walk)) {
		int next = walk_open(walk, flags);

		if (next == -ENOENT) {
			int r = walk_make_dir(walk, fd, mode);

			if (r < 0)
				return r;
			next = r ? walk_open(walk, flags)
				 : path_open_in_root(walk->root_fd, "/", flags, 0);
		}
		if (next < 0)
			return next;
		fd_close(fd);
		fd = next;
	}
	return fd_take(&fd);
}

/* mkdir -p of the first @len bytes of @path. Returns an O_PATH fd or -errno. */
static int make_dirs(int root_fd, const char *path, size_t len, mode_t mode)
{
	struct walk walk;
	int r = walk_init(&walk, root_fd, path, len);

	return r < 0 ? r : walk_make(&walk, mode);
}

int path_mkdir_in_root(int root_fd, const char *path, mode_t mode, struct wh_error *err)
{
	/* Nearly always it is there already. */
	int fd = path_open_in_root(root_fd, path, O_PATH | O_DIRECTORY, 0);

	if (fd == -ENOENT)
		fd = make_dirs(root_fd, path, strlen(path), mode);
	if (fd < 0)
		return wh_fail(err, -fd, "make the directory '%s' inside the root", path);
	return fd;
}

/* Where the last component of @path starts, and its length; trailing slashes are left out. */
static size_t last_component(const char *path, size_t *ret_len)
{
	size_t stop = strlen(path), start;

	while (stop > 0 && path[stop - 1] == '/')
		stop--;
	start = stop;
	while (start > 0 && path[start - 1] != '/')
		start--;
	*ret_len = stop - start;
	return start;
}

/*
 * Make an empty file where the walk's path ends and open it O_PATH. Returns the fd, -EAGAIN when
 * the name turned out to be a dangling link and the path has been rewritten, or -errno.
 */
static int walk_make_file(struct walk *walk)
{
	auto_fd parent = -EBADF;
	auto_fd made = -EBADF;
	size_t len;
	const char *name;
	int r;

	walk->start = last_component(walk->path, &len);
	walk->stop = walk->start + len;
	walk->path[walk->stop] = '\0';
	name = walk->path + walk->start;
	parent = make_dirs(walk->root_fd, walk->path, walk->start, TARGET_DIR_MODE);
	if (parent < 0)
		return parent;
	made = openat(parent, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC,
		      TARGET_FILE_MODE);
	if (made >= 0)
		return path_open_beneath(parent, name, O_PATH, 0);
	if (errno != EEXIST)
		return -errno;
	r = walk_follow(walk, parent, name);
	return r < 0 ? r : -EAGAIN;
}

/* An O_PATH fd of the file @path inside @root_fd, made when missing. Returns the fd or -errno. */
static int make_file(int root_fd, const char *path)
{
	struct walk walk;
	int r = walk_init(&walk, root_fd, path, strlen(path));

	if (r < 0)
		return r;
	do {
		r = path_open_in_root(root_fd, walk.path, O_PATH, 0);
		if (r != -ENOENT)
			return r;
		r = walk_make_file(&walk);
	} while (r == -EAGAIN);
	return r;
}

int path_make_target(int root_fd, const char *path, bool is_dir, struct wh_error *err)
{
	auto_fd fd = -EBADF;
	struct stat st;

	if (is_dir)
		return path_mkdir_in_root(root_fd, path, TARGET_DIR_MODE, err);
	fd = make_file(root_fd, path);
	if (fd < 0)
		return wh_fail(err, -fd, "make the file '%s' inside the root", path);
	if (fstat(fd, &st) < 0)
		return wh_fail(err, errno, "stat '%s' inside the root", path);
	if (S_ISDIR(st.st_mode))
		return wh_fail(err, EISDIR, "a file cannot be mounted on '%s' inside the root",
			       path);
	return fd_take(&fd);
}

int path_open_parent(int root_fd, const char *path, mode_t mkdir_mode, const char **ret_name,
		     struct wh_error *err)
{
	size_t len, start = last_component(path, &len);
	const char *name = len ? path + start : ".";
	int fd;

	if (len && (name[len] == '/' || streq(name, ".") || streq(name, "..")))
		return wh_fail(err, EINVAL, "'%s' does not end in a name", path);
	fd = make_dirs(root_fd, path, start, mkdir_mode);
	if (fd < 0)
		return wh_fail(err, -fd, "make the parent directory of '%s' inside the root", path);
	*ret_name = name;
	return fd;
}

int path_check(const char *path, struct wh_error *err)
{
	if (path[0] != '/')
		return wh_fail_kind(err, WH_ERROR_CONFIG, 0, "'%s' is not an absolute path", path);
	if (strlen(path) >= PATH_MAX)
		return wh_fail_kind(err, WH_ERROR_CONFIG, ENAMETOOLONG,
				    "a path is longer than %d bytes", PATH_MAX - 1);
	for (const char *p = path; *p; p++) {
		if ((unsigned char)*p < 0x20 || *p == 0x7f)
			return wh_fail_kind(err, WH_ERROR_CONFIG, 0,
					    "'%s' has a control character at byte %td", path,
					    p - path);
	}
	return 0;
}

ssize_t path_clean(const char *path, char *buf, size_t size)
{
	size_t len = 0;

	if (size < 2)
		return -ENAMETOOLONG;
	while (*path) {
		size_t skip = strspn(path, "/");
		size_t n = strcspn(path + skip, "/");
		const char *name = path + skip;

		path = name + n;
		if (n == 0 || (n == 1 && name[0] == '.'))
			continue;
		if (n == 2 && name[0] == '.' && name[1] == '.') {
			while (len > 0 && buf[--len] != '/')
				;
			continue;
		}
		/* The slash, the name and the NUL. */
		if (n + 2 > size - len)
			return -ENAMETOOLONG;
		buf[len] = '/';
		memcpy(buf + len + 1, name, n);
		len += n + 1;
	}
	if (len == 0)
		buf[len++] = '/';
	buf[len] = '\0';
	return (ssize_t)len;
}

int path_remove_entries(int dir_fd, int depth)
{
	auto_dir *dir = fd_list(dir_fd);
	struct dirent *entry;

	if (!dir)
		return -errno;
	while ((entry = readdir(dir))) {
		if (streq(entry->d_name, ".") || streq(entry->d_name, ".."))
			continue;
		if (unlinkat(dir_fd, entry->d_name, 0) == 0 || errno == ENOENT)
			continue;
		if (errno != EISDIR || depth == 0)
			return -errno;
		auto_fd sub =
		    openat(dir_fd, entry->d_name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

		if (sub < 0 || path_remove_entries(sub, depth - 1) < 0 ||
		    unlinkat(dir_fd, entry->d_name, AT_REMOVEDIR) < 0)
			return -errno;
	}
	return 0;
}
