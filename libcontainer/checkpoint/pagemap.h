/* SPDX-License-Identifier: Apache-2.0 */
/*
 * CRIU's files pagemap-TASK.img: which memory an image has, and here which it was made without, because it is to be
 * fetched when it is touched.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/error.h"

/** Memory of one process, from @start to @end, and where its pages are. */
struct pagemap_entry {
	uint64_t start; /* in bytes, as @end */
	uint64_t end;
	bool in_parent;  /* in the image that this one was made on */
	bool lazy;       /* a restore with lazy pages leaves it for later */
	bool present;    /* in this image's file of pages */
	uint64_t offset; /* if so: where, in bytes */
};

/** One file, its entries in the order of the addresses. */
struct pagemap {
	uint32_t pages; /* N of pages-N.img */
	struct pagemap_entry *entries;
	size_t count;
};

/** Read the @len bytes at @data. What it points at is in the arena. Returns 0, -EBADMSG or -ENOMEM. */
int pagemap_parse(const uint8_t *data, size_t len, struct arena *arena,
		  struct pagemap *ret_pagemap);
/** The same of process @task in the image @dir_fd. Returns 0 or -errno: -ENOENT when the image has no memory of it. */
int pagemap_read(int dir_fd, uint64_t task, struct arena *arena, struct pagemap *ret_pagemap,
		 struct wh_error *err);
/** Write @pagemap as the file of process @task, in place of the one that is there. Returns 0 or -errno. */
int pagemap_replace(int dir_fd, uint64_t task, const struct pagemap *pagemap, struct arena *arena,
		    struct wh_error *err);
/** The process whose file is called @name; 0: it is another file, such as that of memory which is shared. */
uint64_t pagemap_task(const char *name);

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
/** The same of process @task alone, whose file @pagemap is: added to @ranges. Returns 0 or -ENOMEM. */
int lazy_ranges_add(struct lazy_ranges *ranges, uint64_t task, const struct pagemap *pagemap);
/** Free the list; none is all right. */
void lazy_ranges_done(struct lazy_ranges *ranges);
/** All of it, in bytes. */
uint64_t lazy_ranges_size(const struct lazy_ranges *ranges);
/** Where the range ends that has @address of process @task; @address itself when none has. */
uint64_t lazy_ranges_end(const struct lazy_ranges *ranges, uint64_t task, uint64_t address);
