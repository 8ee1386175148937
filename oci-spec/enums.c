/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The names of config-linux.md and config.md, with the kernel's numbers. Constants that are younger
 * than the oldest headers wherry builds with (Debian 12, Linux 6.1) are written out.
 */
#include "oci-spec/enums.h"

#include <assert.h>
#include <linux/capability.h>
#include <linux/ioprio.h>
#include <linux/mempolicy.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <sys/personality.h>
#include <sys/resource.h>
#include <time.h>

#include "base/str.h"
#include "base/sys.h"
#include "oci-spec/state.h"
#include "oci-spec/types.h"

/* reserved by the kernel, known to one C library only */
#ifndef SCHED_ISO
#define SCHED_ISO 4
#endif

#define WEIGHTED_INTERLEAVE 6          /* MPOL_WEIGHTED_INTERLEAVE, Linux 6.9 */
#define WAIT_KILLABLE_RECV  (1UL << 5) /* SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV, Linux 5.19 */

static const struct name_value namespace_types[] = {
    {"cgroup",  CLONE_NEWCGROUP},
    {"ipc",     CLONE_NEWIPC   },
    {"mount",   CLONE_NEWNS    },
    {"network", CLONE_NEWNET   },
    {"pid",     CLONE_NEWPID   },
    {"time",    CLONE_NEWTIME  },
    {"user",    CLONE_NEWUSER  },
    {"uts",     CLONE_NEWUTS   },
};
const struct name_table oci_namespace_types = NAME_TABLE(namespace_types);

static const struct name_value capability_names[] = {
    {"CAP_CHOWN",              CAP_CHOWN             },
    {"CAP_DAC_OVERRIDE",       CAP_DAC_OVERRIDE      },
    {"CAP_DAC_READ_SEARCH",    CAP_DAC_READ_SEARCH   },
    {"CAP_FOWNER",             CAP_FOWNER            },
    {"CAP_FSETID",             CAP_FSETID            },
    {"CAP_KILL",               CAP_KILL              },
    {"CAP_SETGID",             CAP_SETGID            },
    {"CAP_SETUID",             CAP_SETUID            },
    {"CAP_SETPCAP",            CAP_SETPCAP           },
    {"CAP_LINUX_IMMUTABLE",    CAP_LINUX_IMMUTABLE   },
    {"CAP_NET_BIND_SERVICE",   CAP_NET_BIND_SERVICE  },
    {"CAP_NET_BROADCAST",      CAP_NET_BROADCAST     },
    {"CAP_NET_ADMIN",          CAP_NET_ADMIN         },
    {"CAP_NET_RAW",            CAP_NET_RAW           },
    {"CAP_IPC_LOCK",           CAP_IPC_LOCK          },
    {"CAP_IPC_OWNER",          CAP_IPC_OWNER         },
    {"CAP_SYS_MODULE",         CAP_SYS_MODULE        },
    {"CAP_SYS_RAWIO",          CAP_SYS_RAWIO         },
    {"CAP_SYS_CHROOT",         CAP_SYS_CHROOT        },
    {"CAP_SYS_PTRACE",         CAP_SYS_PTRACE        },
    {"CAP_SYS_PACCT",          CAP_SYS_PACCT         },
    {"CAP_SYS_ADMIN",          CAP_SYS_ADMIN         },
    {"CAP_SYS_BOOT",           CAP_SYS_BOOT          },
    {"CAP_SYS_NICE",           CAP_SYS_NICE          },
    {"CAP_SYS_RESOURCE",       CAP_SYS_RESOURCE      },
    {"CAP_SYS_TIME",           CAP_SYS_TIME          },
    {"CAP_SYS_TTY_CONFIG",     CAP_SYS_TTY_CONFIG    },
    {"CAP_MKNOD",              CAP_MKNOD             },
    {"CAP_LEASE",              CAP_LEASE             },
    {"CAP_AUDIT_WRITE",        CAP_AUDIT_WRITE       },
    {"CAP_AUDIT_CONTROL",      CAP_AUDIT_CONTROL     },
    {"CAP_SETFCAP",            CAP_SETFCAP           },
    {"CAP_MAC_OVERRIDE",       CAP_MAC_OVERRIDE      },
    {"CAP_MAC_ADMIN",          CAP_MAC_ADMIN         },
    {"CAP_SYSLOG",             CAP_SYSLOG            },
    {"CAP_WAKE_ALARM",         CAP_WAKE_ALARM        },
    {"CAP_BLOCK_SUSPEND",      CAP_BLOCK_SUSPEND     },
    {"CAP_AUDIT_READ",         CAP_AUDIT_READ        },
    {"CAP_PERFMON",            CAP_PERFMON           },
    {"CAP_BPF",		CAP_BPF               },
    {"CAP_CHECKPOINT_RESTORE", CAP_CHECKPOINT_RESTORE},
};
static_assert(ARRAY_LEN(capability_names) == CAP_CHECKPOINT_RESTORE + 1, "one row a capability");
const struct name_table oci_capability_names = NAME_TABLE(capability_names);

