/* SPDX-License-Identifier: Apache-2.0 */
#include "base/sys.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <linux/kcmp.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* The kernel's answer: the value, or -errno. */
static long result(long r)
{
	return r < 0 ? -errno : r;
}

long sys_clone3(struct clone_args *args, size_t size)
{
	return result(syscall(SYS_clone3, args, size));
}

/* The child never returns from here: its stack has no caller. */
#if defined(__x86_64__) && !defined(__SANITIZE_ADDRESS__)
static long clone3_shared(struct clone_args *args, void (*child)(void *arg), void *arg)
{
	register void (*fn)(void *) __asm__("r8") = child;
	register void *fn_arg __asm__("r9") = arg;
	long ret;

	__asm__ volatile("syscall\n\t"
			 "test %%rax, %%rax\n\t"
			 "jnz 1f\n\t"
			 "xor %%ebp, %%ebp\n\t"
			 "mov %%r9, %%rdi\n\t"
			 "call *%%r8\n\t"
			 "ud2\n"
			 "1:"
			 : "=a"(ret)
			 : "a"(SYS_clone3), "D"(args), "S"(sizeof(*args)), "r"(fn), "r"(fn_arg)
			 : "rcx", "r11", "memory");
	return ret;
}
#define HAVE_CLONE3_SHARED 1
#elif defined(__aarch64__) && !defined(__SANITIZE_ADDRESS__)
static long clone3_shared(struct clone_args *args, void (*child)(void *arg), void *arg)
{
	register long number __asm__("x8") = SYS_clone3;
	register long ret __asm__("x0") = (long)args;
	register long size __asm__("x1") = sizeof(*args);
	register void (*fn)(void *) __asm__("x9") = child;
	register void *fn_arg __asm__("x10") = arg;

	__asm__ volatile("svc #0\n\t"
			 "cbnz x0, 1f\n\t"
			 "mov x29, #0\n\t"
			 "mov x0, x10\n\t"
			 "blr x9\n\t"
			 "brk #0\n"
			 "1:"
			 : "+r"(ret)
			 : "r"(number), "r"(size), "r"(fn), "r"(fn_arg)
			 : "memory");
	return ret;
}
#define HAVE_CLONE3_SHARED 1
#endif

#ifdef HAVE_CLONE3_SHARED
/** Wait until the kernel has cleared @in_memory, as a child's last use of our memory. Returns 0 or what @stalled said. */
static int await_departure(const uint32_t *in_memory, int (*stalled)(void *ctx), void *ctx)
{
	const struct timespec interval = {.tv_nsec = SYS_STALL_MS * 1000 * 1000};

	while (__atomic_load_n(in_memory, __ATOMIC_ACQUIRE)) {
		int rc = 0;

		if (syscall(SYS_futex, in_memory, FUTEX_WAIT, 1, &interval, NULL, 0) < 0 &&
		    errno == ETIMEDOUT && stalled)
			rc = stalled(ctx);
		if (rc < 0)
			return rc;
	}
	return 0;
}
#endif

long sys_clone3_vfork(struct clone_args *args, void (*child)(void *arg), void *arg, void *stack,
		      size_t size, int (*stalled)(void *ctx), void *ctx)
{
#ifdef HAVE_CLONE3_SHARED
	static uint32_t in_memory; /* one child at a time: the caller waits for it here */
	long pid;
	int rc;

	in_memory = 1;
	args->flags |= CLONE_VM | CLONE_CHILD_CLEARTID;
	args->child_tid = (uintptr_t)&in_memory;
	args->stack = (uintptr_t)stack;
	args->stack_size = size;
	pid = clone3_shared(args, child, arg);
	if (pid < 0)
		return pid;
	rc = await_departure(&in_memory, stalled, ctx);
	if (rc == 0)
		return pid;
	kill((pid_t)pid, SIGKILL);
	while (waitpid((pid_t)pid, NULL, __WALL) < 0 && errno == EINTR)
		;
	return rc;
#else
	long pid = sys_clone3(args, sizeof(*args));

	if (pid == 0)
		child(arg);
	return pid;
#endif
}

int sys_openat2(int dir_fd, const char *path, const struct open_how *how)
{
	return (int)result(syscall(SYS_openat2, dir_fd, path, how, sizeof(*how)));
}

int sys_open_tree(int dir_fd, const char *path, unsigned int flags)
{
	return (int)result(syscall(SYS_open_tree, dir_fd, path, flags));
}

