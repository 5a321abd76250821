// SPDX-License-Identifier: Apache-2.0
// Every kind of virtual device that a VM can have.
#include "drivers/virtual.h"

const struct virtual_device *const virtual_devices[] = {
    &vpl011_device,
    &virtio_console_device,
    NULL,
};
_Static_assert(sizeof(virtual_devices) / sizeof(virtual_devices[0]) <= MAX_VIRTUAL_DEVICES + 1,
               "struct vm_devices has a place for each");
