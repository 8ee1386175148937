/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The id maps of a new user namespace (user_namespaces(7)), written by the parent of its first
 * process.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/command.h"
#include "base/procfs.h"
#include "base/str.h"
#include "namespaces/ns_enter.h"

/** Lines that the kernel takes in one map; the whole text must besides be shorter than a page. */
#define ID_MAP_MAX_LINES 340
#define ID_MAP_MAX_TEXT  4095
/** The helpers only read two small files: whoever takes longer hangs. */
#define HELPER_TIMEOUT_MS 10000
#define NUMBER_SIZE       11

/** What differs between the map of users and that of groups. */
struct id_map_kind {
	const char *file;
	const char *helper;
};

static const struct id_map_kind uid_kind = {"uid_map", "newuidmap"};
static const struct id_map_kind gid_kind = {"gid_map", "newgidmap"};

/**
 * Where the helpers may be: they run with more privilege than the caller, so the caller's PATH is
 * not asked.
 */
static const char *const helper_dirs[] = {"/usr/bin", "/bin", "/usr/local/bin"};

static int format_map(const struct id_map_kind *kind, const struct oci_id_mapping *maps,
		      size_t count, char *buf, size_t size, struct wh_error *err)
{
	size_t len = 0;

	if (count > ID_MAP_MAX_LINES)
		return wh_fail(err, 0, "%s: %zu mappings, the kernel takes %d at most", kind->file,
			       count, ID_MAP_MAX_LINES);
	for (size_t i = 0; i < count; i++) {
		int n = snprintf(buf + len, size - len, "%u %u %u\n", maps[i].container_id,
				 maps[i].host_id, maps[i].size);

		if (n < 0 || (size_t)n >= size - len)
			return wh_fail(err, 0,
				       "%s: the text of %zu mappings is longer than the %d bytes "
				       "that the kernel takes",
				       kind->file, count, ID_MAP_MAX_TEXT);
		len += (size_t)n;
	}
	return 0;
}

static int write_direct(const struct id_map_kind *kind, const char *text, pid_t pid, int proc_fd,
			struct wh_error *err)
{
	char path[64];

	snprintf(path, sizeof(path), "%d/%s", (int)pid, kind->file);
	return procfs_write(proc_fd, path, text, err);
}

/**
 * The arguments of a helper: its name, the pid, and three numbers a mapping. Too large for most
 * stacks of the image, not for the parent's.
 */
struct helper_arguments {
	char numbers[1 + 3 * ID_MAP_MAX_LINES][NUMBER_SIZE];
	const char *argv[3 + 3 * ID_MAP_MAX_LINES];
	size_t n_numbers;
};

static void add_number(struct helper_arguments *args, uint32_t value)
{
	char *text = args->numbers[args->n_numbers];

	snprintf(text, NUMBER_SIZE, "%u", value);
	args->argv[1 + args->n_numbers] = text;
	args->n_numbers++;
}

static void fill_arguments(struct helper_arguments *args, const char *helper, pid_t pid,
			   const struct oci_id_mapping *maps, size_t count)
{
	args->n_numbers = 0;
	args->argv[0] = helper;
	add_number(args, (uint32_t)pid);
	for (size_t i = 0; i < count; i++) {
		add_number(args, maps[i].container_id);
		add_number(args, maps[i].host_id);
		add_number(args, maps[i].size);
	}
	args->argv[1 + args->n_numbers] = NULL;
}

static int judge_helper(const struct command_result *result, const char *path, struct wh_error *err)
{
	if (result->exec_errno)
		return wh_fail(err, result->exec_errno, "execute '%s'", path);
	if (result->timed_out)
		return wh_fail(err, ETIMEDOUT, "'%s' did not end within %d s", path,
			       HELPER_TIMEOUT_MS / 1000);
	if (result->status != 0)
		return wh_fail(err, EPERM, "'%s' failed with exit status %d: %s", path,
			       result->status,
			       result->output_len > 0 ? result->output : "it printed nothing");
	return 0;
}

static int write_by_helper(const struct id_map_kind *kind, const struct oci_id_mapping *maps,
			   size_t count, pid_t pid, struct wh_error *err)
{
	struct helper_arguments args;
	struct command_result result;
	char path[64];

	fill_arguments(&args, kind->helper, pid, maps, count);
	for (size_t i = 0; i < ARRAY_LEN(helper_dirs); i++) {
		struct command command = {
		    .path = path,
		    .argv = args.argv,
		    .cwd_fd = -EBADF,
		    .timeout_ms = HELPER_TIMEOUT_MS,
		};
		int rc;

		snprintf(path, sizeof(path), "%s/%s", helper_dirs[i], kind->helper);
		rc = command_run(&command, &result, err);
		if (rc < 0)
			return rc;
		if (result.exec_errno != ENOENT)
			return judge_helper(&result, path, err);
	}
	return wh_fail(
	    err, EPERM,
	    "%s may not be written directly, and %s is not in /usr/bin, /bin or /usr/local/bin",
	    kind->file, kind->helper);
}

/**
 * EPERM is the kernel's answer to a map that the caller may not write; only then the helpers are
 * asked.
 */
static int write_map(const struct id_map_kind *kind, const struct oci_id_mapping *maps,
		     size_t count, pid_t pid, int proc_fd, struct wh_error *err)
{
	char text[ID_MAP_MAX_TEXT + 1];
	int rc;

	rc = format_map(kind, maps, count, text, sizeof(text), err);
	if (rc < 0)
		return rc;
	rc = write_direct(kind, text, pid, proc_fd, err);
	if (rc != -EPERM)
		return rc;
	if (err)
		*err = WH_ERROR_INIT;
	return write_by_helper(kind, maps, count, pid, err);
}

static int deny_setgroups(const struct ns_plan *plan, pid_t pid, int proc_fd, struct wh_error *err)
{
	char path[64];

	/* A foreign group is the helper's to map: it decides about setgroups itself. */
	if (!plan->deny_setgroups || plan->gid_mappings[0].host_id != getegid())
		return 0;
	snprintf(path, sizeof(path), "%d/setgroups", (int)pid);
	return procfs_write(proc_fd, path, "deny", err);
}

int id_map_write(const struct ns_plan *plan, pid_t pid, int proc_fd, struct wh_error *err)
{
	int rc;

	rc = write_map(&uid_kind, plan->uid_mappings, plan->n_uid_mappings, pid, proc_fd, err);
	if (rc < 0)
		return rc;
	rc = deny_setgroups(plan, pid, proc_fd, err);
	if (rc < 0)
		return rc;
	return write_map(&gid_kind, plan->gid_mappings, plan->n_gid_mappings, pid, proc_fd, err);
}

static bool has_helper(const struct id_map_kind *kind)
{
	char path[64];

	for (size_t i = 0; i < ARRAY_LEN(helper_dirs); i++) {
		snprintf(path, sizeof(path), "%s/%s", helper_dirs[i], kind->helper);
		if (command_can_run(path))
			return true;
	}
	return false;
}

bool id_map_has_helpers(void)
{
	return has_helper(&uid_kind) && has_helper(&gid_kind);
}
