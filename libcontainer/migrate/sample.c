/* SPDX-License-Identifier: Apache-2.0 */
#include "libcontainer/migrate/sample.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/checksum.h"
#include "base/fd.h"
#include "base/path.h"
#include "base/procfs.h"
#include "base/str.h"

/** Of a file's content that much counts. */
#define CONTENT_MAX 16384

/** From one directory no more than that, so that the sample is from everywhere. */
#define PER_DIRECTORY 12

/** Directories that are looked into. */
#define DIRECTORIES_MAX 256

#define DESCRIPTION_SIZE 128

#define MAPS_MAX (256U << 10)

/** Names as a document can have them: the others are left out. */
static bool is_plain(const char *path)
{
	for (const char *c = path; *c; c++) {
		if (*c <= ' ' || *c >= 0x7f)
			return false;
	}
	return strlen(path) < 256;
}

/** How a file begins; of a link where it leads. Returns 0 or -errno. */
static int sum_up(int root_fd, const char *path, int fd, mode_t mode, uint32_t *ret_sum)
{
	char buf[CONTENT_MAX];
	auto_fd file = -EBADF;
	ssize_t n = 0;

	if (S_ISLNK(mode)) {
		n = readlinkat(fd, "", buf, sizeof(buf));
	} else if (S_ISREG(mode)) {
		file = path_open_in_root(root_fd, path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK, 0);
		if (file < 0)
			return file;
		n = pread(file, buf, sizeof(buf), 0);
	}
	if (n < 0)
		return -errno;
	*ret_sum = checksum_add(0, buf, (size_t)n);
	return 0;
}

/** What is compared of @path. Size and time of a directory are the file system's own affair. Returns 0 or -errno. */
static int describe(int root_fd, const char *path, char *buf, struct stat *ret_st)
{
	auto_fd fd = path_open_in_root(root_fd, path, O_PATH | O_NOFOLLOW, 0);
	uint32_t sum = 0;
	bool has_size;
	int rc;

	if (fd < 0)
		return fd;
	if (fstat(fd, ret_st) < 0)
		return -errno;
	rc = sum_up(root_fd, path, fd, ret_st->st_mode, &sum);
	if (rc < 0)
		return rc;
	has_size = S_ISREG(ret_st->st_mode);
	snprintf(buf, DESCRIPTION_SIZE, "%o:%u:%u:%" PRId64 ":%" PRId64 ":%08x",
		 (unsigned int)ret_st->st_mode, (unsigned int)ret_st->st_uid,
		 (unsigned int)ret_st->st_gid, has_size ? (int64_t)ret_st->st_size : 0,
		 has_size ? (int64_t)ret_st->st_mtime : 0, sum);
	return 0;
}

static int append(struct migrate_sample *sample, const char *description, const char *path,
		  struct arena *arena, struct wh_error *err)
{
	const char *file;

	if (!sample->files)
		sample->files = arena_array(arena, const char *, MIGRATE_SAMPLE_MAX);
	file = arena_printf(arena, "%s %s", description, path);
	if (!sample->files || !file)
		return wh_oom(err);
	for (size_t i = 0; i < sample->n_files; i++) {
		if (streq(sample->files[i], file))
			return 0;
	}
	sample->files[sample->n_files++] = file;
	return 0;
}

int migrate_sample_add(struct migrate_sample *sample, int root_fd, const char *path,
		       struct arena *arena, struct wh_error *err)
{
	char description[DESCRIPTION_SIZE];
	struct stat st;

	if (sample->n_files == MIGRATE_SAMPLE_MAX || !is_plain(path) ||
	    describe(root_fd, path, description, &st) < 0)
		return 0;
	return append(sample, description, path, arena, err);
}

/** Directories of the root that are still to be looked into. */
struct todo {
	const char *paths[DIRECTORIES_MAX];
	size_t next;
	size_t count;
	dev_t device; /* what is mounted below the root is not part of it */
	int64_t before;
};

/** One entry of a directory. *@room: how many more may be taken from there. */
static int visit(struct migrate_sample *sample, int root_fd, const char *path, struct todo *todo,
		 size_t *room, struct arena *arena, struct wh_error *err)
{
	char description[DESCRIPTION_SIZE];
	struct stat st;

	if (describe(root_fd, path, description, &st) < 0)
		return 0;
	if (S_ISDIR(st.st_mode)) {
		if (st.st_dev != todo->device)
			return 0;
		if (todo->count < DIRECTORIES_MAX)
			todo->paths[todo->count++] = path;
	}
	if (*room == 0 || st.st_mtime >= todo->before)
		return 0;
	--*room;
	return append(sample, description, path, arena, err);
}

