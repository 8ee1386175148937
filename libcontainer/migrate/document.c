/* SPDX-License-Identifier: Apache-2.0 */
#include "libcontainer/migrate/document.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

#include "base/str.h"
#include "libcontainer/state_store.h"
#include "oci-spec/field.h"
#include "oci-spec/problems.h"
#include "oci-spec/string_rules.h"

static const struct name_value mode_rows[] = {
    {"automatic", MIGRATE_AUTOMATIC},
    {"pre-copy",  MIGRATE_PRE_COPY },
    {"post-copy", MIGRATE_POST_COPY},
    {"cold",      MIGRATE_COLD     },
};
const struct name_table migrate_mode_names = NAME_TABLE(mode_rows);

static const struct name_value fate_rows[] = {
    {"absent",  MIGRATE_FATE_ABSENT },
    {"running", MIGRATE_FATE_RUNNING},
    {"ended",   MIGRATE_FATE_ENDED  },
    {"reading", MIGRATE_FATE_READING},
};
const struct name_table migrate_fate_names = NAME_TABLE(fate_rows);

static const struct name_value phase_rows[] = {
    {"sending",     MIGRATE_PHASE_SENDING    },
    {"handed over", MIGRATE_PHASE_HANDED_OVER},
    {"moved",       MIGRATE_PHASE_MOVED      },
    {"receiving",   MIGRATE_PHASE_RECEIVING  },
    {"committed",   MIGRATE_PHASE_COMMITTED  },
    {"running",     MIGRATE_PHASE_RUNNING    },
    {"serving",     MIGRATE_PHASE_SERVING    },
    {"fetching",    MIGRATE_PHASE_FETCHING   },
};
const struct name_table migrate_phase_names = NAME_TABLE(phase_rows);

static const struct enum_type fate_enum = {&migrate_fate_names, "fate"};
static const struct enum_type phase_enum = {&migrate_phase_names, "phase"};
static const struct int_range pid_range = {0, INT32_MAX};
static const struct int_range any_u64 = {0, UINT64_MAX};

bool migrate_number_ok(const char *number)
{
	return strlen(number) == MIGRATE_NUMBER_SIZE - 1 &&
	       strspn(number, "0123456789abcdef") == MIGRATE_NUMBER_SIZE - 1;
}

static const char *number_complaint(const char *value)
{
	return migrate_number_ok(value) ? NULL : "must be 32 hexadecimal digits";
}
static const struct string_rule number_rule = {.complaint = number_complaint};

static const char *id_complaint(const char *value)
{
	return container_id_check(value, NULL) == 0 ? NULL : "must be a container's id";
}
static const struct string_rule id_rule = {.complaint = id_complaint};

static const char *witness_complaint(const char *value)
{
	bool ok = str_empty(value) ||
		  (value[0] == '.' && strlen(value) < 100 &&
		   strspn(value, ".-abcdefghijklmnopqrstuvwxyz0123456789") == strlen(value) &&
		   !streq(value, "..") && !streq(value, "."));

	return ok ? NULL : "must be the name of a witness";
}
static const struct string_rule witness_rule = {.complaint = witness_complaint};

static const struct field offer_fields[] = {
    FIELD(migrate_offer, "number", number, field_string, &number_rule, FIELD_REQUIRED),
    FIELD(migrate_offer, "id", id, field_string, &id_rule, FIELD_REQUIRED),
    FIELD(migrate_offer, "bundle", bundle, field_string, &rule_absolute_path, FIELD_REQUIRED),
    FIELD(migrate_offer, "rootfs", rootfs, field_string, &rule_absolute_path, FIELD_REQUIRED),
    FIELD(migrate_offer, "cgroup", cgroup, field_string, NULL, FIELD_REQUIRED),
    FIELD(migrate_offer, "rootfsCopied", rootfs_copied, field_bool, NULL, FIELD_ALWAYS),
    FIELD(migrate_offer, "witness", witness, field_string, &witness_rule, FIELD_REQUIRED),
    FIELD(migrate_offer, "rootfsDevice", rootfs_device, field_u64, &any_u64, FIELD_REQUIRED),
    FIELD(migrate_offer, "rootfsInode", rootfs_inode, field_u64, &any_u64, FIELD_REQUIRED),
    FIELD_LIST(migrate_offer, "rootfsSample", rootfs_sample, &field_string_element, 0),
    FIELD(migrate_offer, "bootId", boot_id, field_string, NULL, FIELD_REQUIRED),
    FIELD(migrate_offer, "machine", machine, field_string, NULL, FIELD_REQUIRED),
    FIELD(migrate_offer, "kernel", kernel, field_string, NULL, FIELD_REQUIRED),
    FIELD(migrate_offer, "criuVersion", criu_version, field_u32, NULL, FIELD_REQUIRED),
    FIELD(migrate_offer, "memory", memory, field_u64, &any_u64, FIELD_REQUIRED),
    FIELD(migrate_offer, "postCopy", post_copy, field_bool, NULL, FIELD_ALWAYS),
    FIELD_LIST(migrate_offer, "cpuFeatures", cpu_features, &field_string_element, 0),
};
static const struct object_type offer_type = OBJECT_TYPE(migrate_offer, offer_fields);

