/* SPDX-License-Identifier: Apache-2.0 */
/* The migrations that have a record below a state root: of containers that leave, and of those that come. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>

#include "base/fd.h"
#include "base/str.h"
#include "libcontainer/migrate/migrate.h"
#include "libcontainer/migrate/record.h"
#include "libcontainer/state_store.h"

/** The list while it is collected. */
struct collection {
	struct arena *arena;
	const char *id; /* NULL: all */
	struct migrate_status *list;
	size_t count;
	size_t room;
};

static int add(struct collection *into, const struct migrate_record *record, bool outgoing,
	       struct wh_error *err)
{
	if (into->id && !streq(into->id, record->id))
		return 0;
	if (into->count == into->room) {
		size_t room = into->room ? 2 * into->room : 16;
		struct migrate_status *list = arena_array(into->arena, struct migrate_status, room);

		if (!list)
			return wh_oom(err);
		for (size_t i = 0; i < into->count; i++)
			list[i] = into->list[i];
		into->list = list;
		into->room = room;
	}
	into->list[into->count++] = (struct migrate_status){
	    .record = *record, .outgoing = outgoing, .active = migrate_record_worker_alive(record)};
	return 0;
}

/** All directories in @dir_fd (taken) with a record of a migration. */
static int collect(struct collection *into, int dir_fd, bool outgoing, struct wh_error *err)
{
	auto_dir *dir = fdopendir(dir_fd);
	struct dirent *entry;

	if (!dir) {
		fd_close(dir_fd);
		return wh_fail(err, ENOMEM, "list the migrations");
	}
	while ((entry = readdir(dir))) {
		struct migrate_record record;
		auto_fd fd = -EBADF;
		int rc;

		if (entry->d_name[0] == '.')
			continue;
		fd = openat(dirfd(dir), entry->d_name,
			    O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		/* gone meanwhile, or damaged: what can be read is shown */
		if (fd < 0 || migrate_record_read(fd, into->arena, &record, NULL) < 0)
			continue;
		rc = add(into, &record, outgoing, err);
		if (rc < 0)
			return rc;
	}
	return 0;
}

int container_migrate_status(const struct runtime *rt, const char *id, struct arena *arena,
			     struct migrate_status **ret_list, size_t *ret_count,
			     struct wh_error *err)
{
	struct collection found = {.arena = arena, .id = id};
	int root_fd = state_root_open(rt, false, err);
	int receipts_fd;
	int rc = 0;

	*ret_list = NULL;
	*ret_count = 0;
	if (root_fd == -ENOENT)
		return 0;
	if (root_fd < 0)
		return root_fd;
	receipts_fd =
	    openat(root_fd, MIGRATE_RECORDS_DIR, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	rc = collect(&found, root_fd, true, err);
	if (receipts_fd >= 0 && rc == 0)
		rc = collect(&found, receipts_fd, false, err);
	else
		fd_close(receipts_fd);
	*ret_list = found.list;
	*ret_count = found.count;
	return rc;
}