static const struct name_value rlimit_types[] = {
    {"RLIMIT_AS",         RLIMIT_AS        },
    {"RLIMIT_CORE",       RLIMIT_CORE      },
    {"RLIMIT_CPU",        RLIMIT_CPU       },
    {"RLIMIT_DATA",       RLIMIT_DATA      },
    {"RLIMIT_FSIZE",      RLIMIT_FSIZE     },
    {"RLIMIT_LOCKS",      RLIMIT_LOCKS     },
    {"RLIMIT_MEMLOCK",    RLIMIT_MEMLOCK   },
    {"RLIMIT_MSGQUEUE",   RLIMIT_MSGQUEUE  },
    {"RLIMIT_NICE",       RLIMIT_NICE      },
    {"RLIMIT_NOFILE",     RLIMIT_NOFILE    },
    {"RLIMIT_NPROC",      RLIMIT_NPROC     },
    {"RLIMIT_RSS",        RLIMIT_RSS       },
    {"RLIMIT_RTPRIO",     RLIMIT_RTPRIO    },
    {"RLIMIT_RTTIME",     RLIMIT_RTTIME    },
    {"RLIMIT_SIGPENDING", RLIMIT_SIGPENDING},
    {"RLIMIT_STACK",      RLIMIT_STACK     },
};
static_assert(ARRAY_LEN(rlimit_types) == RLIM_NLIMITS, "one row a limit");
const struct name_table oci_rlimit_types = NAME_TABLE(rlimit_types);

static const struct name_value scheduler_policies[] = {
    {"SCHED_OTHER",    SCHED_OTHER   },
    {"SCHED_FIFO",     SCHED_FIFO    },
    {"SCHED_RR",       SCHED_RR      },
    {"SCHED_BATCH",    SCHED_BATCH   },
    {"SCHED_ISO",      SCHED_ISO     },
    {"SCHED_IDLE",     SCHED_IDLE    },
    {"SCHED_DEADLINE", SCHED_DEADLINE},
};
const struct name_table oci_scheduler_policies = NAME_TABLE(scheduler_policies);

static const struct name_value scheduler_flags[] = {
    {"SCHED_FLAG_RESET_ON_FORK",  SCHED_FLAG_RESET_ON_FORK },
    {"SCHED_FLAG_RECLAIM",        SCHED_FLAG_RECLAIM       },
    {"SCHED_FLAG_DL_OVERRUN",     SCHED_FLAG_DL_OVERRUN    },
    {"SCHED_FLAG_KEEP_POLICY",    SCHED_FLAG_KEEP_POLICY   },
    {"SCHED_FLAG_KEEP_PARAMS",    SCHED_FLAG_KEEP_PARAMS   },
    {"SCHED_FLAG_UTIL_CLAMP_MIN", SCHED_FLAG_UTIL_CLAMP_MIN},
    {"SCHED_FLAG_UTIL_CLAMP_MAX", SCHED_FLAG_UTIL_CLAMP_MAX},
};
const struct name_table oci_scheduler_flags = NAME_TABLE(scheduler_flags);

static const struct name_value io_priority_classes[] = {
    {"IOPRIO_CLASS_RT",   IOPRIO_CLASS_RT  },
    {"IOPRIO_CLASS_BE",   IOPRIO_CLASS_BE  },
    {"IOPRIO_CLASS_IDLE", IOPRIO_CLASS_IDLE},
};
const struct name_table oci_io_priority_classes = NAME_TABLE(io_priority_classes);

static const struct name_value seccomp_actions[] = {
    {"SCMP_ACT_KILL",         OCI_SECCOMP_KILL        },
    {"SCMP_ACT_KILL_PROCESS", OCI_SECCOMP_KILL_PROCESS},
    {"SCMP_ACT_KILL_THREAD",  OCI_SECCOMP_KILL_THREAD },
    {"SCMP_ACT_TRAP",         OCI_SECCOMP_TRAP        },
    {"SCMP_ACT_ERRNO",        OCI_SECCOMP_ERRNO       },
    {"SCMP_ACT_TRACE",        OCI_SECCOMP_TRACE       },
    {"SCMP_ACT_ALLOW",        OCI_SECCOMP_ALLOW       },
    {"SCMP_ACT_LOG",          OCI_SECCOMP_LOG         },
    {"SCMP_ACT_NOTIFY",       OCI_SECCOMP_NOTIFY      },
};
const struct name_table oci_seccomp_actions = NAME_TABLE(seccomp_actions);

static const struct name_value seccomp_operators[] = {
    {"SCMP_CMP_NE",        OCI_SECCOMP_NE       },
    {"SCMP_CMP_LT",        OCI_SECCOMP_LT       },
    {"SCMP_CMP_LE",        OCI_SECCOMP_LE       },
    {"SCMP_CMP_EQ",        OCI_SECCOMP_EQ       },
    {"SCMP_CMP_GE",        OCI_SECCOMP_GE       },
    {"SCMP_CMP_GT",        OCI_SECCOMP_GT       },
    {"SCMP_CMP_MASKED_EQ", OCI_SECCOMP_MASKED_EQ},
};
const struct name_table oci_seccomp_operators = NAME_TABLE(seccomp_operators);