static const struct field verdict_fields[] = {
    FIELD_LIST(migrate_verdict, "obstacles", obstacles, &field_string_element, 0),
    FIELD(migrate_verdict, "bundle", bundle, field_string, NULL, FIELD_REQUIRED),
    FIELD(migrate_verdict, "rootfs", rootfs, field_string, NULL, FIELD_REQUIRED),
    FIELD(migrate_verdict, "sameHost", same_host, field_bool, NULL, FIELD_ALWAYS),
    FIELD(migrate_verdict, "criuVersion", criu_version, field_u32, NULL, FIELD_REQUIRED),
    FIELD(migrate_verdict, "postCopy", post_copy, field_bool, NULL, FIELD_ALWAYS),
};
static const struct object_type verdict_type = OBJECT_TYPE(migrate_verdict, verdict_fields);

static const char *stream_complaint(const char *value)
{
	return str_empty(value) ? NULL : rule_absolute_path.complaint(value);
}
static const struct string_rule stream_rule = {.complaint = stream_complaint};
static const struct int_range mode_range = {0, 07777};

static const struct field stream_fields[] = {
    FIELD(migrate_stream, "path", path, field_string, &stream_rule, FIELD_REQUIRED),
    FIELD(migrate_stream, "mode", mode, field_u32, &mode_range, FIELD_REQUIRED),
    FIELD(migrate_stream, "size", size, field_u64, NULL, FIELD_REQUIRED),
};
static const struct object_type stream_type = OBJECT_TYPE(migrate_stream, stream_fields);
static const struct field stream_element = {.type = &field_object, .param = &stream_type};

static const struct field restore_fields[] = {
    FIELD(migrate_restore, "rounds", rounds, field_u64, &any_u64, FIELD_REQUIRED),
    FIELD(migrate_restore, "tcp", tcp, field_bool, NULL, FIELD_ALWAYS),
    FIELD(migrate_restore, "fileLocks", file_locks, field_bool, NULL, FIELD_ALWAYS),
    FIELD(migrate_restore, "extUnixSk", ext_unix_sk, field_bool, NULL, FIELD_ALWAYS),
    FIELD(migrate_restore, "linkRemap", link_remap, field_bool, NULL, FIELD_ALWAYS),
    FIELD(migrate_restore, "early", early, field_bool, NULL, FIELD_ALWAYS),
    FIELD_LIST(migrate_restore, "streams", streams, &stream_element, 0),
};
static const struct object_type restore_type = OBJECT_TYPE(migrate_restore, restore_fields);

static const struct field query_fields[] = {
    FIELD(migrate_query, "number", number, field_string, &number_rule, FIELD_REQUIRED),
    FIELD(migrate_query, "id", id, field_string, &id_rule, FIELD_REQUIRED),
};
static const struct object_type query_type = OBJECT_TYPE(migrate_query, query_fields);

static const struct field answer_fields[] = {
    FIELD(migrate_answer, "fate", fate, field_enum, &fate_enum, FIELD_REQUIRED),
};
static const struct object_type answer_type = OBJECT_TYPE(migrate_answer, answer_fields);

