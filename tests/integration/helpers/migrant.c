/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A program that can tell whether it was moved well:
 *
 *   migrant [MIB [DIRTY]]      holds MIB of memory, of which it changes DIRTY MiB a second
 *
 * It counts in /tmp/n, every 5 ms. A number that it did not write itself there means that another copy of it runs: it then
 * makes /tmp/clash. Memory that is not what it wrote makes /tmp/damage. A page's first word is its number and how often it
 * was written, so each page can be checked by itself, and one page is checked each time; on SIGUSR1 all of them are, and
 * /tmp/checked gets a line with their number.
 */
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#define PAGE    4096UL
#define TICK_NS 5000000L

static uint64_t *memory;
static uint32_t *written; /* how often each page was */
static size_t pages;
static volatile sig_atomic_t check_all;

static void on_signal(int sig)
{
	check_all = sig;
}

static void mark(const char *path, long long a, long long b)
{
	FILE *f = fopen(path, "a");

	if (f) {
		fprintf(f, "%lld %lld\n", a, b);
		fclose(f);
	}
}

static uint64_t *page(size_t i)
{
	return memory + i * (PAGE / sizeof(*memory));
}

static void write_page(size_t i)
{
	uint64_t value = (uint64_t)i << 32 | ++written[i];
	uint64_t *words = page(i);

	words[0] = value;
	words[PAGE / 16] = ~value;
	words[PAGE / 8 - 1] = value * 0x9e3779b97f4a7c15ULL;
}

static void check_page(size_t i)
{
	uint64_t value = (uint64_t)i << 32 | written[i];
	const uint64_t *words = page(i);

	if (words[0] != value || words[PAGE / 16] != ~value ||
	    words[PAGE / 8 - 1] != value * 0x9e3779b97f4a7c15ULL)
		mark("/tmp/damage", (long long)i, written[i]);
}

static void check_pages(void)
{
	check_all = 0;
	for (size_t i = 0; i < pages; i++)
		check_page(i);
	mark("/tmp/checked", (long long)pages, 0);
}

static void make_memory(size_t mib)
{
	pages = mib * (1048576 / PAGE);
	if (pages == 0)
		return;
	memory =
	    mmap(NULL, pages * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	written = calloc(pages, sizeof(*written));
	if (memory == MAP_FAILED || !written)
		exit(1);
	for (size_t i = 0; i < pages; i++) {
		uint64_t *words = page(i);

		/* nothing that compresses, or is a page of zeros */
		for (size_t j = 0; j < PAGE / 8; j++)
			words[j] = (i * 512 + j) * 0x9e3779b97f4a7c15ULL;
		write_page(i);
	}
}

static long long read_count(int fd)
{
	char text[32] = "";

	return pread(fd, text, sizeof(text) - 1, 0) > 0 ? atoll(text) : 0;
}

static void write_count(int fd, long long n)
{
	char text[32];
	int len = snprintf(text, sizeof(text), "%020lld\n", n);

	if (pwrite(fd, text, (size_t)len, 0) != len)
		exit(1);
}

int main(int argc, char **argv)
{
	size_t dirty_each = 0;
	size_t next_dirty = 0;
	size_t next_check = 0;
	long long n;
	int fd;

	signal(SIGUSR1, on_signal);
	make_memory(argc > 1 ? (size_t)atol(argv[1]) : 0);
	if (argc > 2)
		dirty_each = (size_t)atol(argv[2]) * (1048576 / PAGE) / (1000000000L / TICK_NS);
	fd = open("/tmp/n", O_RDWR | O_CREAT | O_CLOEXEC, 0644);
	if (fd < 0)
		return 1;
	n = read_count(fd);
	for (;;) {
		const struct timespec tick = {0, TICK_NS};
		long long there = read_count(fd);

		if (there != n)
			mark("/tmp/clash", n, there);
		n = there + 1;
		write_count(fd, n);
		for (size_t i = 0; i < dirty_each; i++) {
			write_page(next_dirty);
			next_dirty = (next_dirty + 1) % pages;
		}
		if (pages) {
			check_page(next_check);
			next_check = (next_check + 7919) % pages;
		}
		if (check_all)
			check_pages();
		nanosleep(&tick, NULL);
	}
}
