/* SPDX-License-Identifier: Apache-2.0 */
/* The default devices, and what linux.devices adds or changes. */
#include "namespaces/device_plan.h"

#include <errno.h>
#include <limits.h>
#include <stdint.h>

#include "base/path.h"
#include "base/str.h"

/** The kernel's device numbers have 12 and 20 bits. */
#define MAJOR_MAX 0xfff
#define MINOR_MAX 0xfffff

/** Mode of a node when the document has none, as runc's. */
#define DEFAULT_MODE 0666

struct default_device {
	const char *path;
	int64_t major;
	int64_t minor;
};

/** runtime-linux.md#default-devices; console and ptmx are no nodes (rootfs.h). */
static const struct default_device default_devices[] = {
    {"/dev/null",    1, 3},
    {"/dev/zero",    1, 5},
    {"/dev/full",    1, 7},
    {"/dev/random",  1, 8},
    {"/dev/urandom", 1, 9},
    {"/dev/tty",     5, 0},
};

/**
 * All values of a device, where absent ones have their defaults. Pointers are to arena memory:
 * init reads them.
 */
struct device_values {
	int64_t major;
	int64_t minor;
	uint32_t mode;
	uint32_t uid;
	uint32_t gid;
};

static int make_device(struct arena *arena, char type, const char *path,
		       const struct device_values *values, struct oci_device *ret_device)
{
	const struct device_values *kept = arena_memdup(arena, values, sizeof(*values));
	const char *copy = arena_strdup(arena, path);

	if (!kept || !copy)
		return -ENOMEM;
	*ret_device = (struct oci_device){
	    .type = type,
	    .path = copy,
	    .major = &kept->major,
	    .minor = &kept->minor,
	    .file_mode = &kept->mode,
	    .uid = &kept->uid,
	    .gid = &kept->gid,
	};
	return 0;
}

static int check_number(struct problems *problems, size_t index, const char *name,
			const int64_t *number, int64_t max)
{
	if (!number)
		return problems_add(problems, PROBLEM_ERROR, "linux.devices[%zu].%s: is missing",
				    index, name);
	if (*number < 0 || *number > max)
		return problems_add(problems, PROBLEM_ERROR,
				    "linux.devices[%zu].%s: %lld is not between 0 and %lld", index,
				    name, (long long)*number, (long long)max);
	return 0;
}

static int check_path(struct problems *problems, size_t index, const char *path, char *buf,
		      size_t size)
{
	struct wh_error why = WH_ERROR_INIT;

	if (str_empty(path) || path[0] != '/')
		return problems_add(problems, PROBLEM_ERROR,
				    "linux.devices[%zu].path: '%s' is not an absolute path", index,
				    path ? path : "");
	if (path_check(path, &why) < 0)
		return problems_add(problems, PROBLEM_ERROR, "linux.devices[%zu].path: %s", index,
				    why.message);
	if (path_clean(path, buf, size) < 0)
		return problems_add(problems, PROBLEM_ERROR,
				    "linux.devices[%zu].path: the path is too long", index);
	if (streq(buf, "/"))
		return problems_add(problems, PROBLEM_ERROR,
				    "linux.devices[%zu].path: '/' is no name for a device", index);
	return 0;
}

/** Returns 0, -EINVAL after a problem, or -ENOMEM. */
static int plan_device(const struct oci_device *device, size_t index, struct arena *arena,
		       struct problems *problems, struct oci_device *ret_device)
{
	char path[PATH_MAX];
	struct device_values values = {
	    .mode = device->file_mode ? *device->file_mode & 07777 : DEFAULT_MODE,
	    .uid = device->uid ? *device->uid : 0,
	    .gid = device->gid ? *device->gid : 0,
	};
	char type = device->type == 'u' ? 'c' : device->type;
	int rc = check_path(problems, index, device->path, path, sizeof(path));

	if (type == 'c' || type == 'b') {
		rc |= check_number(problems, index, "major", device->major, MAJOR_MAX);
		rc |= check_number(problems, index, "minor", device->minor, MINOR_MAX);
	}
	if (rc < 0)
		return -EINVAL;
	if (type != 'p') {
		values.major = *device->major;
		values.minor = *device->minor;
	}
	return make_device(arena, type, path, &values, ret_device);
}

/** Where the device for @path belongs: over the one with that path, or behind the last. */
static size_t find_slot(const struct oci_device *devices, size_t count, const char *path)
{
	for (size_t i = 0; i < count; i++) {
		if (streq(devices[i].path, path))
			return i;
	}
	return count;
}

int device_plan_build(const struct oci_linux *linux_, struct arena *arena,
		      struct problems *problems, struct oci_device **ret_devices, size_t *ret_count,
		      struct wh_error *err)
{
	struct oci_device *devices =
	    arena_array(arena, struct oci_device, ARRAY_LEN(default_devices) + linux_->n_devices);
	size_t count = 0;

	if (!devices)
		return wh_oom(err);
	for (size_t i = 0; i < ARRAY_LEN(default_devices); i++) {
		const struct default_device *d = &default_devices[i];
		const struct device_values values = {
		    .major = d->major, .minor = d->minor, .mode = DEFAULT_MODE};

		if (make_device(arena, 'c', d->path, &values, &devices[count]) < 0)
			return wh_oom(err);
		count++;
	}
	for (size_t i = 0; i < linux_->n_devices; i++) {
		struct oci_device device;
		size_t slot;
		int rc = plan_device(&linux_->devices[i], i, arena, problems, &device);

		if (rc == -ENOMEM)
			return wh_oom(err);
		if (rc < 0)
			continue;
		slot = find_slot(devices, count, device.path);
		devices[slot] = device;
		if (slot == count)
			count++;
	}
	*ret_devices = devices;
	*ret_count = count;
	return 0;
}