static const struct field record_fields[] = {
    FIELD(migrate_record, "number", number, field_string, &number_rule, FIELD_REQUIRED),
    FIELD(migrate_record, "id", id, field_string, &id_rule, FIELD_REQUIRED),
    FIELD(migrate_record, "phase", phase, field_enum, &phase_enum, FIELD_REQUIRED),
    FIELD(migrate_record, "destination", destination, field_string, NULL, FIELD_REQUIRED),
    FIELD(migrate_record, "rsh", rsh, field_string, NULL, FIELD_REQUIRED),
    FIELD(migrate_record, "remote", remote, field_string, NULL, FIELD_REQUIRED),
    FIELD(migrate_record, "criu", criu, field_string, NULL, FIELD_REQUIRED),
    FIELD(migrate_record, "images", images, field_string, NULL, FIELD_REQUIRED),
    FIELD(migrate_record, "systemd", systemd, field_bool, NULL, 0),
    FIELD(migrate_record, "bootId", boot_id, field_string, NULL, FIELD_REQUIRED),
    FIELD(migrate_record, "started", started, field_string, NULL, FIELD_REQUIRED),
    FIELD(migrate_record, "workerPid", worker.pid, field_u32, &pid_range, FIELD_REQUIRED),
    FIELD(migrate_record, "workerStartTime", worker.start_time, field_u64, &any_u64,
	  FIELD_REQUIRED),
    FIELD(migrate_record, "initPid", init.pid, field_u32, &pid_range, FIELD_REQUIRED),
    FIELD(migrate_record, "initStartTime", init.start_time, field_u64, &any_u64, FIELD_REQUIRED),
    FIELD(migrate_record, "pagerPid", pager.pid, field_u32, &pid_range, FIELD_REQUIRED),
    FIELD(migrate_record, "pagerStartTime", pager.start_time, field_u64, &any_u64, FIELD_REQUIRED),
};
static const struct object_type record_type = OBJECT_TYPE(migrate_record, record_fields);

static const struct {
	const char *name;
	const struct object_type *type;
} documents[] = {
    [MIGRATE_DOCUMENT_OFFER] = {"offer",   &offer_type  },
    [MIGRATE_DOCUMENT_VERDICT] = {"verdict", &verdict_type},
    [MIGRATE_DOCUMENT_RESTORE] = {"restore", &restore_type},
    [MIGRATE_DOCUMENT_QUERY] = {"query",   &query_type  },
    [MIGRATE_DOCUMENT_ANSWER] = {"answer",  &answer_type },
    [MIGRATE_DOCUMENT_RECORD] = {"record",  &record_type },
};
static_assert(ARRAY_LEN(documents) == MIGRATE_DOCUMENT_COUNT, "a row for each document");

int migrate_document_encode(enum migrate_document document, const void *src, struct arena *arena,
			    const char **ret_json, size_t *ret_len, struct wh_error *err)
{
	return field_encode_document(documents[document].type, src, NULL, arena, ret_json, ret_len,
				     err);
}

int migrate_document_decode(enum migrate_document document, const char *text, size_t len,
			    struct arena *arena, void *dest, struct wh_error *err)
{
	struct field_document described = {.name = documents[document].name,
					   .text = text,
					   .len = len,
					   .max_size = MIGRATE_CHUNK_MAX,
					   .max_depth = 4};
	struct problems problems;

	problems_init(&problems, arena);
	return field_decode_document(&described, documents[document].type, arena, &problems, dest,
				     err);
}

int migrate_send_document(struct migrate_conn *conn, enum migrate_type type,
			  enum migrate_document document, const void *src, struct arena *arena,
			  struct wh_error *err)
{
	const char *json;
	size_t len;
	int rc = migrate_document_encode(document, src, arena, &json, &len, err);

	return rc < 0 ? rc : migrate_send(conn, type, json, len, NULL, 0, err);
}

int migrate_expect_document(struct migrate_conn *conn, enum migrate_type type, int timeout_ms,
			    enum migrate_document document, struct arena *arena, void *dest,
			    struct wh_error *err)
{
	struct migrate_message msg;
	int rc = migrate_expect(conn, type, timeout_ms, &msg, err);

	if (rc < 0)
		return rc;
	rc =
	    migrate_document_decode(document, (const char *)msg.payload, msg.len, arena, dest, err);
	if (rc < 0)
		wh_error_prefix(err, "'%s' from %s", migrate_type_name(type), conn->peer);
	return rc;
}
