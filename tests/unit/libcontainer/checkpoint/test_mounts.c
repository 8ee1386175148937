/* SPDX-License-Identifier: Apache-2.0 */
#include "libcontainer/checkpoint/mounts.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <sys/mount.h>

#include <cmocka.h>

#include "base/protobuf.h"
#include "base/str.h"
#include "libcontainer/checkpoint/restore_stage.h"
#include "tests/unit/group_arena.h"

#define DISK 0x801
#define TMP  0x28

static const struct host_source sources[] = {
    {{"m3", "/data", ""},       DISK, "/srv/data"},
    {{"m4", "/again", ""},      DISK, "/srv/data"},
    {{"m5", "/top", ""},        DISK, "/srv/top" },
    {{"m5.0", "/top", "below"}, TMP,  "/"        },
    {{"cgroup", "", ""},        TMP,  "/wherry-x"},
};

static void test_match(void **state)
{
	const struct mountinfo mounts[] = {
	    {.mountpoint = "/",           .dev = DISK, .root = "/srv/data"},
	    {.mountpoint = "/proc",       .dev = 9,    .root = "/"        },
	    {.mountpoint = "/elsewhere",  .dev = DISK, .root = "/srv/data"},
	    {.mountpoint = "/again",      .dev = DISK, .root = "/srv/data"},
	    {.mountpoint = "/top",        .dev = DISK, .root = "/srv/top" },
	    {.mountpoint = "/top/below",  .dev = TMP,  .root = "/"        },
	    {.mountpoint = "/sys/cgroup", .dev = TMP,  .root = "/wherry-x"},
	    {.mountpoint = "/other",      .dev = DISK, .root = "/srv"     },
	};
	struct external_mounts external;
	struct wh_error err = WH_ERROR_INIT;
	static const char *const want[][2] = {
	    {"m3",     "/elsewhere" }, /* moved by a link: found by what it is */
	    {"m4",     "/again"     }, /* of two of one directory the one that lies there */
	    {"m5",     "/top"       },
            {"m5.0",   "/top/below" },
            {"cgroup", "/sys/cgroup"},
	};

	assert_int_equal(external_mounts_match(mounts, ARRAY_LEN(mounts), sources,
					       ARRAY_LEN(sources), &arena, &external, &err),
			 0);
	assert_int_equal(external.count, ARRAY_LEN(want));
	for (size_t i = 0; i < ARRAY_LEN(want); i++) {
		assert_string_equal(external.mounts[i].key, want[i][0]);
		assert_string_equal(external.mountpoints[i], want[i][1]);
	}
}

static void test_ambiguous_keys(void **state)
{
	static const struct {
		const char *first;
		const char *second;
		int want;
	} cases[] = {
	    {"/a", "/b",        0      },
	    {"/a", "/a]:/etc",  -EINVAL},
	    {"/a", "/ab]:/etc", 0      },
	    {"/b", "/a]:/etc",  0      },
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		const struct mountinfo mounts[] = {
		    {.mountpoint = cases[i].first,  .dev = TMP,  .root = "/x"       },
		    {.mountpoint = cases[i].second, .dev = DISK, .root = "/srv/data"},
		};
		struct external_mounts external;
		struct wh_error err = WH_ERROR_INIT;

		assert_int_equal(external_mounts_match(mounts, 2, sources, ARRAY_LEN(sources),
						       &arena, &external, &err),
				 cases[i].want);
	}
}

/* CRIU's image of mounts */

static void write_mount(struct pb_writer *writer, const char *mountpoint, uint64_t flags,
			uint64_t shared, uint64_t master)
{
	uint8_t data[256];
	struct pb_writer entry = {.data = data, .size = sizeof(data)};
	uint8_t length[4] = {0};

	pb_write_varint(&entry, 1, 5);
	pb_write_varint(&entry, 5, flags);
	pb_write_string(&entry, 7, mountpoint);
	if (shared)
		pb_write_varint(&entry, 10, shared);
	if (master)
		pb_write_varint(&entry, 11, master);
	length[0] = (uint8_t)entry.used;
	pb_write_raw(writer, length, 4);
	pb_write_raw(writer, data, entry.used);
}

static const uint8_t header[] = {0x19, 0x43, 0x56, 0x54, 0x28, 0x39, 0x56, 0x55};

struct seen {
	uint64_t flags;
	uint64_t master;
};

