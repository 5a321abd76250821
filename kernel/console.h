// SPDX-License-Identifier: Apache-2.0
// One console for all: output rings of the VMs and of the log, multiplexed line by line onto the machine's UART by a
// best-effort job; input goes to the VM in focus or to the monitor. Nothing here ever waits for the UART except panic.
#ifndef KERNEL_CONSOLE_H
#define KERNEL_CONSOLE_H

#include "kernel/types.h"

struct system_desc;
struct vm;

// The machine's UART, filled in by a driver at boot.
struct uart_ops {
    void (*put_now)(char c);       // waits for room; boot and panic only
    bool (*put)(char c);           // false: no room now
    int (*get)(void);              // a character or -1
    void (*rx_interrupt)(bool on); // masks or unmasks its receive interrupt at the device
    unsigned irq;                  // the machine's interrupt number
};
extern const struct uart_ops *console_uart; // NULL before the driver registered
// Finds, maps and registers the UART that /chosen/stdout-path names; without one that a driver knows, nothing can be said.
// In drivers/. Boot, after arch_map_fdt, before memory_init.
void console_uart_find(const void *fdt);

// Of a source that does not end its line, before others may cut in: a line that is not longer is never cut.
enum { CONSOLE_TURN_CHARS = 256 };

// A channel of a VM: its vPL011 and its virtio console are two.
enum console_channel { CONSOLE_UART, CONSOLE_VIRTIO, CONSOLE_CHANNELS };

// Appends guest output; returns how many bytes were taken: less than `size` when the ring is full, the rest is offered
// again by the device when console_drained() says so (nothing is lost). Handler context of the VM's VCPU.
size_t console_vm_write(struct vm *vm, enum console_channel channel, const char *data, size_t size);
// The same in two steps, for a device that counts its instructions: *wake says that console_wake is to follow.
size_t console_vm_put(struct vm *vm, enum console_channel channel, const char *data, size_t size, bool *wake);
void console_wake(void); // there is something for the job to do. Any context

// A virtual device that can take input and wants to hear of room for output. Called in thread context of the console
// core; must only take its device lock and kick VCPUs.
struct console_device {
    size_t (*input)(void *device, const char *data,
                    size_t size);  // returns bytes taken; the rest waits
    bool (*drained)(void *device); // there is room again; true: it has more to do and wants to be called once more
    void *device;
};
void console_vm_attach(struct vm *vm, enum console_channel channel, const struct console_device *device);
// The channel on which the guest last sent something gets the input.
// Boot, after cpus_create and before vm_create_all, whose devices attach: rings for every VM, the job, the core that runs
// it - the one with the least reserved utilisation, so that the console starves last - and the focus that the
// description asks for. The first console_wake starts the job: until then the log goes straight to the UART.
// ERR_NO_MEMORY; ERR_NOT_FOUND: no UART.
int console_init(const struct system_desc *desc);
// Handler: masks it at the device and wakes the job, which unmasks it no sooner than the description's distance (at
// least 1 ms) later. Any core: the machine's interrupt need not be routed to the console's core.
void console_uart_interrupt(void);

// Panic: what the log still holds goes to the UART now, and every later line at once. The other cores are stopped.
void console_panic_begin(void);

#endif
