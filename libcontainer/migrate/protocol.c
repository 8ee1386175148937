/* SPDX-License-Identifier: Apache-2.0 */
#include "libcontainer/migrate/protocol.h"

#include <assert.h>
#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/str.h"
#include "libcontainer/migrate/fault.h"
#include "libcontainer/migrate/move.h"

/** In front of each payload. */
struct frame_header {
	uint32_t len;
	uint16_t type;
	uint16_t reserved; /* 0 */
	uint64_t plain;    /* struct migrate_sum of the payload */
	uint64_t weighted;
};
static_assert(sizeof(struct frame_header) == 24, "no padding on the wire");

/** The payload of HELLO; the program's version follows. */
struct hello {
	char magic[8];
	uint32_t version;
	uint32_t reserved;
};
static const char hello_magic[8] = {'w', 'h', 'e', 'r', 'r', 'y', '-', 'm'};

/** The payload of ABORT; the message's text follows. */
struct abort_head {
	uint32_t code;
	uint32_t kind;
	char step[40];
};

/** The payload of WANT and GIVEN: the three numbers of struct migrate_range. */
#define RANGE_SIZE 24

/** A name for errors, and how long the payload may be. */
static const struct message_rule {
	const char *name;
	uint32_t min;
	uint32_t max;
} rules[] = {
    [MIGRATE_EOF] = {"end of file",      1,                         0                               },
    [MIGRATE_HELLO] = {"hello",            sizeof(struct hello),      sizeof(struct hello) + 128      },
    [MIGRATE_ABORT] = {"abort",            sizeof(struct abort_head), sizeof(struct abort_head) + 4096},
    [MIGRATE_OFFER] = {"offer",            2,                         MIGRATE_CHUNK_MAX               },
    [MIGRATE_CONFIG] = {"config",           2,                         MIGRATE_CHUNK_MAX               },
    [MIGRATE_VERDICT] = {"verdict",          2,                         MIGRATE_CHUNK_MAX               },
    [MIGRATE_START] = {"start",            0,                         0                               },
    [MIGRATE_STARTED] = {"started",          0,                         0                               },
    [MIGRATE_STREAM] = {"stream",           8,                         8                               },
    [MIGRATE_STREAMING] = {"streaming",        0,                         0                               },
    [MIGRATE_PAGES] = {"pages",            0,                         MIGRATE_PAGES_MAX               },
    [MIGRATE_ROUND] = {"round",            8,                         8                               },
    [MIGRATE_FILE] = {"file",             1,                         255                             },
    [MIGRATE_DATA] = {"data",             9,                         8 + MIGRATE_CHUNK_MAX           },
    [MIGRATE_FILE_END] = {"end of the file",  8,                         8                               },
    [MIGRATE_ROUND_END] = {"end of the round", 8,                         8                               },
    [MIGRATE_ROUND_DONE] = {"round done",       8,                         8                               },
    [MIGRATE_RESTORE] = {"restore",          2,                         MIGRATE_CHUNK_MAX               },
    [MIGRATE_PREPARED] = {"prepared",         0,                         8                               },
    [MIGRATE_COMMIT] = {"commit",           0,                         0                               },
    [MIGRATE_CONFIRM] = {"confirm",          0,                         0                               },
    [MIGRATE_WANT] = {"want",             RANGE_SIZE,                RANGE_SIZE                      },
    [MIGRATE_GIVEN] = {"given",            RANGE_SIZE,                RANGE_SIZE                      },
    [MIGRATE_GIVEN_DATA] = {"given data",       1,                         MIGRATE_CHUNK_MAX               },
    [MIGRATE_READING] = {"reading",          0,                         0                               },
    [MIGRATE_COMPLETE] = {"complete",         0,                         0                               },
    [MIGRATE_DONE] = {"done",             0,                         0                               },
    [MIGRATE_QUERY] = {"query",            2,                         4096                            },
    [MIGRATE_ANSWER] = {"answer",           2,                         4096                            },
};
static_assert(ARRAY_LEN(rules) == MIGRATE_TYPE_COUNT, "a rule for each message");

const char *migrate_type_name(unsigned int type)
{
	return type < MIGRATE_TYPE_COUNT ? rules[type].name : "unknown";
}

void migrate_put_u64(uint8_t *to, uint64_t value)
{
	value = htole64(value);
	memcpy(to, &value, sizeof(value));
}

