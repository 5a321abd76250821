// SPDX-License-Identifier: Apache-2.0
// A virtio console with one port (virtio 1.2, 5.3) behind the MMIO transport, version 2 (4.2). The queues are worked on in
// short steps, with interrupts open in between: a driver that notifies comes back with its access until there is nothing
// left to do, in its own time. What the VM's console ring had no room for follows when it has. A queue that makes no
// sense puts the device into DEVICE_NEEDS_RESET, and that is all.
#include <libfdt.h>

#include "drivers/virtio_queue.h"
#include "drivers/virtual.h"
#include "kernel/arch.h"
#include "kernel/console.h"
#include "kernel/guest_mem.h"
#include "kernel/guest_platform.h"
#include "kernel/memory.h"
#include "kernel/string.h"

static const struct guest_platform *platform(void) { return arch_guest_platform(NULL); }

enum virtio_mmio_offset {
    MAGIC_VALUE = 0x000,
    VERSION = 0x004,
    DEVICE_ID = 0x008,
    VENDOR_ID = 0x00c,
    DEVICE_FEATURES = 0x010,
    DEVICE_FEATURES_SEL = 0x014,
    DRIVER_FEATURES = 0x020,
    DRIVER_FEATURES_SEL = 0x024,
    QUEUE_SEL = 0x030,
    QUEUE_NUM_MAX = 0x034,
    QUEUE_NUM = 0x038,
    QUEUE_READY = 0x044,
    QUEUE_NOTIFY = 0x050,
    INTERRUPT_STATUS = 0x060,
    INTERRUPT_ACK = 0x064,
    STATUS = 0x070,
    QUEUE_DESC_LOW = 0x080,
    QUEUE_STEP = 0x010, // then the driver's area, and the device's
    QUEUE_HIGH = 4,     // the upper half of the three
    SHM_LEN_LOW = 0x0b0,
    SHM_BASE_HIGH = 0x0bc,
    CONFIG = 0x100,
};
#define MAGIC  0x74726976u // "virt"
#define VENDOR 0x746b6174u // "takt"
#define NO_SHM UINT32_MAX
enum { MMIO_VERSION = 2, DEVICE_CONSOLE = 3, FEATURES_HIGH = 1 /* VIRTIO_F_VERSION_1 */ };
enum { INTERRUPT_USED = 1, INTERRUPT_CONFIG = 2 };
enum { STATUS_DRIVER_OK = 4, STATUS_FEATURES_OK = 8, STATUS_NEEDS_RESET = 0x40 };
enum { RECEIVE, TRANSMIT, QUEUES };

// A step, with interrupts masked, takes about 600 instructions; so many go into a job's slice.
enum { STEP_BYTES = 16, SLICE_STEPS = 8, INPUT_STEPS = 35 };

struct virtio_console {
    struct spinlock lock; // everything below
    struct vm *vm;
    bool wake;                   // the console has not been told yet of what was sent
    uint32_t status, interrupts; // from here on: what a reset clears
    uint32_t device_select, driver_select, queue_select;
    uint32_t driver_features[2];
    struct virtqueue queue[QUEUES];
};

// ---- state ------------------------------------------------------------------------------------------------

static void raise_interrupt(struct virtio_console *dev, uint32_t cause) {
    dev->interrupts |= cause;
    arch_vm_set_line(dev->vm, platform()->virtio_irq, dev->interrupts != 0);
}

static void needs_reset(struct virtio_console *dev) {
    dev->status |= STATUS_NEEDS_RESET;
    raise_interrupt(dev, INTERRUPT_CONFIG);
}

// Everything from `status` on.
static void reset(struct virtio_console *dev) {
    memset(&dev->status, 0, sizeof(*dev) - offsetof(struct virtio_console, status));
}

// ---- queues -----------------------------------------------------------------------------------------------

// What is typed, on its way to the driver.
struct input {
    const char *data;
    size_t size, taken;
    bool last; // the last piece for this chain
};

// Waking the console's job is a step of its own.
static bool tell_console(struct virtio_console *dev) {
    bool wake = dev->wake;

    if (wake) { console_wake(); }
    dev->wake = false;
    return wake;
}