int sys_move_mount(int from_fd, const char *from, int to_fd, const char *to, unsigned int flags)
{
	return (int)result(syscall(SYS_move_mount, from_fd, from, to_fd, to, flags));
}

int sys_fsopen(const char *fs_name, unsigned int flags)
{
	return (int)result(syscall(SYS_fsopen, fs_name, flags));
}

int sys_fsconfig(int fs_fd, unsigned int cmd, const char *key, const void *value, int aux)
{
	return (int)result(syscall(SYS_fsconfig, fs_fd, cmd, key, value, aux));
}

int sys_fsmount(int fs_fd, unsigned int flags, unsigned int attr_flags)
{
	return (int)result(syscall(SYS_fsmount, fs_fd, flags, attr_flags));
}

int sys_mount_setattr(int dir_fd, const char *path, unsigned int flags, struct mount_attr *attr,
		      size_t size)
{
	return (int)result(syscall(SYS_mount_setattr, dir_fd, path, flags, attr, size));
}

int sys_pivot_root(const char *new_root, const char *put_old)
{
	return (int)result(syscall(SYS_pivot_root, new_root, put_old));
}

int sys_close_range(unsigned int first, unsigned int last, unsigned int flags)
{
	return (int)result(syscall(SYS_close_range, first, last, flags));
}

int sys_pidfd_open(pid_t pid, unsigned int flags)
{
	return (int)result(syscall(SYS_pidfd_open, pid, flags));
}

int sys_pidfd_send_signal(int pidfd, int sig, siginfo_t *info, unsigned int flags)
{
	return (int)result(syscall(SYS_pidfd_send_signal, pidfd, sig, info, flags));
}

int sys_pidfd_getfd(int pidfd, int target_fd, unsigned int flags)
{
	return (int)result(syscall(SYS_pidfd_getfd, pidfd, target_fd, flags));
}

int sys_kcmp_file(pid_t pid1, int fd1, pid_t pid2, int fd2)
{
	return (int)result(syscall(SYS_kcmp, pid1, pid2, KCMP_FILE, fd1, fd2));
}

int sys_execveat(int dir_fd, const char *path, char *const argv[], char *const envp[], int flags)
{
	return (int)result(syscall(SYS_execveat, dir_fd, path, argv, envp, flags));
}

int sys_memfd_create(const char *name, unsigned int flags)
{
	return (int)result(syscall(SYS_memfd_create, name, flags));
}

long sys_seccomp(unsigned int operation, unsigned int flags, void *args)
{
	return result(syscall(SYS_seccomp, operation, flags, args));
}

long sys_bpf(int cmd, void *attr, unsigned int size)
{
	return result(syscall(SYS_bpf, cmd, attr, size));
}

long sys_keyctl(int operation, unsigned long a2, unsigned long a3, unsigned long a4,
		unsigned long a5)
{
	return result(syscall(SYS_keyctl, operation, a2, a3, a4, a5));
}

int sys_setgroups(size_t count, const gid_t *list)
{
	return (int)result(syscall(SYS_setgroups, count, list));
}

int sys_setresuid(uid_t r, uid_t e, uid_t s)
{
	return (int)result(syscall(SYS_setresuid, r, e, s));
}

int sys_setresgid(gid_t r, gid_t e, gid_t s)
{
	return (int)result(syscall(SYS_setresgid, r, e, s));
}

int sys_getcwd(char *buf, size_t size)
{
	return (int)result(syscall(SYS_getcwd, buf, size));
}

/** struct statx as the kernel has it; not every C library's header knows the mount's id. */
struct kernel_statx {
	uint32_t mask;
	char before_mount_id[140];
	uint64_t mount_id;
	char rest[104];
};
static_assert(sizeof(struct kernel_statx) == 256, "statx(2)");

#define KERNEL_STATX_MNT_ID        0x1000U
#define KERNEL_STATX_MNT_ID_UNIQUE 0x4000U

int sys_mount_id(int fd, uint64_t *ret_id)
{
	struct kernel_statx st = {.mask = 0};

	if (syscall(SYS_statx, fd, "", AT_EMPTY_PATH,
		    KERNEL_STATX_MNT_ID | KERNEL_STATX_MNT_ID_UNIQUE, &st) < 0)
		return -errno;
	if (!(st.mask & (KERNEL_STATX_MNT_ID | KERNEL_STATX_MNT_ID_UNIQUE)))
		return -EOPNOTSUPP;
	*ret_id = st.mount_id;
	return 0;
}
