/* SPDX-License-Identifier: Apache-2.0 */
#include "namespaces/fs_context.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/str.h"
#include "base/sys.h"

/** The longest value that fsconfig(2) takes. */
#define FSCONFIG_VALUE_MAX 255
/** mount(2) copies one page of data. */
#define MOUNT2_DATA_SIZE 4096

/** Words that fsconfig(2) does not know: silent has no effect there, iversion needs mount(2). */
static bool is_mount2_only(const char *sb_flag)
{
	return streq(sb_flag, "silent") || streq(sb_flag, "iversion");
}

/*
 * Messages arrive one a read(2), as "e tmpfs: Unknown parameter 'x'\n": a letter for the severity,
 * and a text. The last error is the one that counts.
 */
static void read_message(int fs_fd, char *buf, size_t size)
{
	char message[256];
	ssize_t len;

	buf[0] = '\0';
	while ((len = read(fs_fd, message, sizeof(message) - 1)) > 2) {
		while (len > 2 && message[len - 1] == '\n')
			len--;
		message[len] = '\0';
		if (message[0] == 'e' || !buf[0])
			snprintf(buf, size, "%s", message + 2);
	}
}

static int fail(int fs_fd, int code, const struct mount_entry *entry, const char *what,
		struct wh_error *err)
{
	char message[256];

	read_message(fs_fd, message, sizeof(message));
	if (message[0])
		return wh_fail(err, code, "%s", message);
	return wh_fail(err, code, "%s: %s", entry->fs_type, what);
}

static int set_param(int fs_fd, const struct mount_entry *entry, const char *key, const char *value,
		     struct wh_error *err)
{
	int rc =
	    sys_fsconfig(fs_fd, value ? FSCONFIG_SET_STRING : FSCONFIG_SET_FLAG, key, value, 0);
	char what[300];

	if (rc >= 0)
		return 0;
	snprintf(what, sizeof(what), "option '%s%s%s'", key, value ? "=" : "", value ? value : "");
	fail(fs_fd, -rc, entry, what, err);
	if (err && streq(key, "context"))
		wh_error_prefix(
		    err, "linux.mountLabel (which only a kernel takes whose SELinux knows it)");
	return rc;
}

static int set_params(int fs_fd, const struct mount_entry *entry, const char *mode,
		      const char *without, struct wh_error *err)
{
	const struct mount_flags *flags = &entry->flags;
	int rc = set_param(fs_fd, entry, "source", entry->source, err);

	if (rc == 0 && mode)
		rc = set_param(fs_fd, entry, "mode", mode, err);
	for (uint32_t i = 0; rc == 0 && i < flags->n_sb_flags; i++) {
		if (!is_mount2_only(flags->sb_flags[i]))
			rc = set_param(fs_fd, entry, flags->sb_flags[i], NULL, err);
	}
	for (uint32_t i = 0; rc == 0 && i < flags->n_params; i++) {
		const char *key = flags->params[2 * i];

		if (!without || !streq(key, without))
			rc = set_param(fs_fd, entry, key, flags->params[2 * i + 1], err);
	}
	return rc;
}

static int make_mount(const struct mount_entry *entry, const char *mode, const char *without,
		      uint64_t attrs, struct wh_error *err)
{
	auto_fd fs_fd = sys_fsopen(entry->fs_type, FSOPEN_CLOEXEC);
	int rc;

	if (fs_fd == -ENODEV)
		return wh_fail(err, ENODEV, "unknown file system type '%s'", entry->fs_type);
	if (fs_fd < 0)
		return wh_fail(err, -fs_fd, "%s: open a file system context", entry->fs_type);
	rc = set_params(fs_fd, entry, mode, without, err);
	if (rc < 0)
		return rc;
	rc = sys_fsconfig(fs_fd, FSCONFIG_CMD_CREATE, NULL, NULL, 0);
	if (rc < 0)
		return fail(fs_fd, -rc, entry, "create the file system", err);
	rc = sys_fsmount(fs_fd, FSMOUNT_CLOEXEC, (unsigned int)attrs);
	return rc < 0 ? fail(fs_fd, -rc, entry, "make the mount", err) : rc;
}

static bool has_gid(const struct mount_entry *entry)
{
	for (uint32_t i = 0; i < entry->flags.n_params; i++) {
		if (streq(entry->flags.params[2 * i], "gid"))
			return true;
	}
	return false;
}

int fs_context_mount(const struct mount_entry *entry, const char *mode, uint64_t attrs,
		     struct wh_error *err)
{
	int rc = make_mount(entry, mode, NULL, attrs, err);

	if (rc == -EINVAL && streq(entry->fs_type, "devpts") && has_gid(entry))
		return make_mount(entry, mode, "gid", attrs, err);
	return rc;
}

