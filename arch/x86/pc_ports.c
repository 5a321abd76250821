// SPDX-License-Identifier: Apache-2.0
// The table of ports, and the devices that are little more than a register. See pc_ports.h.
#include "arch/x86/pc_ports.h"

#include "kernel/lock.h"
#include "kernel/string.h"

enum { PIC_MASTER = 0x20, PIC_SLAVE = 0xa0, PIT = 0x40, KEYBOARD_DATA = 0x60, PORT_B = 0x61, KEYBOARD_COMMAND = 0x64 };
enum { RTC_INDEX = 0x70, RTC_DATA = 0x71, POST_CODE = 0x80, DELAY = 0xed };
enum { PCI_ADDRESS = 0xcf8, PCI_OTHER = 0xcfa, PCI_LAST = 0xcff };
#define PCI_ADDRESS_BITS 0x80fffffcu // enable, bus, device, function, register

// ---- nothing there, on purpose ----------------------------------------------------------------------------

static uint8_t read_ones(UNUSED void *device, UNUSED unsigned offset) { return UINT8_MAX; }

static int write_nothing(UNUSED void *device, UNUSED unsigned offset, UNUSED uint8_t value) { return OK; }

static const struct port_ops absent_ops = {read_ones, write_nothing};

// ---- 8259: Intel 8259A datasheet, order number 231468 -----------------------------------------------------

enum { PIC_DATA = 1, ICW1 = 1 << 4, ICW1_SINGLE = 1 << 1, ICW1_ICW4 = 1 << 0 };

// Nothing is requested or in service, polled or not.
static uint8_t read_pic(void *device, unsigned offset) {
    const struct pc_pic *pic = device;

    return offset == PIC_DATA ? pic->mask : 0;
}

static int write_pic(void *device, unsigned offset, uint8_t value) {
    struct pc_pic *pic = device;

    if (offset == PIC_DATA && pic->words > 0) {
        pic->words--;
    } else if (offset == PIC_DATA) {
        pic->mask = value;
    } else if ((value & ICW1) != 0) {
        pic->mask = 0;
        pic->words = (uint8_t)(1 + ((value & ICW1_SINGLE) == 0) + ((value & ICW1_ICW4) != 0));
    }
    return OK;
}

static const struct port_ops pic_ops = {read_pic, write_pic};

// ---- reset and power --------------------------------------------------------------------------------------

enum { KEYBOARD_PULSE_RESET = 0xfe }; // of bit 0 of its output port
enum { RESET_CPU = 1 << 2 };          // RST_CNT in chapter 13 of the ICH10 datasheet
enum { SLEEP_TYPE_SHIFT = 2, SLEEP_TYPE_MASK = 7, SLEEP_ENABLE = 1 << 5 };

static uint8_t read_zero(UNUSED void *device, UNUSED unsigned offset) { return 0; }

static int write_keyboard(void *device, UNUSED unsigned offset, uint8_t value) {
    const struct pc_ports *ports = device;

    if (value == KEYBOARD_PULSE_RESET) { ports->ops->reset(ports->context); }
    return OK;
}

static int write_reset(void *device, UNUSED unsigned offset, uint8_t value) {
    const struct pc_ports *ports = device;

    if ((value & RESET_CPU) != 0) { ports->ops->reset(ports->context); }
    return OK;
}

static int write_sleep(void *device, unsigned offset, uint8_t value) {
    const struct pc_ports *ports = device;
    unsigned type = value >> SLEEP_TYPE_SHIFT & SLEEP_TYPE_MASK;

    if (offset == 0 && (value & SLEEP_ENABLE) != 0 && type == PC_SLEEP_TYPE_S5) { ports->ops->off(ports->context); }
    return OK;
}

static const struct port_ops keyboard_ops = {read_ones, write_keyboard}, reset_ops = {read_zero, write_reset},
                             sleep_ops = {read_zero, write_sleep};

// ---- the table --------------------------------------------------------------------------------------------

