/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Any bytes as what another process sends: init, once it has joined the container and is taken for hostile;
 * CRIU; the other end of a migration. Never a crash, a hang, or a message that is not whole. The first byte
 * chooses the protocol.
 */
#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/protobuf.h"
#include "base/str.h"
#include "fuzz.h"
#include "libcontainer/checkpoint/criu_rpc.h"
#include "libcontainer/checkpoint/image.h"
#include "libcontainer/migrate/protocol.h"
#include "libcontainer/sync.h"

/** Datagrams of at most 255 bytes, or one that is as long as they may be: a length and then the bytes. */
static void protocol_init(struct fuzz_bytes *bytes)
{
	int socks[2];

	if (sync_pair(socks, NULL) < 0)
		return;
	while (bytes->left > 0) {
		uint8_t byte = fuzz_take(bytes);
		size_t len = byte == 255 || byte > bytes->left ? bytes->left : byte;
		struct sync_message message;

		if (len > SYNC_MAX_PAYLOAD + 64)
			len = SYNC_MAX_PAYLOAD + 64;
		if (send(socks[1], bytes->next, len, MSG_DONTWAIT) < 0)
			break;
		bytes->next += len;
		bytes->left -= len;
		if (len == 0 || sync_receive(socks[0], &message, NULL) < 0)
			continue;
		fuzz_check(message.type < SYNC_TYPE_COUNT && message.len <= SYNC_MAX_PAYLOAD,
			   "no message of ours");
		if (message.type == SYNC_ERROR)
			fuzz_check(strnlen(message.payload.error.message,
					   sizeof(message.payload.error.message)) <
				       sizeof(message.payload.error.message),
				   "a text without an end");
		fd_close(message.fd);
	}
	close(socks[0]);
	close(socks[1]);
}

static void protocol_criu(struct fuzz_bytes *bytes)
{
	struct pb_reader reader = PB_READER(bytes->next, bytes->left);
	struct criu_response response;
	struct pb_field field;

	while (pb_next(&reader, &field) > 0)
		fuzz_check(field.wire_type != PB_BYTES ||
			       (field.data >= bytes->next &&
				field.data + field.len <= bytes->next + bytes->left),
			   "outside of the message");
	if (criu_response_decode(bytes->next, bytes->left, &response) < 0)
		return;
	fuzz_check(memchr(response.message, '\0', sizeof(response.message)) &&
		       memchr(response.script, '\0', sizeof(response.script)),
		   "a text without an end");
}

static void protocol_image(struct fuzz_bytes *bytes)
{
	struct arena arena;
	uint8_t *adapted = NULL;
	size_t len = 0;

	if (arena_init(&arena, NULL) < 0)
		return;
	if (image_mounts_adapt(bytes->next, bytes->left, &arena, &adapted, &len) == 0)
		fuzz_check(len == 0 || adapted != NULL, "nothing of some length");
	arena_done(&arena);
}

static void protocol_migration(struct fuzz_bytes *bytes)
{
	struct migrate_conn conn;
	struct migrate_message message;
	int ends[2];
	ssize_t written;

	if (pipe2(ends, O_CLOEXEC) < 0)
		return;
	written = write(ends[1], bytes->next, bytes->left);
	fuzz_check(written == (ssize_t)bytes->left, "the pipe is too small");
	fd_close(ends[1]);
	if (migrate_conn_init(&conn, ends[0], STDERR_FILENO, "source", "the source", NULL) == 0) {
		for (int i = 0; i < 64 && migrate_receive(&conn, 1000, &message, NULL) == 0; i++) {
			fuzz_check(message.type < MIGRATE_TYPE_COUNT &&
				       (message.len <= MIGRATE_PAYLOAD_MAX ||
					message.type == MIGRATE_PAGES),
				   "no message of ours");
			if (message.type == MIGRATE_EOF)
				break;
			/* pages stay in the pipe, to be passed on to CRIU */
			fuzz_check(message.type == MIGRATE_PAGES ||
				       message.payload[message.len] == '\0',
				   "a text without an end");
		}
		migrate_conn_done(&conn);
	}
	fd_close(ends[0]);
}

static void (*const protocols[])(struct fuzz_bytes *bytes) = {
    protocol_init,
    protocol_criu,
    protocol_image,
    protocol_migration,
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz_bytes bytes = {data, size};
	size_t protocol = fuzz_choose(&bytes, ARRAY_LEN(protocols));

	/* what the pipe takes; and what is empty may have no address */
	if (bytes.left > 0 && bytes.left <= 60000)
		protocols[protocol](&bytes);
	return 0;
}