uint64_t migrate_get_u64(const uint8_t *from)
{
	uint64_t value;

	memcpy(&value, from, sizeof(value));
	return le64toh(value);
}

/* Fletcher's sum over 32 bit words: as fast as memory is read, without an instruction that would have to be
 * looked for at start-up. The last word is filled up with zeros; the frame's length is checked apart. */
void migrate_sum_add(struct migrate_sum *sum, const void *data, size_t len)
{
	const uint8_t *bytes = data;
	uint64_t plain = sum->plain;
	uint64_t weighted = sum->weighted;
	uint32_t word;

	for (; len >= sizeof(word); len -= sizeof(word), bytes += sizeof(word)) {
		memcpy(&word, bytes, sizeof(word));
		plain += le32toh(word);
		weighted += plain;
	}
	if (len > 0) {
		word = 0;
		memcpy(&word, bytes, len);
		plain += le32toh(word);
		weighted += plain;
	}
	sum->plain = plain;
	sum->weighted = weighted;
}

int migrate_conn_init(struct migrate_conn *conn, int in, int out, const char *side,
		      const char *peer, struct wh_error *err)
{
	const int ends[] = {in, out};

	*conn = (struct migrate_conn){.in = in, .out = out, .peer = peer, .side = side};
	for (size_t i = 0; i < ARRAY_LEN(ends); i++) {
		int flags = fcntl(ends[i], F_GETFL);

		if (flags < 0 || fcntl(ends[i], F_SETFL, flags | O_NONBLOCK) < 0)
			return wh_fail(err, errno, "prepare the connection to %s", peer);
	}
	/* One byte more: every payload ends with a NUL that was not sent. */
	conn->buffer = malloc(MIGRATE_PAYLOAD_MAX + 1);
	return conn->buffer ? 0 : wh_oom(err);
}

void migrate_conn_done(struct migrate_conn *conn)
{
	free(conn->buffer);
	conn->buffer = NULL;
}

/** The other side's error as ours. */
static int aborted(const struct migrate_conn *conn, const struct migrate_message *msg,
		   struct wh_error *err)
{
	struct abort_head head;
	uint32_t kind;

	memcpy(&head, msg->payload, sizeof(head));
	head.step[sizeof(head.step) - 1] = '\0';
	kind = le32toh(head.kind);
	if (err) {
		wh_fail_kind(
		    err, kind <= WH_ERROR_UNSUPPORTED ? (enum wh_error_kind)kind : WH_ERROR_RUNTIME,
		    (int)(le32toh(head.code) & 0xfff), "%s: %s", conn->peer,
		    (const char *)msg->payload + sizeof(head));
		snprintf(err->step, sizeof(err->step), "%s", head.step);
	}
	return -ECONNABORTED;
}

/** The other side reads no more: what it said last says why. */
static int lost_while_sending(struct migrate_conn *conn, int code, enum migrate_type type,
			      struct wh_error *err)
{
	struct migrate_message msg;

	conn->broken = true;
	while (code == EPIPE && migrate_receive(conn, MIGRATE_ANSWER_MS, &msg, NULL) == 0 &&
	       msg.type != MIGRATE_EOF) {
		if (msg.type != MIGRATE_ABORT)
			continue;
		(void)aborted(conn, &msg, err);
		return -EPIPE;
	}
	wh_fail(err, code, "the connection to %s was lost while sending '%s'", conn->peer,
		migrate_type_name(type));
	return -code;
}

/** Drop @n written bytes from the front of @parts. */
static void advance(struct iovec *parts, size_t count, size_t n)
{
	for (size_t i = 0; i < count && n > 0; i++) {
		size_t part = n < parts[i].iov_len ? n : parts[i].iov_len;

		if (part == 0)
			continue; /* it may be nowhere */
		parts[i].iov_base = (char *)parts[i].iov_base + part;
		parts[i].iov_len -= part;
		n -= part;
	}
}

static int write_parts(struct migrate_conn *conn, struct iovec *parts, size_t count, size_t left)
{
	while (left > 0) {
		ssize_t n = writev(conn->out, parts, (int)count);
		int rc;

		if (n < 0 && errno == EAGAIN) {
			rc = fd_await(conn->out, POLLOUT, MIGRATE_WORK_MS);
			if (rc < 0)
				return rc;
			continue;
		}
		if (n < 0)
			return -errno;
		conn->sent += (uint64_t)n;
		left -= (size_t)n;
		advance(parts, count, (size_t)n);
	}
	return 0;
}

