// SPDX-License-Identifier: Apache-2.0
// The virtual devices of a PC guest.
#include "drivers/virtual.h"

const struct virtual_device *const virtual_devices[] = {
    &v16550_device,
    &virtio_console_device,
    NULL,
};
