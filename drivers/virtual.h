// SPDX-License-Identifier: Apache-2.0
// The emulated devices, and where a guest finds them: as on QEMU's virt machine, so that what was made for it runs
// unchanged. Interrupt numbers are the interrupt controller's; shared ones start at 32.
#ifndef DRIVERS_VIRTUAL_H
#define DRIVERS_VIRTUAL_H

#include "kernel/devices.h"

#define VPL011_BASE         0x09000000ull
#define VPL011_SIZE         0x1000ull
#define VPL011_IRQ          33u
#define VIRTIO_CONSOLE_SIZE 0x200ull
#define VIRTIO_CONSOLE_IRQ  48u

extern const struct virtual_device vpl011_device, v16550_device, virtio_console_device;
int vpl011_fdt(void *fdt);
int virtio_console_fdt(void *fdt);

#endif
