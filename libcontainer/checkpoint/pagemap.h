/* SPDX-License-Identifier: Apache-2.0 */
/*
 * CRIU's files pagemap-TASK.img: which memory an image has, and here which it was made without, because it is to be
 * fetched when it is touched.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

/** Memory of one process that an image was made without, in bytes. */
struct lazy_range {
	uint64_t task; /* its pid in the container */
	uint64_t start;
	uint64_t end;
};

/** In order, and no two of one process touch. */
struct lazy_ranges {
	struct lazy_range *list;
	size_t count;
};

/** What the image in @dir_fd was made without. Returns 0 or -errno. Undone by lazy_ranges_done(). */
int lazy_ranges_read(int dir_fd, struct lazy_ranges *ret_ranges, struct wh_error *err);
/** The same of process @task alone, by its file pagemap-TASK.img of @len bytes at @data: added to @ranges. Returns 0, -EBADMSG or -ENOMEM. */
int lazy_ranges_add(struct lazy_ranges *ranges, uint64_t task, const uint8_t *data, size_t len);
void lazy_ranges_done(struct lazy_ranges *ranges);
/** All of it, in bytes. */
uint64_t lazy_ranges_size(const struct lazy_ranges *ranges);
/** Where the range ends that has @address of process @task; @address itself when none has. */
uint64_t lazy_ranges_end(const struct lazy_ranges *ranges, uint64_t task, uint64_t address);
