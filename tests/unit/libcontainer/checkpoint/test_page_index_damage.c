/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/libcontainer/checkpoint/page_images.h"

/** A good image of two pages that wait. */
static void put_good(const struct scratch *scratch)
{
	static const struct entry entries[2] = {
	    {16, 2, OWN}
        };

	put_pagemap(scratch, 0, 7, 1, entries);
	put_mm(scratch, 0, 7, anywhere);
}

static void test_nothing_there(void **state)
{
	const struct scratch *scratch = *state;

	assert_fails(scratch, 1, ENOENT, "open image '0'");
	scratch_mkdir(scratch, "0");
	assert_pieces(scratch, 1, NULL, 0);
	assert_fails(scratch, 2, ENOENT, "open image '1'");
	assert_int_equal(symlinkat("0", scratch->fd, "1"), 0);
	assert_fails(scratch, 2, ENOTDIR, "open image '1'");
	put_good(scratch);
	assert_int_equal(unlinkat(scratch->fd, "0/mm-7.img", 0), 0);
	assert_fails(scratch, 1, ENOENT, "mm-7.img");
}

/** A file that is cut where a message ends is a whole one with less in it. @whole: these lengths, and -1. */
static void cut(const struct scratch *scratch, const char *path, const off_t *whole)
{
	struct stat st;

	put_good(scratch);
	assert_int_equal(fstatat(scratch->fd, path, &st, 0), 0);
	for (off_t len = st.st_size - 1; len >= 0; len--) {
		int fd = openat(scratch->fd, path, O_WRONLY | O_CLOEXEC);

		assert_return_code(fd, errno);
		assert_int_equal(ftruncate(fd, len), 0);
		close(fd);
		if (len == *whole) {
			assert_pieces(scratch, 1, NULL, 0);
			whole++;
		} else {
			assert_fails(scratch, 1, EBADMSG, "read image");
		}
	}
	assert_int_equal(*whole, -1);
}

static void test_files_that_are_cut(void **state)
{
	const struct scratch *scratch = *state;

	/* the head is a message of two bytes */
	cut(scratch, "0/mm-7.img", (const off_t[]){-1});
	cut(scratch, "0/pagemap-7.img", (const off_t[]){8 + 4 + 2, 8, -1});
}

static void test_areas_that_cannot_be(void **state)
{
	const struct scratch *scratch = *state;
	static const struct area cases[][3] = {
	    {{20, 16, ANONYMOUS, MEMORY} },
	    { {20, 24, ANONYMOUS, MEMORY}, {16, 20, ANONYMOUS, MEMORY}},
	    { {16, 20, ANONYMOUS, MEMORY}, {18, 24, ANONYMOUS, MEMORY}},
	    { {16, 20, ANONYMOUS, MEMORY}, {16, 20, ANONYMOUS, MEMORY}},
	};
	struct image_file file;
	size_t begun, area;

	put_good(scratch);
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		put_mm(scratch, 0, 7, cases[i]);
		assert_fails(scratch, 1, EBADMSG, "mm-7.img");
	}
	/* half a page */
	file_begin(&file, MAGIC_MM);
	begun = message_begin(&file);
	area = pb_begin(&file.writer, 14);
	pb_write_varint(&file.writer, 1, 16 * PAGE);
	pb_write_varint(&file.writer, 2, 16 * PAGE + PAGE / 2);
	pb_write_varint(&file.writer, 6, ANONYMOUS);
	pb_write_varint(&file.writer, 7, MEMORY);
	pb_end(&file.writer, area);
	message_end(&file, begun);
	file_end(scratch, &file, "mm", 0, 7);
	assert_fails(scratch, 1, EBADMSG, "mm-7.img");
	/* not one message */
	file_begin(&file, MAGIC_MM);
	put_areas(&file, anywhere);
	put_areas(&file, anywhere);
	file_end(scratch, &file, "mm", 0, 7);
	assert_fails(scratch, 1, EBADMSG, "mm-7.img");
	file_begin(&file, MAGIC_PAGEMAP);
	put_areas(&file, anywhere);
	file_end(scratch, &file, "mm", 0, 7);
	assert_fails(scratch, 1, EBADMSG, "mm-7.img");
	/* a number without an end */
	file_begin(&file, MAGIC_MM);
	begun = message_begin(&file);
	pb_write_bytes(&file.writer, 14, "\x08\x80\x80\x80", 4);
	message_end(&file, begun);
	file_end(scratch, &file, "mm", 0, 7);
	assert_fails(scratch, 1, EBADMSG, "mm-7.img");
}

/** CRIU goes through them in order as well. */
static void test_entries_out_of_order(void **state)
{
	const struct scratch *scratch = *state;
	static const struct entry good[2] = {
	    {16, 8, PRESENT}
        };
	static const struct entry cases[][3] = {
	    {{18, 2, OWN},     {16, 2, OWN}    },
	    {{16, 2, PARENT},  {16, 2, PARENT} },
	    {{16, 2, PARENT},  {17, 2, OWN}    },
	    {{16, 4, PRESENT}, {17, 1, PRESENT}},
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		put_pagemap(scratch, 0, 7, 1, good);
		put_pagemap(scratch, 1, 7, 1, cases[i]);
		put_mm(scratch, 1, 7, anywhere);
		assert_fails(scratch, 2, EBADMSG, "pagemap-7.img");
	}
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		put_pagemap(scratch, 0, 7, 1, cases[i]);
		put_pagemap(scratch, 1, 7, 1, good);
		assert_fails(scratch, 2, EBADMSG, "pagemap-7.img");
	}
}

