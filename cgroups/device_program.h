/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Device rules as an eBPF program (BPF_PROG_TYPE_CGROUP_DEVICE). Rules are applied in order and the
 * last match wins (config-linux.md#allowed-device-list); rules that the container cannot do without
 * (null, zero, ptmx, pts...) come after them.
 */
#pragma once

#include <stddef.h>

#include "base/arena.h"
#include "base/error.h"
#include "oci-spec/problems.h"
#include "oci-spec/types.h"

struct bpf_insn;

/**
 * Translate @rules into a program, as few instructions as the rules allow. Each access bit that is
 * asked for is judged by the last rule that matches type, major, minor and that bit; no match is a
 * refusal; a request passes when all its bits do. Rule type 'a' is both kinds of devices.
 *
 * Without a rule only what is always allowed passes, as in runc. No program (*@ret_insns NULL) when
 * the rules allow everything. Pure. Returns 0, or -errno with a text that starts with the rule's
 * index ("[2].major: ...").
 */
int device_program_build(const struct oci_device_rule *rules, size_t n_rules, struct arena *arena,
			 struct bpf_insn **ret_insns, size_t *ret_count, struct wh_error *err);

/**
 * device_program_build() for the rules of @resources; malformed ones are problems, by their place.
 * Returns 0 or -ENOMEM.
 */
int device_program_plan(const struct oci_resources *resources, struct arena *arena,
			struct problems *problems, const struct bpf_insn **ret_insns,
			size_t *ret_count);

/**
 * Load and attach to the new cgroup @dir_fd beside what its parents demand (BPF_F_ALLOW_MULTI).
 * @insns NULL: nothing is done.
 *
 * A caller that is not root in the initial user namespace may not load such programs at all. It
 * cannot make device nodes either, so the rules have nothing to guard that the host does not guard:
 * the refusal is ignored then (as runc and crun do) and logged. Returns 0 or -errno.
 */
int device_program_attach(const struct bpf_insn *insns, size_t count, int dir_fd,
			  struct wh_error *err);
/**
 * The same for a cgroup that existed: a program that wherry left there is replaced in one step
 * (BPF_F_REPLACE), or detached when @insns is NULL. Programs of others (systemd's) stay, and both
 * must allow. Also for `update`. Returns 0 or -errno.
 */
int device_program_replace(const struct bpf_insn *insns, size_t count, int dir_fd,
			   struct wh_error *err);
