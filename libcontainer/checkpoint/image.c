/* SPDX-License-Identifier: Apache-2.0 */
#include "libcontainer/checkpoint/image.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/checksum.h"
#include "base/fd.h"
#include "base/file.h"
#include "base/str.h"
#include "oci-spec/field.h"

/** A manifest lists some hundred files. */
#define MANIFEST_MAX (8UL << 20)
#define CHUNK_SIZE   (1UL << 20)

static const struct int_range any_u64 = {0, UINT64_MAX};
static const struct int_range any_u32 = {0, UINT32_MAX};

static const struct field mount_fields[] = {
    FIELD(image_mount, "key", key, field_string, NULL, FIELD_REQUIRED),
    FIELD(image_mount, "destination", destination, field_string, NULL, FIELD_REQUIRED),
    FIELD(image_mount, "path", path, field_string, NULL, FIELD_REQUIRED),
};
static const struct object_type mount_type = OBJECT_TYPE(image_mount, mount_fields);
static const struct field mount_element = {.type = &field_object, .param = &mount_type};

static const struct field file_fields[] = {
    FIELD(image_file, "name", name, field_string, NULL, FIELD_REQUIRED),
    FIELD(image_file, "size", size, field_u64, &any_u64, FIELD_REQUIRED),
    FIELD(image_file, "crc32c", checksum, field_u32, &any_u32, 0),
    FIELD(image_file, "checked", checked, field_bool, NULL, 0),
};
static const struct object_type file_type = OBJECT_TYPE(image_file, file_fields);
static const struct field file_element = {.type = &field_object, .param = &file_type};

static const struct field setting_fields[] = {
    FIELD(cgroup_setting, "file", file, field_string, NULL, FIELD_REQUIRED),
    FIELD(cgroup_setting, "value", value, field_string, NULL, FIELD_REQUIRED),
};
static const struct object_type setting_type = OBJECT_TYPE(cgroup_setting, setting_fields);
static const struct field setting_element = {.type = &field_object, .param = &setting_type};
static const struct field pid_element = {.type = &field_u32, .param = &any_u32};

static const struct field cgroup_fields[] = {
    FIELD(cgroup_node, "path", path, field_string, NULL, FIELD_REQUIRED),
    FIELD(cgroup_node, "uid", uid, field_u32, &any_u32, FIELD_REQUIRED),
    FIELD(cgroup_node, "filesUid", files_uid, field_u32, &any_u32, FIELD_REQUIRED),
    FIELD(cgroup_node, "controllers", controllers, field_string, NULL, FIELD_REQUIRED),
    FIELD_LIST(cgroup_node, "settings", settings, &setting_element, 0),
    FIELD_LIST(cgroup_node, "pids", pids, &pid_element, 0),
};
static const struct object_type cgroup_type = OBJECT_TYPE(cgroup_node, cgroup_fields);
static const struct field cgroup_element = {.type = &field_object, .param = &cgroup_type};

static const struct field image_fields[] = {
    FIELD(checkpoint_image, "format", format, field_u32, &any_u32, FIELD_REQUIRED),
    FIELD(checkpoint_image, "id", id, field_string, NULL, FIELD_REQUIRED),
    FIELD(checkpoint_image, "created", created, field_string, NULL, FIELD_REQUIRED),
    FIELD(checkpoint_image, "machine", machine, field_string, NULL, FIELD_REQUIRED),
    FIELD(checkpoint_image, "kernel", kernel, field_string, NULL, FIELD_REQUIRED),
    FIELD(checkpoint_image, "criuVersion", criu_version, field_u32, &any_u32, FIELD_REQUIRED),
    FIELD(checkpoint_image, "pageSize", page_size, field_u32, &any_u32, FIELD_REQUIRED),
    FIELD(checkpoint_image, "preDump", pre_dump, field_bool, NULL, 0),
    FIELD(checkpoint_image, "lazyPages", lazy_pages, field_bool, NULL, 0),
    FIELD(checkpoint_image, "pagesElsewhere", pages_elsewhere, field_bool, NULL, 0),
    FIELD(checkpoint_image, "terminal", terminal, field_bool, NULL, 0),
    FIELD(checkpoint_image, "callersTerminal", callers_terminal, field_bool, NULL, 0),
    FIELD_LIST(checkpoint_image, "cgroups", cgroups, &cgroup_element, 0),
    FIELD_LIST(checkpoint_image, "mounts", mounts, &mount_element, 0),
    FIELD_LIST(checkpoint_image, "stdio", stdio, &field_string_element, 0),
    FIELD_LIST(checkpoint_image, "files", files, &file_element, FIELD_REQUIRED),
};
static const struct object_type image_type = OBJECT_TYPE(checkpoint_image, image_fields);

