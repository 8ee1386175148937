/* SPDX-License-Identifier: Apache-2.0 */
#include "base/arena.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fd.h"

static void test_alloc_is_zeroed_and_aligned(void **state)
{
	struct arena arena = {0};
	struct wh_error err = WH_ERROR_INIT;

	assert_int_equal(arena_init(&arena, &err), 0);
	assert_int_equal(arena.fd, -EBADF);
	for (size_t size = 0; size < 100; size++) {
		char *p = arena_alloc(&arena, size);

		assert_non_null(p);
		assert_int_equal((uintptr_t)p % 16, 0);
		for (size_t i = 0; i < size; i++)
			assert_int_equal(p[i], 0);
		memset(p, 0xff, size);
		assert_non_null(arena_strdup(&arena, "odd"));
	}
	assert_ptr_not_equal(arena_alloc(&arena, 0), arena_alloc(&arena, 0));
	arena_done(&arena);
	assert_null(arena.base);
	arena_done(&arena);
}

/** Whether the mapping that begins at @base has @flag in smaps (proc(5), VmFlags). */
static bool has_vm_flag(const void *base, const char *flag)
{
	FILE *smaps = fopen("/proc/self/smaps", "re");
	char line[512];
	bool inside = false;
	bool found = false;

	assert_non_null(smaps);
	while (fgets(line, sizeof(line), smaps)) {
		void *start;
		void *end;

		if (sscanf(line, "%p-%p ", &start, &end) == 2)
			inside = start == base;
		if (inside && strncmp(line, "VmFlags:", strlen("VmFlags:")) == 0)
			found = strstr(line, flag) != NULL;
	}
	fclose(smaps);
	return found;
}

static void test_no_huge_pages(void **state)
{
	struct arena arena = {0};

	if (access("/sys/kernel/mm/transparent_hugepage", F_OK) < 0) {
		print_message("# this kernel has no transparent huge pages\n");
		skip();
	}
	assert_int_equal(arena_init(&arena, NULL), 0);
	assert_true(has_vm_flag(arena.base, " nh"));
	arena_done(&arena);
}

static void test_full(void **state)
{
	struct arena arena = {0};
	char text[64];

	assert_int_equal(arena_init(&arena, NULL), 0);
	assert_null(arena_alloc(&arena, SIZE_MAX));
	assert_null(arena_alloc(&arena, arena.size + 1));
	assert_null(arena_calloc(&arena, SIZE_MAX / 2, 3));
	assert_non_null(arena_alloc(&arena, arena.size - 32));
	assert_null(arena_alloc(&arena, 33));
	memset(text, 'x', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	assert_null(arena_strdup(&arena, text));
	assert_null(arena_printf(&arena, "%s", text));
	assert_null(arena_memdup(&arena, text, sizeof(text)));
	/* What did not fit has used nothing. */
	assert_non_null(arena_alloc(&arena, 32));
	assert_null(arena_alloc(&arena, 1));
	assert_null(arena_strdup(&arena, ""));
	arena_done(&arena);
}

static void test_copies(void **state)
{
	struct arena arena = {0};
	static const int numbers[] = {1, 2, 3};
	char *text;

	assert_int_equal(arena_init(&arena, NULL), 0);
	assert_null(arena_strdup(&arena, NULL));
	assert_string_equal(arena_strdup(&arena, "text"), "text");
	assert_string_equal(arena_strndup(&arena, "text", 2), "te");
	assert_string_equal(arena_strndup(&arena, "text", 20), "text");
	assert_memory_equal(arena_memdup(&arena, numbers, sizeof(numbers)), numbers,
			    sizeof(numbers));
	assert_non_null(arena_memdup(&arena, NULL, 0));
	text = arena_printf(&arena, "%s-%d", "a", 5);
	assert_string_equal(text, "a-5");
	assert_string_equal(arena_printf(&arena, "%5000s|", "x") + 4999, "x|");
	assert_string_equal(text, "a-5");
	assert_int_equal(arena_array(&arena, int, 3)[2], 0);
	arena_done(&arena);
}

static void test_shared_reaches_another_mapping_at_the_same_address(void **state)
{
	struct arena arena = {0};
	struct wh_error err = WH_ERROR_INIT;
	char **pointer;
	int fd;

	assert_int_equal(arena_init_shared(&arena, &err), 0);
	assert_ptr_equal(arena.base, ARENA_SHARED_ADDRESS);
	assert_true(fcntl(arena.fd, F_GETFD) & FD_CLOEXEC);
	pointer = arena_alloc(&arena, sizeof(*pointer));
	*pointer = arena_strdup(&arena, "through the pointer");
	assert_int_equal(arena_seal(&arena, &err), 0);

	/* The other program: the same fd, nothing else. */
	fd = dup(arena.fd);
	arena_done(&arena);
	assert_int_equal(arena_map_readonly(fd, &err), 0);
	assert_string_equal(*pointer, "through the pointer");
	munmap(ARENA_SHARED_ADDRESS, ARENA_SHARED_SIZE);
	close(fd);
}

static void test_seals_hold(void **state)
{
	struct arena arena = {0};
	char *p;

	assert_int_equal(arena_init_shared(&arena, NULL), 0);
	p = arena_alloc(&arena, 16);
	assert_int_equal(arena_seal(&arena, NULL), 0);
	/* The maker's own mapping goes on; every other way to write is shut. */
	strcpy(p, "still");
	assert_string_equal(p, "still");
	assert_int_equal(write(arena.fd, "x", 1), -1);
	assert_int_equal(errno, EPERM);
	assert_int_equal(ftruncate(arena.fd, 1), -1);
	assert_ptr_equal(mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, arena.fd, 0),
			 MAP_FAILED);
	assert_int_equal(fcntl(arena.fd, F_ADD_SEALS, F_SEAL_WRITE), -1);
	/* exec starts init again when the first cgroup does not take it */
	assert_int_equal(arena_seal(&arena, NULL), 0);
	arena_done(&arena);
}

