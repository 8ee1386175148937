/* SPDX-License-Identifier: Apache-2.0 */
/* Print the serial number of the session keyring: keyctl(KEYCTL_GET_KEYRING_ID). */
#include <linux/keyctl.h>
#include <stdio.h>
#include <sys/syscall.h>
#include <unistd.h>

int main(void)
{
	printf("%lx\n", syscall(SYS_keyctl, KEYCTL_GET_KEYRING_ID, KEY_SPEC_SESSION_KEYRING, 0));
	return 0;
}
