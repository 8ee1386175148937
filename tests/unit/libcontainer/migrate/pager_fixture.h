/* SPDX-License-Identifier: Apache-2.0 */
/* A pager with the test as everybody around it. */
#pragma once

#include "libcontainer/migrate/pager.h"

#include <signal.h>
#include <sys/socket.h>

#include "base/fd.h"
#include "base/str.h"
#include "base/sys.h"
#include "libcontainer/migrate/fetch.h"
#include "tests/unit/base/scratch.h"

/** How long the pager waits for an answer. */
#define ANSWER_MS 4000

/** The test is everybody around the pager. */
struct fixture {
	int wire[2];
	int criu[2];
	struct migrate_conn source;
	struct migrate_conn receiver; /* over the link, once the pager is there */
	struct migrate_pager pager;
	struct lazy_pages giver; /* CRIU's process: this one */
	struct lazy_ranges left; /* none is known of: nothing is asked for ahead */
	size_t page;
	unsigned int version;   /* of CRIU */
	struct scratch *images; /* with an index, and no source */
	struct page_piece pieces[3];
	struct page_index index;
};

/** cmocka teardown: with the connection the pager ends. */
static inline int teardown(void **state)
{
	struct fixture *f = *state;

	fd_close(f->receiver.in);
	fd_close(f->wire[0]);
	migrate_pager_end(&f->pager);
	fd_close(f->giver.pidfd);
	fd_close(f->criu[0]);
	fd_close(f->criu[1]);
	migrate_conn_done(&f->source);
	migrate_conn_done(&f->receiver);
	return 0;
}

/** CRIU asks for @count pages of process 5 at 0x10000. */
static inline void want(struct fixture *f, uint32_t command, uint64_t count)
{
	const struct migrate_page_request request = {
	    .command = command, .count = count, .address = 0x10000, .task = 5};
	const size_t size = migrate_page_request_size(f->version);
	uint8_t raw[MIGRATE_PAGE_REQUEST_MAX];

	migrate_page_request_encode(&request, f->version, raw);
	assert_int_equal(send(f->criu[0], raw, size, 0), size);
}

/** The receiver sees the end of its link, and nobody waits for more; @why has to be in what it then learns. */
static inline void ends(struct fixture *f, const char *why)
{
	struct wh_error err = WH_ERROR_INIT;
	struct migrate_message msg;

	assert_int_equal(migrate_receive(&f->receiver, 20000, &msg, NULL), 0);
	assert_int_equal(msg.type, MIGRATE_EOF);
	migrate_pager_cause(&f->pager, &f->receiver, &err);
	assert_non_null(strstr(err.message, why));
}
