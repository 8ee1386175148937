/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/libcontainer/checkpoint/page_images.h"

static void test_pages_of_the_last_image(void **state)
{
	const struct scratch *scratch = *state;
	static const struct entry entries[5] = {
	    {16, 4, OWN    },
            {20, 2, PRESENT},
            {24, 1, OWN    },
            {25, 3, OWN    }
        };
	static const struct want want[] = {
	    {7, 16, 20, 0, 3, 0},
            {7, 24, 25, 0, 3, 6},
            {7, 25, 28, 0, 3, 7}
        };

	put_pagemap(scratch, 0, 7, 3, entries);
	put_mm(scratch, 0, 7, anywhere);
	assert_pieces(scratch, 1, want, ARRAY_LEN(want));
}

/** Whether they can wait there matters to no one: it is the last image that is restored. */
static void test_pages_of_images_before(void **state)
{
	const struct scratch *scratch = *state;
	static const struct entry first[4] = {
	    {10, 5, PRESENT},
            {16, 8, PRESENT},
            {30, 1, OWN    }
        };
	static const struct entry second[5] = {
	    {16, 2, PRESENT},
            {18, 4, PARENT },
            {22, 2, OWN    },
            {30, 1, PARENT }
        };
	static const struct entry third[5] = {
	    {12, 1, PRESENT},
            {16, 8, PARENT },
            {24, 2, OWN    },
            {30, 1, PARENT }
        };
	static const struct want want[] = {
	    {7, 16, 18, 1, 5, 0 },
	    {7, 18, 22, 0, 4, 7 },
	    {7, 22, 24, 1, 5, 2 },
	    {7, 24, 26, 2, 6, 1 },
	    {7, 30, 31, 0, 4, 13}
        };

	put_pagemap(scratch, 0, 7, 4, first);
	put_pagemap(scratch, 1, 7, 5, second);
	put_pagemap(scratch, 2, 7, 6, third);
	put_mm(scratch, 2, 7, anywhere);
	assert_pieces(scratch, 3, want, ARRAY_LEN(want));
}

/** Each area has two pages, and all are one entry in the parent. */
static void test_only_some_areas_can_wait(void **state)
{
	const struct scratch *scratch = *state;
	static const struct {
		uint64_t flags, status;
		bool waits;
	} cases[] = {
	    {ANONYMOUS,                  MEMORY,                 true },
	    {ANONYMOUS | MAP_LOCKED,     MEMORY,                 false},
	    {ANONYMOUS | MAP_GROWSDOWN,  MEMORY | STACK,         true },
	    {ANONYMOUS | MAP_HUGETLB,    MEMORY,                 false},
	    {ANONYMOUS,                  MEMORY | HEAP,          true },
	    {MAP_SHARED | MAP_ANONYMOUS, REGULAR | ANON_SHARED,  false},
	    {MAP_SHARED | MAP_ANONYMOUS, MEMORY,                 false},
	    {ANONYMOUS | MAP_NORESERVE,  MEMORY,                 true },
	    {MAP_PRIVATE,                REGULAR | FILE_PRIVATE, false},
	    {MAP_PRIVATE,                MEMORY,                 false},
	    {MAP_SHARED,                 REGULAR | FILE_SHARED,  false},
	    {ANONYMOUS,                  REGULAR | FILE_PRIVATE, false},
	    {ANONYMOUS,                  MEMORY | VDSO,          false},
	    {ANONYMOUS,                  MEMORY | VVAR,          false},
	    {ANONYMOUS,                  MEMORY | VSYSCALL,      false},
	    {ANONYMOUS,                  MEMORY | SYSV_IPC,      false},
	    {ANONYMOUS,                  MEMORY | SOCKET,        false},
	    {ANONYMOUS,                  MEMORY | AIO_RING,      false},
	    {ANONYMOUS,                  MEMORY | MEMFD,         false},
	    {ANONYMOUS,                  MEMORY | 1U << 15,      false},
	    {ANONYMOUS,                  MEMORY | 1ULL << 40,    false},
	    {ANONYMOUS,                  REGULAR,                false},
	    {ANONYMOUS,                  ANON_PRIVATE,           true },
	};
	const struct entry parent[2] = {
	    {16, 2 * ARRAY_LEN(cases), PRESENT}
        };
	const struct entry last[2] = {
	    {16, 2 * ARRAY_LEN(cases), PARENT}
        };
	struct area areas[ARRAY_LEN(cases) + 1] = {0};
	struct want want[ARRAY_LEN(cases)];
	size_t count = 0;

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		const uint64_t start = 16 + 2 * i;

		areas[i] = (struct area){start, start + 2, cases[i].flags, cases[i].status};
		if (cases[i].waits)
			want[count++] = (struct want){7, start, start + 2, 0, 1, 2 * i};
	}
	put_pagemap(scratch, 0, 7, 1, parent);
	put_pagemap(scratch, 1, 7, 1, last);
	put_mm(scratch, 1, 7, areas);
	assert_pieces(scratch, 2, want, count);
}

