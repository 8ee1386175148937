/* SPDX-License-Identifier: Apache-2.0 */
#include "libcontainer/checkpoint/criu_rpc.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/str.h"

/** Those up to OPTION_MODE are ints. */
enum option_kind { OPTION_FD, OPTION_INT, OPTION_MODE, OPTION_U64, OPTION_BOOL, OPTION_STRING };

/** One field of criu_opts. */
struct option_row {
	uint32_t number;
	enum option_kind kind;
	size_t offset;
};

#define ROW(number_, kind_, member_)                                                               \
	{                                                                                          \
		.number = (number_), .kind = (kind_),                                              \
		.offset = offsetof(struct criu_options, member_)                                   \
	}

static const struct option_row option_rows[] = {
    ROW(1, OPTION_FD, images_dir_fd),
    ROW(2, OPTION_INT, pid),
    ROW(3, OPTION_BOOL, leave_running),
    ROW(4, OPTION_BOOL, ext_unix_sk),
    ROW(5, OPTION_BOOL, tcp_established),
    ROW(6, OPTION_BOOL, evasive_devices),
    ROW(7, OPTION_BOOL, shell_job),
    ROW(8, OPTION_BOOL, file_locks),
    ROW(9, OPTION_INT, log_level),
    ROW(10, OPTION_STRING, log_file),
    ROW(12, OPTION_BOOL, notify_scripts),
    ROW(13, OPTION_STRING, root),
    ROW(14, OPTION_STRING, parent_img),
    ROW(15, OPTION_BOOL, track_mem),
    ROW(16, OPTION_BOOL, auto_dedup),
    ROW(17, OPTION_FD, work_dir_fd),
    ROW(18, OPTION_BOOL, link_remap),
    ROW(20, OPTION_U64, cpu_cap),
    ROW(24, OPTION_BOOL, manage_cgroups),
    ROW(26, OPTION_BOOL, rst_sibling),
    ROW(29, OPTION_BOOL, ext_sharing),
    ROW(30, OPTION_BOOL, ext_masters),
    ROW(34, OPTION_MODE, cgroups_mode),
    ROW(35, OPTION_U64, ghost_limit),
    ROW(38, OPTION_U64, empty_ns),
    ROW(44, OPTION_STRING, freeze_cgroup),
    ROW(45, OPTION_U64, timeout),
    ROW(46, OPTION_BOOL, tcp_skip_in_flight),
    ROW(48, OPTION_BOOL, lazy_pages),
    ROW(49, OPTION_FD, status_fd),
    ROW(50, OPTION_BOOL, orphan_pts_master),
    ROW(51, OPTION_STRING, config_file),
    ROW(52, OPTION_BOOL, tcp_close),
    ROW(53, OPTION_STRING, lsm_profile),
    ROW(63, OPTION_STRING, lsm_mount_context),
    ROW(64, OPTION_INT, network_lock),
    ROW(66, OPTION_BOOL, skip_file_rwx_check),
    ROW(69, OPTION_BOOL, leave_stopped),
};

static_assert(sizeof(enum criu_cgroups_mode) == sizeof(int), "read as an int below");
static_assert(sizeof(enum criu_network_lock) == sizeof(int), "read as an int below");

/** The messages in criu_opts. */
enum { OPTS_PAGE_SERVER = 11, OPTS_INHERIT_FD = 27, OPTS_EXTERNAL = 37, OPTS_JOIN_NS = 39 };

static void write_row(const struct option_row *row, const struct criu_options *options,
		      struct pb_writer *writer)
{
	const char *member = (const char *)options + row->offset;
	int number = row->kind <= OPTION_MODE ? *(const int *)(const void *)member : 0;

	switch (row->kind) {
	case OPTION_FD:
		/* the directory of the images must always be there, be it useless */
		if (number > 0 || row->number == 1)
			pb_write_varint(writer, row->number, number > 0 ? (uint64_t)number : 0);
		return;
	case OPTION_INT:
		if (number != 0)
			pb_write_varint(writer, row->number, (uint64_t)number);
		return;
	case OPTION_MODE:
		if (number != 0)
			pb_write_varint(writer, row->number, (uint64_t)number - 1);
		return;
	case OPTION_U64:
		if (*(const uint64_t *)(const void *)member != 0)
			pb_write_varint(writer, row->number,
					*(const uint64_t *)(const void *)member);
		return;
	case OPTION_BOOL:
		if (*(const bool *)member)
			pb_write_varint(writer, row->number, 1);
		return;
	case OPTION_STRING:
		pb_write_string(writer, row->number, *(const char *const *)(const void *)member);
		return;
	}
}

static void write_page_server(const struct criu_page_server *server, struct pb_writer *writer)
{
	size_t begun;

	if (!server->address && server->fd <= 0)
		return;
	begun = pb_begin(writer, OPTS_PAGE_SERVER);
	pb_write_string(writer, 1, server->address);
	if (server->port > 0)
		pb_write_varint(writer, 2, (uint64_t)server->port);
	if (server->fd > 0)
		pb_write_varint(writer, 4, (uint64_t)server->fd);
	pb_end(writer, begun);
}

