/* SPDX-License-Identifier: Apache-2.0 */
#include "oci-spec/json_memory.h"

#include <stdint.h>
#include <string.h>

/** In front of each block: its size, which a larger one has to be filled from. */
union header {
	size_t size;
	max_align_t aligned;
};

static void *allocate(void *ctx, size_t size)
{
	struct json_memory *memory = ctx;
	union header *header = NULL;

	if (size <= SIZE_MAX - sizeof(*header))
		header = arena_alloc(memory->arena, sizeof(*header) + size);
	if (!header)
		longjmp(memory->exhausted, 1);
	header->size = size;
	return header + 1;
}

static void *reallocate(void *ctx, void *old, size_t size)
{
	const union header *header;
	void *block;

	if (!old)
		return allocate(ctx, size);
	header = (const union header *)old - 1;
	if (size <= header->size)
		return old;
	block = allocate(ctx, size);
	memcpy(block, old, header->size);
	return block;
}

/** The arena gives back all of it at once. */
static void release(void *ctx, void *block)
{
}

yajl_alloc_funcs json_memory_funcs(struct json_memory *memory)
{
	return (yajl_alloc_funcs){
	    .malloc = allocate, .realloc = reallocate, .free = release, .ctx = memory};
}
