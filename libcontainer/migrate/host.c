/* SPDX-License-Identifier: Apache-2.0 */
#include "libcontainer/migrate/host.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/file.h"
#include "base/log.h"
#include "base/path.h"
#include "base/procfs.h"
#include "base/str.h"
#include "libcontainer/checkpoint/restore_access.h"

/** A host of hundreds of processors has megabytes of it; the first one is at the beginning. */
#define CPUINFO_MAX 16384

#define FEATURES_MAX 128

/** Room for the images besides memory. */
#define IMAGES_SLACK (64ULL << 20)

/** Directories in a round, and rounds in the directory of a migration. */
#define IMAGES_DEPTH 2

/* Of x86's flags those that libraries and compilers look for; the rest is the kernel's own affair, and differs
 * between kernels on the same processor. */
static const char *const x86_features[] = {
    "fxsr",
    "sse",
    "sse2",
    "pni",
    "ssse3",
    "sse4_1",
    "sse4_2",
    "sse4a",
    "popcnt",
    "lahf_lm",
    "cx16",
    "movbe",
    "aes",
    "pclmulqdq",
    "rdrand",
    "rdseed",
    "f16c",
    "fma",
    "fma4",
    "xop",
    "avx",
    "avx2",
    "avx_vnni",
    "bmi1",
    "bmi2",
    "abm",
    "adx",
    "tbm",
    "xsave",
    "xsaveopt",
    "xsavec",
    "xgetbv1",
    "xsaves",
    "fsgsbase",
    "erms",
    "fsrm",
    "clflushopt",
    "clwb",
    "sha_ni",
    "vaes",
    "vpclmulqdq",
    "gfni",
    "rdtscp",
    "rdpid",
    "mpx",
    "rtm",
    "hle",
    "pku",
    "avx512f",
    "avx512dq",
    "avx512cd",
    "avx512bw",
    "avx512vl",
    "avx512ifma",
    "avx512vbmi",
    "avx512_vbmi2",
    "avx512_vnni",
    "avx512_bitalg",
    "avx512_vpopcntdq",
    "avx512_bf16",
    "avx512_fp16",
    "amx_tile",
    "amx_int8",
    "amx_bf16",
    "serialize",
    "movdiri",
    "movdir64b",
    "waitpkg",
    "user_shstk",
};

static bool is_x86_feature(const char *word, size_t len)
{
	for (size_t i = 0; i < ARRAY_LEN(x86_features); i++) {
		if (strlen(x86_features[i]) == len && memcmp(x86_features[i], word, len) == 0)
			return true;
	}
	return false;
}

size_t migrate_cpu_features(const char *cpuinfo, const char **ret_features, size_t max,
			    struct arena *arena)
{
	const char *line = strstr(cpuinfo, "\nflags");
	bool is_x86 = line != NULL;
	size_t count = 0;

	if (!line)
		line = strstr(cpuinfo, "\nFeatures");
	line = line ? strchr(line, ':') : NULL;
	if (!line)
		return 0;
	for (line++; *line && *line != '\n' && count < max;) {
		size_t len = strcspn(line, " \n");

		if (len > 0 && (!is_x86 || is_x86_feature(line, len))) {
			ret_features[count] = arena_strndup(arena, line, len);
			count += ret_features[count] != NULL;
		}
		line += len;
		line += *line == ' ';
	}
	return count;
}

const char *migrate_cpu_lacks(const char *const *needed, size_t n_needed, const char *const *there,
			      size_t n_there)
{
	for (size_t i = 0; i < n_needed; i++) {
		bool found = false;

		for (size_t j = 0; j < n_there && !found; j++)
			found = streq(needed[i], there[j]);
		if (!found)
			return needed[i];
	}
	return NULL;
}

static int look_at_cpu(struct migrate_host *host, struct arena *arena, struct wh_error *err)
{
	char text[CPUINFO_MAX];
	auto_fd proc = procfs_open(true, err);
	ssize_t len;

	if (proc < 0)
		return proc;
	host->cpu_features = arena_array(arena, const char *, FEATURES_MAX);
	if (!host->cpu_features)
		return wh_oom(err);
	len = procfs_read(proc, "cpuinfo", text, sizeof(text), err);
	if (len < 0)
		return (int)len;
	host->n_cpu_features = migrate_cpu_features(text, host->cpu_features, FEATURES_MAX, arena);
	return 0;
}

int migrate_host_look(const char *criu, struct arena *arena, struct migrate_host *ret_host,
		      struct wh_error *err)
{
	int rc;

	if (uname(&ret_host->uname) < 0)
		return wh_fail(err, errno, "ask for the kernel's name");
	rc = process_boot_id(ret_host->boot_id, err);
	if (rc == 0)
		rc = look_at_cpu(ret_host, arena, err);
	return rc < 0 ? rc : checkpoint_support(criu, &ret_host->support, err);
}

/** Bytes of memory that could be used without swapping, as /proc/meminfo says; 0: unknown. */
static uint64_t memory_available(void)
{
	auto_fd proc = procfs_open(true, NULL);
	char text[1024];
	const char *line;

	if (proc < 0 || procfs_read(proc, "meminfo", text, sizeof(text), NULL) < 0)
		return 0;
	line = strstr(text, "\nMemAvailable:");
	return line ? strtoull(line + strlen("\nMemAvailable:"), NULL, 10) * 1024 : 0;
}