bool fs_context_needs_mount2(const struct mount_entry *entry)
{
	const struct mount_flags *flags = &entry->flags;

	for (uint32_t i = 0; i < flags->n_sb_flags; i++) {
		if (streq(flags->sb_flags[i], "iversion"))
			return true;
	}
	for (uint32_t i = 0; i < flags->n_params; i++) {
		const char *value = flags->params[2 * i + 1];

		if (value && strlen(value) > FSCONFIG_VALUE_MAX)
			return true;
	}
	return false;
}

struct attr_flag {
	uint64_t attr;
	unsigned long flag;
};

static const struct attr_flag attr_flags[] = {
    {MOUNT_ATTR_RDONLY,      MS_RDONLY     },
    {MOUNT_ATTR_NOSUID,      MS_NOSUID     },
    {MOUNT_ATTR_NODEV,       MS_NODEV      },
    {MOUNT_ATTR_NOEXEC,      MS_NOEXEC     },
    {MOUNT_ATTR_NOATIME,     MS_NOATIME    },
    {MOUNT_ATTR_STRICTATIME, MS_STRICTATIME},
    {MOUNT_ATTR_NODIRATIME,  MS_NODIRATIME },
    {MOUNT_ATTR_NOSYMFOLLOW, MS_NOSYMFOLLOW},
};

struct sb_flag {
	const char *name;
	unsigned long flag;
};

static const struct sb_flag sb_flags[] = {
    {"ro",       MS_RDONLY     },
    {"sync",     MS_SYNCHRONOUS},
    {"dirsync",  MS_DIRSYNC    },
    {"mand",     MS_MANDLOCK   },
    {"lazytime", MS_LAZYTIME   },
    {"silent",   MS_SILENT     },
    {"iversion", MS_I_VERSION  },
};

static unsigned long mount2_flags(const struct mount_entry *entry, uint64_t attrs)
{
	unsigned long flags = 0;

	for (size_t i = 0; i < ARRAY_LEN(attr_flags); i++) {
		if (attrs & attr_flags[i].attr)
			flags |= attr_flags[i].flag;
	}
	for (uint32_t i = 0; i < entry->flags.n_sb_flags; i++) {
		for (size_t k = 0; k < ARRAY_LEN(sb_flags); k++) {
			if (streq(entry->flags.sb_flags[i], sb_flags[k].name))
				flags |= sb_flags[k].flag;
		}
	}
	return flags;
}

/**
 * Append "key=value" or "key", with a comma before it. Of a value with commas of its own, a label's
 * categories, SELinux takes the quotes off. Returns 0 or -E2BIG.
 */
static int append_param(char *data, size_t *used, const char *key, const char *value)
{
	const char *quote = value && strchr(value, ',') ? "\"" : "";
	int len = snprintf(data + *used, MOUNT2_DATA_SIZE - *used, "%s%s%s%s%s%s", *used ? "," : "",
			   key, value ? "=" : "", quote, value ? value : "", quote);

	if (len < 0 || (size_t)len >= MOUNT2_DATA_SIZE - *used)
		return -E2BIG;
	*used += (size_t)len;
	return 0;
}

static int make_data(const struct mount_entry *entry, const char *mode, char *data)
{
	const struct mount_flags *flags = &entry->flags;
	size_t used = 0;
	int rc = 0;

	data[0] = '\0';
	if (mode)
		rc = append_param(data, &used, "mode", mode);
	for (uint32_t i = 0; rc == 0 && i < flags->n_params; i++)
		rc = append_param(data, &used, flags->params[2 * i], flags->params[2 * i + 1]);
	return rc;
}

int fs_context_mount2(const struct mount_entry *entry, int target_fd, const char *mode,
		      uint64_t attrs, struct wh_error *err)
{
	char data[MOUNT2_DATA_SIZE];
	auto_fd back = open(".", O_PATH | O_DIRECTORY | O_CLOEXEC);
	int rc = make_data(entry, mode, data);

	if (rc < 0)
		return wh_fail(err, -rc,
			       "%s: the options are longer than the kernel takes (%d bytes)",
			       entry->fs_type, MOUNT2_DATA_SIZE - 1);
	if (fchdir(target_fd) < 0)
		return wh_fail(err, errno, "enter the mount's target");
	if (mount(entry->source, ".", entry->fs_type, mount2_flags(entry, attrs), data) < 0)
		rc = wh_fail(err, errno, "%s: mount", entry->fs_type);
	if (back >= 0 && fchdir(back) < 0 && rc == 0)
		rc = wh_fail(err, errno, "return to the working directory");
	return rc;
}