// The index of the first row that ends at `port` or behind it.
static unsigned lower_bound(const struct pc_ports *ports, unsigned port) {
    unsigned low = 0, high = ports->count;

    while (low < high) {
        unsigned middle = (low + high) / 2;
        if (ports->rows[middle].last < port) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

static const struct pc_port_row *find(struct pc_ports *ports, unsigned port) {
    unsigned index = lower_bound(ports, port);

    if (index < ports->count && ports->rows[index].first <= port) { return &ports->rows[index]; }
    __atomic_fetch_add(&ports->unclaimed, 1, __ATOMIC_RELAXED);
    return NULL;
}

COLD int pc_ports_add(struct pc_ports *ports, uint16_t first, uint16_t count, const struct port_ops *ops,
                      void *device) {
    unsigned last = first + count - 1u, index = lower_bound(ports, first);
    struct pc_port_row *row = &ports->rows[index];

    if (count == 0 || last > UINT16_MAX) { return ERR_RANGE; }
    if (index < ports->count && row->first <= last) { return ERR_BUSY; }
    if (ports->count == PC_PORT_ROWS_MAX) { return ERR_NO_MEMORY; }
    memmove(row + 1, row, (ports->count++ - index) * sizeof(*row));
    *row = (struct pc_port_row){first, (uint16_t)last, ops, device, NULL};
    return OK;
}

// ---- accesses ---------------------------------------------------------------------------------------------

static int access_byte(struct pc_ports *ports, unsigned port, bool write, uint8_t *value) {
    const struct pc_port_row *row = find(ports, port);
    unsigned long flags = 0;
    int status = OK;

    if (!write) { *value = UINT8_MAX; }
    if (row == NULL) { return OK; }
    if (row->lock != NULL) { flags = spin_lock(row->lock); }
    if (write) {
        status = row->ops->write(row->device, port - row->first, *value);
    } else {
        *value = row->ops->read(row->device, port - row->first);
    }
    if (row->lock != NULL) { spin_unlock(row->lock, flags); }
    return status;
}

static bool is_pci_address(unsigned port, unsigned size) { return port == PCI_ADDRESS && size == sizeof(uint32_t); }

uint32_t pc_ports_read(struct pc_ports *ports, uint16_t port, unsigned size) {
    uint32_t value = 0;

    if (is_pci_address(port, size)) { return __atomic_load_n(&ports->pci_address, __ATOMIC_RELAXED); }
    for (unsigned i = 0; i < size; i++) {
        uint8_t byte;
        access_byte(ports, port + i, false, &byte);
        value |= (uint32_t)byte << i * 8;
    }
    return value;
}

int pc_ports_write(struct pc_ports *ports, uint16_t port, unsigned size, uint32_t value) {
    int status = OK;

    if (is_pci_address(port, size)) {
        __atomic_store_n(&ports->pci_address, value & PCI_ADDRESS_BITS, __ATOMIC_RELAXED);
        return OK;
    }
    for (unsigned i = 0; i < size && status == OK; i++) {
        uint8_t byte = (uint8_t)(value >> i * 8);
        status = access_byte(ports, port + i, true, &byte);
    }
    return status;
}

// ---- life -------------------------------------------------------------------------------------------------

COLD void pc_ports_reset(struct pc_ports *ports) {
    memset(ports->pics, 0, sizeof(ports->pics));
    vpit_reset(&ports->pit);
    ports->rtc.index = 0;
    ports->unclaimed = 0;
    ports->pci_address = 0;
}

COLD int pc_ports_init(struct pc_ports *ports, uint64_t clock_hz, const struct pc_ports_ops *ops, void *context) {
    const struct pc_port_row rows[] = {
        {PIC_MASTER, PIC_MASTER + PIC_DATA, &pic_ops, &ports->pics[0], &ports->lock},
        {PIT, PIT + VPIT_PORTS - 1, &vpit_ops, &ports->pit, &ports->lock},
        {KEYBOARD_DATA, KEYBOARD_DATA, &absent_ops, NULL, NULL},
        {PORT_B, PORT_B, &vpit_port_b_ops, &ports->pit, &ports->lock},
        {KEYBOARD_COMMAND, KEYBOARD_COMMAND, &keyboard_ops, ports, NULL},
        {RTC_INDEX, RTC_DATA, &vrtc_ops, &ports->rtc, &ports->lock},
        {POST_CODE, POST_CODE, &absent_ops, NULL, NULL},
        {PIC_SLAVE, PIC_SLAVE + PIC_DATA, &pic_ops, &ports->pics[1], &ports->lock},
        {DELAY, DELAY, &absent_ops, NULL, NULL},
        {PC_SLEEP_CONTROL, PC_SLEEP_STATUS, &sleep_ops, ports, NULL},
        {PC_RESET_CONTROL, PC_RESET_CONTROL, &reset_ops, ports, NULL},
        {PCI_OTHER, PCI_LAST, &absent_ops, NULL, NULL},
    };

    if (clock_hz < PC_CLOCK_HZ_MIN || clock_hz > PC_CLOCK_HZ_MAX) { return ERR_RANGE; }
    *ports = (struct pc_ports){.ops = ops, .context = context, .count = ARRAY_SIZE(rows)};
    ports->pit = (struct vpit){.now = ops->now, .context = context, .clock_hz = clock_hz};
    ports->rtc = (struct vrtc){.seconds = ops->seconds, .context = context};
    memcpy(ports->rows, rows, sizeof(rows));
    pc_ports_reset(ports);
    return OK;
}
