/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the C library of the archives we link has and musl has not: the checked forms that a
 * compiler makes of memcpy and printf with _FORTIFY_SOURCE (LSB core, "__snprintf_chk" and its
 * like). Linked into the static program only. They check what they were given to check.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void *__memcpy_chk(void *dest, const void *src, size_t len, size_t room);
int __snprintf_chk(char *buf, size_t size, int flag, size_t room, const char *fmt, ...);
int __sprintf_chk(char *buf, int flag, size_t room, const char *fmt, ...);
int __fprintf_chk(FILE *stream, int flag, const char *fmt, ...);

void *__memcpy_chk(void *dest, const void *src, size_t len, size_t room)
{
	if (len > room)
		abort();
	return memcpy(dest, src, len);
}

int __snprintf_chk(char *buf, size_t size, int flag, size_t room, const char *fmt, ...)
{
	va_list args;
	int n;

	if (size > room)
		abort();
	va_start(args, fmt);
	n = vsnprintf(buf, size, fmt, args);
	va_end(args);
	return n;
}

int __sprintf_chk(char *buf, int flag, size_t room, const char *fmt, ...)
{
	va_list args;
	int n;

	va_start(args, fmt);
	n = vsnprintf(buf, room, fmt, args);
	va_end(args);
	if (n < 0 || (size_t)n >= room)
		abort();
	return n;
}

int __fprintf_chk(FILE *stream, int flag, const char *fmt, ...)
{
	va_list args;
	int n;

	va_start(args, fmt);
	n = vfprintf(stream, fmt, args);
	va_end(args);
	return n;
}
