/* SPDX-License-Identifier: Apache-2.0 */
#include "libcontainer/seccomp/cache.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/seccomp.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/file.h"
#include "base/path.h"
#include "base/str.h"
#include "base/sys.h"

/**
 * To be changed with everything that changes programs: how rules are read, the ENOSYS in front, the
 * conditions behind, the layout of the file.
 */
#define CACHE_MAGIC    "wh-bpf 2"
#define CACHE_MAX_FILE (4U << 20)

/** The file: this, the key, blanks up to a multiple of 8, the program. */
struct cache_header {
	char magic[8];
	uint64_t checksum; /* over everything after it */
	uint64_t key_len;
	uint64_t n_insns;
};

/** Counts first, writes the second time. */
struct key_writer {
	unsigned char *data; /* NULL: only count */
	size_t len;
};

static void put_bytes(struct key_writer *writer, const void *bytes, size_t len)
{
	if (writer->data && len > 0)
		memcpy(writer->data + writer->len, bytes, len);
	writer->len += len;
}

static void put_u64(struct key_writer *writer, uint64_t value)
{
	put_bytes(writer, &value, sizeof(value));
}

static void put_string(struct key_writer *writer, const char *text)
{
	put_bytes(writer, text, strlen(text) + 1);
}

/** 0 for absent, else 1 more than the value. */
static void put_optional(struct key_writer *writer, const uint32_t *value)
{
	put_u64(writer, value ? (uint64_t)*value + 1 : 0);
}

static void put_list(struct key_writer *writer, const int64_t *values, size_t count)
{
	put_u64(writer, values ? count + 1 : 0);
	for (size_t i = 0; i < count; i++)
		put_u64(writer, (uint64_t)values[i]);
}

static void put_syscall(struct key_writer *writer, const struct oci_seccomp_syscall *syscall)
{
	put_u64(writer, (uint64_t)syscall->action);
	put_optional(writer, syscall->errno_ret);
	put_u64(writer, syscall->n_args);
	for (size_t i = 0; i < syscall->n_args; i++) {
		const struct oci_seccomp_arg *arg = &syscall->args[i];

		put_u64(writer, arg->index);
		put_u64(writer, (uint64_t)arg->op);
		put_u64(writer, arg->value);
		put_u64(writer, arg->value_two);
	}
	put_u64(writer, syscall->n_names);
	for (size_t i = 0; i < syscall->n_names; i++)
		put_string(writer, syscall->names[i]);
}

static void put_profile(struct key_writer *writer, const struct oci_seccomp *profile,
			const char *version, const struct utsname *host)
{
	put_string(writer, CACHE_MAGIC);
	put_string(writer, version);
	put_string(writer, host->release);
	put_string(writer, host->machine);
	put_u64(writer, (uint64_t)profile->default_action);
	put_optional(writer, profile->default_errno_ret);
	put_list(writer, profile->architectures, profile->n_architectures);
	put_list(writer, profile->flags, profile->n_flags);
	put_u64(writer, profile->n_syscalls);
	for (size_t i = 0; i < profile->n_syscalls; i++)
		put_syscall(writer, &profile->syscalls[i]);
}

/**
 * A mixing hash, eight bytes a step. It guards against damage, not against malice: nobody else can
 * write here.
 */
static uint64_t hash_bytes(const unsigned char *data, size_t len)
{
	uint64_t hash = 0x9e3779b97f4a7c15ULL ^ len;

	while (len > 0) {
		uint64_t word = 0;
		size_t n = len < sizeof(word) ? len : sizeof(word);

		memcpy(&word, data, n);
		hash = (hash ^ word) * 0xff51afd7ed558ccdULL;
		hash ^= hash >> 32;
		data += n;
		len -= n;
	}
	return hash;
}

int seccomp_cache_key_make(const struct oci_seccomp *profile, const char *version,
			   struct arena *arena, struct seccomp_cache_key *ret_key,
			   struct wh_error *err)
{
	struct key_writer writer = {0};
	struct utsname host;

