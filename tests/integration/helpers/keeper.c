/* SPDX-License-Identifier: Apache-2.0 */
/*
 * keeper THING: makes something that a checkpoint has to keep, says so in /tmp/ready, and when /tmp/ask is there
 * writes to /tmp/answer whether it still has it: "ok", or what is wrong.
 */
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/timerfd.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static void die(const char *what)
{
	perror(what);
	exit(1);
}

static int check(long value, const char *what)
{
	if (value < 0)
		die(what);
	return (int)value;
}

static int fds[2];

/* A connection over the loopback device, both ends ours. */
static void make_tcp(void)
{
	struct sockaddr_in addr = {.sin_family = AF_INET,
				   .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t len = sizeof(addr);
	int listener = check(socket(AF_INET, SOCK_STREAM, 0), "socket");

	check(bind(listener, (struct sockaddr *)&addr, sizeof(addr)), "bind");
	check(listen(listener, 1), "listen");
	check(getsockname(listener, (struct sockaddr *)&addr, &len), "getsockname");
	fds[0] = check(socket(AF_INET, SOCK_STREAM, 0), "socket");
	check(connect(fds[0], (struct sockaddr *)&addr, sizeof(addr)), "connect");
	fds[1] = check(accept(listener, NULL, NULL), "accept");
	check(write(fds[0], "queued", 6), "write");
}

static void make_unix(void)
{
	check(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), "socketpair");
	check(write(fds[0], "queued", 6), "write");
}

/* A bound name, and a connection to it. */
static void make_named(void)
{
	struct sockaddr_un addr = {.sun_family = AF_UNIX, .sun_path = "/tmp/named.sock"};
	int listener = check(socket(AF_UNIX, SOCK_STREAM, 0), "socket");

	check(bind(listener, (struct sockaddr *)&addr, sizeof(addr)), "bind");
	check(listen(listener, 1), "listen");
	fds[0] = check(socket(AF_UNIX, SOCK_STREAM, 0), "socket");
	check(connect(fds[0], (struct sockaddr *)&addr, sizeof(addr)), "connect");
	fds[1] = check(accept(listener, NULL, NULL), "accept");
	check(write(fds[0], "queued", 6), "write");
}

static void make_pipe(void)
{
	int ends[2];

	check(pipe(ends), "pipe");
	fds[0] = ends[1];
	fds[1] = ends[0];
	check(write(fds[0], "queued", 6), "write");
}

/* What was on its way, and what goes through now. */
static const char *ask_stream(void)
{
	char buf[16] = "";

	if (write(fds[0], "-more", 5) != 5)
		return strerror(errno);
	if (recv(fds[1], buf, 11, MSG_WAITALL) != 11 &&
	    (errno != ENOTSOCK || read(fds[1], buf, 11) != 11))
		return "cannot read";
	return strcmp(buf, "queued-more") ? buf : "ok";
}

/* A socket that is connected to one of the host's, in a directory that has the same path there: ours. */
static void make_outside(void)
{
	struct sockaddr_un addr = {.sun_family = AF_UNIX};

	if (!getcwd(addr.sun_path, sizeof(addr.sun_path) - sizeof("/sock")))
		die("getcwd");
	strcat(addr.sun_path, "/sock");
	fds[0] = check(socket(AF_UNIX, SOCK_DGRAM, 0), "socket");
	check(connect(fds[0], (struct sockaddr *)&addr, sizeof(addr)), "connect");
}

static const char *ask_outside(void)
{
	return write(fds[0], "heard", 5) == 5 ? "ok" : strerror(errno);
}

/* A listener with a connection that nobody has accepted yet. */
static int listener;

static void make_waiting(void)
{
	struct sockaddr_in addr = {.sin_family = AF_INET,
				   .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
				   .sin_port = htons(7000)};

	listener = check(socket(AF_INET, SOCK_STREAM, 0), "socket");
	check(bind(listener, (struct sockaddr *)&addr, sizeof(addr)), "bind");
	check(listen(listener, 5), "listen");
	fds[0] = check(socket(AF_INET, SOCK_STREAM, 0), "socket");
	check(connect(fds[0], (struct sockaddr *)&addr, sizeof(addr)), "connect");
}