static int look_into(struct migrate_sample *sample, int root_fd, const char *path,
		     struct todo *todo, struct arena *arena, struct wh_error *err)
{
	int fd =
	    path_open_in_root(root_fd, path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_NOATIME, 0);
	auto_dir *dir = fd < 0 ? NULL : fdopendir(fd);
	size_t room = PER_DIRECTORY;
	struct dirent *entry;

	if (!dir) {
		fd_close(fd);
		return 0;
	}
	while ((entry = readdir(dir)) && sample->n_files < MIGRATE_SAMPLE_MAX) {
		bool is_dir = entry->d_type == DT_DIR || entry->d_type == DT_UNKNOWN;
		const char *child;
		int rc;

		if (streq(entry->d_name, ".") || streq(entry->d_name, "..") ||
		    (room == 0 && !is_dir))
			continue;
		child = arena_printf(arena, "%s/%s", streq(path, "/") ? "" : path, entry->d_name);
		if (!child)
			return wh_oom(err);
		rc = is_plain(child) ? visit(sample, root_fd, child, todo, &room, arena, err) : 0;
		if (rc < 0)
			return rc;
	}
	return 0;
}

int migrate_sample_spread(struct migrate_sample *sample, int root_fd, int64_t before,
			  struct arena *arena, struct wh_error *err)
{
	struct todo todo = {.paths = {"/"}, .count = 1, .before = before};
	struct stat st;

	if (fstat(root_fd, &st) < 0)
		return wh_fail(err, errno, "look at the root file system");
	todo.device = st.st_dev;
	while (todo.next < todo.count && sample->n_files < MIGRATE_SAMPLE_MAX) {
		int rc = look_into(sample, root_fd, todo.paths[todo.next++], &todo, arena, err);

		if (rc < 0)
			return rc;
	}
	return 0;
}

/** The files in the text of /proc/PID/maps, by their names in the container: what is not in its root is left out. */
static int add_mapped(struct migrate_sample *sample, int root_fd, char *maps, struct arena *arena,
		      struct wh_error *err)
{
	const char *last = "";
	char *next;

	for (char *line = maps; line && *line; line = next) {
		char *path;
		int rc;

		next = strchr(line, '\n');
		if (next)
			*next++ = '\0';
		path = strchr(line, '/');
		if (!path || streq(path, last))
			continue;
		last = path;
		rc = migrate_sample_add(sample, root_fd, path, arena, err);
		if (rc < 0)
			return rc;
	}
	return 0;
}

/** Where what is found in the processes goes. */
struct mapped {
	struct migrate_sample *sample;
	int root_fd;
	char *maps; /* MAPS_MAX bytes, for the text of one at a time */
	struct arena *arena;
};

static int add_mapped_of(void *ctx, const struct access_processes *all, pid_t pid,
			 struct wh_error *err)
{
	const struct mapped *mapped = ctx;
	char name[32];

	snprintf(name, sizeof(name), "%d/maps", (int)pid);
	if (procfs_read(all->proc, name, mapped->maps, MAPS_MAX, NULL) <= 0)
		return 0;
	return add_mapped(mapped->sample, mapped->root_fd, mapped->maps, mapped->arena, err);
}

static int add_all_mapped(struct migrate_sample *sample, struct access *access, int root_fd,
			  struct wh_error *err)
{
	struct mapped mapped = {.sample = sample,
				.root_fd = root_fd,
				.maps = arena_alloc(&access->arena, MAPS_MAX),
				.arena = &access->arena};

	if (!mapped.maps)
		return wh_oom(err);
	return access_each_process(access, add_mapped_of, &mapped, err);
}

int migrate_sample_take(struct access *access, int root_fd, struct migrate_sample *ret_sample,
			struct wh_error *err)
{
	struct stat made;
	int rc = add_all_mapped(ret_sample, access, root_fd, err);

	if (rc < 0)
		return rc;
	if (fstatat(access->dir_fd, STATE_CONFIG_FILE, &made, AT_SYMLINK_NOFOLLOW) < 0)
		return wh_fail(err, errno, "look when the container was made");
	return migrate_sample_spread(ret_sample, root_fd, made.st_mtime, &access->arena, err);
}

const char *migrate_sample_differs(const char *const *files, size_t n_files, int root_fd)
{
	for (size_t i = 0; i < n_files; i++) {
		const char *path = strchr(files[i], ' ');
		char description[DESCRIPTION_SIZE];
		struct stat st;

		if (!path)
			return files[i];
		path++;
		if (describe(root_fd, path, description, &st) < 0 ||
		    strlen(description) != (size_t)(path - 1 - files[i]) ||
		    memcmp(description, files[i], strlen(description)) != 0)
			return path;
	}
	return NULL;
}
