/* SPDX-License-Identifier: Apache-2.0 */
#include "cgroups/resource_save.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "base/str.h"
#include "cgroups/cgroup_fs.h"

/**
 * Files that hold a line for each device or name; a write changes one of them. @none is what to
 * write behind the name when the file had no line for it.
 */
static const struct keyed_file {
	const char *file;
	const char *none;
} keyed_files[] = {
    {"io.bfq.weight", "default"                              },
    {"io.latency",    "target=0"			     },
    {"io.max",        "rbps=max wbps=max riops=max wiops=max"},
    {"io.weight",     "default"			      },
    {"misc.max",      "max"				  },
    {"rdma.max",      "hca_handle=max hca_object=max"        },
};

/** Files that the kernel changes when another is written: put back after it. */
static const struct {
	const char *file;
	const char *changes;
} side_effects[] = {
    {"cpu.idle", "cpu.weight"},
};

static const struct keyed_file *find_keyed(const char *file)
{
	for (size_t i = 0; i < ARRAY_LEN(keyed_files); i++)
		if (streq(keyed_files[i].file, file))
			return &keyed_files[i];
	return NULL;
}

/** The rest of the line of @text that starts with the word @key of @len bytes, or NULL. */
static const char *find_line(const char *text, const char *key, size_t len)
{
	while (text) {
		if (strncmp(text, key, len) == 0 && text[len] == ' ')
			return text + len + 1;
		text = strchr(text, '\n');
		text = text ? text + 1 : NULL;
	}
	return NULL;
}

/** What undoes the write of @value to a keyed file that holds @text. NULL when memory ran out. */
static const char *undo_keyed(const struct keyed_file *keyed, const char *text, const char *value,
			      struct arena *arena)
{
	static const char fallback[] = "default"; /* of io.weight, for a value without a device */
	bool named = strchr(value, ' ') && !str_after(value, "default ");
	const char *key = named ? value : fallback;
	size_t len = strcspn(key, " ");
	const char *line = find_line(text, key, len);
	size_t line_len = line ? strcspn(line, "\n") : 0;

	if (!named)
		return line ? arena_strndup(arena, line, line_len) : arena_strdup(arena, text);
	if (line)
		return arena_printf(arena, "%.*s %.*s", (int)len, key, (int)line_len, line);
	return arena_printf(arena, "%.*s %s", (int)len, key, keyed->none);
}

/**
 * A cpuset that holds processes cannot become empty again, which meant what its parent had: the same
 * list comes nearest. *@ret_value: NULL for other files. Returns 0 or -ENOMEM.
 */
static int effective_list(int dir_fd, const char *file, struct arena *arena, const char **ret_value)
{
	const char *text;
	char name[64];
	ssize_t n;

	*ret_value = NULL;
	if (!str_after(file, "cpuset.") ||
	    (size_t)snprintf(name, sizeof(name), "%s.effective", file) >= sizeof(name))
		return 0;
	n = cgroup_fs_read_all(dir_fd, name, arena, &text);
	if (n > 0)
		*ret_value = text;
	return n == -ENOMEM ? -ENOMEM : 0;
}

/** Keep what @file says, before @value is written to it. Returns 0 or -ENOMEM. */
static int save(struct saved_values *saved, int dir_fd, const char *file, const char *value,
		struct arena *arena)
{
	const struct keyed_file *keyed = find_keyed(file);
	const char *text, *old, *nearest = NULL;
	ssize_t n = cgroup_fs_read_all(dir_fd, file, arena, &text);

	if (n < 0)
		return n == -ENOMEM ? -ENOMEM : 0;
	if (keyed)
		old = undo_keyed(keyed, text, value, arena);
	else
		old = n ? text : "\n"; /* a write of nothing does nothing */
	if (!old || (n == 0 && effective_list(dir_fd, file, arena, &nearest) < 0))
		return -ENOMEM;
	saved->list[saved->count++] =
	    (struct saved_value){.file = file, .value = old, .else_value = nearest};
	return 0;
}

/** The same for the file that @write goes to, and for what changes with it. */
static int save_write(struct saved_values *saved, int dir_fd, const struct cgroup_write *write,
		      struct arena *arena)
{
	size_t before = saved->count;
	int rc = 0;

	for (size_t i = 0; i < ARRAY_LEN(side_effects) && rc == 0; i++)
		if (streq(side_effects[i].file, write->file))
			rc = save(saved, dir_fd, side_effects[i].changes, "", arena);
	if (rc == 0)
		rc = save(saved, dir_fd, write->file, write->value, arena);
	if (rc == 0 && saved->count == before && write->else_file)
		rc = save(saved, dir_fd, write->else_file, write->else_value, arena);
	return rc;
}

int resource_files_save(const struct cgroup_writes *writes, int dir_fd, struct arena *arena,
			struct saved_values *ret_saved, struct wh_error *err)
{
	size_t room = writes->count * (1 + ARRAY_LEN(side_effects));
	struct saved_values saved = {.list = arena_array(arena, struct saved_value, room + 1)};

	if (!saved.list)
		return wh_oom(err);
	for (size_t i = 0; i < writes->count; i++)
		if (save_write(&saved, dir_fd, &writes->list[i], arena) < 0)
			return wh_oom(err);
	*ret_saved = saved;
	return 0;
}

int resource_files_replace(const struct cgroup_writes *writes, int dir_fd, struct arena *arena,
			   struct saved_values *ret_saved, struct wh_error *err)
{
	struct saved_values saved;
	int rc = resource_files_save(writes, dir_fd, arena, &saved, err);

	if (rc < 0)
		return rc;
	rc = resource_files_apply(writes, RESOURCE_PART_ALL, dir_fd, err);
	if (rc < 0) {
		resource_files_restore(&saved, dir_fd);
		return rc;
	}
	*ret_saved = saved;
	return 0;
}

/** Put one back. Returns 0 or -errno. */
static int put_back(const struct saved_value *old, int dir_fd)
{
	int rc = cgroup_fs_write(dir_fd, old->file, old->value);

	if (rc < 0 && old->else_value)
		rc = cgroup_fs_write(dir_fd, old->file, old->else_value);
	if (rc < 0)
		log_debug("%s: '%s' is not put back: %s", old->file, old->value, strerror(-rc));
	return rc;
}

void resource_files_restore(const struct saved_values *saved, int dir_fd)
{
	/*
	 * Twice: a burst must be below its quota, so that one of the two is refused until the other
	 * is there.
	 */
	for (int pass = 0; pass < 2; pass++) {
		bool refused = false;

		for (size_t i = saved->count; i-- > 0;)
			refused |= put_back(&saved->list[i], dir_fd) == -EINVAL;
		if (!refused)
			return;
	}
}
