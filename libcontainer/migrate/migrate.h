/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Moving a running container to another state root, on another host or on this one. What may go wrong where,
 * and why never two of it run: docs/migration.md. The messages are in protocol.h.
 */
#pragma once

#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/error.h"
#include "libcontainer/container.h"
#include "libcontainer/migrate/document.h"

/** What a migration has come to, for whoever watches. */
enum migrate_event_type {
	MIGRATE_EVENT_CHECKED,  /* the destination can take the container; .mode is chosen */
	MIGRATE_EVENT_ROUND,    /* one round of memory was sent while the container ran */
	MIGRATE_EVENT_FROZEN,   /* the container stands still: what remains is being saved */
	MIGRATE_EVENT_SENT,     /* the rest was sent */
	MIGRATE_EVENT_PREPARED, /* it is restored at the destination, and held there */
	MIGRATE_EVENT_RUNNING, /* it runs there before all of its memory is there. Post-copy: .left is still here */
	MIGRATE_EVENT_FETCHED, /* all of it is. Post-copy, once a second: .bytes are there by now */
	MIGRATE_EVENT_MOVED,   /* it runs there, and nothing of it is left here */
};

struct migrate_event {
	enum migrate_event_type type;
	enum migrate_mode mode;
	const char *why; /* CHECKED: the reason of the mode, "" when it was asked for */
	uint64_t round;  /* from 1 on */
	uint64_t bytes;  /* sent in it */
	uint64_t memory; /* those of them that are memory */
	uint64_t ns;     /* how long that took */
	uint64_t dirty;  /* bytes a second that the container changed meanwhile, 0: not known yet */
	uint64_t expected_ns; /* ROUND: the downtime if it were frozen now */
	uint64_t left;        /* RUNNING, FETCHED: bytes of memory that are still here, at most */
};

struct migrate_options {
	const char *id;
	const char *destination; /* see migrate_destination_parse() */
	const char *rsh;         /* NULL: ssh */
	const char *remote;      /* NULL: wherry */
	const char *criu;        /* NULL: where it is usually installed */
	const char *remote_criu; /* the same at the destination */
	enum migrate_mode mode;
	uint64_t downtime_ms; /* goal of pre-copy */
	bool copy_rootfs;
	bool dry_run; /* check, and that is all */
	bool early; /* it may run there before all of its memory is read; pre-copy: but for whole */
	bool whole;
	bool tcp_close;
	bool ext_unix_sk;
	const volatile sig_atomic_t
	    *interrupted; /* becomes true when a signal came; NULL: none is caught */
	void (*observe)(void *ctx, const struct migrate_event *event); /* NULL: nobody watches */
	void *observe_ctx;
};

/** How it went. */
struct migrate_report {
	enum migrate_mode mode;
	uint64_t rounds; /* the last one, frozen, included */
	uint64_t sent;   /* bytes on the wire, but for a copied root file system */
	uint64_t memory; /* bytes of memory among them */
	uint64_t total_ns;
	uint64_t downtime_ns; /* from before the freeze to the confirmation */
	uint64_t
	    window_ns; /* from there until it had all memory at the destination; 0: it had it */
};

/** Where the container is after a migration that did not succeed. */
enum migrate_where {
	MIGRATE_HERE,     /* it runs at the source, as before */
	MIGRATE_NOT_HERE, /* it does not run at the source, and not at the destination either: it did not before, or has ended */
	MIGRATE_WENT_BACK, /* it runs at the source, from its freeze: what it did at the destination is lost */
	MIGRATE_IN_DOUBT, /* held at the source: the destination could not be asked whether it runs there */
};

/**
 * Move container opts->id. Returns 0 when it runs at the destination, with *@ret_report (or when dry_run found no
 * obstacle); else -errno with *@ret_where. On any failure at most one of the two runs, and unless it is in
 * doubt exactly one.
 */
int container_migrate(const struct runtime *rt, const struct migrate_options *opts,
		      struct migrate_report *ret_report, enum migrate_where *ret_where,
		      struct wh_error *err);

/**
 * The other end: speak the protocol over @in and @out until the migration (or the query) is done. Returns 0 or
 * -errno; *@ret_told: the source was told the error, and reports it.
 */
int container_migrate_receive(const struct runtime *rt, const char *criu, int in, int out,
			      bool *ret_told, struct wh_error *err);

/**
 * Finish what an interrupted migration of container @id has left: ask the destination if need be, and let the
 * container go on here or remove it here. *@ret_fate says where it is: ABSENT is "it runs here".
 *
 * @take_back: do not ask; the container goes on here. Only for a destination that is known to be gone.
 * Returns 0, or -errno (*@ret_where as above; -ENOENT of kind STATE: there is no interrupted migration).
 */
int container_migrate_resume(const struct runtime *rt, const char *id, bool take_back,
			     enum migrate_fate *ret_fate, enum migrate_where *ret_where,
			     struct wh_error *err);

/** One migration that has a record below the state root. */
struct migrate_status {
	struct migrate_record record;
	bool outgoing;
	bool active; /* somebody is at it */
};

/** All of them, or of container @id (not NULL) alone. In the arena. Returns 0 or -errno. */
int container_migrate_status(const struct runtime *rt, const char *id, struct arena *arena,
			     struct migrate_status **ret_list, size_t *ret_count,
			     struct wh_error *err);

/**
 * Whether the opened container may go on here: not when it was handed over to a destination that has not said
 * what became of it. Returns 0, or -EBUSY (kind STATE) with an error that says what to do.
 */
int migrate_check_ours(int dir_fd, const char *id, struct wh_error *err);
