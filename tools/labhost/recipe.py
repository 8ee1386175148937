# SPDX-License-Identifier: Apache-2.0
"""What is in the lab: the tree that QEMU runs from, and the guest's tree and image. Everything here counts for the cache's key: a
change of this file or of trees.py makes the next call build anew (about three minutes)."""
from typing import NamedTuple

SIZE = "4G"


class Release(NamedTuple):
    """What is another in each of Debian's suites that a guest can be made of."""
    name: str
    kernel: tuple  # the packages that hold the kernel and its modules, without the version that ends their names
    vmlinuz: str  # where in them the kernel is
    packages: str = ""  # besides GUEST_PACKAGES


RELEASES = {
    "trixie": Release("Debian 13", ("linux-image-",), "boot/vmlinuz-{version}",
                      # the policy that systemd gives to a kernel with SELinux; sid's fails to install (2:2.20261022-1, November 2026)
                      "selinux-policy-default policycoreutils selinux-utils"),
    "sid": Release("Debian sid", ("linux-base-", "linux-binary-", "linux-modules-"), "usr/lib/modules/{version}/vmlinuz"),
}
DEFAULT = "trixie"

# The tree that QEMU runs from, for every guest: Debian 12's breaks the guest's kernel (its cmpxchg16b corrupts flags under
# emulation), and sid's is another one every week.
HOST_SUITE = "trixie"
HOST_PACKAGES = ["qemu-system-x86", "e2fsprogs", "libyajl2", "libseccomp2", "libmount1"]

# Packages of the guest, of whatever suite. The kernel is unpacked, not installed: its initramfs is ours.
# Not the cloud kernel: that one has no RDMA device in software (rdma_rxe).
KERNEL = "linux-image-amd64"
INITRAMFS_MODULES = ["virtio_blk", "ext4"]
GUEST_PACKAGES = {
    "system": """systemd systemd-sysv libpam-systemd dbus dbus-user-session udev kmod login procps psmisc util-linux less
        iproute2 iputils-ping jq strace uidmap openssh-server openssh-client rsync socat acl attr apparmor""",
    "wherry's libraries": "libseccomp2 libyajl2 libmount1 libcap2 libsystemd0 libprotobuf-c1",
    "tests": "python3 python3-pytest python3-grpcio python3-protobuf python3-websocket busybox-static redis-server",
    "peers": "runc crun criu",
    "engines": """docker.io docker-cli docker-buildx containerd podman conmon buildah catatonit netavark aardvark-dns nftables iptables
        slirp4netns passt fuse-overlayfs containernetworking-plugins""",
}

# What a lab that lives for a minute does not need, and what would take the console from the tests. Services of the engines
# are there and not started: a suite starts what it is about.
MASKED = """
    serial-getty@ttyS0.service getty@tty1.service getty-static.service console-getty.service
    apt-daily.timer apt-daily-upgrade.timer dpkg-db-backup.timer e2scrub_all.timer fstrim.timer man-db.timer
    e2scrub_reap.service systemd-timesyncd.service systemd-hwdb-update.service ldconfig.service
    systemd-journal-flush.service systemd-journal-catalog-update.service systemd-random-seed.service
    systemd-update-utmp.service systemd-update-done.service systemd-pcrphase.service systemd-boot-random-seed.service
    systemd-udev-settle.service systemd-firstboot.service systemd-binfmt.service proc-sys-fs-binfmt_misc.automount
    modprobe@drm.service modprobe@efi_pstore.service modprobe@configfs.service sys-kernel-config.mount
    sys-kernel-debug.mount sys-kernel-tracing.mount systemd-pstore.service netavark-dhcp-proxy.service
    systemd-udev-load-credentials.service systemd-tmpfiles-setup-dev-early.service
""".split()
DISABLED = """
    docker.service docker.socket containerd.service podman.service podman.socket podman-auto-update.timer
    podman-auto-update.service podman-restart.service podman-clean-transient.service redis-server.service ssh.service
    ssh.socket netavark-dhcp-proxy.socket netavark-firewalld-reload.service networking.service nftables.service
    rsync.service passt.service apparmor.service
""".split()

# Drivers of what a machine of QEMU's has and no test looks at: udev would load them, which takes seconds when emulated.
UNLOADED = """
    ata_generic ata_piix button ccp crc32_pclmul crct10dif_pclmul evdev floppy ghash_clmulni_intel aesni_intel i2c_piix4 kvm_amd kvm_intel
    pcspkr psmouse qemu_fw_cfg serio_raw sha1_ssse3 sha256_ssse3 sha512_ssse3
""".split()

# Not worth their room in the image.
REMOVED = ["usr/share/doc", "usr/share/man", "usr/share/locale", "usr/share/info", "var/cache/apt", "var/lib/apt/lists",
           "usr/lib/udev/hwdb.bin", "etc/udev/hwdb.bin"]

# An ordinary user, with the ids for a user namespace.
USER = "lab"

# The kernel's way from the disk to the tests: the job is on a second disk, the results go to a third. What the tests print
# goes to a port, since a serial line costs an exit of the virtual machine for each character.
UNIT = """[Unit]
Description=The tests that this machine was started for
After=multi-user.target
Wants=dbus.socket

[Service]
Type=exec
ExecStart=/bin/sh -c 'mkdir -p /lab && tar -C /lab -xf /dev/vdb && exec /usr/bin/python3 -B /lab/tree/tests/lab/guest/main.py'
StandardOutput=file:/dev/vport0p1
StandardError=inherit
Delegate=yes
TasksMax=infinity
LimitNOFILE=1048576
TimeoutStopSec=5

[Install]
WantedBy=multi-user.target
"""

FILES = {
    "etc/hostname": "lab\n",
    "etc/hosts": "127.0.0.1 localhost lab\n10.77.0.1 lab1\n10.77.0.2 lab2\n",
    "etc/fstab": "",
    "etc/machine-id": "1ab01ab01ab01ab01ab01ab01ab01ab0\n",
    "etc/systemd/journald.conf.d/lab.conf": "[Journal]\nStorage=volatile\nRateLimitBurst=0\n",
    "etc/systemd/system.conf.d/lab.conf": "[Manager]\nDefaultTimeoutStopSec=10s\n",
    "etc/ssh/sshd_config.d/lab.conf": "PermitRootLogin yes\nUseDNS no\n",
    "etc/ssh/ssh_config.d/lab.conf": "Host *\n\tStrictHostKeyChecking no\n\tUserKnownHostsFile /dev/null\n\tLogLevel ERROR\n",
    "etc/systemd/system/lab.service": UNIT,
    "etc/modprobe.d/lab.conf": "".join(f"blacklist {name}\n" for name in UNLOADED),
}

INIT = """#!/bin/busybox sh
b=/bin/busybox
$b mount -t devtmpfs dev /dev
$b mount -t proc proc /proc
if $b grep -q lab.probe /proc/cmdline; then
	echo lab: the kernel runs
	$b poweroff -f
fi
for module in /modules/*; do $b insmod $module; done
while [ ! -b /dev/vda ]; do $b usleep 10000; done
$b mount -t ext4 -o noatime /dev/vda /root || echo "lab: cannot mount the image"
$b umount /proc
$b mount --move /dev /root/dev
exec $b switch_root /root /lib/systemd/systemd
"""