static bool ends_with(const char *text, const char *end)
{
	size_t len = strlen(text), end_len = strlen(end);

	return len >= end_len && streq(text + len - end_len, end);
}

/** What makes up the image: logs and statistics do not. */
static bool is_image_file(const char *name)
{
	return ends_with(name, ".img") || streq(name, IMAGE_DESCRIPTORS_FILE);
}

static bool is_memory(const char *name)
{
	return str_after(name, "pages-") != NULL;
}

/** A file of the directory itself: no link, no FIFO that would hold us. */
static int open_file(int dir_fd, const char *name, uint64_t *ret_size)
{
	auto_fd fd = openat(dir_fd, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0)
		return -errno;
	if (!S_ISREG(st.st_mode))
		return -EBADF;
	*ret_size = (uint64_t)st.st_size;
	return fd_take(&fd);
}

static int checksum_of(int fd, struct arena *arena, uint32_t *ret)
{
	static char *chunk;
	uint32_t crc = 0;
	ssize_t n;

	if (!chunk)
		chunk = malloc(CHUNK_SIZE);
	if (!chunk)
		return -ENOMEM;
	while ((n = read(fd, chunk, CHUNK_SIZE)) != 0) {
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		crc = checksum_add(crc, chunk, (size_t)n);
	}
	*ret = crc;
	return 0;
}

static int describe(int dir_fd, const char *name, enum image_check check, struct arena *arena,
		    struct image_file *ret)
{
	struct image_file file = {.name = arena_strdup(arena, name)};
	auto_fd fd = open_file(dir_fd, name, &file.size);
	int rc = 0;

	if (fd < 0)
		return fd;
	if (!file.name)
		return -ENOMEM;
	file.checked = check == IMAGE_CHECK_ALL || !is_memory(name);
	if (file.checked)
		rc = checksum_of(fd, arena, &file.checksum);
	*ret = file;
	return rc;
}

/** The names of the image's files, and how many: in two walks, since the arena does not grow lists. */
static int list_files(int dir_fd, struct arena *arena, const char ***ret_names, size_t *ret_count)
{
	auto_dir *dir = fd_list(dir_fd);
	const char **names = NULL;
	struct dirent *entry;
	size_t count = 0;

	if (!dir)
		return -errno;
	for (int walk = 0; walk < 2; walk++) {
		size_t found = 0;

		rewinddir(dir);
		while ((entry = readdir(dir))) {
			if (!is_image_file(entry->d_name))
				continue;
			if (walk == 1 && found < count) {
				names[found] = arena_strdup(arena, entry->d_name);
				if (!names[found])
					return -ENOMEM;
			}
			found++;
		}
		if (walk == 0) {
			count = found;
			names = arena_array(arena, const char *, count + 1);
			if (!names)
				return -ENOMEM;
		}
	}
	*ret_names = names;
	*ret_count = count;
	return 0;
}

int checkpoint_image_write(int dir_fd, struct checkpoint_image *image, enum image_check check,
			   struct arena *arena, struct wh_error *err)
{
	const char **names = NULL;
	const char *json;
	size_t len;
	int rc;

	rc = list_files(dir_fd, arena, &names, &image->n_files);
	if (rc < 0)
		return wh_fail(err, -rc, "list the image's files");
	image->files = arena_array(arena, struct image_file, image->n_files + 1);
	if (!image->files)
		return wh_oom(err);
	for (size_t i = 0; names && i < image->n_files; i++) {
		rc = describe(dir_fd, names[i], check, arena, &image->files[i]);
		if (rc < 0)
			return wh_fail(err, -rc, "read back '%s' of the image", names[i]);
	}
	rc = field_encode_document(&image_type, image, "  ", arena, &json, &len, err);
	if (rc == 0)
		rc = file_replace(dir_fd, IMAGE_MANIFEST_FILE, json, len, 0600, err);
	return rc;
}

