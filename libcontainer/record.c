/* SPDX-License-Identifier: Apache-2.0 */
/* The record of a container on disk, by the same field tables as the documents of the spec. */
#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/file.h"
#include "base/str.h"
#include "libcontainer/state_store.h"
#include "oci-spec/enums.h"
#include "oci-spec/field.h"
#include "oci-spec/string_rules.h"

/** A record is a kilobyte and its annotations; more than this is not ours. */
#define RECORD_MAX (1UL << 20)

static const struct int_range pid_range = {0, INT32_MAX};
static const struct int_range any_u64 = {0, UINT64_MAX};
static const struct int_range manager_range = {0, CGROUP_MANAGER_DISABLED};
static const struct enum_type status_enum = {&oci_statuses, "status"};

static const struct field record_fields[] = {
    FIELD(container_record, "id", id, field_string, NULL, FIELD_REQUIRED),
    FIELD(container_record, "bundle", bundle, field_string, NULL, FIELD_REQUIRED),
    FIELD(container_record, "rootfs", rootfs, field_string, NULL, FIELD_REQUIRED),
    FIELD(container_record, "ociVersion", oci_version, field_string, NULL, FIELD_REQUIRED),
    FIELD(container_record, "created", created, field_string, NULL, FIELD_REQUIRED),
    FIELD(container_record, "owner", owner, field_u32, NULL, FIELD_REQUIRED),
    FIELD(container_record, "bootId", boot_id, field_string, NULL, FIELD_REQUIRED),
    FIELD(container_record, "cgroupManager", cgroup_manager, field_i64, &manager_range,
	  FIELD_REQUIRED),
    FIELD(container_record, "systemdUnit", unit, field_string, NULL, 0),
    FIELD(container_record, "systemdUser", user_unit, field_bool, NULL, 0),
    FIELD(container_record, "status", status, field_enum, &status_enum, FIELD_REQUIRED),
    FIELD(container_record, "creatorPid", creator.pid, field_u32, &pid_range, FIELD_REQUIRED),
    FIELD(container_record, "creatorStartTime", creator.start_time, field_u64, &any_u64,
	  FIELD_REQUIRED),
    FIELD(container_record, "initPid", init.pid, field_u32, &pid_range, FIELD_REQUIRED),
    FIELD(container_record, "initStartTime", init.start_time, field_u64, &any_u64, FIELD_REQUIRED),
    FIELD(container_record, "rdtGroup", rdt_group, field_string, NULL, 0),
    FIELD(container_record, "rdtMonitor", rdt_monitor, field_string, NULL, 0),
    FIELD(container_record, "noPivot", no_pivot, field_bool, NULL, 0),
    FIELD_MAP(container_record, "annotations", annotations, &string_map, 0),
};

static const struct object_type record_type = OBJECT_TYPE(container_record, record_fields);

int record_write_cgroup(int dir_fd, const char *path, uint32_t made, struct wh_error *err)
{
	char target[PATH_MAX];

	if ((size_t)snprintf(target, sizeof(target), "%u:%s", made, path) >= sizeof(target))
		return wh_fail(err, ENAMETOOLONG, "linux.cgroupsPath");
	if (symlinkat(target, dir_fd, STATE_CGROUP_LINK) < 0)
		return wh_fail(err, errno, "write down the container's cgroup");
	return 0;
}

int record_read_cgroup(int dir_fd, struct arena *arena, struct container_record *record,
		       struct wh_error *err)
{
	char target[PATH_MAX];
	ssize_t n = readlinkat(dir_fd, STATE_CGROUP_LINK, target, sizeof(target) - 1);
	uint64_t made;
	char *path;

	if (n < 0 && errno == ENOENT)
		return 0;
	if (n < 0)
		return wh_fail(err, errno, "read which cgroup is the container's");
	target[n] = '\0';
	path = strchr(target, ':');
	if (path)
		*path++ = '\0';
	if (!path || path[0] != '/' || str_parse_u64(target, UINT32_MAX, &made) < 0)
		return wh_fail(err, EBADMSG, "read which cgroup is the container's");
	record->cgroup_made = (uint32_t)made;
	record->cgroup_path = arena_strdup(arena, path);
	return record->cgroup_path ? 0 : wh_oom(err);
}

int record_write(int dir_fd, const struct container_record *record, struct arena *arena,
		 struct wh_error *err)
{
	const char *json;
	size_t len;
	int rc;

	rc = field_encode_document(&record_type, record, NULL, arena, &json, &len, err);
	if (rc < 0)
		return rc;
	rc = file_replace(dir_fd, STATE_RECORD_FILE, json, len, 0600, err);
	if (rc < 0)
		wh_error_prefix(err, "state of container '%s'", record->id);
	return rc;
}

int record_read(int dir_fd, const char *id, struct arena *arena,
		struct container_record *ret_record, struct wh_error *err)
{
	struct container_record record = {0};
	struct wh_error reason = WH_ERROR_INIT;
	struct field_document document = {
	    .name = STATE_RECORD_FILE, .max_size = RECORD_MAX, .max_depth = 4};
	struct problems problems;
	char *text;
	int rc;

	problems_init(&problems, arena);
	rc = file_read(dir_fd, STATE_RECORD_FILE, RECORD_MAX, arena, &text, &document.len, &reason);
	if (rc == 0) {
		document.text = text;
		rc = field_decode_document(&document, &record_type, arena, &problems, &record,
					   &reason);
	}
	if (rc < 0 || !streq(record.id, id)) {
		wh_fail_kind(err, WH_ERROR_STATE, 0,
			     "the state of container '%s' cannot be read (%s): remove it with "
			     "delete --force",
			     id,
			     rc == -ENOENT ? "its record is missing"
			     : rc < 0      ? reason.message
					   : "it is another container's");
		return -EBADMSG;
	}
	rc = record_read_cgroup(dir_fd, arena, &record, err);
	if (rc < 0)
		return rc;
	*ret_record = record;
	return 0;
}

/** Whether init still waits on its start socket. */
static bool waits_for_start(int dir_fd)
{
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	auto_fd sock = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	if (sock < 0)
		return false;
	snprintf(addr.sun_path, sizeof(addr.sun_path), "/proc/self/fd/%d/" STATE_START_SOCKET,
		 dir_fd);
	/* EAGAIN: it is there, and its queue is full */
	return connect(sock, (struct sockaddr *)&addr, sizeof(addr)) == 0 || errno == EAGAIN;
}

bool record_is_of_another_boot(const struct container_record *record)
{
	char boot_id[BOOT_ID_SIZE];

	return record->boot_id && process_boot_id(boot_id, NULL) == 0 &&
	       !streq(boot_id, record->boot_id);
}

enum oci_status record_status(const struct container_record *record, int dir_fd)
{
	char state;

	if (record_is_of_another_boot(record))
		return OCI_STATUS_STOPPED;
	if (record->status == OCI_STATUS_CREATING) {
		/*
		 * As long as its creator lives it is being created; a creator that is gone took
		 * init along.
		 */
		return process_find(&record->creator, NULL) == 0 ? OCI_STATUS_CREATING
								 : OCI_STATUS_STOPPED;
	}
	if (process_find(&record->init, &state) < 0 || state == 'Z' || state == 'X')
		return OCI_STATUS_STOPPED;
	if (record->status == OCI_STATUS_CREATED && waits_for_start(dir_fd))
		return OCI_STATUS_CREATED;
	return OCI_STATUS_RUNNING;
}
