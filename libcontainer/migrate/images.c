/* SPDX-License-Identifier: Apache-2.0 */
#include "libcontainer/migrate/images.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/str.h"

bool migrate_image_name_ok(const char *name, size_t len)
{
	static const char allowed[] = "abcdefghijklmnopqrstuvwxyz"
				      "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-";

	if (len == 0 || len > 255 || name[0] == '.')
		return false;
	for (size_t i = 0; i < len; i++) {
		if (!memchr(allowed, name[i], sizeof(allowed) - 1))
			return false;
	}
	return true;
}

static bool is_pages(const char *name)
{
	return str_after(name, "pages-") != NULL;
}

/** What is not sent: logs and statistics say nothing to a restore. */
static bool is_log(const char *name)
{
	size_t len = strlen(name);

	return (len > 4 && streq(name + len - 4, ".log")) || str_after(name, "stats-");
}

/* Sending */

struct sender {
	struct migrate_conn *conn;
	struct migrate_round round;
	char *chunk;
};

static int send_range(struct sender *sender, int fd, const char *name, off_t from, off_t to,
		      struct wh_error *err)
{
	while (from < to) {
		size_t want =
		    to - from < (off_t)MIGRATE_CHUNK_MAX ? (size_t)(to - from) : MIGRATE_CHUNK_MAX;
		ssize_t n = pread(fd, sender->chunk, want, from);
		uint8_t offset[8];
		int rc;

		if (n < 0 && errno == EINTR)
			return wh_fail(err, EINTR, "read image '%s'", name);
		if (n <= 0)
			return wh_fail(err, n < 0 ? errno : EIO, "read image '%s'", name);
		migrate_put_u64(offset, (uint64_t)from);
		rc = migrate_send(sender->conn, MIGRATE_DATA, offset, sizeof(offset), sender->chunk,
				  (size_t)n, err);
		if (rc < 0)
			return rc;
		from += n;
		sender->round.bytes += (uint64_t)n;
		if (is_pages(name))
			sender->round.pages += (uint64_t)n;
	}
	return 0;
}

/** All data of @fd, jumping over its holes. */
static int send_content(struct sender *sender, int fd, const char *name, off_t size,
			struct wh_error *err)
{
	off_t data = 0;

	while (data < size) {
		off_t hole;
		int rc;

		data = lseek(fd, data, SEEK_DATA);
		if (data < 0 && errno == ENXIO)
			return 0;
		hole = data < 0 ? -1 : lseek(fd, data, SEEK_HOLE);
		if (hole < 0)
			return wh_fail(err, errno, "look for data in image '%s'", name);
		if (hole > size)
			hole = size;
		rc = send_range(sender, fd, name, data, hole, err);
		if (rc < 0)
			return rc;
		data = hole;
	}
	return 0;
}

