/* SPDX-License-Identifier: Apache-2.0 */
/* CRC-32C (RFC 3720, appendix B.4): finds what a disk or a transfer has damaged, no attacker. */
#pragma once

#include <stddef.h>
#include <stdint.h>

/** Continue @crc (0 at the start) over @len more bytes. */
uint32_t checksum_add(uint32_t crc, const void *data, size_t len);
/** The same without the processor's instruction for it. */
uint32_t checksum_add_portable(uint32_t crc, const void *data, size_t len);
