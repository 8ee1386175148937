/* SPDX-License-Identifier: Apache-2.0 */
/* The init image, carried inside of wherry and executed from a sealed memfd. */
#include <errno.h>
#include <fcntl.h>
#include <linux/memfd.h>
#include <stddef.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "base/fd.h"
#include "base/sys.h"
#include "libcontainer/spawn.h"

#ifndef MFD_EXEC
#define MFD_EXEC 0x0010U
#endif
#ifndef F_SEAL_EXEC
#define F_SEAL_EXEC 0x0020
#endif

/* The bytes of the program that libcontainer/meson.build links as `init-image`. */
__asm__(".section .rodata\n"
	".balign 64\n"
	"init_image_start:\n"
	".incbin \"" INIT_IMAGE_PATH "\"\n"
	"init_image_end:\n"
	".balign 4\n"
	".text\n");
extern const char init_image_start[] __attribute__((visibility("hidden")));
extern const char init_image_end[] __attribute__((visibility("hidden")));

int init_image_open(struct wh_error *err)
{
	auto_fd fd = sys_memfd_create("wherry-init", MFD_CLOEXEC | MFD_ALLOW_SEALING | MFD_EXEC);
	int rc;

	if (fd ==
	    -EINVAL) /* before Linux 6.3 there is no MFD_EXEC, and every memfd can be executed */
		fd = sys_memfd_create("wherry-init", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (fd == -EACCES)
		return wh_fail(err, EACCES,
			       "make an executable memfd for init: the host forbids it (sysctl "
			       "vm.memfd_noexec is 2)");
	if (fd < 0)
		return wh_fail(err, -fd, "make a memfd for init");
	rc = fd_write_all(fd, init_image_start, (size_t)(init_image_end - init_image_start));
	if (rc < 0)
		return wh_fail(err, -rc, "write init to its memfd");
	/*
	 * Executable and not readable: a process executed from it inside a user namespace belongs to
	 * the namespace that owns the file, so that nobody in there can trace it (would_dump() in the
	 * kernel's fs/exec.c).
	 */
	if (fchmod(fd, 0111) < 0)
		return wh_fail(err, errno, "change the mode of init's memfd");
	if (fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_GROW | F_SEAL_SHRINK | F_SEAL_SEAL) < 0)
		return wh_fail(err, errno, "seal init's memfd");
	return fd_take(&fd);
}