static const struct name_value seccomp_architectures[] = {
    {"SCMP_ARCH_X86",         0 },
    {"SCMP_ARCH_X86_64",      1 },
    {"SCMP_ARCH_X32",         2 },
    {"SCMP_ARCH_ARM",         3 },
    {"SCMP_ARCH_AARCH64",     4 },
    {"SCMP_ARCH_MIPS",        5 },
    {"SCMP_ARCH_MIPS64",      6 },
    {"SCMP_ARCH_MIPS64N32",   7 },
    {"SCMP_ARCH_MIPSEL",      8 },
    {"SCMP_ARCH_MIPSEL64",    9 },
    {"SCMP_ARCH_MIPSEL64N32", 10},
    {"SCMP_ARCH_PPC",         11},
    {"SCMP_ARCH_PPC64",       12},
    {"SCMP_ARCH_PPC64LE",     13},
    {"SCMP_ARCH_S390",        14},
    {"SCMP_ARCH_S390X",       15},
    {"SCMP_ARCH_PARISC",      16},
    {"SCMP_ARCH_PARISC64",    17},
    {"SCMP_ARCH_RISCV64",     18},
    {"SCMP_ARCH_LOONGARCH64", 19},
    {"SCMP_ARCH_M68K",        20},
    {"SCMP_ARCH_SH",          21},
    {"SCMP_ARCH_SHEB",        22},
};
const struct name_table oci_seccomp_architectures = NAME_TABLE(seccomp_architectures);

static const struct name_value seccomp_flags[] = {
    {"SECCOMP_FILTER_FLAG_TSYNC",              SECCOMP_FILTER_FLAG_TSYNC     },
    {"SECCOMP_FILTER_FLAG_LOG",                SECCOMP_FILTER_FLAG_LOG       },
    {"SECCOMP_FILTER_FLAG_SPEC_ALLOW",         SECCOMP_FILTER_FLAG_SPEC_ALLOW},
    {"SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV", WAIT_KILLABLE_RECV            },
};
const struct name_table oci_seccomp_flags = NAME_TABLE(seccomp_flags);

static const struct name_value memory_policy_modes[] = {
    {"MPOL_DEFAULT",             MPOL_DEFAULT       },
    {"MPOL_BIND",                MPOL_BIND          },
    {"MPOL_INTERLEAVE",          MPOL_INTERLEAVE    },
    {"MPOL_WEIGHTED_INTERLEAVE", WEIGHTED_INTERLEAVE},
    {"MPOL_PREFERRED",           MPOL_PREFERRED     },
    {"MPOL_PREFERRED_MANY",      MPOL_PREFERRED_MANY},
    {"MPOL_LOCAL",               MPOL_LOCAL         },
};
const struct name_table oci_memory_policy_modes = NAME_TABLE(memory_policy_modes);

static const struct name_value memory_policy_flags[] = {
    {"MPOL_F_NUMA_BALANCING", MPOL_F_NUMA_BALANCING},
    {"MPOL_F_RELATIVE_NODES", MPOL_F_RELATIVE_NODES},
    {"MPOL_F_STATIC_NODES",   MPOL_F_STATIC_NODES  },
};
const struct name_table oci_memory_policy_flags = NAME_TABLE(memory_policy_flags);

static const struct name_value personality_domains[] = {
    {"LINUX",   PER_LINUX  },
    {"LINUX32", PER_LINUX32},
};
const struct name_table oci_personality_domains = NAME_TABLE(personality_domains);

/* The spec has the four plain ones; runc and crun take the recursive ones too. */
static const struct name_value propagations[] = {
    {"shared",      OCI_PROPAGATION_SHARED     },
    {"slave",       OCI_PROPAGATION_SLAVE      },
    {"private",     OCI_PROPAGATION_PRIVATE    },
    {"unbindable",  OCI_PROPAGATION_UNBINDABLE },
    {"rshared",     OCI_PROPAGATION_RSHARED    },
    {"rslave",      OCI_PROPAGATION_RSLAVE     },
    {"rprivate",    OCI_PROPAGATION_RPRIVATE   },
    {"runbindable", OCI_PROPAGATION_RUNBINDABLE},
};
const struct name_table oci_propagations = NAME_TABLE(propagations);

static const struct name_value statuses[] = {
    {"creating", OCI_STATUS_CREATING},
    {"created",  OCI_STATUS_CREATED },
    {"running",  OCI_STATUS_RUNNING },
    {"stopped",  OCI_STATUS_STOPPED },
    {"paused",   OCI_STATUS_PAUSED  },
    {"unknown",  OCI_STATUS_UNKNOWN },
};
const struct name_table oci_statuses = NAME_TABLE(statuses);

static const struct name_value time_clocks[] = {
    {"monotonic", CLOCK_MONOTONIC},
    {"boottime",  CLOCK_BOOTTIME },
};
const struct name_table oci_time_clocks = NAME_TABLE(time_clocks);
