/* SPDX-License-Identifier: Apache-2.0 */
/* What a test asks of the inside of a container that busybox does not do.
 *
 *   probe euid                  the effective uid
 *   probe call NR [ARG...]      one system call; prints its result and errno
 *   probe fds                   the open descriptors, as fd=target lines
 *   probe inject                TIOCSTI on descriptor 0; prints its result and errno
 *   probe session               pid, session id, and what opening /dev/tty says
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

static int print_euid(int argc, char **argv)
{
	(void)argc;
	(void)argv;
	printf("%u\n", (unsigned)geteuid());
	return 0;
}

static int print_call(int argc, char **argv)
{
	unsigned long arg[7] = {0};
	long result;

	for (int i = 0; i < argc && i < 7; i++)
		arg[i] = strtoul(argv[i], NULL, 0);
	errno = 0;
	result = syscall((long)arg[0], arg[1], arg[2], arg[3], arg[4], arg[5], arg[6]);
	printf("%ld %d\n", result, result == -1 ? errno : 0);
	return 0;
}

static int print_fds(int argc, char **argv)
{
	(void)argc;
	(void)argv;
	for (int fd = 0; fd < 1024; fd++) {
		char path[32], target[512];
		ssize_t n;

		if (fcntl(fd, F_GETFD) < 0)
			continue;
		snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
		n = readlink(path, target, sizeof(target) - 1);
		target[n < 0 ? 0 : n] = '\0';
		printf("%d=%s\n", fd, target);
	}
	return 0;
}

static int print_inject(int argc, char **argv)
{
	int rc = ioctl(0, TIOCSTI, "x");

	(void)argc;
	(void)argv;
	printf("%d %d\n", rc, rc < 0 ? errno : 0);
	return 0;
}

static int print_session(int argc, char **argv)
{
	int fd = open("/dev/tty", O_RDWR | O_NOCTTY);

	(void)argc;
	(void)argv;
	printf("%d %d %s\n", getpid(), getsid(0), fd < 0 ? strerror(errno) : "open");
	return 0;
}

static const struct command {
	const char *name;
	int (*run)(int argc, char **argv);
} commands[] = {
    {"euid",    print_euid   },
    {"call",    print_call   },
    {"fds",     print_fds    },
    {"inject",  print_inject },
    {"session", print_session},
};

int main(int argc, char **argv)
{
	for (size_t i = 0; argc > 1 && i < sizeof(commands) / sizeof(commands[0]); i++) {
		if (!strcmp(argv[1], commands[i].name))
			return commands[i].run(argc - 2, argv + 2);
	}
	fprintf(stderr, "probe: what?\n");
	return 2;
}