static int send_file(struct sender *sender, int dir_fd, const char *name, struct wh_error *err)
{
	auto_fd fd = openat(dir_fd, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	uint8_t size[8];
	struct stat st;
	int rc;

	if (fd < 0 && errno == ELOOP)
		return 0;
	if (fd < 0 || fstat(fd, &st) < 0)
		return wh_fail(err, errno, "open image '%s'", name);
	if (!S_ISREG(st.st_mode))
		return 0;
	if (!migrate_image_name_ok(name, strlen(name)))
		return wh_fail(err, EINVAL, "image '%s' has no name that can be sent", name);
	rc = migrate_send(sender->conn, MIGRATE_FILE, name, strlen(name), NULL, 0, err);
	if (rc == 0)
		rc = send_content(sender, fd, name, st.st_size, err);
	if (rc < 0)
		return rc;
	migrate_put_u64(size, (uint64_t)st.st_size);
	sender->round.files++;
	return migrate_send(sender->conn, MIGRATE_FILE_END, size, sizeof(size), NULL, 0, err);
}

static int send_files(struct sender *sender, int dir_fd, struct wh_error *err)
{
	auto_dir *dir = fd_list(dir_fd);
	struct dirent *entry;

	if (!dir)
		return wh_fail(err, errno, "list the images");
	while ((entry = readdir(dir))) {
		int rc;

		if (entry->d_name[0] == '.' || is_log(entry->d_name))
			continue;
		rc = send_file(sender, dir_fd, entry->d_name, err);
		if (rc < 0)
			return rc;
	}
	return 0;
}

/** The receiver has everything on its disk. */
static int await_written(struct sender *sender, struct wh_error *err)
{
	struct migrate_message msg;
	int rc = migrate_expect(sender->conn, MIGRATE_ROUND_DONE, MIGRATE_WORK_MS, &msg, err);

	if (rc < 0)
		return rc;
	if (migrate_get_u64(msg.payload) != sender->round.bytes)
		return wh_fail(err, EBADMSG, "%s has %llu bytes of the %llu sent",
			       sender->conn->peer, (unsigned long long)migrate_get_u64(msg.payload),
			       (unsigned long long)sender->round.bytes);
	return 0;
}

int migrate_images_send(struct migrate_conn *conn, int dir_fd, uint64_t number,
			struct migrate_round *ret_round, struct wh_error *err)
{
	auto_free char *chunk = malloc(MIGRATE_CHUNK_MAX);
	struct sender sender = {.conn = conn, .round = {.number = number}, .chunk = chunk};
	uint8_t value[8];
	int rc;

	if (!chunk)
		return wh_oom(err);
	migrate_put_u64(value, number);
	rc = migrate_send(conn, MIGRATE_ROUND, value, sizeof(value), NULL, 0, err);
	if (rc == 0)
		rc = send_files(&sender, dir_fd, err);
	if (rc < 0)
		return rc;
	migrate_put_u64(value, sender.round.files);
	rc = migrate_send(conn, MIGRATE_ROUND_END, value, sizeof(value), NULL, 0, err);
	if (rc == 0)
		rc = await_written(&sender, err);
	if (rc == 0)
		*ret_round = sender.round;
	return rc;
}

/* Receiving */

struct receiver {
	struct migrate_conn *conn;
	int dir_fd;
	uint64_t limit;
	struct migrate_round round;
	int fd; /* the file that is being received; -EBADF between two */
	uint64_t offset;
	char name[256];
};

static int malformed(const struct receiver *receiver, const char *what, struct wh_error *err)
{
	return wh_fail(err, EPROTO, "%s sent %s", receiver->conn->peer, what);
}

static int on_file(struct receiver *receiver, const struct migrate_message *msg,
		   struct wh_error *err)
{
	if (receiver->fd >= 0)
		return malformed(receiver, "a file within a file", err);
	if (!migrate_image_name_ok((const char *)msg->payload, msg->len))
		return malformed(receiver, "a name that no image has", err);
	if (receiver->round.files >= MIGRATE_FILES_MAX)
		return malformed(receiver, "too many files", err);
	memcpy(receiver->name, msg->payload, msg->len + 1);
	receiver->fd = openat(receiver->dir_fd, receiver->name,
			      O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	/* as CRIU makes them: who may pass the directory is who may read them, a container's root in a user namespace */
	if (receiver->fd < 0 || fchmod(receiver->fd, 0644) < 0)
		return wh_fail(err, errno, "make image '%s'", receiver->name);
	receiver->offset = 0;
	return 0;
}

/** Write at @offset, all of it. */
static int write_at(int fd, const uint8_t *data, size_t len, uint64_t offset)
{
	while (len > 0) {
		ssize_t n = pwrite(fd, data, len, (off_t)offset);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		data += n;
		len -= (size_t)n;
		offset += (uint64_t)n;
	}
	return 0;
}

static int on_data(struct receiver *receiver, const struct migrate_message *msg,
		   struct wh_error *err)
{
	uint64_t offset = migrate_get_u64(msg->payload);
	size_t len = msg->len - 8;
	int rc;

	if (receiver->fd < 0)
		return malformed(receiver, "data of no file", err);
	if (offset < receiver->offset || offset > INT64_MAX - len)
		return malformed(receiver, "data out of order", err);
	if (len > receiver->limit - receiver->round.bytes)
		return wh_fail(err, EFBIG, "%s sent more than the %llu bytes that were agreed on",
			       receiver->conn->peer, (unsigned long long)receiver->limit);
	rc = write_at(receiver->fd, msg->payload + 8, len, offset);
	if (rc < 0)
		return wh_fail(err, -rc, "write image '%s'", receiver->name);
	receiver->offset = offset + len;
	receiver->round.bytes += len;
	if (is_pages(receiver->name))
		receiver->round.pages += len;
	return 0;
}

static int on_file_end(struct receiver *receiver, const struct migrate_message *msg,
		       struct wh_error *err)
{
	uint64_t size = migrate_get_u64(msg->payload);

	if (receiver->fd < 0)
		return malformed(receiver, "the end of no file", err);
	if (size < receiver->offset || size > INT64_MAX)
		return malformed(receiver, "a size that the data does not fit in", err);
	if (size > receiver->offset && ftruncate(receiver->fd, (off_t)size) < 0)
		return wh_fail(err, errno, "write image '%s'", receiver->name);
	receiver->fd = fd_close(receiver->fd);
	receiver->round.files++;
	return 0;
}

static int on_round_end(struct receiver *receiver, const struct migrate_message *msg,
			struct wh_error *err)
{
	uint8_t value[8];

	if (receiver->fd >= 0 || migrate_get_u64(msg->payload) != receiver->round.files)
		return malformed(receiver, "another number of files than it says", err);
	migrate_put_u64(value, receiver->round.bytes);
	return migrate_send(receiver->conn, MIGRATE_ROUND_DONE, value, sizeof(value), NULL, 0, err);
}

/** What may come within a round. */
static const struct {
	enum migrate_type type;
	int (*handle)(struct receiver *receiver, const struct migrate_message *msg,
		      struct wh_error *err);
} round_messages[] = {
    {MIGRATE_DATA,      on_data     },
    {MIGRATE_FILE,      on_file     },
    {MIGRATE_FILE_END,  on_file_end },
    {MIGRATE_ROUND_END, on_round_end},
};

static int receive_one(struct receiver *receiver, enum migrate_type *ret_type, struct wh_error *err)
{
	struct migrate_message msg;
	int rc = migrate_receive(receiver->conn, MIGRATE_WORK_MS, &msg, err);

	if (rc < 0)
		return rc;
	*ret_type = msg.type;
	for (size_t i = 0; i < ARRAY_LEN(round_messages); i++) {
		if (round_messages[i].type == msg.type)
			return round_messages[i].handle(receiver, &msg, err);
	}
	if (msg.type == MIGRATE_EOF)
		return wh_fail(err, EPIPE, "the connection to %s was lost", receiver->conn->peer);
	if (msg.type == MIGRATE_ABORT)
		return wh_fail(err, ECONNABORTED, "%s gave up", receiver->conn->peer);
	return wh_fail(err, EPROTO, "%s sent '%s' within a round", receiver->conn->peer,
		       migrate_type_name(msg.type));
}

int migrate_images_receive(struct migrate_conn *conn, const struct migrate_message *msg, int dir_fd,
			   uint64_t expected, uint64_t limit, struct migrate_round *ret_round,
			   struct wh_error *err)
{
	struct receiver receiver = {.conn = conn,
				    .dir_fd = dir_fd,
				    .limit = limit,
				    .round = {.number = expected},
				    .fd = -EBADF};
	enum migrate_type type = MIGRATE_ROUND;
	int rc = 0;

	if (migrate_get_u64(msg->payload) != expected)
		return malformed(&receiver, "a round out of order", err);
	while (rc == 0 && type != MIGRATE_ROUND_END)
		rc = receive_one(&receiver, &type, err);
	fd_close(receiver.fd);
	if (rc == 0)
		*ret_round = receiver.round;
	return rc;
}
