/* SPDX-License-Identifier: Apache-2.0 */
#include "cgroups/cgroup_mountinfo.h"

#include <dlfcn.h>
#include <errno.h>
#include <libmount.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "base/str.h"
#include "base/twin.h"

#define LIBMOUNT_SONAME "libmount.so.1"

/** What is used of libmount, with the types of its header. */
struct libmount {
	void *handle;
	__typeof__(&mnt_new_table_from_file) new_table_from_file;
	__typeof__(&mnt_unref_table) unref_table;
	__typeof__(&mnt_new_iter) new_iter;
	__typeof__(&mnt_free_iter) free_iter;
	__typeof__(&mnt_table_next_fs) table_next_fs;
	__typeof__(&mnt_fs_get_fstype) fs_get_fstype;
	__typeof__(&mnt_fs_get_target) fs_get_target;
};

#define SYMBOL(member)                                                                             \
	{                                                                                          \
		"mnt_" #member, offsetof(struct libmount, member)                                  \
	}

static const struct {
	const char *name;
	size_t offset;
} symbols[] = {
    SYMBOL(new_table_from_file), SYMBOL(unref_table),   SYMBOL(new_iter),      SYMBOL(free_iter),
    SYMBOL(table_next_fs),       SYMBOL(fs_get_fstype), SYMBOL(fs_get_target),
};

static int libmount_load(struct libmount *lib, struct wh_error *err)
{
	int rc = twin_require(LIBMOUNT_SONAME, err);

	if (rc < 0)
		return rc;
	lib->handle = dlopen(LIBMOUNT_SONAME, RTLD_NOW | RTLD_LOCAL);
	if (!lib->handle)
		return wh_fail_kind(err, WH_ERROR_UNSUPPORTED, 0,
				    "the mount table has to be read, but " LIBMOUNT_SONAME
				    " could not be loaded (install libmount1): %s",
				    dlerror());
	for (size_t i = 0; i < ARRAY_LEN(symbols); i++) {
		void *address = dlsym(lib->handle, symbols[i].name);

		if (!address)
			return wh_fail_kind(err, WH_ERROR_UNSUPPORTED, 0,
					    LIBMOUNT_SONAME " lacks %s: %s", symbols[i].name,
					    dlerror());
		memcpy((char *)lib + symbols[i].offset, &address, sizeof(address));
	}
	return 0;
}

/** The first mount of @type. */
static int find_target(const struct libmount *lib, struct libmnt_table *table, const char *type,
		       char *buf, size_t size)
{
	struct libmnt_iter *iter = lib->new_iter(MNT_ITER_FORWARD);
	struct libmnt_fs *fs;
	int rc = -ENOENT;

	if (!iter)
		return -ENOMEM;
	while (rc == -ENOENT && lib->table_next_fs(table, iter, &fs) == 0) {
		const char *fs_type = lib->fs_get_fstype(fs);
		const char *target = lib->fs_get_target(fs);

		if (!fs_type || !target || !streq(fs_type, type))
			continue;
		rc = (size_t)snprintf(buf, size, "%s", target) < size ? 0 : -ENAMETOOLONG;
	}
	lib->free_iter(iter);
	return rc;
}

int cgroup_mountinfo_find(char *buf, size_t size, struct wh_error *err)
{
	struct libmount lib = {.handle = NULL};
	struct libmnt_table *table;
	int rc;

	rc = libmount_load(&lib, err);
	if (rc < 0)
		goto out;
	table = lib.new_table_from_file("/proc/self/mountinfo");
	if (!table) {
		rc = wh_fail(err, errno, "read /proc/self/mountinfo");
		goto out;
	}
	rc = find_target(&lib, table, "cgroup2", buf, size);
	lib.unref_table(table);
	if (rc < 0 && rc != -ENOENT)
		wh_fail(err, -rc, "read /proc/self/mountinfo");
out:
	if (lib.handle)
		dlclose(lib.handle);
	return rc;
}
