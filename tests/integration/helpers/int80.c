/* SPDX-License-Identifier: Apache-2.0 */
/*
 * int80 NUMBER ARGUMENT...: one system call of 32-bit x86, made by a 64-bit program as any can; prints the result
 * and errno, as `probe call` does. Without arguments: whether the kernel has these calls at all (status 0).
 */
#include <stdio.h>
#include <stdlib.h>

#ifdef __x86_64__
static long call(long number, long a, long b, long c)
{
	long result;

	__asm__ volatile("int $0x80"
			 : "=a"(result)
			 : "a"(number), "b"(a), "c"(b), "d"(c)
			 : "memory", "r8", "r9", "r10", "r11");
	return (int)result;
}
#else
static long call(long number, long a, long b, long c)
{
	return -38;
}
#endif

int main(int argc, char **argv)
{
	long args[4] = {20}; /* getpid */
	long result;

	for (int i = 1; i < argc && i <= 4; i++)
		args[i - 1] = strtol(argv[i], NULL, 0);
	result = call(args[0], args[1], args[2], args[3]);
	if (argc < 2)
		return result > 0 ? 0 : 1;
	printf("%ld %ld\n", result < 0 ? -1 : result, result < 0 ? -result : 0);
	return 0;
}