// A full console ends the work: console_drained goes on with it.
static int send(struct virtio_console *dev, struct virtqueue *q) {
    uint32_t size = MIN(q->buffer.size, STEP_BYTES);
    char data[STEP_BYTES];

    if (q->buffer.writable) { return ERR_CORRUPT; }
    int status = guest_read(dev->vm, q->buffer.gpa, data, size);
    if (status != OK) { return status; }
    uint32_t taken = (uint32_t)console_vm_put(dev->vm, CONSOLE_VIRTIO, data, size, &dev->wake);
    virtq_done(q, taken);
    if (taken == size) { return VIRTQ_MORE; }
    tell_console(dev);
    return VIRTQ_EMPTY;
}

// What was typed does not wait for a full buffer.
static int fill(struct virtio_console *dev, struct virtqueue *q, struct input *input) {
    uint32_t size = (uint32_t)MIN(input->size - input->taken, (size_t)q->buffer.size);

    if (!q->buffer.writable) { return ERR_CORRUPT; }
    int status = guest_write(dev->vm, q->buffer.gpa, input->data + input->taken, size);
    if (status != OK) { return status; }
    input->taken += size;
    virtq_done(q, size);
    if (input->last || input->taken == input->size) { q->state = VIRTQ_ENDED; }
    return VIRTQ_MORE;
}

// One step of a queue's work, with the lock held: an event of the queue, or negative.
static int work(struct virtio_console *dev, unsigned queue, struct input *input) {
    struct virtqueue *q = &dev->queue[queue];

    if (tell_console(dev)) { return VIRTQ_MORE; }
    if (!q->ready || (dev->status & (STATUS_DRIVER_OK | STATUS_NEEDS_RESET)) != STATUS_DRIVER_OK) {
        return VIRTQ_EMPTY;
    }
    int event = virtq_step(dev->vm, q);
    if (event == VIRTQ_BUFFER) { event = queue == TRANSMIT ? send(dev, q) : fill(dev, q, input); }
    if (event == VIRTQ_RETURNED) { raise_interrupt(dev, INTERRUPT_USED); }
    if (event < 0) { needs_reset(dev); }
    return event;
}

static int step(struct virtio_console *dev, unsigned queue, struct input *input) {
    unsigned long flags = spin_lock(&dev->lock);
    int event = work(dev, queue, input);

    spin_unlock(&dev->lock, flags);
    return event;
}

static bool console_drained(void *device) {
    int event = VIRTQ_MORE;

    for (unsigned i = 0; i < SLICE_STEPS && event > VIRTQ_EMPTY; i++) { event = step(device, TRANSMIT, NULL); }
    return event > VIRTQ_EMPTY;
}

// Fills at most one chain.
static size_t console_input(void *device, const char *data, size_t size) {
    struct input input = {.data = data, .size = size};
    int event = VIRTQ_MORE;

    for (unsigned i = 0; i < INPUT_STEPS && event == VIRTQ_MORE; i++) {
        input.last = i >= INPUT_STEPS - 3; // two more give the chain back
        event = step(device, RECEIVE, &input);
    }
    return input.taken;
}

// ---- registers --------------------------------------------------------------------------------------------

static uint32_t read_register(const struct virtio_console *dev, uint64_t offset) {
    const struct virtqueue *q = dev->queue_select < QUEUES ? &dev->queue[dev->queue_select] : NULL;

    switch (offset) {
    case MAGIC_VALUE: return MAGIC;
    case VERSION: return MMIO_VERSION;
    case DEVICE_ID: return DEVICE_CONSOLE;
    case VENDOR_ID: return VENDOR;
    case DEVICE_FEATURES: return dev->device_select == 1 ? FEATURES_HIGH : 0;
    case QUEUE_NUM_MAX: return q != NULL ? VIRTQ_MAX : 0;
    case QUEUE_READY: return q != NULL && q->ready;
    case INTERRUPT_STATUS: return dev->interrupts;
    case STATUS: return dev->status;
    default: return offset >= SHM_LEN_LOW && offset <= SHM_BASE_HIGH ? NO_SHM : 0;
    }
}

static void write_status(struct virtio_console *dev, uint32_t value) {
    if (value == 0) {
        reset(dev);
        raise_interrupt(dev, 0);
        return;
    }
    if (dev->driver_features[0] != 0 || dev->driver_features[1] != FEATURES_HIGH) {
        value &= ~(uint32_t)STATUS_FEATURES_OK; // the driver sees that its choice was refused
    }
    dev->status = (value & ~(uint32_t)STATUS_NEEDS_RESET) | (dev->status & STATUS_NEEDS_RESET);
}