/** Areas and entries begin and end where they like, and need not have anything to do with each other. */
static void test_areas_that_cut_entries(void **state)
{
	const struct scratch *scratch = *state;
	static const struct entry parent[2] = {
	    {10, 90, PRESENT}
        };
	static const struct entry last[5] = {
	    {20, 10, PARENT},
            {30, 4,  OWN   },
            {34, 6,  PARENT},
            {60, 2,  PARENT}
        };
	static const struct area areas[7] = {
	    {5,  8,  ANONYMOUS, MEMORY},
            {15, 22, ANONYMOUS, MEMORY},
            {24, 25, ANONYMOUS, MEMORY},
	    {26, 38, ANONYMOUS, MEMORY},
            {40, 60, ANONYMOUS, MEMORY},
            {62, 70, ANONYMOUS, MEMORY}
        };
	static const struct want want[] = {
	    {7, 20, 22, 0, 1, 10},
            {7, 24, 25, 0, 1, 14},
            {7, 26, 30, 0, 1, 16},
	    {7, 30, 34, 1, 1, 0 },
            {7, 34, 38, 0, 1, 24},
	};

	put_pagemap(scratch, 0, 7, 1, parent);
	put_pagemap(scratch, 1, 7, 1, last);
	put_mm(scratch, 1, 7, areas);
	assert_pieces(scratch, 2, want, ARRAY_LEN(want));
}

static void test_several_processes(void **state)
{
	const struct scratch *scratch = *state;
	static const struct entry other[2] = {
	    {16, 2, PRESENT}
        };
	static const struct entry own[2] = {
	    {16, 2, OWN}
        };
	static const struct entry parents[2] = {
	    {16, 2, PARENT}
        };
	static const struct area none[1] = {{0}};
	static const struct want want[] = {
	    {9,  16, 18, 0, 3, 0},
            {10, 16, 18, 1, 4, 0},
            {11, 16, 18, 0, 5, 0}
        };

	put_pagemap(scratch, 0, 9, 3, other);
	put_pagemap(scratch, 0, 11, 5, other);
	put_pagemap(scratch, 0, 12, 6, other);
	/* one that has ended meanwhile */
	put_pagemap(scratch, 0, 13, 7, other);
	put_pagemap(scratch, 1, 11, 3, parents);
	put_pagemap(scratch, 1, 10, 4, own);
	put_pagemap(scratch, 1, 9, 5, parents);
	put_pagemap(scratch, 1, 12, 6, parents);
	put_mm(scratch, 1, 9, anywhere);
	put_mm(scratch, 1, 10, anywhere);
	put_mm(scratch, 1, 11, anywhere);
	put_mm(scratch, 1, 12, none);
	/* others are not looked at */
	scratch_write(scratch, "1/pagemap-shmem-7.img", "x");
	scratch_write(scratch, "1/pagemap-14.img.tmp", "x");
	scratch_write(scratch, "1/core-14.img", "x");
	assert_pieces(scratch, 2, want, ARRAY_LEN(want));
}

