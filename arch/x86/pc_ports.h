// SPDX-License-Identifier: Apache-2.0
// The I/O ports of one VM: a table of ranges, each with its device, and the devices that a kernel expects on every PC. A port
// that no range has reads as all ones and ignores writes: those that are written to pass time (0x80, 0xed) too. It knows neither VCPUs nor VMs: what lies
// outside is reached through struct pc_ports_ops.
//
//   0x20 0xa0   the two 8259, as far as Linux looks: what was written to the mask reads back; they never interrupt
//   0x40 0x61   8254 (vpit.h)
//   0x64        no keyboard controller, but its reset pulse
//   0x70        real-time clock (vrtc.h)
//   0xcf8       PCI configuration, without a device: the address reads back, data are all ones
//   0xcf9       reset control; reads as 0
//   0x600       ACPI's sleep control and sleep status (ACPI 6.5, 4.8.3.7); read as 0: nothing has been woken from
//
// Accesses of 1, 2 and 4 bytes; one of several bytes is split, the lowest port first, as the bridge to 8-bit devices does.
// Only the PCI address register is of 4 bytes, and there only for an access of 4 at 0xcf8 (PCI 3.0, 3.2.2.3.2).
//
// Context: read and write on the core of any VCPU, several at once, handler context, interrupts masked. A device of the
// list above works under one lock, for a few divisions at most; `now` and `seconds` are called with it held and must take
// no other, `reset` and `off` without it. Nothing here waits.
#ifndef X86_PC_PORTS_H
#define X86_PC_PORTS_H

#include "arch/x86/vpit.h"
#include "arch/x86/vrtc.h"
#include "kernel/mmio.h"

// For the FADT: SLEEP_CONTROL_REG, SLEEP_STATUS_REG and RESET_REG, bytes in I/O space; RESET_VALUE; and for \_S5.
enum { PC_SLEEP_CONTROL = 0x600, PC_SLEEP_STATUS = 0x601, PC_SLEEP_TYPE_S5 = 5 };
enum { PC_RESET_CONTROL = 0xcf9, PC_RESET_VALUE = 0x06 };

#define PC_CLOCK_HZ_MIN 1000000ull
#define PC_CLOCK_HZ_MAX 8589934592ull

struct pc_ports_ops {
    uint64_t (*now)(void *context);     // ticks of clock_hz
    uint64_t (*seconds)(void *context); // since 1970-01-01 00:00 UTC
    // The guest asks for a reset of the machine, or switches it off. They return; the caller of pc_ports_write looks then
    // whether its VCPU still is to run.
    void (*reset)(void *context);
    void (*off)(void *context);
};

enum { PC_PORT_ROWS_MAX = 12, PC_PICS = 2 };

struct pc_port_row {
    uint16_t first, count;
    const struct port_ops *ops;
    void *device;
    bool locked; // the lock is held around ops; else the device has its own
};

struct pc_ports {
    const struct pc_ports_ops *ops;
    void *context;
    uint32_t pci_address; // atomic
    struct spinlock lock; // the following
    uint8_t pic_masks[PC_PICS];
    struct vpit pit;
    struct vrtc rtc;
    unsigned count; // rows; constant once the VM runs
    struct pc_port_row rows[PC_PORT_ROWS_MAX];
};

// Power-on state, with the devices above. VM creation. ERR_RANGE: clock_hz, the rate of now(), is not within PC_CLOCK_HZ_MIN ..
// _MAX; then nothing was changed.
int pc_ports_init(struct pc_ports *ports, uint64_t clock_hz, const struct pc_ports_ops *ops, void *context);
// Power-on state of the devices above; added ones are reset by whoever made them. The VM does not run.
void pc_ports_reset(struct pc_ports *ports);
// arch_vm_add_ports of kernel/mmio.h.
int pc_ports_add(struct pc_ports *ports, uint16_t first, uint16_t count, const struct port_ops *ops, void *device);

// One access: `size` 1, 2 or 4. A string instruction is the caller's loop. Bytes beyond port 0xffff find no device.
uint32_t pc_ports_read(struct pc_ports *ports, uint16_t port, unsigned size);
// OK; ERR_BUSY: a device has no room now: the guest makes the same access again, interrupts first. Bytes of lower ports
// than that device's are then written again.
int pc_ports_write(struct pc_ports *ports, uint16_t port, unsigned size, uint32_t value);

#endif
