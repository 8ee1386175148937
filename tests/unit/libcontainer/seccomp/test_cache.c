/* SPDX-License-Identifier: Apache-2.0 */
#include "libcontainer/seccomp/cache.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/seccomp.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/fd.h"
#include "base/str.h"
#include "libcontainer/seccomp/seccomp.h"

static struct arena arena;
static char root[64];

/** A profile to change one thing in. */
struct fixture {
	const char *names[2];
	uint32_t errnos[2];
	int64_t archs[2];
	int64_t flags[1];
	struct oci_seccomp_arg args[2];
	struct oci_seccomp_syscall rules[2];
	struct oci_seccomp profile;
};

static void fill(struct fixture *f)
{
	*f = (struct fixture){
	    .names = {"read", "write"},
              .errnos = {1,      2      },
              .archs = {1,      0      }
        };
	f->args[0] = (struct oci_seccomp_arg){.index = 1, .value = 7, .op = OCI_SECCOMP_EQ};
	f->args[1] = (struct oci_seccomp_arg){.index = 2, .value = 8, .op = OCI_SECCOMP_NE};
	f->rules[0] = (struct oci_seccomp_syscall){
	    .names = f->names, .n_names = 2, .action = OCI_SECCOMP_ALLOW};
	f->rules[1] = (struct oci_seccomp_syscall){.names = f->names,
						   .n_names = 1,
						   .action = OCI_SECCOMP_ERRNO,
						   .errno_ret = f->errnos,
						   .args = f->args,
						   .n_args = 2};
	f->profile = (struct oci_seccomp){.default_action = OCI_SECCOMP_KILL,
					  .architectures = f->archs,
					  .n_architectures = 2,
					  .flags = f->flags,
					  .n_flags = 1,
					  .syscalls = f->rules,
					  .n_syscalls = 2};
}

static struct seccomp_cache_key key_of(const struct fixture *f, const char *version)
{
	struct seccomp_cache_key key = {0};
	struct wh_error err = WH_ERROR_INIT;

	assert_int_equal(seccomp_cache_key_make(&f->profile, version, &arena, &key, &err), 0);
	return key;
}

static bool same_key(const struct seccomp_cache_key *a, const struct seccomp_cache_key *b)
{
	return a->len == b->len && memcmp(a->data, b->data, a->len) == 0 && streq(a->name, b->name);
}

/** Every single change of a profile changes the key, by its bytes. */
static void change(struct fixture *f, int which)
{
	static const uint32_t other = 9;

	switch (which) {
	case 0:
		f->profile.default_action = OCI_SECCOMP_TRAP;
		break;
	case 1:
		f->profile.default_errno_ret = &f->errnos[0];
		break;
	case 2:
		f->profile.n_architectures = 1;
		break;
	case 3:
		f->archs[0] = 2;
		break;
	case 4:
		f->profile.flags = NULL;
		f->profile.n_flags = 0;
		break;
	case 5:
		f->flags[0] = 1;
		break;
	case 6:
		f->profile.n_syscalls = 1;
		break;
	case 7:
		f->names[1] = "writ";
		break;
	case 8:
		f->rules[0].n_names = 1;
		break;
	case 9:
		f->rules[0].action = OCI_SECCOMP_LOG;
		break;
	case 10:
		f->rules[1].errno_ret = &other;
		break;
	case 11:
		f->rules[1].errno_ret = NULL;
		break;
	case 12:
		f->rules[1].n_args = 1;
		break;
	case 13:
		f->args[0].index = 0;
		break;
	case 14:
		f->args[0].op = OCI_SECCOMP_GE;
		break;
	case 15:
		f->args[0].value = 8;
		break;
	case 16:
		f->args[0].value_two = 1;
		break;
	case 17:
		f->names[0] = "rea";
		f->names[1] = "dwrite";
		break;
	default:
		fail();
	}
}

#define CHANGES 18

static void test_keys(void **state)
{
	struct seccomp_cache_key keys[CHANGES + 1];
	struct seccomp_cache_key again, newer;
	struct fixture f;

	fill(&f);
	keys[CHANGES] = key_of(&f, "2.5.4");
	again = key_of(&f, "2.5.4");
	newer = key_of(&f, "2.6.0");
	assert_true(same_key(&keys[CHANGES], &again));
	assert_false(same_key(&keys[CHANGES], &newer));
	for (int i = 0; i < CHANGES; i++) {
		fill(&f);
		change(&f, i);
		keys[i] = key_of(&f, "2.5.4");
	}
	for (int i = 0; i <= CHANGES; i++) {
		for (int j = 0; j < i; j++) {
			assert_false(keys[i].len == keys[j].len &&
				     memcmp(keys[i].data, keys[j].data, keys[i].len) == 0);
		}
	}
}

static struct seccomp_program compiled(const struct fixture *f)
{
	struct wh_error err = WH_ERROR_INIT;
	struct seccomp_program program = {0};