int checkpoint_image_invalidate(int dir_fd, struct wh_error *err)
{
	if (unlinkat(dir_fd, IMAGE_MANIFEST_FILE, 0) < 0 && errno != ENOENT)
		return wh_fail(err, errno, "remove '" IMAGE_MANIFEST_FILE "' of an older image");
	return 0;
}

static int read_manifest(int dir_fd, const char *path, struct arena *arena,
			 struct checkpoint_image *ret_image, struct wh_error *err)
{
	struct field_document document = {
	    .name = IMAGE_MANIFEST_FILE, .max_size = MANIFEST_MAX, .max_depth = 5};
	struct problems problems;
	uint64_t size;
	char *text;
	int rc;

	auto_fd file = open_file(dir_fd, IMAGE_MANIFEST_FILE, &size);

	if (file == -ENOENT)
		return wh_fail_kind(err, WH_ERROR_CONFIG, 0,
				    "'%s' holds no complete image: it has no " IMAGE_MANIFEST_FILE
				    ", which 'wherry checkpoint' writes last",
				    path);
	if (file < 0)
		return wh_fail(err, -file, "open '%s/" IMAGE_MANIFEST_FILE "'", path);
	problems_init(&problems, arena);
	rc = file_read(dir_fd, IMAGE_MANIFEST_FILE, MANIFEST_MAX, arena, &text, &document.len, err);
	if (rc == 0) {
		document.text = text;
		rc =
		    field_decode_document(&document, &image_type, arena, &problems, ret_image, err);
	}
	if (rc < 0) {
		wh_error_prefix(err, "image '%s' is damaged", path);
		return rc;
	}
	if (ret_image->format != IMAGE_FORMAT)
		return wh_fail_kind(err, WH_ERROR_UNSUPPORTED, 0,
				    "image '%s' has format %u, this version of wherry reads %d",
				    path, ret_image->format, IMAGE_FORMAT);
	return 0;
}

static int check_file(int dir_fd, const char *path, const struct image_file *file,
		      enum image_check check, struct arena *arena, struct wh_error *err)
{
	uint64_t size = 0;
	auto_fd fd = strchr(file->name, '/') ? -EINVAL : open_file(dir_fd, file->name, &size);
	uint32_t checksum = 0;
	int rc;

	if (fd == -ENOENT)
		return wh_fail_kind(err, WH_ERROR_CONFIG, 0,
				    "image '%s' is incomplete: '%s' is missing", path, file->name);
	if (fd < 0)
		return wh_fail_kind(err, WH_ERROR_CONFIG, 0,
				    "image '%s' is damaged: '%s' is no readable file", path,
				    file->name);
	if (size != file->size)
		return wh_fail_kind(err, WH_ERROR_CONFIG, 0,
				    "image '%s' is damaged: '%s' has %llu bytes instead of %llu",
				    path, file->name, (unsigned long long)size,
				    (unsigned long long)file->size);
	if (!file->checked || (check == IMAGE_CHECK_FAST && is_memory(file->name)))
		return 0;
	rc = checksum_of(fd, arena, &checksum);
	if (rc < 0)
		return wh_fail(err, -rc, "read '%s/%s'", path, file->name);
	if (checksum != file->checksum)
		return wh_fail_kind(err, WH_ERROR_CONFIG, 0,
				    "image '%s' is damaged: the checksum of '%s' does not match",
				    path, file->name);
	return 0;
}

int checkpoint_image_read(int dir_fd, const char *path, enum image_check check, struct arena *arena,
			  struct checkpoint_image *ret_image, struct wh_error *err)
{
	struct checkpoint_image image = {.format = 0};
	int rc = read_manifest(dir_fd, path, arena, &image, err);

	for (size_t i = 0; rc == 0 && i < image.n_files; i++)
		rc = check_file(dir_fd, path, &image.files[i], check, arena, err);
	if (rc == 0)
		*ret_image = image;
	return rc;
}