	if (uname(&host) < 0)
		return wh_fail(err, errno, "ask for the kernel's release");
	put_profile(&writer, profile, version, &host);
	writer.data = arena_alloc(arena, writer.len);
	if (!writer.data)
		return wh_oom(err);
	writer.len = 0;
	put_profile(&writer, profile, version, &host);
	ret_key->data = writer.data;
	ret_key->len = writer.len;
	snprintf(ret_key->name, sizeof(ret_key->name), "%016llx",
		 (unsigned long long)hash_bytes(writer.data, writer.len));
	return 0;
}

/* validity */

static bool jump_is_valid(const struct sock_filter *insn, size_t left)
{
	switch (BPF_OP(insn->code)) {
	case BPF_JA:
		return insn->k < left;
	case BPF_JEQ:
	case BPF_JGT:
	case BPF_JGE:
	case BPF_JSET:
		return BPF_SRC(insn->code) == BPF_K && insn->jt < left && insn->jf < left;
	default:
		return false;
	}
}

/** @left: how many instructions follow. */
static bool insn_is_valid(const struct sock_filter *insn, size_t left)
{
	switch (BPF_CLASS(insn->code)) {
	case BPF_LD:
		return insn->code == (BPF_LD | BPF_W | BPF_ABS) &&
		       insn->k < sizeof(struct seccomp_data) && insn->k % 4 == 0;
	case BPF_ALU:
		return insn->code == (BPF_ALU | BPF_AND | BPF_K);
	case BPF_JMP:
		return (insn->code & ~(0x07 | 0xf0 | 0x08)) == 0 && jump_is_valid(insn, left);
	case BPF_RET:
		return insn->code == (BPF_RET | BPF_K);
	default:
		return false;
	}
}

bool seccomp_program_is_valid(const struct sock_filter *insns, size_t count)
{
	if (count == 0 || count > BPF_MAXINSNS)
		return false;
	for (size_t i = 0; i < count; i++) {
		if (!insn_is_valid(&insns[i], count - i - 1))
			return false;
	}
	return insns[count - 1].code == (BPF_RET | BPF_K);
}

/* the file */

static size_t padded(size_t len)
{
	return (len + 7) & ~(size_t)7;
}

static size_t file_size(size_t key_len, size_t n_insns)
{
	return sizeof(struct cache_header) + padded(key_len) + n_insns * sizeof(struct sock_filter);
}

static uint64_t checksum(const unsigned char *file, size_t size)
{
	size_t covered = offsetof(struct cache_header, key_len);

	return hash_bytes(file + covered, size - covered);
}

static int open_root(const char *state_root)
{
	struct open_how how = {.flags = O_PATH | O_DIRECTORY | O_CLOEXEC};

	return sys_openat2(AT_FDCWD, state_root, &how);
}

/** Ours, for nobody else to write, of a size that can be. */
static bool file_is_ours(const struct stat *st)
{
	return S_ISREG(st->st_mode) && st->st_uid == geteuid() && (st->st_mode & 077) == 0 &&
	       st->st_nlink == 1 && (size_t)st->st_size >= sizeof(struct cache_header) &&
	       st->st_size <= CACHE_MAX_FILE;
}

/** The whole file in one reading, in @arena. Returns it or NULL. */
static const unsigned char *read_file(int fd, size_t size, struct arena *arena)
{
	unsigned char *file = arena_alloc(arena, size);

	return file && read(fd, file, size) == (ssize_t)size ? file : NULL;
}

static bool header_matches(const unsigned char *file, size_t size,
			   const struct seccomp_cache_key *key, struct cache_header *ret)
{
	memcpy(ret, file, sizeof(*ret));
	return memcmp(ret->magic, CACHE_MAGIC, sizeof(ret->magic)) == 0 &&
	       ret->key_len == key->len && ret->n_insns <= BPF_MAXINSNS &&
	       file_size(key->len, ret->n_insns) == size;
}

