/* SPDX-License-Identifier: Apache-2.0 */
#include "base/arena.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/sys.h"

#ifndef MAP_FIXED_NOREPLACE
#define MAP_FIXED_NOREPLACE 0x100000
#endif
#ifndef MFD_NOEXEC_SEAL
#define MFD_NOEXEC_SEAL 0x0008U
#endif
#ifndef F_SEAL_FUTURE_WRITE
#define F_SEAL_FUTURE_WRITE 0x0010
#endif

#define ARENA_ALIGNMENT 16
#define ARENA_SEALS     (F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_FUTURE_WRITE | F_SEAL_SEAL)

int arena_init(struct arena *arena, struct wh_error *err)
{
	void *base = mmap(NULL, ARENA_PRIVATE_SIZE, PROT_READ | PROT_WRITE,
			  MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (base == MAP_FAILED)
		return wh_fail(err, errno, "map %lu bytes of memory", ARENA_PRIVATE_SIZE);
	/*
	 * Where huge pages are made for everybody the first byte would cost 2 MiB, to be zeroed and
	 * charged. A kernel without them refuses.
	 */
	madvise(base, ARENA_PRIVATE_SIZE, MADV_NOHUGEPAGE);
	*arena = (struct arena){.base = base, .size = ARENA_PRIVATE_SIZE, .fd = -EBADF};
	return 0;
}

/* Map @fd at the one address that both programs agree on. Returns 0 or -errno. */
static int map_shared(int fd, int protection, struct wh_error *err)
{
	void *base = mmap(ARENA_SHARED_ADDRESS, ARENA_SHARED_SIZE, protection,
			  MAP_SHARED | MAP_FIXED_NOREPLACE, fd, 0);

	if (base == MAP_FAILED)
		return wh_fail(err, errno, "map the plan's memory at %p", ARENA_SHARED_ADDRESS);
	if (base != ARENA_SHARED_ADDRESS) {
		munmap(base, ARENA_SHARED_SIZE);
		return wh_fail(err, EEXIST, "map the plan's memory at %p", ARENA_SHARED_ADDRESS);
	}
	return 0;
}

/* A memfd that may be sealed and never executed. Returns the fd or -errno. */
static int shared_memfd(void)
{
	unsigned int flags = MFD_CLOEXEC | MFD_ALLOW_SEALING;
	int fd = sys_memfd_create("wherry-plan", flags | MFD_NOEXEC_SEAL);

	/* Linux before 6.3 does not know the flag; where it is known, leaving it out is warned
	 * about. */
	return fd == -EINVAL ? sys_memfd_create("wherry-plan", flags) : fd;
}

int arena_init_shared(struct arena *arena, struct wh_error *err)
{
	auto_fd fd = shared_memfd();
	int r;

	if (fd < 0)
		return wh_fail(err, -fd, "create a memfd for the plan");
	if (ftruncate(fd, ARENA_SHARED_SIZE) < 0)
		return wh_fail(err, errno, "size the plan's memfd");
	r = map_shared(fd, PROT_READ | PROT_WRITE, err);
	if (r < 0)
		return r;
	*arena = (struct arena){
	    .base = ARENA_SHARED_ADDRESS,
	    .size = ARENA_SHARED_SIZE,
	    .fd = fd_take(&fd),
	};
	return 0;
}

/* Seals cannot be added twice: the first time forbids more. */
static bool is_sealed(int fd)
{
	int seals = fcntl(fd, F_GET_SEALS);

	return seals >= 0 && (seals & ARENA_SEALS) == ARENA_SEALS;
}

int arena_seal(struct arena *arena, struct wh_error *err)
{
	if (fcntl(arena->fd, F_ADD_SEALS, ARENA_SEALS) == 0)
		return 0;
	if (errno == EPERM && is_sealed(arena->fd))
		return 0;
	return wh_fail(err, errno, "seal the plan's memfd");
}

int arena_map_readonly(int fd, struct wh_error *err)
{
	int seals = fcntl(fd, F_GET_SEALS);
	struct stat st;

	if (seals < 0)
		return wh_fail(err, errno, "read the seals of the plan's memfd");
	if ((seals & ARENA_SEALS) != ARENA_SEALS)
		return wh_fail(err, EPERM, "the plan's memfd is not sealed");
	if (fstat(fd, &st) < 0)
		return wh_fail(err, errno, "stat the plan's memfd");
	if ((uint64_t)st.st_size != ARENA_SHARED_SIZE)
		return wh_fail(err, EINVAL, "the plan's memfd has an unexpected size");
	return map_shared(fd, PROT_READ, err);
}

void arena_done(struct arena *arena)
{
	if (!arena->base)
		return;
	munmap(arena->base, arena->size);
	fd_close(arena->fd);
	*arena = (struct arena){.fd = -EBADF};
}

/* The next @size bytes from @start on, or NULL. They are zero: nothing is ever given back. */
static void *take(struct arena *arena, size_t start, size_t size)
{
	if (start > arena->size || size > arena->size - start)
		return NULL;
	arena->used = start + size;
	return arena->base + start;
}

void *arena_alloc(struct arena *arena, size_t size)
{
	size_t start = (arena->used + ARENA_ALIGNMENT - 1) & ~(size_t)(ARENA_ALIGNMENT - 1);

	/* At least a byte, so that no two objects share an address. */
	return take(arena, start, size ? size : 1);
}

void *arena_calloc(struct arena *arena, size_t count, size_t size)
{
	size_t total;

	if (__builtin_mul_overflow(count, size, &total))
		return NULL;
	return arena_alloc(arena, total);
}

char *arena_strndup(struct arena *arena, const char *s, size_t len)
{
	size_t n = strnlen(s, len);
	char *copy = take(arena, arena->used, n + 1);

	if (copy)
		memcpy(copy, s, n);
	return copy;
}

char *arena_strdup(struct arena *arena, const char *s)
{
	return s ? arena_strndup(arena, s, strlen(s)) : NULL;
}

void *arena_memdup(struct arena *arena, const void *data, size_t len)
{
	void *copy = arena_alloc(arena, len);

	if (copy && len)
		memcpy(copy, data, len);
	return copy;
}

char *arena_printf(struct arena *arena, const char *fmt, ...)
{
	va_list ap, again;
	char *text = NULL;
	int n;

	va_start(ap, fmt);
	va_copy(again, ap);
	n = vsnprintf(NULL, 0, fmt, ap);
	if (n >= 0)
		text = take(arena, arena->used, (size_t)n + 1);
	if (text)
		vsnprintf(text, (size_t)n + 1, fmt, again);
	va_end(again);
	va_end(ap);
	return text;
}
