/* SPDX-License-Identifier: Apache-2.0 */
#include "libcontainer/checkpoint/criu_rpc.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "base/str.h"
#include "libcontainer/checkpoint/criu.h"

static uint8_t data[4096];

static size_t encode(const struct criu_request *request)
{
	struct pb_writer writer = {.data = data, .size = sizeof(data)};

	assert_int_equal(criu_request_encode(request, &writer), 0);
	return writer.used;
}

/** The field @number of the message, and how often it is there. */
static int find(const uint8_t *message, size_t len, uint32_t number, struct pb_field *ret)
{
	struct pb_reader reader = PB_READER(message, len);
	struct pb_field field;
	int count = 0;

	*ret = (struct pb_field){.number = 0};
	while (pb_next(&reader, &field) > 0) {
		if (field.number != number)
			continue;
		*ret = field;
		count++;
	}
	return count;
}

static struct pb_field options_of(const struct criu_options *options)
{
	const struct criu_request request = {.type = CRIU_DUMP, .options = options};
	struct pb_field field;
	size_t len = encode(&request);

	assert_int_equal(find(data, len, 1, &field), 1);
	assert_int_equal(field.value, CRIU_DUMP);
	assert_int_equal(find(data, len, 2, &field), 1);
	return field;
}

static void test_flags(void **state)
{
	/* by the numbers that CRIU documents */
	static const struct {
		struct criu_options options;
		uint32_t number;
		uint64_t value;
	} cases[] = {
	    {{.pid = 42},			   2,  42},
	    {{.leave_running = true},               3,  1 },
	    {{.ext_unix_sk = true},                 4,  1 },
	    {{.tcp_established = true},             5,  1 },
	    {{.shell_job = true},                   7,  1 },
	    {{.file_locks = true},                  8,  1 },
	    {{.log_level = 4},                      9,  4 },
	    {{.notify_scripts = true},              12, 1 },
	    {{.track_mem = true},                   15, 1 },
	    {{.auto_dedup = true},                  16, 1 },
	    {{.work_dir_fd = 9},                    17, 9 },
	    {{.link_remap = true},                  18, 1 },
	    {{.rst_sibling = true},                 26, 1 },
	    {{.cgroups_mode = CRIU_CGROUPS_IGNORE}, 34, 0 },
	    {{.tcp_skip_in_flight = true},          46, 1 },
	    {{.lazy_pages = true},                  48, 1 },
	    {{.status_fd = 7},                      49, 7 },
	    {{.orphan_pts_master = true},           50, 1 },
	    {{.tcp_close = true},                   52, 1 },
	    {{.network_lock = 2},                   64, 2 },
	    {{.leave_stopped = true},               69, 1 },
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct pb_field options = options_of(&cases[i].options);
		struct pb_field field;

		assert_int_equal(find(options.data, options.len, cases[i].number, &field), 1);
		assert_int_equal(field.value, cases[i].value);
		/* the images' directory is required, and nothing else was said */
		assert_int_equal(find(options.data, options.len, 1, &field), 1);
	}
}

static void assert_text(const struct pb_field *field, const char *text)
{
	assert_int_equal(field->len, strlen(text));
	assert_memory_equal(field->data, text, field->len);
}

static void test_texts(void **state)
{
	static const struct {
		struct criu_options options;
		uint32_t number;
	} cases[] = {
	    {{.log_file = "text"},          10},
            {{.root = "text"},              13},
	    {{.parent_img = "text"},        14},
            {{.freeze_cgroup = "text"},     44},
	    {{.config_file = "text"},       51},
            {{.lsm_profile = "text"},       53},
	    {{.lsm_mount_context = "text"}, 63},
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct pb_field options = options_of(&cases[i].options);
		struct pb_field field;

		assert_int_equal(find(options.data, options.len, cases[i].number, &field), 1);
		assert_text(&field, "text");
	}
}

static void test_lists(void **state)
{
	static const char *const external[] = {"mnt[/a]:m0", "mnt[/b]:m1"};
	static const struct criu_inherit_fd fds[] = {
	    {"pipe:[12]", 5}
        };
	static const struct criu_join_ns joins[] = {
	    {"ipc", "/proc/1/ns/ipc"}
        };
	const struct criu_options options = {
	    .external = external,
	    .n_external = 2,
	    .inherit_fds = fds,
	    .n_inherit_fds = 1,
	    .join_ns = joins,
	    .n_join_ns = 1,
	    .root = "/r",
	    .page_server = {.address = "::1", .port = 99},
	};
	struct pb_field outer = options_of(&options);
	struct pb_field field, inner;

	assert_int_equal(find(outer.data, outer.len, 37, &field), 2);
	assert_text(&field, "mnt[/b]:m1");
	assert_int_equal(find(outer.data, outer.len, 13, &field), 1);
	assert_text(&field, "/r");
	assert_int_equal(find(outer.data, outer.len, 27, &field), 1);
	assert_int_equal(find(field.data, field.len, 1, &inner), 1);
	assert_text(&inner, "pipe:[12]");
	assert_int_equal(find(field.data, field.len, 2, &inner), 1);
	assert_int_equal(inner.value, 5);
	assert_int_equal(find(outer.data, outer.len, 39, &field), 1);
	assert_int_equal(find(field.data, field.len, 2, &inner), 1);
	assert_text(&inner, "/proc/1/ns/ipc");
	assert_int_equal(find(outer.data, outer.len, 11, &field), 1);
	assert_int_equal(find(field.data, field.len, 2, &inner), 1);
	assert_int_equal(inner.value, 99);
}

