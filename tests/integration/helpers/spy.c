/* SPDX-License-Identifier: Apache-2.0 */
/*
 * spy PATH: for ever, look at every other process in sight: print what PATH below its root holds, and
 * which of its fds lead to a directory.
 */
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static void look(int pid, const char *path)
{
	char name[4200];
	char text[64] = "";
	struct stat st;
	int fd;

	snprintf(name, sizeof(name), "/proc/%d/root/%s", pid, path);
	fd = open(name, O_RDONLY | O_CLOEXEC);
	if (fd >= 0) {
		if (read(fd, text, sizeof(text) - 1) >= 0)
			printf("root of %d: %s\n", pid, text);
		close(fd);
	}
	for (int i = 3; i < 32; i++) {
		snprintf(name, sizeof(name), "/proc/%d/fd/%d", pid, i);
		if (stat(name, &st) == 0 && S_ISDIR(st.st_mode))
			printf("fd %d of %d is a directory\n", i, pid);
	}
}

int main(int argc, char **argv)
{
	setvbuf(stdout, NULL, _IOLBF, 0);
	puts("spying");
	for (;;) {
		DIR *dir = opendir("/proc");
		struct dirent *entry;

		if (!dir || argc != 2)
			return 1;
		while ((entry = readdir(dir))) {
			int pid = atoi(entry->d_name);

			if (pid > 1 && pid != getpid())
				look(pid, argv[1]);
		}
		closedir(dir);
	}
}