static void write_lists(const struct criu_options *options, struct pb_writer *writer)
{
	size_t begun;

	for (size_t i = 0; i < options->n_inherit_fds; i++) {
		begun = pb_begin(writer, OPTS_INHERIT_FD);
		pb_write_string(writer, 1, options->inherit_fds[i].key);
		pb_write_varint(writer, 2, (uint64_t)options->inherit_fds[i].fd);
		pb_end(writer, begun);
	}
	for (size_t i = 0; i < options->n_external; i++)
		pb_write_string(writer, OPTS_EXTERNAL, options->external[i]);
	for (size_t i = 0; i < options->n_join_ns; i++) {
		begun = pb_begin(writer, OPTS_JOIN_NS);
		pb_write_string(writer, 1, options->join_ns[i].type);
		pb_write_string(writer, 2, options->join_ns[i].file);
		pb_end(writer, begun);
	}
	write_page_server(&options->page_server, writer);
}

/** The fields of criu_req. */
enum { REQ_TYPE = 1, REQ_OPTS = 2, REQ_NOTIFY_SUCCESS = 3, REQ_KEEP_OPEN = 4, REQ_FEATURES = 5 };

int criu_request_encode(const struct criu_request *request, struct pb_writer *writer)
{
	size_t begun;

	pb_write_varint(writer, REQ_TYPE, request->type);
	if (request->options) {
		begun = pb_begin(writer, REQ_OPTS);
		for (size_t i = 0; i < ARRAY_LEN(option_rows); i++)
			write_row(&option_rows[i], request->options, writer);
		write_lists(request->options, writer);
		pb_end(writer, begun);
	}
	if (request->type == CRIU_NOTIFY)
		pb_write_varint(writer, REQ_NOTIFY_SUCCESS, request->notify_success);
	if (request->keep_open)
		pb_write_varint(writer, REQ_KEEP_OPEN, 1);
	if (request->features) {
		begun = pb_begin(writer, REQ_FEATURES);
		pb_write_varint(writer, 1, request->features->mem_track);
		pb_write_varint(writer, 2, request->features->lazy_pages);
		pb_end(writer, begun);
	}
	return writer->full ? -E2BIG : 0;
}

static void take_text(const struct pb_field *field, char *buf, size_t size)
{
	snprintf(buf, size, "%.*s", (int)field->len, (const char *)field->data);
}

/** What is in the messages of an answer; each is a row of @ret. */
static void read_notify(const struct pb_field *field, struct criu_response *ret)
{
	if (field->number == 1)
		take_text(field, ret->script, sizeof(ret->script));
	else if (field->number == 2)
		ret->notify_pid = (int)field->value;
}

static void read_restore(const struct pb_field *field, struct criu_response *ret)
{
	if (field->number == 1)
		ret->pid = (int)field->value;
}

static void read_page_server(const struct pb_field *field, struct criu_response *ret)
{
	if (field->number == 2)
		ret->port = (int)field->value;
	else if (field->number == 3)
		ret->pid = (int)field->value;
}

static void read_features(const struct pb_field *field, struct criu_response *ret)
{
	if (field->number == 1)
		ret->features.mem_track = field->value != 0;
	else if (field->number == 2)
		ret->features.lazy_pages = field->value != 0;
}

/** Major, minor and sublevel make one number. */
static void read_version(const struct pb_field *field, struct criu_response *ret)
{
	static const unsigned int weights[] = {[1] = 10000, [2] = 100, [4] = 1};

	if (field->number < ARRAY_LEN(weights) && field->value < 100)
		ret->version += weights[field->number] * (unsigned int)field->value;
}

static const struct {
	uint32_t number;
	void (*read)(const struct pb_field *field, struct criu_response *ret);
} response_messages[] = {
    {4,  read_restore    },
    {5,  read_notify     },
    {6,  read_page_server},
    {8,  read_features   },
    {10, read_version    },
};

static int read_message(const struct pb_field *outer, struct criu_response *ret)
{
	struct pb_reader reader;
	struct pb_field field;
	int rc = 0;

	if (outer->wire_type != PB_BYTES)
		return 0; /* a number where a message belongs has no bytes to read */
	reader = PB_READER(outer->data, outer->len);
	for (size_t i = 0; i < ARRAY_LEN(response_messages); i++) {
		if (response_messages[i].number != outer->number)
			continue;
		while ((rc = pb_next(&reader, &field)) > 0)
			response_messages[i].read(&field, ret);
		return rc;
	}
	return 0;
}

int criu_response_decode(const void *data, size_t len, struct criu_response *ret_response)
{
	struct criu_response response = {.success = false};
	struct pb_reader reader = PB_READER(data, len);
	struct pb_field field;
	int rc;

	while ((rc = pb_next(&reader, &field)) > 0) {
		switch (field.number) {
		case 1:
			response.type = (enum criu_request_type)field.value;
			break;
		case 2:
			response.success = field.value != 0;
			break;
		case 7:
			response.cr_errno = (int)field.value;
			break;
		case 9:
			take_text(&field, response.message, sizeof(response.message));
			break;
		default:
			rc = read_message(&field, &response);
		}
		if (rc < 0)
			return rc;
	}
	if (rc < 0 || response.type == 0)
		return -EBADMSG;
	*ret_response = response;
	return 0;
}