/** One frame. Returns 0 or -errno, no text. */
static int write_frame(struct migrate_conn *conn, enum migrate_type type, const void *head,
		       size_t head_len, const void *data, size_t len)
{
	struct migrate_sum sum = {0};
	struct frame_header header = {.len = htole32((uint32_t)(head_len + len)),
				      .type = htole16((uint16_t)type)};
	struct iovec parts[] = {
	    {.iov_base = &header,      .iov_len = sizeof(header)},
	    {.iov_base = (void *)head, .iov_len = head_len      },
	    {.iov_base = (void *)data, .iov_len = len           },
	};
	int rc;

	migrate_fault(conn->side, "send", rules[type].name);
	migrate_sum_add(&sum, head, head_len);
	migrate_sum_add(&sum, data, len);
	header.plain = htole64(sum.plain);
	header.weighted = htole64(sum.weighted);
	rc = write_parts(conn, parts, ARRAY_LEN(parts), sizeof(header) + head_len + len);
	if (rc == 0)
		migrate_fault(conn->side, "sent", rules[type].name);
	return rc;
}

int migrate_send(struct migrate_conn *conn, enum migrate_type type, const void *head,
		 size_t head_len, const void *data, size_t len, struct wh_error *err)
{
	int rc;

	assert(type > MIGRATE_EOF && type < MIGRATE_TYPE_COUNT);
	assert(head_len % 4 == 0 || len == 0);
	if (head_len + len < rules[type].min || head_len + len > rules[type].max)
		return wh_fail(err, EMSGSIZE, "message '%s' of %zu bytes", rules[type].name,
			       head_len + len);
	if (conn->broken)
		return wh_fail(err, EPIPE, "the connection to %s is lost", conn->peer);
	rc = write_frame(conn, type, head, head_len, data, len);
	return rc < 0 ? lost_while_sending(conn, -rc, type, err) : 0;
}

int migrate_send_pages(struct migrate_conn *conn, int from, size_t len, struct wh_error *err)
{
	struct frame_header header = {.len = htole32((uint32_t)len),
				      .type = htole16(MIGRATE_PAGES)};
	struct iovec part = {.iov_base = &header, .iov_len = sizeof(header)};
	size_t n = 0;
	int rc;

	assert(len <= MIGRATE_PAGES_MAX);
	if (conn->broken)
		return wh_fail(err, EPIPE, "the connection to %s is lost", conn->peer);
	migrate_fault(conn->side, "send", rules[MIGRATE_PAGES].name);
	rc = write_parts(conn, &part, 1, sizeof(header));
	if (rc == 0)
		rc = migrate_move(from, conn->out, len, MIGRATE_WORK_MS, &n);
	if (rc == 0 && n != len)
		rc = -EIO;
	if (rc < 0)
		return lost_while_sending(conn, -rc, MIGRATE_PAGES, err);
	conn->sent += len;
	migrate_fault(conn->side, "sent", rules[MIGRATE_PAGES].name);
	return 0;
}

/** Fill @to. Returns the bytes read, fewer than @len at the end of the connection, or -errno. */
static ssize_t read_full(struct migrate_conn *conn, void *to, size_t len, int timeout_ms)
{
	size_t done = 0;

	while (done < len) {
		ssize_t n = read(conn->in, (char *)to + done, len - done);
		int rc;

		if (n < 0 && errno == EAGAIN) {
			rc = fd_await(conn->in, POLLIN, timeout_ms);
			if (rc < 0)
				return rc;
			continue;
		}
		if (n < 0)
			return -errno;
		if (n == 0)
			break;
		done += (size_t)n;
	}
	conn->received += done;
	return (ssize_t)done;
}

static int receive_failed(struct migrate_conn *conn, ssize_t n, struct wh_error *err)
{
	/* What was read of the frame is lost: there is no going on. */
	conn->broken = true;
	if (n == -ETIMEDOUT)
		wh_fail(err, ETIMEDOUT, "%s does not answer", conn->peer);
	else if (n < 0)
		wh_fail(err, (int)-n, "receive from %s", conn->peer);
	else
		wh_fail(err, EPIPE, "the connection to %s was cut in the middle of a message",
			conn->peer);
	return n < 0 ? (int)n : -EPIPE;
}

