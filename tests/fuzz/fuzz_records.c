/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Any bytes as each of the documents that wherry has written itself and reads back: records of the state
 * directory, which an administrator or a full disk may have spoiled, manifests of images that came from
 * elsewhere, and the documents of a migration, which the other host sends. Never a crash; what is taken and
 * can be written is written in a form that is taken again. The first byte chooses the document.
 */
#include <fcntl.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/str.h"
#include "fuzz.h"
#include "libcontainer/checkpoint/image.h"
#include "libcontainer/late_mounts.h"
#include "libcontainer/migrate/document.h"
#include "libcontainer/migrate/record.h"
#include "libcontainer/state_store.h"

/** A directory in memory, made by the first input and removed by the last. */
static int dir_fd = -EBADF;
static char dir_path[] = "/dev/shm/wherry-fuzz-XXXXXX";
static const char *const names[] = {STATE_RECORD_FILE, STATE_MOUNTS_FILE, STATE_CGROUP_LINK,
				    IMAGE_MANIFEST_FILE, MIGRATE_RECORD_FILE};

static void remove_directory(void)
{
	for (size_t i = 0; i < ARRAY_LEN(names); i++)
		unlinkat(dir_fd, names[i], 0);
	rmdir(dir_path);
}

static void make_directory(void)
{
	if (dir_fd >= 0)
		return;
	fuzz_check(mkdtemp(dir_path) != NULL, "make a directory in /dev/shm");
	dir_fd = open(dir_path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	atexit(remove_directory);
}

static void put(const char *name, const struct fuzz_bytes *bytes)
{
	auto_fd fd = openat(dir_fd, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	fuzz_check(fd >= 0 && fd_write_all(fd, bytes->next, bytes->left) == 0, "write a file");
}

static void document_record(const struct fuzz_bytes *bytes, struct arena *arena)
{
	struct container_record record = {.id = NULL};
	struct wh_error err = WH_ERROR_INIT;

	put(STATE_RECORD_FILE, bytes);
	if (record_read(dir_fd, "box", arena, &record, &err) < 0) {
		fuzz_check(wh_error_set(&err), "a failure without a text");
		return;
	}
	fuzz_check(streq(record.id, "box"), "a record of another container");
	fuzz_check(record_write(dir_fd, &record, arena, &err) == 0, "cannot be written");
	fuzz_check(record_read(dir_fd, "box", arena, &record, &err) == 0, "is not taken again");
}

static void document_mounts(const struct fuzz_bytes *bytes, struct arena *arena)
{
	struct late_mounts mounts, again;

	put(STATE_MOUNTS_FILE, bytes);
	if (late_mounts_read(dir_fd, arena, &mounts, NULL) < 0)
		return;
	fuzz_check(late_mounts_write(dir_fd, &mounts, arena, NULL) == 0, "cannot be written");
	fuzz_check(late_mounts_read(dir_fd, arena, &again, NULL) == 0, "is not taken again");
	fuzz_check(mounts.n_list == again.n_list, "not as many");
	for (size_t i = 0; i < mounts.n_list; i++)
		fuzz_check(mounts.list[i].id == again.list[i].id &&
			       streq(mounts.list[i].destination, again.list[i].destination),
			   "another mount");
}

static void document_manifest(const struct fuzz_bytes *bytes, struct arena *arena)
{
	struct checkpoint_image image = {.format = 0};

	put(IMAGE_MANIFEST_FILE, bytes);
	if (checkpoint_image_read(dir_fd, "image", IMAGE_CHECK_ALL, arena, &image, NULL) < 0)
		return;
	for (size_t i = 0; i < image.n_files; i++)
		fuzz_check(!strchr(image.files[i].name, '/'), "a file outside of the image");
}

static void document_migration(const struct fuzz_bytes *bytes, struct arena *arena)
{
	struct migrate_record record = {.number = NULL};

	put(MIGRATE_RECORD_FILE, bytes);
	if (migrate_record_read(dir_fd, arena, &record, NULL) < 0)
		return;
	fuzz_check(migrate_number_ok(record.number), "a number that is none");
	fuzz_check(migrate_record_write(dir_fd, &record, arena, NULL) == 0, "cannot be written");
	fuzz_check(migrate_record_read(dir_fd, arena, &record, NULL) == 0, "is not taken again");
}

/** All of them: a message does not say which it is. */
static void document_message(const struct fuzz_bytes *bytes, struct arena *arena)
{
	union {
		struct migrate_offer offer;
		struct migrate_verdict verdict;
		struct migrate_restore restore;
		struct migrate_query query;
		struct migrate_answer answer;
		struct migrate_record record;
	} message;

	for (int document = 0; document < MIGRATE_DOCUMENT_COUNT; document++) {
		const char *json;
		size_t len;

		memset(&message, 0, sizeof(message));
		if (migrate_document_decode((enum migrate_document)document,
					    (const char *)bytes->next, bytes->left, arena, &message,
					    NULL) < 0)
			continue;
		fuzz_check(migrate_document_encode((enum migrate_document)document, &message, arena,
						   &json, &len, NULL) == 0,
			   "cannot be written");
		memset(&message, 0, sizeof(message));
		fuzz_check(migrate_document_decode((enum migrate_document)document, json, len,
						   arena, &message, NULL) == 0,
			   "is not taken again");
	}
}

static void (*const documents[])(const struct fuzz_bytes *bytes, struct arena *arena) = {
    document_record, document_mounts, document_manifest, document_migration, document_message,
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz_bytes bytes = {data, size};
	struct arena arena;
	size_t document = fuzz_choose(&bytes, ARRAY_LEN(documents));

	make_directory();
	if (arena_init(&arena, NULL) < 0)
		return 0;
	documents[document](&bytes, &arena);
	arena_done(&arena);
	return 0;
}
