/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/libcontainer/checkpoint/page_images.h"

#include "base/arena.h"

/** @want: in pages; @offsets: where those are that are there, in pages. */
static void assert_pagemap(const struct scratch *scratch, unsigned int image, unsigned int task,
			   uint32_t pages, const struct entry *want, const uint64_t *offsets)
{
	struct pagemap pagemap;
	struct arena arena;
	char path[16];
	int dir_fd;
	size_t i;

	snprintf(path, sizeof(path), "%u", image);
	dir_fd = openat(scratch->fd, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_return_code(dir_fd, errno);
	assert_int_equal(arena_init(&arena, NULL), 0);
	assert_int_equal(pagemap_read(dir_fd, task, &arena, &pagemap, NULL), 0);
	close(dir_fd);
	assert_int_equal(pagemap.pages, pages);
	for (i = 0; want[i].count > 0; i++) {
		const struct pagemap_entry *entry = &pagemap.entries[i];

		assert_true(i < pagemap.count);
		assert_int_equal(entry->start, want[i].page * PAGE);
		assert_int_equal(entry->end, (want[i].page + want[i].count) * PAGE);
		assert_int_equal(entry->in_parent, (want[i].flags & PARENT) != 0);
		assert_int_equal(entry->lazy, (want[i].flags & LAZY) != 0);
		assert_int_equal(entry->present, (want[i].flags & PRESENT) != 0);
		if (entry->present)
			assert_int_equal(entry->offset, offsets[i] * PAGE);
	}
	assert_int_equal(pagemap.count, i);
	arena_done(&arena);
}

/** The index of @images images, whose last one is changed. */
static void defer(const struct scratch *scratch, unsigned int images)
{
	struct page_index index;
	char path[16];
	int dir_fd;

	snprintf(path, sizeof(path), "%u", images - 1);
	dir_fd = openat(scratch->fd, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_return_code(dir_fd, errno);
	assert_int_equal(page_index_read(scratch->fd, images, &index, NULL), 0);
	assert_int_equal(page_index_defer(&index, dir_fd, NULL), 0);
	page_index_done(&index);
	close(dir_fd);
}

static const struct entry first_of_three[3] = {
    {10, 20, PRESENT},
    {50, 9,  PRESENT}
};
static const struct entry second_of_three[4] = {
    {15, 3,  PRESENT},
    {18, 12, PARENT },
    {50, 9,  PARENT }
};

static void test_what_waits_is_not_the_parents_any_more(void **state)
{
	const struct scratch *scratch = *state;
	static const struct entry last[8] = {
	    {16, 14, PARENT },
            {30, 2,  OWN    },
            {40, 1,  PRESENT},
            {41, 3,  OWN    },
	    {50, 4,  PARENT },
            {54, 1,  PRESENT},
            {56, 3,  PARENT }
        };
	static const struct area areas[9] = {
	    {1,  17, ANONYMOUS,              MEMORY       },
            {17, 19, ANONYMOUS | MAP_LOCKED, MEMORY       },
	    {19, 20, ANONYMOUS,              MEMORY       },
            {20, 21, ANONYMOUS,              MEMORY | HEAP},
	    {22, 23, ANONYMOUS,              MEMORY       },
            {25, 48, ANONYMOUS,              MEMORY       },
	    {50, 55, ANONYMOUS,              MEMORY | VDSO},
            {56, 99, ANONYMOUS,              MEMORY       }
        };
	static const struct entry want[14] = {
	    {16, 1, LAZY   },
            {17, 2, PARENT },
            {19, 2, LAZY   },
            {21, 1, PARENT },
            {22, 1, LAZY   },
	    {23, 2, PARENT },
            {25, 5, LAZY   },
            {30, 2, OWN    },
            {40, 1, PRESENT},
            {41, 3, OWN    },
	    {50, 4, PARENT },
            {54, 1, PRESENT},
            {56, 3, LAZY   }
        };
	static const uint64_t offsets[] = {0, 0, 0, 0, 0, 0, 0, 0, 2, 3, 0, 6, 0};

	put_pagemap(scratch, 0, 7, 1, first_of_three);
	put_pagemap(scratch, 1, 7, 2, second_of_three);
	put_pagemap(scratch, 2, 7, 300, last);
	put_mm(scratch, 2, 7, areas);
	defer(scratch, 3);
	assert_pagemap(scratch, 2, 7, 300, want, offsets);
}

/** Each at one end of an entry, or all of it, so that what is left is in one, none or two pieces. */
static void test_entries_are_cut_where_areas_end(void **state)
{
	const struct scratch *scratch = *state;
	static const struct {
		struct area areas[4];
		struct entry want[6];
	} cases[] = {
	    {{{16, 20, ANONYMOUS, MEMORY}},                              {{16, 4, LAZY}}                                  },
	    {{{10, 30, ANONYMOUS, MEMORY}},                              {{16, 4, LAZY}}                                  },
	    {{{16, 17, ANONYMOUS, MEMORY}},                              {{16, 1, LAZY}, {17, 3, PARENT}}                 },
	    {{{19, 20, ANONYMOUS, MEMORY}},                              {{16, 3, PARENT}, {19, 1, LAZY}}                 },
	    {{{17, 18, ANONYMOUS, MEMORY}},                              {{16, 1, PARENT}, {17, 1, LAZY}, {18, 2, PARENT}}},
	    {{{16, 18, ANONYMOUS, MEMORY}, {18, 20, ANONYMOUS, MEMORY}}, {{16, 4, LAZY}}                                  },
	    {{{16, 17, ANONYMOUS, MEMORY},
	      {17, 19, ANONYMOUS, FILE_PRIVATE},
	      {19, 20, ANONYMOUS, MEMORY}},
	     {{16, 1, LAZY}, {17, 2, PARENT}, {19, 1, LAZY}}							      },
	    {{{10, 16, ANONYMOUS, MEMORY}, {20, 30, ANONYMOUS, MEMORY}}, {{16, 4, PARENT}}                                },
	};
	static const struct entry last[2] = {
	    {16, 4, PARENT}
        };

	put_pagemap(scratch, 0, 7, 1, first_of_three);
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		put_pagemap(scratch, 1, 7, 1, last);
		put_mm(scratch, 1, 7, cases[i].areas);
		defer(scratch, 2);
		assert_pagemap(scratch, 1, 7, 1, cases[i].want, NULL);
	}
}

static ino_t inode(const struct scratch *scratch, const char *path)
{
	struct stat st;

	assert_int_equal(fstatat(scratch->fd, path, &st, 0), 0);
	return st.st_ino;
}

/** Of several processes one has in a parent what waits; the others' files are as good as they were. */
static void test_files_that_need_no_change(void **state)
{
	const struct scratch *scratch = *state;
	static const struct entry own[2] = {
	    {50, 2, OWN}
        };
	static const struct entry fixed[3] = {
	    {50, 2, PARENT},
            {52, 2, OWN   }
        };
	static const struct entry parents[2] = {
	    {50, 4, PARENT}
        };
	static const struct entry want[2] = {
	    {50, 4, LAZY}
        };
	static const struct area areas[3] = {
	    {50, 52, ANONYMOUS | MAP_LOCKED, MEMORY},
            {52, 54, ANONYMOUS,              MEMORY}
        };
	static const uint64_t offsets[] = {0, 0};
	ino_t before[3];

	for (unsigned int task = 7; task <= 10; task++)
		put_pagemap(scratch, 0, task, 1, first_of_three);
	put_pagemap(scratch, 1, 7, 1, own);
	put_mm(scratch, 1, 7, anywhere);
	put_pagemap(scratch, 1, 8, 1, fixed);
	put_mm(scratch, 1, 8, areas);
	put_pagemap(scratch, 1, 9, 1, parents);
	put_mm(scratch, 1, 9, anywhere);
	put_pagemap(scratch, 1, 10, 1, own);
	put_mm(scratch, 1, 10, anywhere);
	before[0] = inode(scratch, "1/pagemap-7.img");
	before[1] = inode(scratch, "1/pagemap-8.img");
	before[2] = inode(scratch, "1/pagemap-10.img");
	defer(scratch, 2);
	assert_int_equal(inode(scratch, "1/pagemap-7.img"), before[0]);
	assert_int_equal(inode(scratch, "1/pagemap-8.img"), before[1]);
	assert_int_equal(inode(scratch, "1/pagemap-10.img"), before[2]);
	assert_pagemap(scratch, 1, 8, 1, fixed, offsets);
	assert_pagemap(scratch, 1, 9, 1, want, NULL);
	assert_pagemap(scratch, 0, 9, 1, first_of_three, (const uint64_t[]){0, 20});
}

static void test_old_files_are_changed(void **state)
{
	const struct scratch *scratch = *state;
	static const struct entry last[5] = {
	    {16, 4, PARENT },
            {20, 2, PRESENT},
            {50, 9, PARENT },
            {60, 1, PRESENT}
        };
	static const struct area areas[3] = {
	    {1,  18, ANONYMOUS,              MEMORY},
            {18, 99, ANONYMOUS | MAP_LOCKED, MEMORY}
        };
	static const struct entry want[6] = {
	    {16, 2, LAZY   },
            {18, 2, PARENT },
            {20, 2, PRESENT},
            {50, 9, PARENT },
            {60, 1, PRESENT}
        };

	put_old_pagemap(scratch, 0, 7, 1, first_of_three);
	put_old_pagemap(scratch, 1, 7, 1, last);
	put_mm(scratch, 1, 7, areas);
	defer(scratch, 2);
	assert_pagemap(scratch, 1, 7, 1, want, (const uint64_t[]){0, 0, 0, 0, 2});
}

/** A file that has gone meanwhile. */
static void test_files_that_cannot_be_changed(void **state)
{
	const struct scratch *scratch = *state;
	struct page_piece piece = {
	    .range = {7, 16 * PAGE, 17 * PAGE}
        };
	struct wh_error err = WH_ERROR_INIT;

	assert_int_equal(page_index_defer(&(struct page_index){&piece, 1, 1}, scratch->fd, &err),
			 -ENOENT);
	assert_non_null(strstr(err.message, "pagemap-7.img"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(test_what_waits_is_not_the_parents_any_more,
					    scratch_setup, scratch_teardown),
	    cmocka_unit_test_setup_teardown(test_entries_are_cut_where_areas_end, scratch_setup,
					    scratch_teardown),
	    cmocka_unit_test_setup_teardown(test_files_that_need_no_change, scratch_setup,
					    scratch_teardown),
	    cmocka_unit_test_setup_teardown(test_old_files_are_changed, scratch_setup,
					    scratch_teardown),
	    cmocka_unit_test_setup_teardown(test_files_that_cannot_be_changed, scratch_setup,
					    scratch_teardown),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
