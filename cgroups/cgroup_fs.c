/* SPDX-License-Identifier: Apache-2.0 */
#include "cgroups/cgroup_fs.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/path.h"
#include "base/str.h"

int cgroup_place_find(int mount_fd, const char *path, struct cgroup_place *ret_place)
{
	const char *relative = path + strspn(path, "/");
	const char *slash = strrchr(relative, '/');
	char parent[PATH_MAX];
	int fd;

	if (str_empty(relative) || strlen(relative) >= sizeof(parent))
		return -EINVAL;
	if (!slash) {
		*ret_place = (struct cgroup_place){
		    .parent_fd = mount_fd, .owned_fd = -EBADF, .name = relative};
		return 0;
	}
	memcpy(parent, relative, slash - relative);
	parent[slash - relative] = '\0';
	fd = path_open_beneath(mount_fd, parent, O_PATH | O_DIRECTORY, 0);
	if (fd < 0)
		return fd;
	*ret_place = (struct cgroup_place){.parent_fd = fd, .owned_fd = fd, .name = slash + 1};
	return 0;
}

void cgroup_place_done(struct cgroup_place *place)
{
	fd_close(place->owned_fd);
	*place = CGROUP_PLACE_NONE;
}

/** cgroup2 keeps extended attributes of users since Linux 5.7. */
#define MARK "user.wherry.made"

void cgroup_fs_mark_made(int dir_fd)
{
	/* Best effort: see the header. */
	(void)fsetxattr(dir_fd, MARK, "1", 1, 0);
}

bool cgroup_fs_is_marked(int dir_fd, const char *name)
{
	auto_fd fd = cgroup_fs_open_dir(dir_fd, name);
	char value;

	return fd >= 0 && fgetxattr(fd, MARK, &value, sizeof(value)) == 1;
}

int cgroup_fs_open_dir(int dir_fd, const char *name)
{
	return path_open_beneath(dir_fd, name, O_RDONLY | O_DIRECTORY, 0);
}

ssize_t cgroup_fs_read(int dir_fd, const char *file, char *buf, size_t size)
{
	auto_fd fd = path_open_beneath(dir_fd, file, O_RDONLY, 0);
	ssize_t len = fd < 0 ? fd : fd_read_up_to(fd, buf, size);

	if (len < 0)
		return len;
	if ((size_t)len == size)
		return -EFBIG;
	if (len > 0 && buf[len - 1] == '\n')
		len--;
	buf[len] = '\0';
	return len;
}

ssize_t cgroup_fs_read_all(int dir_fd, const char *file, struct arena *arena, const char **ret_text)
{
	/* such a file has no size that could be asked for */
	for (size_t size = 4096;; size *= 4) {
		char *text = arena_alloc(arena, size);
		ssize_t len = text ? cgroup_fs_read(dir_fd, file, text, size) : -ENOMEM;

		if (len == -EFBIG)
			continue;
		if (len >= 0)
			*ret_text = text;
		return len;
	}
}

int cgroup_fs_read_number(int dir_fd, const char *file, uint64_t *ret_value)
{
	char text[32];
	ssize_t n = cgroup_fs_read(dir_fd, file, text, sizeof(text));

	if (n < 0)
		return (int)n;
	return str_parse_u64(text, UINT64_MAX, ret_value) < 0 ? -ENODATA : 0;
}

int cgroup_fs_write(int dir_fd, const char *file, const char *text)
{
	auto_fd fd = path_open_beneath(dir_fd, file, O_WRONLY, 0);
	ssize_t n;

	if (fd < 0)
		return fd;
	do
		n = write(fd, text, strlen(text));
	while (n < 0 && errno == EINTR);
	return n < 0 ? -errno : 0;
}

int cgroup_fs_keyed_value(const char *text, const char *key, uint64_t *ret_value)
{
	while (text) {
		const char *value = str_after(text, key);
		char digits[24];
		size_t len;

		if (value && value[0] == ' ') {
			len = strcspn(++value, "\n");
			if (len >= sizeof(digits))
				return -ENODATA;
			memcpy(digits, value, len);
			digits[len] = '\0';
			return str_parse_u64(digits, UINT64_MAX, ret_value) < 0 ? -ENODATA : 0;
		}
		text = strchr(text, '\n');
		text = text ? text + 1 : NULL;
	}
	return -ENODATA;
}

const char *cgroup_fs_next_dir(DIR *list)
{
	for (;;) {
		const struct dirent *entry = readdir(list);

		if (!entry)
			return NULL;
		if (entry->d_type == DT_DIR && entry->d_name[0] != '\0' &&
		    !streq(entry->d_name, ".") && !streq(entry->d_name, ".."))
			return entry->d_name;
	}
}
