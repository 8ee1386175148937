/* SPDX-License-Identifier: Apache-2.0 */
#include "cgroups/cgroup_tree.h"

#include <errno.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/log.h"
#include "base/str.h"
#include "cgroups/cgroup_fs.h"
#include "cgroups/cgroup_owner.h"

#define CGROUP_MODE 0755
/** io.max has a line for each device. */
#define VALUE_MAX    16384
#define SETTINGS_MAX 256

/** Files that are no settings, though they can be read and written, or are treated by themselves. */
static const char *const no_settings[] = {
    "cgroup.procs",    "cgroup.threads", "cgroup.type",  "cgroup.subtree_control",
    "cgroup.freeze",   "memory.reclaim", "*.peak",       "cpu.pressure",
    "memory.pressure", "io.pressure",    "irq.pressure",
};

static bool is_setting(int dir_fd, const char *name)
{
	struct stat st;

	for (size_t i = 0; i < ARRAY_LEN(no_settings); i++) {
		if (fnmatch(no_settings[i], name, 0) == 0)
			return false;
	}
	return fstatat(dir_fd, name, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISREG(st.st_mode) &&
	       (st.st_mode & S_IRUSR) && (st.st_mode & S_IWUSR);
}

static int read_settings(struct cgroup_node *node, int dir_fd, struct arena *arena)
{
	auto_dir *entries = fd_list(dir_fd);
	struct dirent *entry;
	char value[VALUE_MAX];

	node->settings = arena_array(arena, struct cgroup_setting, SETTINGS_MAX);
	if (!entries)
		return -errno;
	if (!node->settings)
		return -ENOMEM;
	while ((entry = readdir(entries)) && node->n_settings < SETTINGS_MAX) {
		struct cgroup_setting *setting = &node->settings[node->n_settings];
		ssize_t n;

		if (!is_setting(dir_fd, entry->d_name))
			continue;
		n = cgroup_fs_read(dir_fd, entry->d_name, value, sizeof(value));
		if (n < 0 && n != -EOPNOTSUPP)
			return (int)n;
		if (n <= 0)
			continue;
		setting->file = arena_strdup(arena, entry->d_name);
		setting->value = arena_strdup(arena, value);
		if (!setting->file || !setting->value)
			return -ENOMEM;
		node->n_settings++;
	}
	return 0;
}

static int read_pids(struct cgroup_node *node, int dir_fd, struct arena *arena,
		     struct wh_error *err)
{
	pid_t *pids = NULL;
	int rc = cgroup_own_pids(dir_fd, arena, &pids, &node->n_pids, err);

	if (rc < 0)
		return rc;
	node->pids = arena_array(arena, uint32_t, node->n_pids + 1);
	for (size_t i = 0; node->pids && i < node->n_pids; i++)
		node->pids[i] = (uint32_t)pids[i];
	return node->pids ? 0 : wh_oom(err);
}

static int read_owners(struct cgroup_node *node, int dir_fd)
{
	struct stat st;

	if (fstat(dir_fd, &st) < 0)
		return -errno;
	node->uid = st.st_uid;
	if (fstatat(dir_fd, "cgroup.events", &st, AT_SYMLINK_NOFOLLOW) < 0)
		return -errno;
	node->files_uid = st.st_uid;
	return 0;
}

static int read_node(struct cgroup_node *node, int dir_fd, struct arena *arena,
		     struct wh_error *err)
{
	char controllers[256];
	int rc = read_owners(node, dir_fd);

	if (rc == 0)
		rc = (int)cgroup_fs_read(dir_fd, "cgroup.subtree_control", controllers,
					 sizeof(controllers));
	if (rc >= 0)
		rc = read_settings(node, dir_fd, arena);
	if (rc < 0)
		return wh_fail(err, -rc, "read the container's cgroup '/%s'", node->path);
	node->controllers = arena_strdup(arena, controllers);
	return node->controllers ? read_pids(node, dir_fd, arena, err) : wh_oom(err);
}

/** What was found so far. */
struct node_list {
	struct cgroup_node *nodes;
	size_t count;
	size_t room;
	struct arena *arena;
	bool only_frozen;   /* of what cannot be made again no more than that matters */
	bool only_looks;    /* nothing is read: whether all of it could be made again */
	const char *unkept; /* the first that could not be, and why; the walk has ended there */
};

static struct cgroup_node *add_node(struct node_list *list, const char *path)
{
	if (list->count == list->room) {
		size_t room = list->room ? list->room * 2 : 8;
		struct cgroup_node *more = arena_array(list->arena, struct cgroup_node, room);

		if (!more)
			return NULL;
		if (list->count)
			memcpy(more, list->nodes, list->count * sizeof(*more));
		list->nodes = more;
		list->room = room;
	}
	list->nodes[list->count] = (struct cgroup_node){.path = path};
	return &list->nodes[list->count++];
}

/** What of a cgroup is not kept, the first whatever else is left out. A file that cannot be read is of a cgroup that is just being removed. */
static const struct {
	const char *file;
	const char *value;
	const char *is;
	const char *advice;
} unkept[] = {
    {"cgroup.freeze", "1",        "frozen",   "thaw it first"  },
    {"cgroup.type",   "threaded", "threaded", "remove it first"},
};

/** Why the cgroup @dir_fd, @path, cannot be made again as it is: a text in the arena, or NULL. */
static const char *find_unkept(const struct node_list *list, int dir_fd, const char *path)
{
	char value[32];

	for (size_t i = 0; i < (list->only_frozen ? 1 : ARRAY_LEN(unkept)); i++) {
		if (cgroup_fs_read(dir_fd, unkept[i].file, value, sizeof(value)) > 0 &&
		    streq(value, unkept[i].value))
			return arena_printf(
			    list->arena,
			    "the container's cgroup '/%s' is %s (%s), which is not kept: %s", path,
			    unkept[i].is, unkept[i].file, unkept[i].advice);
	}
	return NULL;
}

static int walk(struct node_list *list, int dir_fd, const char *path, unsigned int depth,
		struct wh_error *err)
{
	struct cgroup_node *node = list->only_looks ? NULL : add_node(list, path);
	auto_dir *entries = fd_list(dir_fd);
	const char *name;
	int rc = 0;

	if (!node && !list->only_looks)
		return wh_oom(err);
	if (!entries)
		return wh_fail(err, errno, "read the container's cgroup '/%s'", path);
	if (depth > CGROUP_MAX_DEPTH)
		return wh_fail(err, ELOOP, "cgroups are nested deeper than %d levels",
			       CGROUP_MAX_DEPTH);
	if (node)
		rc = read_node(node, dir_fd, list->arena, err);
	while (rc == 0 && !list->unkept && (name = cgroup_fs_next_dir(entries))) {
		auto_fd child = cgroup_fs_open_dir(dir_fd, name);
		const char *below =
		    arena_printf(list->arena, "%s%s%s", path, *path ? "/" : "", name);

		if (!below)
			return wh_oom(err);
		if (child == -ENOENT)
			continue;
		if (child < 0)
			return wh_fail(err, -child, "open the container's cgroup '/%s'", below);
		list->unkept = find_unkept(list, child, below);
		if (!list->unkept)
			rc = walk(list, child, below, depth + 1, err);
	}
	return rc;
}

int cgroup_tree_look(const struct cgroup *cgroup, bool only_frozen, struct arena *arena,
		     const char **ret_unkept, struct wh_error *err)
{
	struct node_list list = {.arena = arena, .only_looks = true, .only_frozen = only_frozen};
	int rc = walk(&list, cgroup->dir_fd, "", 0, err);

	*ret_unkept = rc == 0 ? list.unkept : NULL;
	return rc;
}

int cgroup_tree_read(const struct cgroup *cgroup, struct arena *arena,
		     struct cgroup_node **ret_nodes, size_t *ret_count, struct wh_error *err)
{
	struct node_list list = {.arena = arena};
	int rc = walk(&list, cgroup->dir_fd, "", 0, err);

	if (rc == 0 && list.unkept)
		rc = wh_fail_kind(err, WH_ERROR_UNSUPPORTED, 0, "%s", list.unkept);
	if (rc < 0)
		return rc;
	*ret_nodes = list.nodes;
	*ret_count = list.count;
	return 0;
}

/** Open @node's directory. Returns the fd or -errno. */
static int open_node(const struct cgroup *cgroup, const struct cgroup_node *node,
		     struct wh_error *err)
{
	int fd = cgroup_fs_open_dir(cgroup->dir_fd, *node->path ? node->path : ".");

	return fd < 0 ? wh_fail(err, -fd, "open the container's cgroup '/%s'", node->path) : fd;
}

/** The directory and what is delegated with it are one's, the rest may be another's. */
static int give_away(int dir_fd, const struct cgroup_node *node, struct wh_error *err)
{
	auto_dir *entries = fd_list(dir_fd);
	struct dirent *entry;

	if (node->uid == 0 && node->files_uid == 0)
		return 0;
	if (!entries)
		return wh_fail(err, errno, "read the container's cgroup '/%s'", node->path);
	while ((entry = readdir(entries))) {
		if (strchr(entry->d_name, '.') == NULL || entry->d_name[0] == '.')
			continue;
		if (fchownat(dir_fd, entry->d_name, node->files_uid, -1, AT_SYMLINK_NOFOLLOW) < 0)
			return wh_fail(err, errno, "give '/%s/%s' to user %u", node->path,
				       entry->d_name, node->files_uid);
	}
	return cgroup_owner_set(dir_fd, node->uid, err);
}

static int make_node(const struct cgroup *cgroup, const struct cgroup_node *node,
		     struct wh_error *err)
{
	const char *slash = strrchr(node->path, '/');
	size_t parent_len = slash ? (size_t)(slash - node->path) : 0;
	char parent[PATH_MAX];
	auto_fd dir = -EBADF;

	if (snprintf(parent, sizeof(parent), "%.*s", (int)parent_len,
		     parent_len ? node->path : ".") >= (int)sizeof(parent))
		return wh_fail(err, ENAMETOOLONG, "the cgroup '/%s'", node->path);
	dir = cgroup_fs_open_dir(cgroup->dir_fd, parent_len ? parent : ".");
	if (dir < 0)
		return wh_fail(err, -dir, "open the parent of the container's cgroup '/%s'",
			       node->path);
	if (mkdirat(dir, slash ? slash + 1 : node->path, CGROUP_MODE) < 0 && errno != EEXIST)
		return wh_fail(err, errno, "make the container's cgroup '/%s'", node->path);
	return 0;
}

int cgroup_tree_make(const struct cgroup *cgroup, const struct cgroup_node *nodes, size_t count,
		     struct wh_error *err)
{
	int rc = 0;

	for (size_t i = 0; rc == 0 && i < count; i++) {
		if (*nodes[i].path)
			rc = make_node(cgroup, &nodes[i], err);
	}
	return rc;
}

int cgroup_tree_move(const struct cgroup *cgroup, const struct cgroup_node *node, pid_t pid,
		     struct wh_error *err)
{
	auto_fd dir = open_node(cgroup, node, err);
	char number[16];
	int rc;

	if (dir < 0)
		return dir;
	snprintf(number, sizeof(number), "%d", (int)pid);
	rc = cgroup_fs_write(dir, "cgroup.procs", number);
	return rc < 0 && rc != -ESRCH ? wh_fail(err, -rc, "move process %d into the cgroup '/%s'",
						(int)pid, node->path)
				      : 0;
}

/** Write each line of @value by itself: files with a line for each device take one at a time. */
static int write_lines(int dir_fd, const char *file, const char *value)
{
	char line[VALUE_MAX];

	while (*value) {
		size_t len = strcspn(value, "\n");
		int rc;

		snprintf(line, sizeof(line), "%.*s", (int)len, value);
		rc = cgroup_fs_write(dir_fd, file, line);
		if (rc < 0)
			return rc;
		value += len + (value[len] == '\n');
	}
	return 0;
}

/** What is as it was is left alone: some files show what others say. */
static int write_setting(int dir_fd, const struct cgroup_setting *setting)
{
	char now[VALUE_MAX];
	ssize_t n = cgroup_fs_read(dir_fd, setting->file, now, sizeof(now));

	if (n < 0)
		return (int)n;
	return streq(now, setting->value) ? 0 : write_lines(dir_fd, setting->file, setting->value);
}

/** Twice, since one file may allow another only when it was written. */
static int write_settings(int dir_fd, const struct cgroup_node *node, struct wh_error *err)
{
	for (size_t i = 0; i < node->n_settings; i++)
		(void)write_setting(dir_fd, &node->settings[i]);
	for (size_t i = 0; i < node->n_settings; i++) {
		const struct cgroup_setting *setting = &node->settings[i];
		int rc = write_setting(dir_fd, setting);

		/* another kernel; a controller that is missing is an error of switch_on() */
		if (rc == -ENOENT)
			log_warning("the kernel has no %s for the cgroup '/%s'", setting->file,
				    node->path);
		else if (rc < 0)
			return wh_fail(err, -rc, "write '%s' to %s of the cgroup '/%s'",
				       setting->value, setting->file, node->path);
	}
	return 0;
}

static int switch_on(int dir_fd, const struct cgroup_node *node, struct wh_error *err)
{
	const char *rest = node->controllers;
	char word[64];

	while (*(rest += strspn(rest, " "))) {
		size_t len = strcspn(rest, " ");
		int rc;

		snprintf(word, sizeof(word), "+%.*s", (int)len, rest);
		rc = cgroup_fs_write(dir_fd, "cgroup.subtree_control", word);
		if (rc < 0)
			return wh_fail(err, -rc, "switch %s on below the cgroup '/%s'", word + 1,
				       node->path);
		rest += len;
	}
	return 0;
}

int cgroup_tree_set(const struct cgroup *cgroup, const struct cgroup_node *nodes, size_t count,
		    bool own, struct wh_error *err)
{
	for (size_t i = 0; i < count; i++) {
		const bool below = *nodes[i].path;
		auto_fd dir = open_node(cgroup, &nodes[i], err);
		int rc = dir < 0 ? dir : 0;

		if (rc == 0 && (below || own))
			rc = write_settings(dir, &nodes[i], err);
		if (rc == 0)
			rc = switch_on(dir, &nodes[i], err);
		if (rc == 0 && below)
			rc = give_away(dir, &nodes[i], err);
		if (rc < 0)
			return rc;
	}
	return 0;
}