static void test_readonly_mapping_cannot_be_written(void **state)
{
	struct arena arena = {0};
	int fd, status;
	pid_t pid;

	assert_int_equal(arena_init_shared(&arena, NULL), 0);
	assert_non_null(arena_alloc(&arena, 16));
	assert_int_equal(arena_seal(&arena, NULL), 0);
	fd = dup(arena.fd);
	arena_done(&arena);
	pid = fork();
	if (pid == 0) {
		if (arena_map_readonly(fd, NULL) < 0)
			_exit(2);
		_exit(mprotect(ARENA_SHARED_ADDRESS, 4096, PROT_READ | PROT_WRITE) < 0 ? 0 : 1);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	close(fd);
}

static void test_map_refuses(void **state)
{
	struct wh_error err = WH_ERROR_INIT;
	struct arena arena = {0};
	int fd = memfd_create("x", MFD_CLOEXEC | MFD_ALLOW_SEALING);

	/* Not sealed, wrong size, not a memfd, no fd. */
	assert_int_equal(arena_map_readonly(fd, &err), -EPERM);
	assert_int_equal(
	    fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_FUTURE_WRITE | F_SEAL_SEAL),
	    0);
	assert_int_equal(arena_map_readonly(fd, &err), -EINVAL);
	close(fd);
	fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
	assert_int_equal(arena_map_readonly(fd, &err), -EINVAL);
	close(fd);
	assert_int_equal(arena_map_readonly(-EBADF, &err), -EBADF);

	/* The address is taken. */
	assert_int_equal(arena_init_shared(&arena, &err), 0);
	assert_int_equal(arena_seal(&arena, &err), 0);
	assert_int_equal(arena_map_readonly(arena.fd, &err), -EEXIST);
	arena_done(&arena);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_alloc_is_zeroed_and_aligned),
	    cmocka_unit_test(test_no_huge_pages),
	    cmocka_unit_test(test_full),
	    cmocka_unit_test(test_copies),
	    cmocka_unit_test(test_shared_reaches_another_mapping_at_the_same_address),
	    cmocka_unit_test(test_seals_hold),
	    cmocka_unit_test(test_readonly_mapping_cannot_be_written),
	    cmocka_unit_test(test_map_refuses),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