/** The images before its birth say nothing of it, be it that another one had its pid in an even earlier one. */
static void test_a_process_that_is_younger(void **state)
{
	const struct scratch *scratch = *state;
	static const struct entry other[2] = {
	    {16, 1, PRESENT}
        };
	static const struct entry second[2] = {
	    {16, 2, PRESENT}
        };
	static const struct entry third[3] = {
	    {16, 2, PARENT},
            {18, 1, OWN   }
        };
	static const struct want want[] = {
	    {7, 16, 18, 2, 1, 0},
            {7, 18, 19, 3, 1, 0}
        };

	put_pagemap(scratch, 0, 7, 1, other);
	put_pagemap(scratch, 1, 8, 1, other);
	put_pagemap(scratch, 2, 7, 1, second);
	put_pagemap(scratch, 3, 7, 1, third);
	put_mm(scratch, 3, 7, anywhere);
	assert_pieces(scratch, 4, want, ARRAY_LEN(want));
}

static void test_pages_that_no_image_has(void **state)
{
	const struct scratch *scratch = *state;
	static const struct {
		struct entry first[3];
		struct entry second[3];
	} cases[] = {
  /* not a word of it, or of some of it */
	    {{{10, 2, PRESENT}},                   {{16, 4, PARENT}}                  },
	    {{{16, 3, PRESENT}},                   {{16, 4, PARENT}}                  },
	    {{{17, 3, PRESENT}},                   {{16, 4, PARENT}}                  },
	    {{{16, 1, PRESENT}, {18, 2, PRESENT}}, {{16, 4, PARENT}}                  },
 /* left for later, and nobody's */
	    {{{16, 4, LAZY}},                      {{16, 4, PARENT}}                  },
	    {{{16, 4, 0}},                         {{16, 4, PARENT}}                  },
 /* there is none before the first */
	    {{{16, 4, PARENT}},                    {{16, 4, PARENT}}                  },
	    {{{16, 4, PRESENT}},                   {{10, 1, PRESENT}, {16, 5, PARENT}}},
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		put_pagemap(scratch, 0, 7, 1, cases[i].first);
		put_pagemap(scratch, 1, 7, 1, cases[i].second);
		put_mm(scratch, 1, 7, anywhere);
		assert_fails(scratch, 2, EBADMSG, "pages of process 7");
	}
	/* left for later in the image that is restored: of one of a migration whose source has them */
	put_pagemap(scratch, 1, 7, 1, cases[4].first);
	put_pagemap(scratch, 0, 7, 1, cases[7].first);
	assert_fails(scratch, 2, EBADMSG, "pages of process 7");
	/* nor is there one of a process that was not there */
	put_pagemap(scratch, 0, 8, 1, cases[0].first);
	put_pagemap(scratch, 1, 8, 1, cases[0].second);
	put_mm(scratch, 1, 8, anywhere);
	assert_int_equal(unlinkat(scratch->fd, "1/pagemap-7.img", 0), 0);
	assert_int_equal(unlinkat(scratch->fd, "0/pagemap-8.img", 0), 0);
	assert_fails(scratch, 2, EBADMSG, "pages of process 8");
}

/** What does not wait is CRIU's to miss. */
static void test_pages_that_do_not_wait_are_not_looked_for(void **state)
{
	const struct scratch *scratch = *state;
	static const struct entry first[2] = {
	    {10, 2, PRESENT}
        };
	static const struct entry last[3] = {
	    {10, 2, PARENT},
            {16, 4, PARENT}
        };
	static const struct area areas[3] = {
	    {1,  16, ANONYMOUS,              MEMORY},
            {16, 99, ANONYMOUS | MAP_LOCKED, MEMORY}
        };
	static const struct want want[] = {
	    {7, 10, 12, 0, 1, 0}
        };

	put_pagemap(scratch, 0, 7, 1, first);
	put_pagemap(scratch, 1, 7, 1, last);
	put_mm(scratch, 1, 7, areas);
	assert_pieces(scratch, 2, want, ARRAY_LEN(want));
}

static void test_files_of_old_versions(void **state)
{
	const struct scratch *scratch = *state;
	static const struct entry first[3] = {
	    {10, 3, PRESENT},
            {16, 4, PRESENT}
        };
	/* they say of no page of their own that it can wait */
	static const struct entry last[4] = {
	    {16, 2, PARENT },
            {18, 1, PRESENT},
            {19, 1, PARENT }
        };
	static const struct want want[] = {
	    {7, 16, 18, 0, 1, 3},
            {7, 19, 20, 0, 1, 6}
        };

	put_old_pagemap(scratch, 0, 7, 1, first);
	put_old_pagemap(scratch, 1, 7, 2, last);
	put_mm(scratch, 1, 7, anywhere);
	assert_pieces(scratch, 2, want, ARRAY_LEN(want));
}