	assert_int_equal(seccomp_compile(&f->profile, &arena, &program, &err), 0);
	return program;
}

static void test_store_and_load(void **state)
{
	struct seccomp_program program, loaded = {0};
	struct seccomp_cache_key key, other;
	struct wh_error err = WH_ERROR_INIT;
	struct fixture f;
	char path[160];
	struct stat st;

	fill(&f);
	program = compiled(&f);
	key = key_of(&f, "2.5.4");
	assert_int_equal(seccomp_cache_load(root, &key, &arena, &loaded), -ENOENT);
	assert_int_equal(seccomp_cache_store(root, &key, &program, &err), 0);
	assert_int_equal(seccomp_cache_load(root, &key, &arena, &loaded), 0);
	assert_int_equal(loaded.n_insns, program.n_insns);
	assert_memory_equal(loaded.insns, program.insns, program.n_insns * sizeof(*program.insns));
	snprintf(path, sizeof(path), "%s/.cache/seccomp/%s", root, key.name);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	/* the same hash with other input: the bytes decide */
	other = key_of(&f, "2.5.5");
	memcpy(other.name, key.name, sizeof(key.name));
	assert_int_equal(seccomp_cache_load(root, &other, &arena, &loaded), -EINVAL);
	assert_int_equal(seccomp_cache_load("/nonexistent", &key, &arena, &loaded), -ENOENT);
	assert_int_equal(seccomp_cache_store("/nonexistent", &key, &program, &err), -ENOENT);
}

/** Write @len bytes to the file of @key. */
static void overwrite(const char *path, const void *data, size_t len, mode_t mode)
{
	auto_fd fd = -EBADF;

	unlink(path);
	fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode);
	assert_true(fd >= 0);
	assert_int_equal(fchmod(fd, mode), 0);
	assert_int_equal(fd_write_all(fd, data, len), 0);
}

/** Whatever single byte is damaged, and however short the file: not used, and no crash. */
static void test_damage(void **state)
{
	static unsigned char good[1 << 16], bad[1 << 16];
	struct seccomp_program program, loaded = {0};
	struct wh_error err = WH_ERROR_INIT;
	struct seccomp_cache_key key;
	struct fixture f;
	char path[160];
	ssize_t size;
	int fd;

	fill(&f);
	program = compiled(&f);
	key = key_of(&f, "2.5.4");
	assert_int_equal(seccomp_cache_store(root, &key, &program, &err), 0);
	snprintf(path, sizeof(path), "%s/.cache/seccomp/%s", root, key.name);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	size = read(fd, good, sizeof(good));
	close(fd);
	assert_true(size > 100 && (size_t)size < sizeof(good));
	for (ssize_t i = 0; i < size; i++) {
		memcpy(bad, good, (size_t)size);
		bad[i] ^= (unsigned char)(1 << (i % 8));
		overwrite(path, bad, (size_t)size, 0600);
		assert_int_equal(seccomp_cache_load(root, &key, &arena, &loaded), -EINVAL);
	}
	for (ssize_t i = 0; i < size; i += 3) {
		overwrite(path, good, (size_t)i, 0600);
		assert_int_equal(seccomp_cache_load(root, &key, &arena, &loaded), -EINVAL);
	}
	memcpy(bad, good, (size_t)size);
	overwrite(path, bad, (size_t)size + 8, 0600);
	assert_int_equal(seccomp_cache_load(root, &key, &arena, &loaded), -EINVAL);
	overwrite(path, good, (size_t)size, 0600);
	assert_int_equal(seccomp_cache_load(root, &key, &arena, &loaded), 0);
	/* for others to write, a link, a directory, a FIFO: not ours */
	overwrite(path, good, (size_t)size, 0620);
	assert_int_equal(seccomp_cache_load(root, &key, &arena, &loaded), -EINVAL);
	overwrite(path, good, (size_t)size, 0600);
	if (geteuid() == 0) {
		assert_int_equal(chown(path, 1000, 1000), 0);
		assert_int_equal(seccomp_cache_load(root, &key, &arena, &loaded), -EINVAL);
	}
	unlink(path);
	assert_int_equal(symlink("/etc/passwd", path), 0);
	assert_true(seccomp_cache_load(root, &key, &arena, &loaded) < 0);
	unlink(path);
	assert_int_equal(mkfifo(path, 0600), 0);
	assert_int_equal(seccomp_cache_load(root, &key, &arena, &loaded), -EINVAL);
	unlink(path);
	assert_int_equal(mkdir(path, 0700), 0);
	assert_int_equal(seccomp_cache_load(root, &key, &arena, &loaded), -EINVAL);
	rmdir(path);
}

