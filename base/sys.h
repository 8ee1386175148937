/* SPDX-License-Identifier: Apache-2.0 */
/*
 * System calls that one of the two C libraries has no wrapper for. Each returns what the kernel
 * does: >= 0, or -errno (never -1 with errno).
 */
#pragma once

#include <linux/openat2.h>
#include <linux/sched.h>
#include <sched.h>
#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/types.h>

/* After <sys/mount.h>: glibc 2.36 and newer include it there and guard the names that both define;
 * musl does not. */
#include <linux/mount.h>

#ifndef CLONE_NEWTIME
#define CLONE_NEWTIME 0x00000080
#endif
#ifndef CLONE_INTO_CGROUP
#define CLONE_INTO_CGROUP 0x200000000ULL
#endif
#ifndef CLONE_NEWCGROUP
#define CLONE_NEWCGROUP 0x02000000
#endif
#ifndef MOUNT_ATTR_NOSYMFOLLOW
#define MOUNT_ATTR_NOSYMFOLLOW 0x00200000
#endif
#ifndef OPEN_TREE_CLOEXEC
#define OPEN_TREE_CLOEXEC 02000000
#endif
#ifndef AT_RECURSIVE
#define AT_RECURSIVE 0x8000
#endif

/** clone3(2) that copies memory, as fork does. Returns the child's pid, 0 in the child, or -errno.
 */
long sys_clone3(struct clone_args *args, size_t size);
/** How often sys_clone3_vfork() asks whether to go on waiting, in milliseconds. */
#define SYS_STALL_MS 100
/**
 * clone3(2) with CLONE_VM, as vfork does: @child runs on @stack in the caller's memory, and the caller
 * goes on once it has executed a program or ended. Copying even a small process costs more than all else
 * between here and there. Not for CLONE_NEWUSER, whose maps the waiting caller could not write, nor for
 * CLONE_NEWTIME, which a shared memory does not enter.
 *
 * The caller of CLONE_VFORK sleeps where nothing but SIGKILL wakes it, and a child born in a frozen cgroup
 * executes nothing. So the wait is for what the kernel does to the child's memory when it leaves that
 * (CLONE_CHILD_CLEARTID), and every SYS_STALL_MS @stalled is asked: an answer below 0 ends the child, and is
 * returned. @stalled shares its memory with the child: it looks, and changes nothing the child might see.
 *
 * @args: without a stack; filled in here. @stack: @size bytes, aligned to 16. @stalled may be NULL.
 * Where there is no assembly for it (and under the address sanitizer) memory is copied instead.
 * Returns the child's pid, or -errno.
 */
long sys_clone3_vfork(struct clone_args *args, void (*child)(void *arg), void *arg, void *stack,
		      size_t size, int (*stalled)(void *ctx), void *ctx);
int sys_openat2(int dir_fd, const char *path, const struct open_how *how);
int sys_open_tree(int dir_fd, const char *path, unsigned int flags);
int sys_move_mount(int from_fd, const char *from, int to_fd, const char *to, unsigned int flags);
int sys_fsopen(const char *fs_name, unsigned int flags);
int sys_fsconfig(int fs_fd, unsigned int cmd, const char *key, const void *value, int aux);
int sys_fsmount(int fs_fd, unsigned int flags, unsigned int attr_flags);
int sys_mount_setattr(int dir_fd, const char *path, unsigned int flags, struct mount_attr *attr,
		      size_t size);
int sys_pivot_root(const char *new_root, const char *put_old);
int sys_close_range(unsigned int first, unsigned int last, unsigned int flags);
int sys_pidfd_open(pid_t pid, unsigned int flags);
int sys_pidfd_send_signal(int pidfd, int sig, siginfo_t *info, unsigned int flags);
int sys_pidfd_getfd(int pidfd, int target_fd, unsigned int flags);
/** Compare two open files, of two processes, as KCMP_FILE: 0 when they are the same one, else another number. */
int sys_kcmp_file(pid_t pid1, int fd1, pid_t pid2, int fd2);
int sys_execveat(int dir_fd, const char *path, char *const argv[], char *const envp[], int flags);
int sys_memfd_create(const char *name, unsigned int flags);
long sys_seccomp(unsigned int operation, unsigned int flags, void *args);
long sys_bpf(int cmd, void *attr, unsigned int size);
long sys_keyctl(int operation, unsigned long a2, unsigned long a3, unsigned long a4,
		unsigned long a5);
/** The raw setres*id, setgroups: per thread, which is the process here. */
int sys_setgroups(size_t count, const gid_t *list);
int sys_setresuid(uid_t r, uid_t e, uid_t s);
int sys_setresgid(gid_t r, gid_t e, gid_t s);
/**
 * The id of the mount that @fd is on, as statx(2) tells it: one that is never used again, from Linux
 * 6.8 on. Returns 0 or -errno.
 */
int sys_mount_id(int fd, uint64_t *ret_id);
/** getcwd(2) as the kernel answers it: "(unreachable)..." included. Returns the length with its
 * NUL, or -errno. */
int sys_getcwd(char *buf, size_t size);
