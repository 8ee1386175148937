/* SPDX-License-Identifier: Apache-2.0 */
#include "base/sys.h"

#include <errno.h>
#include <sys/syscall.h>
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