static void test_an_entry_of_no_pages(void **state)
{
	const struct scratch *scratch = *state;
	struct image_file file;
	size_t begun;

	put_good(scratch);
	file_begin(&file, MAGIC_PAGEMAP);
	put_head(&file, 1);
	begun = message_begin(&file);
	pb_write_varint(&file.writer, 1, 16 * PAGE);
	pb_write_varint(&file.writer, 4, OWN);
	message_end(&file, begun);
	file_end(scratch, &file, "pagemap", 0, 7);
	assert_fails(scratch, 1, EBADMSG, "pagemap-7.img");
}

static void test_entries_that_cannot_be(void **state)
{
	const struct scratch *scratch = *state;
	static const struct entry many[2] = {
	    {16, UINT64_MAX / 2, OWN}
        };

	put_good(scratch);
	put_pagemap(scratch, 0, 7, 1, many);
	assert_fails(scratch, 1, EBADMSG, "pagemap-7.img");
	/* in an image that is not the last, too */
	put_good(scratch);
	assert_int_equal(renameat(scratch->fd, "0", scratch->fd, "1"), 0);
	put_pagemap(scratch, 0, 7, 1, many);
	assert_fails(scratch, 2, EBADMSG, "pagemap-7.img");
}

/** Images 0 and 1 with pages that wait, and such that do not. */
static void put_two(const struct scratch *scratch)
{
	static const struct entry first[3] = {
	    {16, 3, OWN    },
            {30, 2, PRESENT}
        };
	static const struct entry second[4] = {
	    {16, 2, PARENT },
            {20, 4, OWN    },
            {24, 1, PRESENT}
        };

	put_pagemap(scratch, 0, 7, 3, first);
	put_pagemap(scratch, 1, 7, 4, second);
	put_mm(scratch, 1, 7, anywhere);
}

static void set_length(const struct scratch *scratch, const char *path, uint64_t len)
{
	int fd = openat(scratch->fd, path, O_WRONLY | O_CLOEXEC);

	assert_return_code(fd, errno);
	assert_return_code(ftruncate(fd, (off_t)len), errno);
	close(fd);
}

/** As far as they have what waits: it would be missing when there is no way back. */
static void test_files_of_pages_that_lack_some(void **state)
{
	const struct scratch *scratch = *state;
	const struct {
		const char *path;
		uint64_t enough;
	} cases[] = {
	    {"0/pages-3.img", 2 * PAGE},
            {"1/pages-4.img", 4 * PAGE}
        };
	static const struct want want[] = {
	    {7, 16, 18, 0, 3, 0},
            {7, 20, 24, 1, 4, 0}
        };

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		const char *path = cases[i].path;

		put_two(scratch);
		set_length(scratch, path, cases[i].enough);
		assert_pieces(scratch, 2, want, ARRAY_LEN(want));
		set_length(scratch, path, cases[i].enough - 1);
		assert_fails(scratch, 2, EBADMSG, path);
		set_length(scratch, path, 0);
		assert_fails(scratch, 2, EBADMSG, path);
		put_two(scratch);
		assert_int_equal(renameat(scratch->fd, path, scratch->fd, "kept"), 0);
		assert_fails(scratch, 2, ENOENT, path);
		assert_int_equal(symlinkat("../kept", scratch->fd, path), 0);
		assert_fails(scratch, 2, EBADMSG, path);
		assert_int_equal(unlinkat(scratch->fd, path, 0), 0);
		scratch_mkdir(scratch, path);
		assert_fails(scratch, 2, EBADMSG, path);
		assert_int_equal(unlinkat(scratch->fd, path, AT_REMOVEDIR), 0);
	}
}

/** More than page_index_defer() may have room for. */
static void test_too_many_pieces(void **state)
{
	const struct scratch *scratch = *state;
	const size_t size = 64UL << 20;
	uint8_t *data = malloc(size);

	assert_non_null(data);
	for (unsigned int more = 0; more < 2; more++) {
		const uint64_t count = (1U << 20) + more;
		struct wh_error err = WH_ERROR_INIT;
		struct page_index index = {0};
		struct image_file file;

		file_begin_in(&file, MAGIC_PAGEMAP, data, size);
		put_head(&file, 1);
		for (uint64_t i = 0; i < count; i++)
			put_entry(&file, &(struct entry){16 + i, 1, OWN});
		file_end(scratch, &file, "pagemap", 0, 7);
		put_pages(scratch, 0, 1, count);
		put_mm(scratch, 0, 7, anywhere);
		assert_int_equal(page_index_read(scratch->fd, 1, &index, &err),
				 more ? -EOVERFLOW : 0);
		assert_int_equal(index.count, more ? 0 : count);
		assert_string_equal(
		    err.message, more ? "the images have memory in more than 1048576 pieces" : "");
		page_index_done(&index);
	}
	free(data);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(test_nothing_there, scratch_setup, scratch_teardown),
	    cmocka_unit_test_setup_teardown(test_files_that_are_cut, scratch_setup,
					    scratch_teardown),
	    cmocka_unit_test_setup_teardown(test_areas_that_cannot_be, scratch_setup,
					    scratch_teardown),
	    cmocka_unit_test_setup_teardown(test_entries_out_of_order, scratch_setup,
					    scratch_teardown),
	    cmocka_unit_test_setup_teardown(test_an_entry_of_no_pages, scratch_setup,
					    scratch_teardown),
	    cmocka_unit_test_setup_teardown(test_entries_that_cannot_be, scratch_setup,
					    scratch_teardown),
	    cmocka_unit_test_setup_teardown(test_files_of_pages_that_lack_some, scratch_setup,
					    scratch_teardown),
	    cmocka_unit_test_setup_teardown(test_too_many_pieces, scratch_setup, scratch_teardown),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
