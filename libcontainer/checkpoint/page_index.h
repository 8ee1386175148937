/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where the pages are that a restore with lazy pages leaves for later, when all of them are on this host: in the image
 * that is restored, or in one of those that it was made on, which the directories 0, 1, ... hold, the last one being
 * restored. CRIU leaves only those for later that this last image has itself; page_index_defer() changes the image so that
 * it leaves the others, too.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "libcontainer/checkpoint/pagemap.h"

/** Pages that follow each other in the memory of a process, and in a file. */
struct page_piece {
	struct lazy_range range;
	uint64_t image;  /* the directory's number */
	uint32_t pages;  /* N of pages-N.img there */
	uint64_t offset; /* in that file, in bytes */
};

/** In order. */
struct page_index {
	struct page_piece *list;
	size_t count;
	uint64_t last; /* the number of the image that is restored */
};

/**
 * Find all pages that can be left for later, when the last of the @images directories below @images_fd is restored. The files that
 * have them are long enough, but may be changed. Returns 0 or -errno: -EOVERFLOW when it would be too many pieces. Undone by
 * page_index_done().
 */
int page_index_read(int images_fd, uint64_t images, struct page_index *ret_index,
		    struct wh_error *err);
/** Free the list; an index without one is all right. */
void page_index_done(struct page_index *index);

/** The piece that has @address of process @task; NULL: there is none. */
const struct page_piece *page_index_find(const struct page_index *index, uint64_t task,
					 uint64_t address);
/** How much memory it is, in bytes, of all processes, and of the one (*@ret_most) that has most of it. */
uint64_t page_index_size(const struct page_index *index, uint64_t *ret_most);
/**
 * Change the last image, whose directory is @dir_fd, so that a restore with lazy pages leaves all of them for later; one without
 * cannot restore it any more. Returns 0 or -errno.
 */
int page_index_defer(const struct page_index *index, int dir_fd, struct wh_error *err);
