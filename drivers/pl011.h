// SPDX-License-Identifier: Apache-2.0
// The machine's UART when it is a PL011. Source: Arm PrimeCell UART (PL011) Technical Reference Manual, DDI 0183.
#ifndef DRIVERS_PL011_H
#define DRIVERS_PL011_H

// Finds the UART that /chosen/stdout-path names, maps it and registers it as console_uart. Boot, after arch_map_fdt;
// memory_init is not needed. ERR_NOT_FOUND: there is none, or it is no PL011; ERR_NO_MEMORY.
int pl011_init(const void *fdt);

#endif