static int use_file(const unsigned char *file, size_t size, const struct seccomp_cache_key *key,
		    struct seccomp_program *program)
{
	struct cache_header header;
	const unsigned char *insns = file + sizeof(header) + padded(key->len);

	if (!header_matches(file, size, key, &header) ||
	    memcmp(file + sizeof(header), key->data, key->len) != 0)
		return -EINVAL;
	if (header.checksum != checksum(file, size) ||
	    !seccomp_program_is_valid((const struct sock_filter *)insns, header.n_insns))
		return -EINVAL;
	program->insns = (struct sock_filter *)insns;
	program->n_insns = (uint32_t)header.n_insns;
	return 0;
}

int seccomp_cache_load(const char *state_root, const struct seccomp_cache_key *key,
		       struct arena *arena, struct seccomp_program *ret_program)
{
	char path[sizeof(SECCOMP_CACHE_DIR) + sizeof(key->name) + 1];
	const unsigned char *file;
	auto_fd root = open_root(state_root);
	auto_fd fd = -EBADF;
	struct stat st;

	if (root < 0)
		return -ENOENT;
	snprintf(path, sizeof(path), "%s/%s", SECCOMP_CACHE_DIR, key->name);
	fd = path_open_beneath(root, path, O_RDONLY | O_NOCTTY | O_NONBLOCK, 0);
	if (fd < 0)
		return -ENOENT;
	if (fstat(fd, &st) < 0 || !file_is_ours(&st))
		return -EINVAL;
	file = read_file(fd, (size_t)st.st_size, arena);
	return file ? use_file(file, (size_t)st.st_size, key, ret_program) : -EINVAL;
}

/* keeping */

static unsigned char *make_file(const struct seccomp_cache_key *key,
				const struct seccomp_program *program, size_t size)
{
	struct cache_header header = {
	    .magic = CACHE_MAGIC, .key_len = key->len, .n_insns = program->n_insns};
	unsigned char *file = calloc(1, size);

	if (!file)
		return NULL;
	memcpy(file, &header, sizeof(header));
	memcpy(file + sizeof(header), key->data, key->len);
	memcpy(file + sizeof(header) + padded(key->len), program->insns,
	       program->n_insns * sizeof(struct sock_filter));
	header.checksum = checksum(file, size);
	memcpy(file, &header, sizeof(header));
	return file;
}

static size_t count_entries(DIR *entries)
{
	size_t count = 0;

	while (readdir(entries))
		count++;
	return count;
}

/**
 * When the directory is full, begin anew: whatever is still in use comes back with its next
 * container.
 */
static void make_room(int dir_fd)
{
	auto_dir *entries = fd_list(dir_fd);
	struct dirent *entry;

	if (!entries)
		return;
	if (count_entries(entries) < SECCOMP_CACHE_MAX_FILES + 2)
		return;
	rewinddir(entries);
	while ((entry = readdir(entries))) {
		if (entry->d_name[0] != '.')
			unlinkat(dir_fd, entry->d_name, 0);
	}
}

int seccomp_cache_store(const char *state_root, const struct seccomp_cache_key *key,
			const struct seccomp_program *program, struct wh_error *err)
{
	size_t size = file_size(key->len, program->n_insns);
	auto_free unsigned char *file = NULL;
	auto_fd root = open_root(state_root);
	auto_fd dir = -EBADF;

	if (size > CACHE_MAX_FILE)
		return wh_fail(err, EFBIG, "keep the compiled seccomp filter");
	if (root < 0)
		return wh_fail(err, -root, "open '%s'", state_root);
	dir = path_mkdir_in_root(root, SECCOMP_CACHE_DIR, 0700, err);
	if (dir < 0)
		return dir;
	file = make_file(key, program, size);
	if (!file)
		return wh_oom(err);
	make_room(dir);
	return file_replace(dir, key->name, file, size, 0600, err);
}
