/* SPDX-License-Identifier: Apache-2.0 */
#include "document.h"

#define SECCOMP(members) "\"seccomp\":{\"defaultAction\":\"SCMP_ACT_ALLOW\"," members "}"
#define MAP              "[{\"containerID\":0,\"hostID\":1000,\"size\":1}]"
#define USER             "\"namespaces\":[{\"type\":\"user\"}]"

static void test_cases(void **state)
{
	/* namespaces */
	expect_linux("\"namespaces\":[{\"type\":\"pid\"},{\"type\":\"mount\"}]", "");
	expect_linux("\"namespaces\":[{\"type\":\"pid\"},{\"type\":\"mount\"},{\"type\":\"pid\","
		     "\"path\":\"/x\"}]",
		     "linux.namespaces[2].type: 'pid' is listed already, as namespaces[0]");
	/* the user namespace and its mappings */
	expect_linux(USER ",\"uidMappings\":" MAP ",\"gidMappings\":" MAP, "");
	expect_linux(USER, "linux.uidMappings: missing, but the new user namespace needs it");
	expect_linux(USER ",\"uidMappings\":" MAP,
		     "linux.gidMappings: missing, but the new user namespace needs it");
	expect_linux(USER ",\"gidMappings\":" MAP ",\"uidMappings\":[]",
		     "linux.uidMappings: missing, but the new user namespace needs it");
	expect_linux("\"namespaces\":[{\"type\":\"user\",\"path\":\"/proc/1/ns/user\"}]", "");
	expect_linux("\"uidMappings\":" MAP,
		     "linux.uidMappings: needs a user namespace in linux.namespaces");
	expect_linux("\"namespaces\":[],\"gidMappings\":" MAP,
		     "linux.gidMappings: needs a user namespace in linux.namespaces");
	expect_linux("\"uidMappings\":[],\"gidMappings\":[]", "");
	/* A list that is broken says nothing about what is in it. */
	expect_linux("\"namespaces\":[{\"type\":\"usr\"}],\"uidMappings\":" MAP,
		     "linux.namespaces[0].type: unknown namespace type 'usr', expected one of "
		     "cgroup, ipc, mount, network, pid, time, user, uts");
	/* what needs a namespace of its own */
	expect_linux("\"timeOffsets\":{\"boottime\":{\"secs\":1}}",
		     "linux.timeOffsets: needs a time namespace in linux.namespaces");
	expect_linux(
	    "\"namespaces\":[{\"type\":\"time\"}],\"timeOffsets\":{\"boottime\":{\"secs\":1}}", "");
	expect_linux("\"timeOffsets\":{}", "");
	expect_linux("\"netDevices\":{\"eth0\":{}}",
		     "linux.netDevices: needs a network namespace in linux.namespaces");
	expect_linux(
	    "\"namespaces\":[{\"type\":\"network\"}],\"netDevices\":{\"eth0\":{\"name\":\"in%d\"}}",
	    "");
	/* devices */
	expect_linux("\"devices\":[{\"path\":\"/dev/x\",\"type\":\"p\"}]", "");
	expect_linux("\"devices\":[{\"path\":\"/dev/"
		     "x\",\"type\":\"c\",\"major\":1,\"minor\":3},{\"path\":\"/dev/"
		     "x\",\"type\":\"c\",\"major\":1,\"minor\":3}]",
		     "");
	expect_linux("\"devices\":[{\"path\":\"/dev/x\",\"type\":\"b\",\"minor\":3}]",
		     "linux.devices[0].major: missing required property");
	expect_linux("\"devices\":[{\"path\":\"/dev/x\",\"type\":\"u\",\"major\":3}]",
		     "linux.devices[0].minor: missing required property");
	/* personality, memory policy */
	expect_linux("\"personality\":{\"domain\":\"LINUX\",\"flags\":[]}", "");
	expect_linux(
	    "\"personality\":{\"domain\":\"LINUX\",\"flags\":[\"X\"]}",
	    "linux.personality.flags: no flags are supported (config-linux.md#personality)");
	expect_linux("\"memoryPolicy\":{\"mode\":\"MPOL_BIND\",\"nodes\":\"0\"}", "");
	expect_linux("\"memoryPolicy\":{\"mode\":\"MPOL_PREFERRED\"}", "");
	expect_linux("\"memoryPolicy\":{\"mode\":\"MPOL_LOCAL\",\"nodes\":\"0\"}",
		     "linux.memoryPolicy.nodes: must be empty with this mode");
	expect_linux("\"memoryPolicy\":{\"mode\":\"MPOL_INTERLEAVE\"}",
		     "linux.memoryPolicy.nodes: must name at least one node with this mode");
	expect_linux("\"memoryPolicy\":{\"mode\":\"MPOL_BIND\",\"nodes\":\"0\",\"flags\":[\"MPOL_F_"
		     "RELATIVE_NODES\",\"MPOL_F_STATIC_NODES\"]}",
		     "linux.memoryPolicy.flags: MPOL_F_STATIC_NODES and MPOL_F_RELATIVE_NODES "
		     "exclude each other");
	/* seccomp */
	expect_linux(
	    SECCOMP(
		"\"syscalls\":[{\"names\":[\"a\"],\"action\":\"SCMP_ACT_ERRNO\",\"errnoRet\":1}]"),
	    "");
	expect_linux(
	    SECCOMP(
		"\"syscalls\":[{\"names\":[\"a\"],\"action\":\"SCMP_ACT_TRACE\",\"errnoRet\":1}]"),
	    "");
	expect_linux(
	    SECCOMP(
		"\"syscalls\":[{\"names\":[\"a\"],\"action\":\"SCMP_ACT_LOG\",\"errnoRet\":1}]"),
	    "linux.seccomp.syscalls[0].errnoRet: the action takes no errno; SCMP_ACT_ERRNO and "
	    "SCMP_ACT_TRACE do");
	expect_linux(SECCOMP("\"syscalls\":[{\"names\":[\"a\"],\"action\":\"SCMP_ACT_ERRNO\","
			     "\"errnoRet\":4094}]"),
		     "");
	expect_linux(SECCOMP("\"syscalls\":[{\"names\":[\"a\"],\"action\":\"SCMP_ACT_ERRNO\","
			     "\"errnoRet\":4095}]"),
		     "linux.seccomp.syscalls[0].errnoRet: must be below 4095 with SCMP_ACT_ERRNO: "
		     "no system call returns more");
	expect_linux(SECCOMP("\"syscalls\":[{\"names\":[\"a\"],\"action\":\"SCMP_ACT_TRACE\","
			     "\"errnoRet\":65535}]"),
		     "");
	expect_linux("\"seccomp\":{\"defaultAction\":\"SCMP_ACT_ERRNO\",\"defaultErrnoRet\":65535}",
		     "linux.seccomp.defaultErrnoRet: must be below 4095 with SCMP_ACT_ERRNO: no "
		     "system call returns more");
	expect_linux(SECCOMP("\"syscalls\":[{\"names\":[],\"action\":\"SCMP_ACT_LOG\"}]"),
		     "linux.seccomp.syscalls[0].names: must name at least one system call");
	expect_linux(SECCOMP("\"defaultErrnoRet\":1"),
		     "linux.seccomp.defaultErrnoRet: the action takes no errno; "
		     "SCMP_ACT_ERRNO and SCMP_ACT_TRACE do");
	expect_linux(SECCOMP("\"listenerMetadata\":\"x\""),
		     "linux.seccomp.listenerMetadata: must not be set without listenerPath");
	expect_linux(SECCOMP("\"listenerMetadata\":\"x\",\"listenerPath\":\"/s\""), "");
	expect_linux(SECCOMP("\"syscalls\":[{\"names\":[\"a\"],\"action\":\"SCMP_ACT_NOTIFY\"}]"),
		     "linux.seccomp: SCMP_ACT_NOTIFY needs listenerPath: nobody would answer");
	expect_linux(
	    SECCOMP("\"listenerPath\":\"/"
		    "s\",\"syscalls\":[{\"names\":[\"a\"],\"action\":\"SCMP_ACT_NOTIFY\"}]"),
	    "");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_cases),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