static void write_queue(struct virtio_console *dev, struct virtqueue *q, uint64_t offset, uint32_t value) {
    gpa_t *const addresses[] = {&q->desc, &q->avail, &q->used};
    uint64_t place = (offset - QUEUE_DESC_LOW) / QUEUE_STEP;

    if (offset == QUEUE_READY) {
        q->ready = false;
        if ((value & 1) != 0 && virtq_enable(q) != OK) { needs_reset(dev); }
    } else if (q->ready) {
        return; // a live queue does not change
    } else if (offset == QUEUE_NUM) {
        q->size = value;
    } else if (place < ARRAY_SIZE(addresses) && offset % QUEUE_STEP <= QUEUE_HIGH) {
        uint64_t shift = offset % QUEUE_STEP * 8;
        *addresses[place] = (*addresses[place] & ~((gpa_t)UINT32_MAX << shift)) | (gpa_t)value << shift;
    }
}

static void write_register(struct virtio_console *dev, uint64_t offset, uint32_t value) {
    switch (offset) {
    case DEVICE_FEATURES_SEL: dev->device_select = value; break;
    case DRIVER_FEATURES_SEL: dev->driver_select = value; break;
    case DRIVER_FEATURES:
        if (dev->driver_select < 2) { dev->driver_features[dev->driver_select] = value; }
        break;
    case QUEUE_SEL: dev->queue_select = value; break;
    case INTERRUPT_ACK:
        dev->interrupts &= ~value;
        raise_interrupt(dev, 0);
        break;
    case STATUS: write_status(dev, value); break;
    default:
        if (dev->queue_select < QUEUES) { write_queue(dev, &dev->queue[dev->queue_select], offset, value); }
    }
}

static int virtio_access(UNUSED struct vcpu *vcpu, void *device, struct mmio_access *access) {
    struct virtio_console *dev = device;
    int status = OK;

    if (access->offset >= CONFIG || access->size != sizeof(uint32_t)) {
        return OK; // the configuration has no field without a feature: zero; other widths are not defined
    }
    unsigned long flags = spin_lock(&dev->lock);
    if (!access->write) {
        access->value = read_register(dev, access->offset);
    } else if (access->offset != QUEUE_NOTIFY) {
        write_register(dev, access->offset, (uint32_t)access->value);
    } else if (access->value == TRANSMIT && work(dev, TRANSMIT, NULL) > VIRTQ_EMPTY) {
        status = ERR_BUSY;
    }
    spin_unlock(&dev->lock, flags);
    return status;
}

// ---- life -------------------------------------------------------------------------------------------------

static void virtio_reset(UNUSED struct vm *vm, void *state) {
    struct virtio_console *dev = state;
    unsigned long flags = spin_lock(&dev->lock);

    reset(dev);
    spin_unlock(&dev->lock, flags);
}

static int virtio_create(struct vm *vm, void **state) {
    if (!vm->desc->virtio_console) { return OK; }
    struct virtio_console *dev = memory_alloc(sizeof(*dev));
    if (dev == NULL) { return ERR_NO_MEMORY; }
    dev->vm = vm;
    *state = dev;
    console_vm_attach(vm, CONSOLE_VIRTIO, &(struct console_device){console_input, console_drained, dev});
    return mmio_add(&vm->mmio, &(struct mmio_region){platform()->virtio_base, VIRTIO_CONSOLE_SIZE, virtio_access, dev});
}

int virtio_console_fdt(void *fdt) {
    int node = fdt_add_subnode(fdt, 0, "virtio_mmio@a000000");
    int error = fdt_setprop_string(fdt, node, "compatible", "virtio,mmio");

    error |= fdt_appendprop_addrrange(fdt, 0, node, "reg", platform()->virtio_base, VIRTIO_CONSOLE_SIZE);
    error |= arch_guest_fdt_interrupt(fdt, node, platform()->virtio_irq, false);
    return error | fdt_setprop(fdt, node, "dma-coherent", NULL, 0);
}

const struct virtual_device virtio_console_device = {virtio_create, virtio_reset, VIRTIO_CONSOLE_IRQ};