/** Where images can lie: from the first place that will do. */
enum images_place { IMAGES_CHOSEN, IMAGES_IN_MEMORY, IMAGES_ON_DISK, N_IMAGES_PLACES };

static const char *place_of(enum images_place place)
{
	const char *chosen = getenv("TMPDIR");

	if (!str_empty(chosen) && chosen[0] == '/')
		return place == IMAGES_CHOSEN ? chosen : NULL;
	return place == IMAGES_CHOSEN ? NULL : place == IMAGES_IN_MEMORY ? "/dev/shm" : "/var/tmp";
}

/** The memory itself, the images here, and on one host those of the other end. */
static bool fits_in_memory(const char *top, uint64_t memory)
{
	uint64_t wanted = (memory + IMAGES_SLACK) * 3;
	auto_fd fd = open(top, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct statfs fs;

	return fd >= 0 && fstatfs(fd, &fs) == 0 && fs.f_type == TMPFS_MAGIC &&
	       memory < UINT64_MAX / 4 && memory_available() >= wanted &&
	       migrate_images_room(fd) >= memory * 2 + IMAGES_SLACK;
}

static int path_in(const char *top, const char *number, const char *side, char *path)
{
	return snprintf(path, PATH_MAX, "%s/wherry-migrate-%s-%s", top, number, side) < PATH_MAX
		   ? 0
		   : -ENAMETOOLONG;
}

int migrate_images_make(const char *number, const char *side, uint64_t memory, char *path,
			struct wh_error *err)
{
	const char *top = place_of(IMAGES_CHOSEN);
	int fd;

	if (!top && fits_in_memory(place_of(IMAGES_IN_MEMORY), memory))
		top = place_of(IMAGES_IN_MEMORY);
	if (!top)
		top = place_of(IMAGES_ON_DISK);
	if (path_in(top, number, side, path) < 0)
		return wh_fail(err, ENAMETOOLONG, "TMPDIR");
	if (mkdir(path, 0700) < 0)
		return wh_fail(err, errno, "make directory '%s' for images", path);
	fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	return fd < 0 ? wh_fail(err, errno, "open '%s'", path) : fd;
}

void migrate_images_remove_all(const char *number, const char *side)
{
	char path[PATH_MAX];

	for (enum images_place place = IMAGES_CHOSEN; place < N_IMAGES_PLACES; place++) {
		const char *top = place_of(place);

		if (top && path_in(top, number, side, path) == 0)
			migrate_images_remove(path);
	}
}

int migrate_images_make_round(int images_fd, uint64_t n, struct wh_error *err)
{
	char name[24];
	char parent[28];
	auto_fd fd = -EBADF;

	snprintf(name, sizeof(name), "%llu", (unsigned long long)n);
	if (mkdirat(images_fd, name, 0700) < 0)
		return wh_fail(err, errno, "make a directory for the images of round %s", name);
	fd = openat(images_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return wh_fail(err, errno, "open the images of round %s", name);
	snprintf(parent, sizeof(parent), "../%llu", (unsigned long long)n - 1);
	if (n > 0 && symlinkat(parent, fd, "parent") < 0)
		return wh_fail(err, errno, "link the images of round %s to those before", name);
	return fd_take(&fd);
}

int migrate_images_let_pass(int images_fd, uint64_t rounds, gid_t gid, struct wh_error *err)
{
	int rc = restore_let_group(images_fd, gid, S_IXGRP, ".", err);

	for (uint64_t n = 0; n < rounds && rc == 0; n++) {
		char name[24];
		auto_fd fd = -EBADF;

		snprintf(name, sizeof(name), "%llu", (unsigned long long)n);
		fd = openat(images_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		rc = fd < 0 ? wh_fail(err, errno, "open the images of round %s", name)
			    : restore_let_group(fd, gid, S_IRGRP | S_IXGRP, name, err);
	}
	return rc;
}

void migrate_images_remove(const char *path)
{
	auto_fd fd = -EBADF;
	int rc;

	if (str_empty(path))
		return;
	fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0 && errno == ENOENT)
		return;
	rc = fd < 0 ? -errno : path_remove_entries(fd, IMAGES_DEPTH);
	if (rc == 0 && rmdir(path) < 0)
		rc = -errno;
	if (rc < 0)
		log_warning("the images in '%s' cannot be removed: %s", path, strerror(-rc));
}

uint64_t migrate_images_room(int images_fd)
{
	struct statvfs fs;

	return fstatvfs(images_fd, &fs) < 0 ? 0 : (uint64_t)fs.f_bavail * fs.f_frsize;
}

bool migrate_images_were_let_go(const char *path)
{
	int fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	auto_dir *dir = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *round;

	if (!dir) {
		fd_close(fd);
		return true;
	}
	while ((round = readdir(dir))) {
		char name[sizeof(round->d_name) + sizeof("/stats-restore")];
		struct stat st;

		snprintf(name, sizeof(name), "%s/stats-restore", round->d_name);
		if (fstatat(dirfd(dir), name, &st, AT_SYMLINK_NOFOLLOW) == 0)
			return true;
	}
	return false;
}