/* It goes on listening. */
static const char *ask_waiting(void)
{
	struct sockaddr_in addr;
	socklen_t len = sizeof(addr);

	check(getsockname(listener, (struct sockaddr *)&addr, &len), "getsockname");
	fds[0] = check(socket(AF_INET, SOCK_STREAM, 0), "socket");
	if (connect(fds[0], (struct sockaddr *)&addr, sizeof(addr)) < 0)
		return strerror(errno);
	return accept(listener, NULL, NULL) < 0 ? strerror(errno) : "ok";
}

/* An open file that has lost its name, and has another. */
static void make_linked(void)
{
	fds[0] = check(open("/tmp/first", O_RDWR | O_CREAT, 0600), "open");
	check(write(fds[0], "kept", 4), "write");
	check(link("/tmp/first", "/tmp/second"), "link");
	check(unlink("/tmp/first"), "unlink");
}

static const char *ask_linked(void)
{
	struct stat ours, named;

	if (fstat(fds[0], &ours) < 0 || stat("/tmp/second", &named) < 0)
		return strerror(errno);
	return ours.st_ino == named.st_ino ? "ok" : "another file";
}

static void make_deleted(void)
{
	fds[0] = check(open("/tmp/deleted", O_RDWR | O_CREAT, 0600), "open");
	/* more than CRIU's own limit of 1 MiB */
	check(ftruncate(fds[0], 3 << 20), "ftruncate");
	check(pwrite(fds[0], "kept", 4, 2 << 20), "pwrite");
	check(unlink("/tmp/deleted"), "unlink");
}

static const char *ask_deleted(void)
{
	char buf[8] = "";

	if (pread(fds[0], buf, 4, 2 << 20) != 4)
		return "cannot read";
	if (access("/tmp/deleted", F_OK) == 0)
		return "it has a name";
	return strcmp(buf, "kept") ? buf : "ok";
}

static void make_lock(void)
{
	struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_len = 10};

	fds[0] = check(open("/tmp/locked", O_RDWR | O_CREAT, 0600), "open");
	check(fcntl(fds[0], F_SETLK, &lock), "lock");
}

/* Another process finds it locked by us. */
static const char *ask_lock(void)
{
	int status;
	pid_t child = fork();

	if (child == 0) {
		struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_len = 1};

		_exit(fcntl(fds[0], F_GETLK, &lock) < 0 || lock.l_type != F_WRLCK);
	}
	waitpid(child, &status, 0);
	return status == 0 ? "ok" : "not locked";
}

/* Much memory, of which nearly nothing changes: MEMORY_SIZE bytes of noise. */
#define MEMORY_SIZE (16U << 20)
static unsigned char *memory;

static unsigned char noise_at(size_t i)
{
	unsigned int x = (unsigned int)i * 2654435761U;

	return (unsigned char)((x >> 24) ^ (x >> 13));
}