static void test_too_long(void **state)
{
	uint8_t small[16];
	struct pb_writer writer = {.data = small, .size = sizeof(small)};
	const struct criu_options options = {.root = "/a/rather/long/path"};
	const struct criu_request request = {.type = CRIU_DUMP, .options = &options};

	assert_int_equal(criu_request_encode(&request, &writer), -E2BIG);
}

static void test_notify_answer(void **state)
{
	for (int yes = 0; yes <= 1; yes++) {
		const struct criu_request request = {.type = CRIU_NOTIFY, .notify_success = yes};
		struct pb_field field;
		size_t len = encode(&request);

		assert_int_equal(find(data, len, 3, &field), 1);
		assert_int_equal(field.value, yes);
	}
}

static size_t respond(struct pb_writer *writer, uint64_t type, bool success)
{
	*writer = (struct pb_writer){.data = data, .size = sizeof(data)};
	pb_write_varint(writer, 1, type);
	pb_write_varint(writer, 2, success);
	return writer->used;
}

static void test_responses(void **state)
{
	struct criu_response response;
	struct pb_writer writer;
	size_t begun;

	respond(&writer, CRIU_NOTIFY, true);
	begun = pb_begin(&writer, 5);
	pb_write_string(&writer, 1, "post-dump");
	pb_write_varint(&writer, 2, 17);
	pb_end(&writer, begun);
	assert_int_equal(criu_response_decode(data, writer.used, &response), 0);
	assert_int_equal(response.type, CRIU_NOTIFY);
	assert_string_equal(response.script, "post-dump");
	assert_int_equal(response.notify_pid, 17);

	respond(&writer, CRIU_VERSION, true);
	begun = pb_begin(&writer, 10);
	pb_write_varint(&writer, 1, 4);
	pb_write_varint(&writer, 2, 1);
	pb_write_varint(&writer, 4, 1);
	pb_end(&writer, begun);
	assert_int_equal(criu_response_decode(data, writer.used, &response), 0);
	assert_int_equal(response.version, 40101);

	respond(&writer, CRIU_RESTORE, false);
	pb_write_varint(&writer, 7, 17);
	pb_write_string(&writer, 9, "why");
	assert_int_equal(criu_response_decode(data, writer.used, &response), 0);
	assert_false(response.success);
	assert_int_equal(response.cr_errno, 17);
	assert_string_equal(response.message, "why");
}

static void test_bad_responses(void **state)
{
	struct criu_response response;
	struct pb_writer writer;

	assert_int_equal(criu_response_decode("", 0, &response), -EBADMSG);
	assert_int_equal(criu_response_decode("\x08", 1, &response), -EBADMSG);
	/* a notification whose message is cut */
	respond(&writer, CRIU_NOTIFY, true);
	pb_write_bytes(&writer, 5, "\x0a\x20x", 3);
	assert_int_equal(criu_response_decode(data, writer.used, &response), -EBADMSG);
	/* a number where that message belongs */
	respond(&writer, CRIU_NOTIFY, true);
	pb_write_varint(&writer, 5, 7);
	assert_int_equal(criu_response_decode(data, writer.used, &response), 0);
	assert_string_equal(response.script, "");
}

static void test_log_cause(void **state)
{
	static const struct {
		const char *log;
		const char *want;
	} cases[] = {
	    {"",										  ""            },
	    {"(00.1) all is well\n(00.2) Warn  (criu/a.c:1): hm\n",                               ""            },
	    {"(00.000123) Error (criu/mount.c:12): mnt: no root\n",                               "mnt: no root"},
	    {"(00.1)      1: Error (criu/files.c:9): can't (this)\nx\n(00.2) Error (a.c:1): b\n",
	     "can't (this); b"										  },
	    {"(00.1) Error (criu/util.c:1): rlimit: Can't setup RLIMIT_NOFILE for self: no\n"
	     "(00.2) Error (a.c:1): the cause\n",				    "the cause"   },
	    {"(00.1) Can't connect to server 127.0.0.1:1\n(00.2) Error (a.c:1): b\n",
	     "Can't connect to server 127.0.0.1:1; b"							   },
	    {"(1) Error (a:1): 1\n(1) Error (a:1): 2\n(1) Error (a:1): 3\n(1) Error (a:1): 4\n",
	     "1; 2; 3"											  },
	    {"Error: ipv4: of another program\n",                                                 ""            },
	    {"(00.1) Error (unfinished",							  ""            },
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		char cause[256];

		criu_log_cause(cases[i].log, cause, sizeof(cause));
		assert_string_equal(cause, cases[i].want);
	}
}

static void test_log_cause_is_cut(void **state)
{
	char cause[8];

	criu_log_cause("(1) Error (a:1): much too long\n(1) Error (a:1): b\n", cause,
		       sizeof(cause));
	assert_string_equal(cause, "much to");
}

static void test_log_hint(void **state)
{
	assert_string_equal(criu_log_hint("mnt: no root"), "");
	assert_non_null(
	    strstr(criu_log_hint("Can't lookup mount=62 for fd=0 path=/dev/pts/0"), "--shell-job"));
	assert_non_null(strstr(criu_log_hint("tty: No task found with sid 0"), "--shell-job"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_flags),         cmocka_unit_test(test_texts),
	    cmocka_unit_test(test_lists),         cmocka_unit_test(test_too_long),
	    cmocka_unit_test(test_notify_answer), cmocka_unit_test(test_responses),
	    cmocka_unit_test(test_bad_responses), cmocka_unit_test(test_log_cause),
	    cmocka_unit_test(test_log_hint),      cmocka_unit_test(test_log_cause_is_cut),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
