/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The documents inside a migration's messages, and the record on disk: JSON by the same field tables as the
 * documents of the spec, so that what arrives is checked as a config.json is. Reader and writer have the
 * same version (see migrate_hello()).
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/error.h"
#include "base/name_table.h"
#include "base/process.h"
#include "libcontainer/migrate/protocol.h"

/** Length of a migration's number, 128 random bits in hexadecimal, with its NUL. */
#define MIGRATE_NUMBER_SIZE 33

/** How memory travels. */
enum migrate_mode { MIGRATE_AUTOMATIC, MIGRATE_PRE_COPY, MIGRATE_POST_COPY, MIGRATE_COLD };
extern const struct name_table migrate_mode_names;

/** What the source has to move, and what of it the destination has to match. */
struct migrate_offer {
	const char *number; /* of this migration */
	const char *id;
	const char *bundle;
	const char *rootfs;
	const char *cgroup; /* linux.cgroupsPath, "" when wherry chooses: on one host it is taken */
	bool rootfs_copied; /* --rootfs copy: it need not be there yet */
	const char *witness; /* a file in the source's rootfs just now; "": it could make none */
	uint64_t rootfs_device;
	uint64_t rootfs_inode;
	const char *
	    *rootfs_sample; /* without a witness: files of it, see libcontainer/migrate/sample.h */
	size_t n_rootfs_sample;
	const char *boot_id; /* of the source: the same one means the same host */
	const char *machine; /* uname's */
	const char *kernel;  /* uname's release */
	uint32_t criu_version;
	uint64_t memory; /* bytes that the images may take */
	bool post_copy;
	const char **cpu_features;
	size_t n_cpu_features;
};

/** The destination's answer. */
struct migrate_verdict {
	const char **obstacles; /* sentences; none: it can take the container */
	size_t n_obstacles;
	const char *bundle; /* where it will be there */
	const char *rootfs;
	bool same_host;
	uint32_t criu_version;
	bool post_copy; /* it can */
};

/** A standard stream that led to a file outside of the container. */
struct migrate_stream {
	const char *path; /* "": it did not */
	uint32_t mode;
	uint64_t size;
};

/** What the restore needs besides the images. */
struct migrate_restore {
	uint64_t rounds; /* the last one has what is restored */
	bool tcp;        /* established connections */
	bool file_locks;
	bool ext_unix_sk;
	bool link_remap;
	bool early; /* it may run before all of its memory is read from the images */
	struct migrate_stream *streams; /* of fds 0, 1, 2 */
	size_t n_streams;
};

/** Which migration is asked for. */
struct migrate_query {
	const char *number;
	const char *id;
};

/** What became of a container at the destination. */
enum migrate_fate {
	MIGRATE_FATE_ABSENT,  /* it is not there, and will not be */
	MIGRATE_FATE_RUNNING, /* it runs there */
	MIGRATE_FATE_ENDED,   /* it ran there, and has ended */
	MIGRATE_FATE_READING, /* it runs there, and not all of its memory is read: to be asked again */
};
extern const struct name_table migrate_fate_names;

struct migrate_answer {
	int64_t fate;
};

/** How far a migration is, as the record of either end says. */
enum migrate_phase {
	MIGRATE_PHASE_SENDING,     /* source: the container is ours */
	MIGRATE_PHASE_HANDED_OVER, /* source: it may be the destination's: held until that says so */
	MIGRATE_PHASE_MOVED,       /* source: it is the destination's: ours is to be destroyed */
	MIGRATE_PHASE_RECEIVING,   /* destination: it is the source's */
	MIGRATE_PHASE_COMMITTED,   /* destination: it is ours once its tasks are let go */
	MIGRATE_PHASE_RUNNING,     /* destination: they were let go */
	MIGRATE_PHASE_SERVING,     /* source, post-copy: it runs there, without all of its memory */
	MIGRATE_PHASE_FETCHING,    /* destination: committed, and without all of its memory yet */
};
extern const struct name_table migrate_phase_names;

/** The record, see libcontainer/migrate/record.h. */
struct migrate_record {
	const char *number;
	const char *id;
	int64_t phase;
	const char *destination; /* source: as given */
	const char *rsh;         /* source: --rsh, "" */
	const char *remote;      /* source: --remote-wherry, "" */
	const char *criu;        /* source: CRIU at the destination, "" */
	const char *images;      /* directory of images, to be removed */
	bool systemd;            /* source: it is a unit of systemd, and to be one there */
	const char *boot_id;
	const char *started;      /* RFC 3339 */
	struct process_id worker; /* who is at it */
	struct process_id init;   /* destination, from COMMITTED on: the restored process */
	struct process_id pager;  /* destination: CRIU's process that gives memory while it runs */
};

enum migrate_document {
	MIGRATE_DOCUMENT_OFFER,
	MIGRATE_DOCUMENT_VERDICT,
	MIGRATE_DOCUMENT_RESTORE,
	MIGRATE_DOCUMENT_QUERY,
	MIGRATE_DOCUMENT_ANSWER,
	MIGRATE_DOCUMENT_RECORD,
	MIGRATE_DOCUMENT_COUNT,
};

/** Write @src (the struct of @document) as JSON in the arena. Returns 0 or -ENOMEM. */
int migrate_document_encode(enum migrate_document document, const void *src, struct arena *arena,
			    const char **ret_json, size_t *ret_len, struct wh_error *err);
/**
 * Read @document's struct from @len bytes at @text; what it points at goes to @arena. Returns 0, or
 * -EINVAL with all that is wrong with it.
 */
int migrate_document_decode(enum migrate_document document, const char *text, size_t len,
			    struct arena *arena, void *dest, struct wh_error *err);

/** migrate_send() and migrate_expect() of a message that is a document. */
int migrate_send_document(struct migrate_conn *conn, enum migrate_type type,
			  enum migrate_document document, const void *src, struct arena *arena,
			  struct wh_error *err);
int migrate_expect_document(struct migrate_conn *conn, enum migrate_type type, int timeout_ms,
			    enum migrate_document document, struct arena *arena, void *dest,
			    struct wh_error *err);

/** Whether @number has the form of a migration's number. */
bool migrate_number_ok(const char *number);