/** Whether @header can be one; also in host order afterwards. */
static bool header_decode(struct frame_header *header)
{
	header->len = le32toh(header->len);
	header->type = le16toh(header->type);
	header->plain = le64toh(header->plain);
	header->weighted = le64toh(header->weighted);
	return header->reserved == 0 && header->type > MIGRATE_EOF &&
	       header->type < MIGRATE_TYPE_COUNT && header->len >= rules[header->type].min &&
	       header->len <= rules[header->type].max;
}

/** Pages that nobody took: they are in the way of what comes next. */
static int skip_unread(struct migrate_conn *conn, struct wh_error *err)
{
	while (conn->unread > 0) {
		size_t part =
		    conn->unread < MIGRATE_PAYLOAD_MAX ? conn->unread : MIGRATE_PAYLOAD_MAX;
		ssize_t n = read_full(conn, conn->buffer, part, MIGRATE_WORK_MS);

		if (n != (ssize_t)part)
			return receive_failed(conn, n, err);
		conn->unread -= part;
	}
	return 0;
}

int migrate_take_pages(struct migrate_conn *conn, int to, struct wh_error *err)
{
	size_t n;
	int rc = migrate_move(conn->in, to, conn->unread, MIGRATE_WORK_MS, &n);

	conn->unread -= n;
	conn->received += n;
	/* it may be the taker that failed: then the rest is skipped, and there is a going on */
	if (rc < 0)
		return wh_fail(err, -rc, "pass pages from %s on to CRIU", conn->peer);
	return conn->unread > 0 ? receive_failed(conn, 0, err) : 0;
}

int migrate_receive(struct migrate_conn *conn, int timeout_ms, struct migrate_message *ret_msg,
		    struct wh_error *err)
{
	struct migrate_sum sum = {0};
	struct frame_header header;
	ssize_t n = skip_unread(conn, err);

	if (n < 0)
		return (int)n;
	n = read_full(conn, &header, sizeof(header), timeout_ms);
	if (n == 0) {
		conn->broken = true;
		*ret_msg = (struct migrate_message){.type = MIGRATE_EOF};
		return 0;
	}
	if (n != (ssize_t)sizeof(header))
		return receive_failed(conn, n, err);
	if (!header_decode(&header)) {
		conn->broken = true;
		return wh_fail(err, EPROTO, "%s sent what is no message of a migration",
			       conn->peer);
	}
	if (header.type == MIGRATE_PAGES) {
		conn->unread = header.len;
		migrate_fault(conn->side, "got", rules[header.type].name);
		*ret_msg = (struct migrate_message){.type = MIGRATE_PAGES, .len = header.len};
		return 0;
	}
	n = read_full(conn, conn->buffer, header.len, timeout_ms);
	if (n != (ssize_t)header.len)
		return receive_failed(conn, n, err);
	migrate_sum_add(&sum, conn->buffer, header.len);
	if (sum.plain != header.plain || sum.weighted != header.weighted) {
		conn->broken = true;
		return wh_fail(err, EBADMSG, "message '%s' from %s was damaged on its way",
			       rules[header.type].name, conn->peer);
	}
	conn->buffer[header.len] = '\0';
	conn->given_up |= header.type == MIGRATE_ABORT;
	migrate_fault(conn->side, "got", rules[header.type].name);
	*ret_msg = (struct migrate_message){
	    .type = (enum migrate_type)header.type, .len = header.len, .payload = conn->buffer};
	return 0;
}

int migrate_expected(const struct migrate_conn *conn, const struct migrate_message *msg,
		     enum migrate_type type, struct wh_error *err)
{
	if (msg->type == type)
		return 0;
	if (msg->type == MIGRATE_ABORT)
		return aborted(conn, msg, err);
	if (msg->type == MIGRATE_EOF)
		return wh_fail(err, EPIPE, "the connection to %s was lost", conn->peer);
	return wh_fail(err, EPROTO, "%s sent '%s' where '%s' was expected", conn->peer,
		       migrate_type_name(msg->type), migrate_type_name(type));
}

int migrate_expect(struct migrate_conn *conn, enum migrate_type type, int timeout_ms,
		   struct migrate_message *ret_msg, struct wh_error *err)
{
	int rc = migrate_receive(conn, timeout_ms, ret_msg, err);

	return rc < 0 ? rc : migrate_expected(conn, ret_msg, type, err);
}