static void test_validity(void **state)
{
	/* clang-format off */
	static const struct {
		const char *name;
		uint16_t code; /* the first instruction; the second returns */
		uint8_t jt, jf;
		uint32_t k;
		bool valid;
	} cases[] = {
		{ "load", BPF_LD | BPF_W | BPF_ABS, 0, 0, 60, true },
		{ "load outside", BPF_LD | BPF_W | BPF_ABS, 0, 0, 64, false },
		{ "load askew", BPF_LD | BPF_W | BPF_ABS, 0, 0, 2, false },
		{ "load of memory", BPF_LD | BPF_MEM, 0, 0, 0, false },
		{ "jump to the end", BPF_JMP | BPF_JEQ | BPF_K, 0, 0, 1, true },
		{ "jump outside", BPF_JMP | BPF_JEQ | BPF_K, 1, 0, 1, false },
		{ "jump outside if not", BPF_JMP | BPF_JGT | BPF_K, 0, 1, 1, false },
		{ "jump far", BPF_JMP | BPF_JA, 0, 0, UINT32_MAX, false },
		{ "jump on X", BPF_JMP | BPF_JEQ | BPF_X, 0, 0, 1, false },
		{ "return of A", BPF_RET | BPF_A, 0, 0, 0, false },
		{ "unknown", 0xffff, 0, 0, 0, false },
	};
	/* clang-format on */

	const struct sock_filter end = {.code = BPF_RET | BPF_K};
	const struct sock_filter load = {.code = BPF_LD | BPF_W | BPF_ABS};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct sock_filter insns[] = {
		    {cases[i].code, cases[i].jt, cases[i].jf, cases[i].k},
		    end,
		};

		print_message("# %s\n", cases[i].name);
		assert_int_equal(seccomp_program_is_valid(insns, 2), cases[i].valid);
	}
	assert_true(seccomp_program_is_valid(&end, 1));
	assert_false(seccomp_program_is_valid(&end, 0));
	assert_false(seccomp_program_is_valid(&load, 1));
}

/**
 * Compiled the first time, from the file the second; with nothing to filter there is no program.
 */
static void test_prepare(void **state)
{
	struct oci_seccomp nothing = {.default_action = OCI_SECCOMP_ALLOW};
	struct seccomp_program *first = NULL, *second = NULL, *unkept = NULL;
	struct wh_error err = WH_ERROR_INIT;
	struct fixture f;

	fill(&f);
	f.profile.listener_path = "/agent";
	assert_int_equal(seccomp_prepare(&f.profile, root, &arena, &first, &err), 0);
	assert_int_equal(seccomp_prepare(&f.profile, root, &arena, &second, &err), 0);
	assert_int_equal(first->n_insns, second->n_insns);
	assert_memory_equal(first->insns, second->insns, first->n_insns * sizeof(*first->insns));
	assert_int_equal(first->flags, second->flags);
	assert_string_equal(second->listener_path, "/agent");
	/* without a place for the file the filter is made all the same */
	assert_int_equal(seccomp_prepare(&f.profile, "/nonexistent", &arena, &unkept, &err), 0);
	assert_int_equal(unkept->n_insns, first->n_insns);
	assert_int_equal(seccomp_prepare(&nothing, root, &arena, &first, &err), 0);
	assert_null(first);
}

/** The number of files is bounded. */
static void test_room(void **state)
{
	struct wh_error err = WH_ERROR_INIT;
	struct seccomp_program program;
	struct seccomp_cache_key key;
	struct fixture f;
	char command[160];
	char version[16];
	FILE *out;
	int count = 0;

	fill(&f);
	program = compiled(&f);
	for (int i = 0; i < 3 * SECCOMP_CACHE_MAX_FILES; i++) {
		snprintf(version, sizeof(version), "%d", i);
		key = key_of(&f, version);
		assert_int_equal(seccomp_cache_store(root, &key, &program, &err), 0);
	}
	assert_int_equal(seccomp_cache_load(root, &key, &arena, &program), 0);
	snprintf(command, sizeof(command), "ls %s/.cache/seccomp | wc -l", root);
	out = popen(command, "r");
	assert_non_null(out);
	assert_int_equal(fscanf(out, "%d", &count), 1);
	pclose(out);
	assert_in_range(count, 1, SECCOMP_CACHE_MAX_FILES + 1);
}

static int set_up(void **state)
{
	struct wh_error err = WH_ERROR_INIT;

	snprintf(root, sizeof(root), "/tmp/wherry-seccomp-XXXXXX");
	return mkdtemp(root) ? arena_init(&arena, &err) : -1;
}

static int tear_down(void **state)
{
	char command[96];

	arena_done(&arena);
	snprintf(command, sizeof(command), "rm -rf %s", root);
	return system(command);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(test_keys, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(test_store_and_load, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(test_damage, set_up, tear_down),
	    cmocka_unit_test(test_validity),
	    cmocka_unit_test_setup_teardown(test_prepare, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(test_room, set_up, tear_down),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