static void make_memory(void)
{
	memory =
	    mmap(NULL, MEMORY_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (memory == MAP_FAILED)
		die("mmap");
	for (size_t i = 0; i < MEMORY_SIZE; i++)
		memory[i] = noise_at(i);
}

static const char *ask_memory(void)
{
	for (size_t i = 0; i < MEMORY_SIZE; i++) {
		if (memory[i] != noise_at(i))
			return "it has changed";
	}
	return "ok";
}

/* All of it is written anew, and the same. */
static const char *ask_redone(void)
{
	const char *text = ask_memory();

	for (size_t i = 0; i < MEMORY_SIZE; i++)
		((volatile unsigned char *)memory)[i] = noise_at(i);
	return text;
}

static void make_shared(void)
{
	char *shared =
	    mmap(NULL, 1 << 20, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	if (shared == MAP_FAILED)
		die("mmap");
	if (fork() == 0) {
		for (;;) {
			shared[5000]++;
			usleep(1000);
		}
	}
	*(char *volatile *)&fds = shared;
}

static const char *ask_shared(void)
{
	volatile char *shared = *(char *volatile *)&fds;
	char before = shared[5000];

	for (int i = 0; i < 1000 && shared[5000] == before; i++)
		usleep(1000);
	return shared[5000] != before ? "ok" : "the other process does not count";
}

/* Clocks: none jumps for the time that the image lay there. */
static struct timespec last[2];
static const clockid_t clocks[2] = {CLOCK_MONOTONIC, CLOCK_BOOTTIME};
static double largest_step;

static void tick(void)
{
	for (int i = 0; i < 2; i++) {
		struct timespec now;
		double step;

		clock_gettime(clocks[i], &now);
		step = (double)(now.tv_sec - last[i].tv_sec) +
		       (double)(now.tv_nsec - last[i].tv_nsec) / 1e9;
		if (last[i].tv_sec && (step > largest_step || step < 0))
			largest_step = step < 0 ? 1000 : step;
		last[i] = now;
	}
}

static const char *ask_clock(void)
{
	static char answer[32];

	snprintf(answer, sizeof(answer), "%.3f", largest_step);
	return answer;
}

/* A session and a process group besides the first, with a zombie in it. */
static void make_tree(void)
{
	for (int i = 0; i < 3; i++) {
		if (fork() != 0)
			continue;
		setsid();
		for (int k = 0; k < 2; k++) {
			if (fork() == 0) {
				setpgid(0, 0);
				for (;;)
					pause();
			}
		}
		if (fork() == 0)
			_exit(9);
		for (;;)
			pause();
	}
}

static volatile int thread_counts;

static void *count(void *unused)
{
	for (;;) {
		thread_counts++;
		usleep(1000);
	}
	return unused;
}

static void make_threads(void)
{
	pthread_t thread;

	for (int i = 0; i < 4; i++)
		check(-pthread_create(&thread, NULL, count, NULL), "pthread_create");
}

static const char *ask_threads(void)
{
	int before = thread_counts;

	usleep(50000);
	return thread_counts > before ? "ok" : "they stand still";
}

static volatile sig_atomic_t alarms;

static void on_alarm(int sig)
{
	alarms++;
}

static void make_timers(void)
{
	struct itimerspec every = {
	    {0, 20000000},
            {0, 20000000}
        };

	signal(SIGALRM, on_alarm);
	ualarm(20000, 20000);
	fds[0] = check(timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK), "timerfd");
	check(timerfd_settime(fds[0], 0, &every, NULL), "timerfd_settime");
	fds[1] = check(eventfd(41, 0), "eventfd");
}

static const char *ask_timers(void)
{
	unsigned long long value = 0;
	int before = alarms;

	for (int i = 0; i < 100 && alarms == before; i++)
		usleep(10000);
	if (alarms == before)
		return "no alarm";
	if (read(fds[0], &value, sizeof(value)) != sizeof(value) || value == 0)
		return "the timerfd does not count";
	if (read(fds[1], &value, sizeof(value)) != sizeof(value) || value != 41)
		return "the eventfd has lost its value";
	fds[1] = check(eventfd(41, 0), "eventfd");
	return "ok";
}

static void make_nothing(void)
{
}

static const char *ask_nothing(void)
{
	return "ok";
}

static const struct {
	const char *name;
	void (*make)(void);
	const char *(*ask)(void);
} things[] = {
    {"tcp",     make_tcp,     ask_stream },
    {"unix",    make_unix,    ask_stream },
    {"named",   make_named,   ask_stream },
    {"pipe",    make_pipe,    ask_stream },
    {"outside", make_outside, ask_outside},
    {"waiting", make_waiting, ask_waiting},
    {"linked",  make_linked,  ask_linked },
    {"deleted", make_deleted, ask_deleted},
    {"lock",    make_lock,    ask_lock   },
    {"memory",  make_memory,  ask_memory },
    {"redone",  make_memory,  ask_redone },
    {"shared",  make_shared,  ask_shared },
    {"clock",   make_nothing, ask_clock  },
    {"tree",    make_tree,    ask_nothing},
    {"threads", make_threads, ask_threads},
    {"timers",  make_timers,  ask_timers },
};

static void answer(const char *text)
{
	FILE *file = fopen("/tmp/answer.new", "w");

	if (!file)
		die("answer");
	fputs(text, file);
	fclose(file);
	rename("/tmp/answer.new", "/tmp/answer");
}

static void serve(const char *(*ask)(void))
{
	close(check(open("/tmp/ready", O_WRONLY | O_CREAT, 0600), "ready"));
	for (;;) {
		tick();
		if (unlink("/tmp/ask") == 0)
			answer(ask());
		usleep(10000);
	}
}

int main(int argc, char **argv)
{
	for (size_t i = 0; argc > 1 && i < sizeof(things) / sizeof(things[0]); i++) {
		if (strcmp(things[i].name, argv[1]) != 0)
			continue;
		things[i].make();
		serve(things[i].ask);
	}
	return 2;
}
