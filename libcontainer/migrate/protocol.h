/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the two ends of a migration say to each other over a pair of pipes (ssh's, or our own). Both
 * ends and the order of the messages are here; what is sent in them is in document.h.
 *
 *	source (wherry migrate)                     destination (wherry migrate --receive)
 *	HELLO           ------------------------->
 *	                <-------------------------  HELLO
 *	OFFER, CONFIG   ------------------------->  checks itself against them
 *	                <-------------------------  VERDICT        obstacles, or none
 *	START           ------------------------->  claims the id
 *	                <-------------------------  STARTED
 *	ROUND, FILE, DATA..., FILE_END, ROUND_END ->  once for each round of memory, and the last
 *	                <-------------------------  ROUND_DONE     all of it is written
 *
 *	or, before such a round, its memory as CRIU's page servers say it, while CRIU saves (pages.h):
 *	STREAM          ------------------------->  starts CRIU's page server
 *	                <-------------------------  STREAMING
 *	PAGES...        <------------------------>  from CRIU to CRIU, until the round's ROUND
 *
 *	RESTORE         ------------------------->  restores, and holds every task
 *	                <-------------------------  PREPARED
 *	  (here the source writes down that it hands the container over)
 *	COMMIT          ------------------------->  writes that down, lets the tasks go
 *	                <-------------------------  CONFIRM
 *	  (here the source kills its own)
 *	DONE            ------------------------->  forgets the migration
 *
 * Post-copy: from RESTORE on the destination asks for memory whenever it needs some, and the source answers between the
 * other messages. After CONFIRM it fetches the rest, and only COMPLETE is the end of the source's container:
 *
 *	                <-------------------------  WANT           pages of one process
 *	GIVEN, GIVEN_DATA... -------------------->  some of them, from the first on
 *	                <-------------------------  COMPLETE       it has all of them
 *
 * In the other modes the container may run there before all of its memory is read from the images that are there: PREPARED says
 * so. Then COMPLETE is the end of the source's container as well, and instead of WANT comes now and then
 *
 *	                <-------------------------  READING        some was read since the last one
 *
 * Instead of any of its messages either end may send ABORT, an error, and the other undoes what it
 * has done. After COMMIT it is only an answer: the container is not at the destination.
 *
 * A source that lost the connection after COMMIT asks over a new one:
 *
 *	HELLO, QUERY    ------------------------->  waits for the end of the old receiver, undoes what
 *	                <-------------------------  ANSWER         it left, or says that it runs, or that the
 *	                                                           receiver still reads its memory
 *	DONE            ------------------------->
 *
 * A frame is a header and at most MIGRATE_PAYLOAD_MAX bytes; integers are little-endian. HELLO is
 * the first frame on either side, so that what is no wherry at all is found in its first bytes.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

/** Of this protocol; both ends must have the same. */
#define MIGRATE_PROTOCOL_VERSION 6

/** What PREPARED says: the container will run before all of its memory is read from the images there. */
#define MIGRATE_PREPARED_DEFERRED 1U

/** Bytes of image data in one frame, and of one frame's payload (a data frame has its offset in front). */
#define MIGRATE_CHUNK_MAX   (256U << 10)
#define MIGRATE_PAYLOAD_MAX (MIGRATE_CHUNK_MAX + 64U)
/** Bytes in one PAGES, which is never held in memory of ours. */
#define MIGRATE_PAGES_MAX (1U << 20)

/**
 * How long whoever is waited for, the other side or CRIU, may be silent while it has nothing to do but to answer, and while
 * it works; and how long a process may take to end that was told to: milliseconds.
 */
#define MIGRATE_ANSWER_MS 30000
#define MIGRATE_WORK_MS   600000
#define MIGRATE_END_MS    10000
/** How often a source that waits for memory to be read hears READING. */
#define MIGRATE_TELL_MS 10000

enum migrate_type {
	MIGRATE_EOF, /* the other side is gone; never sent */
	MIGRATE_HELLO,
	MIGRATE_ABORT,
	MIGRATE_OFFER,
	MIGRATE_CONFIG,
	MIGRATE_VERDICT,
	MIGRATE_START,
	MIGRATE_STARTED,
	MIGRATE_STREAM,
	MIGRATE_STREAMING,
	MIGRATE_PAGES,
	MIGRATE_ROUND,
	MIGRATE_FILE,
	MIGRATE_DATA,
	MIGRATE_FILE_END,
	MIGRATE_ROUND_END,
	MIGRATE_ROUND_DONE,
	MIGRATE_RESTORE,
	MIGRATE_PREPARED,
	MIGRATE_COMMIT,
	MIGRATE_CONFIRM,
	MIGRATE_WANT,
	MIGRATE_GIVEN,
	MIGRATE_GIVEN_DATA,
	MIGRATE_READING,
	MIGRATE_COMPLETE,
	MIGRATE_DONE,
	MIGRATE_QUERY,
	MIGRATE_ANSWER,
	MIGRATE_TYPE_COUNT,
};

/** One end of a connection. */
struct migrate_conn {
	int in;
	int out;
	const char *peer; /* "the destination": for errors. Lent. */
	uint64_t sent;    /* bytes, headers included */
	uint64_t received;
	size_t unread;    /* of the payload of a PAGES */
	bool broken;      /* nothing can be sent or received any more */
	bool given_up;    /* the other side has sent ABORT */
	uint8_t *buffer;  /* of what was received last */
	const char *side; /* for tests, see libcontainer/migrate/fault.h */
};

/** A received message; @payload lives until the next one is received. NUL-terminated for texts. */
struct migrate_message {
	enum migrate_type type;
	size_t len;
	const uint8_t *payload;
};

/** A message's name, for errors and for --trace. */
const char *migrate_type_name(unsigned int type);

/**
 * Prepare a connection over @in and @out (which may be the same). They are lent, and become
 * non-blocking. @side: who we are, "source" or "destination". Returns 0 or -errno. Undone by migrate_conn_done().
 */
int migrate_conn_init(struct migrate_conn *conn, int in, int out, const char *side,
		      const char *peer, struct wh_error *err);
/** Free its buffer; the fds are the caller's. One that was never made is all right. */
void migrate_conn_done(struct migrate_conn *conn);

/**
 * Send one message. @head: fixed bytes in front of @data (both may be empty). Waits while the other
 * side does not read, at most MIGRATE_WORK_MS without progress.
 *
 * Returns 0 or -errno: -EPIPE when the other side is gone, with its last word as the error when that
 * was ABORT; -EINTR when a signal that is caught came.
 */
int migrate_send(struct migrate_conn *conn, enum migrate_type type, const void *head,
		 size_t head_len, const void *data, size_t len, struct wh_error *err);

/**
 * Receive the next message, waiting at most @timeout_ms for each part of it. Its size, checksum and type
 * were checked, and no more. The end of the connection between two frames is MIGRATE_EOF.
 *
 * Returns 0 or -errno: -EPROTO for what is no frame, -EBADMSG for a damaged one, -ETIMEDOUT, -EINTR.
 */
int migrate_receive(struct migrate_conn *conn, int timeout_ms, struct migrate_message *ret_msg,
		    struct wh_error *err);

/**
 * Send a PAGES with @len bytes, at most MIGRATE_PAGES_MAX, which are there to be read from the socket @from: they are
 * moved, not copied, where the kernel can. They have no checksum: they are most of all that is sent, and what
 * carries them (ssh, TCP) has its own. Returns 0 or -errno as migrate_send() does.
 */
int migrate_send_pages(struct migrate_conn *conn, int from, size_t len, struct wh_error *err);

/**
 * Move the payload of the PAGES received last to the socket @to, in the same way. What is not taken so is skipped by the
 * next migrate_receive(). Returns 0 or -errno.
 */
int migrate_take_pages(struct migrate_conn *conn, int to, struct wh_error *err);

/**
 * Receive a message that must be @type. ABORT is returned as the other side's error with -ECONNABORTED,
 * the end of the connection is -EPIPE, anything else -EPROTO.
 */
int migrate_expect(struct migrate_conn *conn, enum migrate_type type, int timeout_ms,
		   struct migrate_message *ret_msg, struct wh_error *err);

/** Whether the received @msg is @type: what migrate_expect() does with a message. Returns 0 or its errors. */
int migrate_expected(const struct migrate_conn *conn, const struct migrate_message *msg,
		     enum migrate_type type, struct wh_error *err);

/** The payload of WANT and of GIVEN: pages of memory. */
struct migrate_range {
	uint64_t task;    /* the process, by its pid in the container */
	uint64_t address; /* of the first page */
	uint64_t count;
};

/** Send WANT or GIVEN. Returns as migrate_send(). */
int migrate_send_range(struct migrate_conn *conn, enum migrate_type type,
		       const struct migrate_range *range, struct wh_error *err);
/** Read them from a received message. */
struct migrate_range migrate_get_range(const struct migrate_message *msg);

/**
 * Exchange HELLO: both send first, so neither waits for the other. @program: our version's text.
 * Returns 0 or -errno; what came instead of HELLO is quoted, since it is a shell's or ssh's message
 * more often than not.
 */
int migrate_hello(struct migrate_conn *conn, const char *program, struct wh_error *err);

/** Say that we give up, and why. Returns whether the other side can hear it; if not it sees the connection end. */
bool migrate_send_abort(struct migrate_conn *conn, const struct wh_error *reason);

/** The two sums of a frame's payload: the one finds wrong bytes, the other wrong order. */
struct migrate_sum {
	uint64_t plain;
	uint64_t weighted;
};

/** Go on with @sum over @len bytes. In one sum only the last part may have a length that is no multiple of 4. */
void migrate_sum_add(struct migrate_sum *sum, const void *data, size_t len);

/** Little-endian integers in a payload. */
void migrate_put_u64(uint8_t *to, uint64_t value);
uint64_t migrate_get_u64(const uint8_t *from);