static size_t read_back(const uint8_t *data, size_t len, struct seen *seen)
{
	size_t count = 0;

	assert_memory_equal(data, header, sizeof(header));
	for (size_t at = sizeof(header); at < len; at += 4 + data[at]) {
		struct pb_reader reader = PB_READER(data + at + 4, data[at]);
		struct pb_field field;

		while (pb_next(&reader, &field) > 0) {
			if (field.number == 5)
				seen[count].flags = field.value;
			else if (field.number == 11)
				seen[count].master = field.value;
		}
		count++;
	}
	return count;
}

static void test_adapt(void **state)
{
	uint8_t data[1024];
	struct pb_writer writer = {.data = data, .size = sizeof(data)};
	struct seen seen[5] = {{0}};
	uint8_t *adapted;
	size_t len;

	pb_write_raw(&writer, header, sizeof(header));
	write_mount(&writer, "/", MS_RDONLY | MS_NOSUID, 0, 7);
	write_mount(&writer, "/ro", MS_RDONLY, 0, 7);
	write_mount(&writer, "/shared", 0, 300, 0);
	write_mount(&writer, "/slave", 0, 0, 300);
	write_mount(&writer, "/both", 0, 301, 7);
	assert_int_equal(image_mounts_adapt(data, writer.used, &arena, &adapted, &len), 0);
	assert_int_equal(read_back(adapted, len, seen), 5);
	assert_int_equal(seen[0].flags, MS_NOSUID);
	assert_int_equal(seen[1].flags, MS_RDONLY);
	/* slaves of the host's group 7 have a group each; the container's own stay together */
	assert_int_not_equal(seen[0].master, 7);
	assert_int_not_equal(seen[1].master, 7);
	assert_int_not_equal(seen[0].master, seen[1].master);
	assert_int_equal(seen[3].master, 300);
	assert_int_equal(seen[4].master, 7);
}

static void test_adapt_malformed(void **state)
{
	uint8_t *adapted;
	size_t len;

	assert_int_equal(image_mounts_adapt(header, 4, &arena, &adapted, &len), -EBADMSG);
	assert_int_equal(
	    image_mounts_adapt((const uint8_t *)"\0\0\0\0\0\0\0\0", 8, &arena, &adapted, &len),
	    -EBADMSG);
	assert_int_equal(image_mounts_adapt((const uint8_t *)"\x19\x43\x56\x54\x28\x39\x56\x55\x09",
					    9, &arena, &adapted, &len),
			 -EBADMSG);
	assert_int_equal(image_mounts_adapt((const uint8_t *)"\x19\x43\x56\x54\x28\x39\x56\x55"
							     "\x02\0\0\0\x08",
					    13, &arena, &adapted, &len),
			 -EBADMSG);
}

/* Where they go on restore */

static void test_stage_names(void **state)
{
	struct mount_entry entries[] = {
	    {.destination = "/proc"},
	    {.destination = "/data"},
	    {.destination = "/top"},
	    {.destination = "/data"},
	};
	int fds[] = {-EBADF, 5, 6, 7};
	struct container_plan plan = {
	    .rootfs = {.mounts = entries, .n_mounts = 4},
              .fds = {.rootfs = {.sources = fds}                }
        };
	const struct stage stage = {.plan = &plan, .path = "/mnt", .cgroup_path = "/c"};
	struct image_mount mounts[] = {
	    {"m9",     "/data", ""   },
	    {"m8.1",   "/top",  "a/b"},
	    {"cgroup", "",      ""   },
	};
	const struct checkpoint_image image = {.mounts = mounts, .n_mounts = 3};
	struct wh_error err = WH_ERROR_INIT;
	const char **list;
	size_t count;

	assert_int_equal(stage_mounts_name(&stage, &image, &arena, &list, &count, &err), 0);
	assert_int_equal(count, 3);
	assert_string_equal(list[0], "mnt[m9]:/mnt/m3"); /* the later one covers the earlier */
	assert_string_equal(list[1], "mnt[m8.1]:/mnt/m2/a/b");
	assert_string_equal(list[2], "mnt[cgroup]:/mnt/cgroup");

	mounts[0].destination = "/proc";
	assert_true(stage_mounts_name(&stage, &image, &arena, &list, &count, &err) < 0);
	assert_non_null(strstr(err.message, "'/proc'"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_match),       cmocka_unit_test(test_ambiguous_keys),
	    cmocka_unit_test(test_adapt),       cmocka_unit_test(test_adapt_malformed),
	    cmocka_unit_test(test_stage_names),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, group_arena_setup, group_arena_teardown);
}
