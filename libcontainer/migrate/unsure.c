/* SPDX-License-Identifier: Apache-2.0 */
#include "libcontainer/migrate/unsure.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "base/fd.h"
#include "base/path.h"
#include "base/str.h"

/** Negative, 0 or positive, as @a is before, at or after @b. */
static int compare(const struct timespec *a, const struct timespec *b)
{
	if (a->tv_sec != b->tv_sec)
		return a->tv_sec < b->tv_sec ? -1 : 1;
	return a->tv_nsec < b->tv_nsec ? -1 : a->tv_nsec > b->tv_nsec;
}

bool migrate_is_unsure(const struct stat *st, const struct migrate_copied *copied)
{
	/* a write stamps both; a time that was set is older or newer than that of its setting */
	const bool written = compare(&st->st_mtim, &st->st_ctim) == 0;

	return S_ISREG(st->st_mode) && compare(&st->st_ctim, &copied->begun) >= 0 &&
	       !(written && compare(&st->st_mtim, &copied->ended) > 0);
}

/** Add "@dir/@name", or @name alone in the root (""). */
static int add(struct migrate_names *names, const char *dir, const char *name)
{
	size_t dir_len = strlen(dir), name_len = strlen(name);
	size_t need = names->len + dir_len + name_len + 2;

	if (need > names->size) {
		size_t size = need > 2 * names->size ? need + 4096 : 2 * names->size;
		char *data = realloc(names->data, size);

		if (!data)
			return -ENOMEM;
		names->data = data;
		names->size = size;
	}
	if (dir_len > 0) {
		memcpy(names->data + names->len, dir, dir_len);
		names->len += dir_len;
		names->data[names->len++] = '/';
	}
	memcpy(names->data + names->len, name, name_len + 1);
	names->len += name_len + 1;
	return 0;
}

/** The files in the directory @path go to @names, the directories to @dirs. */
static int look_into(int root_fd, const char *path, const struct migrate_copied *copied,
		     struct migrate_names *dirs, struct migrate_names *names)
{
	int fd = path_open_in_root(root_fd, *path ? path : ".",
				   O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_NONBLOCK, 0);
	auto_dir *dir = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *entry;

	if (!dir) {
		fd_close(fd);
		return fd < 0 ? fd : -ENOMEM;
	}
	while ((entry = readdir(dir))) {
		struct stat st;
		int rc = 0;

		if (streq(entry->d_name, ".") || streq(entry->d_name, ".."))
			continue;
		if (fstatat(dirfd(dir), entry->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0)
			return -errno;
		if (S_ISDIR(st.st_mode))
			rc = add(dirs, path, entry->d_name);
		else if (migrate_is_unsure(&st, copied))
			rc = add(names, path, entry->d_name);
		if (rc < 0)
			return rc;
	}
	return 0;
}

int migrate_unsure_find(int root_fd, const struct migrate_copied *copied,
			struct migrate_names *ret_names, struct wh_error *err)
{
	struct migrate_names dirs = {0};
	size_t next = 0;
	int rc = add(&dirs, "", "");

	*ret_names = (struct migrate_names){0};
	while (rc == 0 && next < dirs.len) {
		/* the list moves as it grows */
		auto_free char *path = strdup(dirs.data + next);

		rc = path ? look_into(root_fd, path, copied, &dirs, ret_names) : -ENOMEM;
		if (rc < 0)
			wh_fail(err, -rc, "look for changed files in '%s' of the root file system",
				path ? path : "?");
		next += path ? strlen(path) + 1 : 0;
	}
	migrate_names_done(&dirs);
	if (rc < 0)
		migrate_names_done(ret_names);
	return rc;
}

void migrate_names_done(struct migrate_names *names)
{
	free(names->data);
	*names = (struct migrate_names){0};
}