static struct page_piece pieces[] = {
    {.range = {7, 0x10000, 0x12000},                   .offset = 1},
    {.range = {7, 0x12000, 0x13000},                   .offset = 2},
    {.range = {7, 0x15000, 0x16000},                   .offset = 3},
    {.range = {9, 0x10000, 0x14000},                   .offset = 4},
    {.range = {9, 0x7fffffffe000, UINT64_MAX - 0xfff}, .offset = 5},
};

static void test_find(void **state)
{
	static const struct {
		uint64_t task, address, want; /* 0: none */
	} cases[] = {
	    {7,  0,		   0},
	    {7,  0xffff,              0},
	    {7,  0x10000,             1},
	    {7,  0x11fff,             1},
	    {7,  0x12000,             2},
	    {7,  0x12fff,             2},
	    {7,  0x13000,             0},
	    {7,  0x14fff,             0},
	    {7,  0x15000,             3},
	    {7,  0x16000,             0},
	    {7,  UINT64_MAX,          0},
	    {6,  0x10000,             0},
	    {8,  0x10000,             0},
	    {9,  0xffff,              0},
	    {9,  0x10000,             4},
	    {9,  0x13fff,             4},
	    {9,  0x14000,             0},
	    {9,  0x7fffffffe000,      5},
	    {9,  UINT64_MAX - 0x1000, 5},
	    {9,  UINT64_MAX - 0xfff,  0},
	    {10, 0x10000,             0},
	};

	for (size_t count = 0; count <= ARRAY_LEN(pieces); count++) {
		const struct page_index index = {pieces, count, 0};

		for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
			const struct page_piece *piece =
			    page_index_find(&index, cases[i].task, cases[i].address);

			if (cases[i].want == 0 || cases[i].want > count)
				assert_null(piece);
			else
				assert_int_equal(piece->offset, cases[i].want);
		}
	}
}

static void test_size(void **state)
{
	static const struct {
		size_t count;
		uint64_t all, most;
	} cases[] = {
	    {0, 0,      0     },
            {1, 0x2000, 0x2000},
            {3, 0x4000, 0x4000},
            {4, 0x8000, 0x4000}
        };
	struct page_piece more[] = {pieces[0],
				    pieces[1],
				    pieces[2],
				    {.range = {9, 0x10000, 0x11000}},
				    {.range = {11, 0, 0x3000}}};
	uint64_t most;

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		const struct page_index index = {pieces, cases[i].count, 0};

		assert_int_equal(page_index_size(&index, &most), cases[i].all);
		assert_int_equal(most, cases[i].most);
	}
	/* it need not be the last that has most */
	assert_int_equal(page_index_size(&(struct page_index){more, ARRAY_LEN(more), 0}, &most),
			 0x8000);
	assert_int_equal(most, 0x4000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(test_pages_of_the_last_image, scratch_setup,
					    scratch_teardown),
	    cmocka_unit_test_setup_teardown(test_pages_of_images_before, scratch_setup,
					    scratch_teardown),
	    cmocka_unit_test_setup_teardown(test_only_some_areas_can_wait, scratch_setup,
					    scratch_teardown),
	    cmocka_unit_test_setup_teardown(test_areas_that_cut_entries, scratch_setup,
					    scratch_teardown),
	    cmocka_unit_test_setup_teardown(test_several_processes, scratch_setup,
					    scratch_teardown),
	    cmocka_unit_test_setup_teardown(test_a_process_that_is_younger, scratch_setup,
					    scratch_teardown),
	    cmocka_unit_test_setup_teardown(test_pages_that_no_image_has, scratch_setup,
					    scratch_teardown),
	    cmocka_unit_test_setup_teardown(test_pages_that_do_not_wait_are_not_looked_for,
					    scratch_setup, scratch_teardown),
	    cmocka_unit_test_setup_teardown(test_files_of_old_versions, scratch_setup,
					    scratch_teardown),
	    cmocka_unit_test(test_find),
	    cmocka_unit_test(test_size),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
