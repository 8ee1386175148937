/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One arena per invocation owns spec and plan; nothing in it is freed singly.
 *
 * The shared kind is a memfd mapped at one fixed address: the init image maps the same file
 * read-only at the same address, so that the plan's pointers hold there without being serialised.
 */
#pragma once

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

/** Where a shared arena lives in both programs: clear of PIE, heap, stack and sanitizer shadows on
 * x86_64 and arm64. */
#define ARENA_SHARED_ADDRESS ((void *)0x200000000000UL)
/** The reach of an arena in bytes of address space; pages cost memory only once touched. */
#define ARENA_SHARED_SIZE  (64UL << 20)
#define ARENA_PRIVATE_SIZE (512UL << 20)

struct arena {
	char *base;
	size_t used;
	size_t size;
	int fd; /* the memfd of a shared arena, else -EBADF */
};

/** Map a private arena (anonymous memory). Returns 0 or -errno. Undone by arena_done(). */
int arena_init(struct arena *arena, struct wh_error *err);
/** Map a shared arena at ARENA_SHARED_ADDRESS, backed by a memfd. One at a time in a process.
 * Returns 0 or -errno. */
int arena_init_shared(struct arena *arena, struct wh_error *err);
/** Forbid new writable mappings and changes of size, before the memfd is handed to init. Returns 0
 * or -errno; a second time 0. */
int arena_seal(struct arena *arena, struct wh_error *err);
/** Map the arena in @fd (a sealed memfd made by arena_init_shared()) read-only at its address.
 * Returns 0 or -errno. */
int arena_map_readonly(int fd, struct wh_error *err);
/** Unmap and close; a zeroed or done arena is left alone. */
void arena_done(struct arena *arena);

/** @size zeroed bytes aligned for any object, or NULL when the arena is full. Owned by the arena.
 */
void *arena_alloc(struct arena *arena, size_t size);
/** @count zeroed objects of @size; NULL when full or when the product overflows. */
void *arena_calloc(struct arena *arena, size_t count, size_t size);
/** Copies; NULL when full. arena_strdup(NULL) is NULL. */
char *arena_strdup(struct arena *arena, const char *s);
char *arena_strndup(struct arena *arena, const char *s, size_t len);
void *arena_memdup(struct arena *arena, const void *data, size_t len);
/** Formatted text; NULL when full. */
char *arena_printf(struct arena *arena, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/** One zeroed @type, or an array of @n. */
#define arena_new(arena, type)      ((type *)arena_alloc((arena), sizeof(type)))
#define arena_array(arena, type, n) ((type *)arena_calloc((arena), (n), sizeof(type)))