int migrate_send_range(struct migrate_conn *conn, enum migrate_type type,
		       const struct migrate_range *range, struct wh_error *err)
{
	uint8_t payload[RANGE_SIZE];

	migrate_put_u64(payload, range->task);
	migrate_put_u64(payload + 8, range->address);
	migrate_put_u64(payload + 16, range->count);
	return migrate_send(conn, type, payload, sizeof(payload), NULL, 0, err);
}

struct migrate_range migrate_get_range(const struct migrate_message *msg)
{
	return (struct migrate_range){.task = migrate_get_u64(msg->payload),
				      .address = migrate_get_u64(msg->payload + 8),
				      .count = migrate_get_u64(msg->payload + 16)};
}

bool migrate_send_abort(struct migrate_conn *conn, const struct wh_error *reason)
{
	struct abort_head head = {.code = htole32((uint32_t)reason->code),
				  .kind = htole32((uint32_t)reason->kind)};

	if (conn->broken)
		return false;
	memcpy(head.step, reason->step, sizeof(head.step));
	return migrate_send(conn, MIGRATE_ABORT, &head, sizeof(head), reason->message,
			    strlen(reason->message), NULL) == 0;
}

/** The beginning of what came instead of HELLO, on one line. */
static int not_a_wherry(const struct migrate_conn *conn, const char *text, size_t len,
			struct wh_error *err)
{
	char quoted[200];
	size_t n = 0;

	for (size_t i = 0; i < len && n < sizeof(quoted) - 1; i++) {
		unsigned char c = (unsigned char)text[i];

		quoted[n++] = c >= ' ' && c < 0x7f ? (char)c : ' ';
	}
	while (n > 0 && quoted[n - 1] == ' ')
		n--;
	quoted[n] = '\0';
	return wh_fail(err, EPROTO,
		       "%s does not answer as wherry does but with '%s': is wherry installed there "
		       "(--remote-wherry), and does its shell print nothing?",
		       conn->peer, quoted);
}

/** Read HELLO's bytes one after the other: what is no HELLO may be shorter than its header. */
static int receive_hello(struct migrate_conn *conn, struct hello *ret_hello, char *ret_program,
			 size_t size, struct wh_error *err)
{
	char raw[sizeof(struct frame_header) + sizeof(struct hello)];
	struct frame_header header;
	ssize_t n = read_full(conn, raw, sizeof(raw), MIGRATE_ANSWER_MS);
	size_t rest;

	if (n < 0)
		return receive_failed(conn, n, err);
	if (n == 0)
		return wh_fail(err, EPIPE, "%s ended without an answer", conn->peer);
	memcpy(&header, raw, sizeof(header));
	memcpy(ret_hello, raw + sizeof(header), sizeof(*ret_hello));
	if (n < (ssize_t)sizeof(raw) || !header_decode(&header) || header.type != MIGRATE_HELLO ||
	    memcmp(ret_hello->magic, hello_magic, sizeof(hello_magic)) != 0) {
		conn->broken = true;
		return not_a_wherry(conn, raw, (size_t)n, err);
	}
	rest = header.len - sizeof(*ret_hello);
	n = read_full(conn, conn->buffer, rest, MIGRATE_ANSWER_MS);
	if (n != (ssize_t)rest)
		return receive_failed(conn, n, err);
	snprintf(ret_program, size, "%.*s", (int)rest, (const char *)conn->buffer);
	return 0;
}

int migrate_hello(struct migrate_conn *conn, const char *program, struct wh_error *err)
{
	struct hello ours = {.version = htole32(MIGRATE_PROTOCOL_VERSION)};
	struct hello theirs;
	char their_program[129];
	int rc;

	memcpy(ours.magic, hello_magic, sizeof(hello_magic));
	rc = write_frame(conn, MIGRATE_HELLO, &ours, sizeof(ours), program, strlen(program));
	/* who does not even read may have said why */
	if (rc < 0 && rc != -EPIPE)
		return wh_fail(err, -rc, "send to %s", conn->peer);
	rc = receive_hello(conn, &theirs, their_program, sizeof(their_program), err);
	if (rc < 0)
		return rc;
	if (le32toh(theirs.version) != MIGRATE_PROTOCOL_VERSION)
		return wh_fail_kind(
		    err, WH_ERROR_UNSUPPORTED, 0,
		    "%s is wherry %s, which speaks version %u of the migration "
		    "protocol, and this is %s with version %u: install the same there",
		    conn->peer, their_program, le32toh(theirs.version), program,
		    MIGRATE_PROTOCOL_VERSION);
	return 0;
}
