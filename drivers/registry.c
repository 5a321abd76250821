// SPDX-License-Identifier: Apache-2.0
// Every kind of virtual device that a VM can have.
#include "drivers/virtual.h"

const struct virtual_device *const virtual_devices[] = {
    &vpl011_device,
    &virtio_console_device,
    NULL,
};
const virtual_device_node_t virtual_device_nodes[] = {vpl011_fdt, virtio_console_fdt};
_Static_assert(sizeof(virtual_devices) / sizeof(virtual_devices[0]) <= MAX_VIRTUAL_DEVICES + 1,
               "struct vm_devices has a place for each");
