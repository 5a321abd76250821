// SPDX-License-Identifier: Apache-2.0
// The table of ports, and the devices that are little more than a register. See pc_ports.h.
#include "arch/x86/pc_ports.h"

#include "kernel/lock.h"
#include "kernel/string.h"

enum {
    PIC_MASTER = 0x20,
    PIC_SLAVE = 0xa0,
    PIT = 0x40,
    KEYBOARD_DATA = 0x60,
    PORT_B = 0x61,
    KEYBOARD_COMMAND = 0x64,
    RTC_INDEX = 0x70,
    RTC_DATA = 0x71,
    POST_CODE = 0x80,
    DELAY = 0xed,
    PCI_ADDRESS = 0xcf8,
    PCI_OTHER = 0xcfa,
    PCI_LAST = 0xcff,
};
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

// ---- timer and clock --------------------------------------------------------------------------------------

static uint64_t now(const struct pc_ports *ports) { return ports->ops->now(ports->context); }

static uint8_t read_pit(void *device, unsigned offset) {
    struct pc_ports *ports = device;

    return vpit_read(&ports->pit, offset, now(ports));
}

static int write_pit(void *device, unsigned offset, uint8_t value) {
    struct pc_ports *ports = device;

    vpit_write(&ports->pit, offset, value, now(ports));
    return OK;
}

static uint8_t read_port_b(void *device, UNUSED unsigned offset) {
    const struct pc_ports *ports = device;

    return vpit_port_b_read(&ports->pit, now(ports));
}

static int write_port_b(void *device, UNUSED unsigned offset, uint8_t value) {
    struct pc_ports *ports = device;

    vpit_port_b_write(&ports->pit, value, now(ports));
    return OK;
}

static uint8_t read_rtc(void *device, unsigned offset) {
    struct pc_ports *ports = device;

    return offset == 0 ? UINT8_MAX : vrtc_read(&ports->rtc, ports->ops->seconds(ports->context));
}

static int write_rtc(void *device, unsigned offset, uint8_t value) {
    struct pc_ports *ports = device;

    if (offset == 0) { vrtc_select(&ports->rtc, value); }
    return OK;
}

static const struct port_ops pit_ops = {read_pit, write_pit}, port_b_ops = {read_port_b, write_port_b},
                             rtc_ops = {read_rtc, write_rtc};

// ---- reset and power --------------------------------------------------------------------------------------

enum {
    KEYBOARD_PULSE_RESET = 0xfe, // of its output port's bit 0
    RESET_SYSTEM = 1 << 1,
    RESET_CPU = 1 << 2,
    RESET_FULL = 1 << 3, // RST_CNT in chapter 13 of the ICH10 datasheet
    SLEEP_TYPE_SHIFT = 2,
    SLEEP_TYPE_MASK = 7,
    SLEEP_ENABLE = 1 << 5, // ACPI 6.5, 4.8.3.7
};

static int write_keyboard(void *device, UNUSED unsigned offset, uint8_t value) {
    const struct pc_ports *ports = device;

    if (value == KEYBOARD_PULSE_RESET) { ports->ops->reset(ports->context); }
    return OK;
}

static uint8_t read_reset(void *device, UNUSED unsigned offset) {
    return __atomic_load_n(&((struct pc_ports *)device)->reset_control, __ATOMIC_RELAXED);
}

// When the bit of the reset becomes 1; reset, it is 0 again.
static int write_reset(void *device, UNUSED unsigned offset, uint8_t value) {
    struct pc_ports *ports = device;

    __atomic_store_n(&ports->reset_control, value & (RESET_SYSTEM | RESET_FULL), __ATOMIC_RELAXED);
    if ((value & RESET_CPU) != 0) { ports->ops->reset(ports->context); }
    return OK;
}

// Nothing has been woken from: the status is 0.
static uint8_t read_sleep(void *device, unsigned offset) {
    const struct pc_ports *ports = device;

    return offset == 0 ? __atomic_load_n(&ports->sleep_control, __ATOMIC_RELAXED) : 0;
}

static int write_sleep(void *device, unsigned offset, uint8_t value) {
    struct pc_ports *ports = device;

    if (offset != 0) { return OK; }
    __atomic_store_n(&ports->sleep_control, value & SLEEP_TYPE_MASK << SLEEP_TYPE_SHIFT, __ATOMIC_RELAXED);
    if ((value & SLEEP_ENABLE) != 0 && (value >> SLEEP_TYPE_SHIFT & SLEEP_TYPE_MASK) == PC_SLEEP_TYPE_S5) {
        ports->ops->off(ports->context);
    }
    return OK;
}

static const struct port_ops keyboard_ops = {read_ones, write_keyboard}, reset_ops = {read_reset, write_reset},
                             sleep_ops = {read_sleep, write_sleep};

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

static COLD int add_row(struct pc_ports *ports, const struct pc_port_row *row) {
    unsigned index = lower_bound(ports, row->first);

    if (index < ports->count && ports->rows[index].first <= row->last) { return ERR_BUSY; }
    if (ports->count == PC_PORT_ROWS_MAX) { return ERR_NO_MEMORY; }
    memmove(&ports->rows[index + 1], &ports->rows[index], (ports->count - index) * sizeof(*row));
    ports->rows[index] = *row;
    ports->count++;
    return OK;
}

COLD int pc_ports_add(struct pc_ports *ports, uint16_t first, uint16_t count, const struct port_ops *ops,
                      void *device) {
    if (count == 0 || count - 1 > UINT16_MAX - first) { return ERR_RANGE; }
    return add_row(ports, &(struct pc_port_row){first, (uint16_t)(first + count - 1), ops, device, NULL});
}

// ---- accesses ---------------------------------------------------------------------------------------------

static uint8_t read_byte(struct pc_ports *ports, unsigned port) {
    const struct pc_port_row *row = find(ports, port);

    if (row == NULL) { return UINT8_MAX; }
    if (row->lock == NULL) { return row->ops->read(row->device, port - row->first); }
    unsigned long flags = spin_lock(row->lock);
    uint8_t value = row->ops->read(row->device, port - row->first);
    spin_unlock(row->lock, flags);
    return value;
}

static int write_byte(struct pc_ports *ports, unsigned port, uint8_t value) {
    const struct pc_port_row *row = find(ports, port);

    if (row == NULL) { return OK; }
    if (row->lock == NULL) { return row->ops->write(row->device, port - row->first, value); }
    unsigned long flags = spin_lock(row->lock);
    int status = row->ops->write(row->device, port - row->first, value);
    spin_unlock(row->lock, flags);
    return status;
}

static bool is_pci_address(unsigned port, unsigned size) { return port == PCI_ADDRESS && size == sizeof(uint32_t); }

uint32_t pc_ports_read(struct pc_ports *ports, uint16_t port, unsigned size) {
    uint32_t value = 0;

    if (is_pci_address(port, size)) { return __atomic_load_n(&ports->pci_address, __ATOMIC_RELAXED); }
    for (unsigned i = 0; i < size; i++) { value |= (uint32_t)read_byte(ports, port + i) << i * 8; }
    return value;
}

int pc_ports_write(struct pc_ports *ports, uint16_t port, unsigned size, uint32_t value) {
    int status = OK;

    if (is_pci_address(port, size)) {
        __atomic_store_n(&ports->pci_address, value & PCI_ADDRESS_BITS, __ATOMIC_RELAXED);
        return OK;
    }
    for (unsigned i = 0; i < size && status == OK; i++) {
        status = write_byte(ports, port + i, (uint8_t)(value >> i * 8));
    }
    return status;
}

// ---- life -------------------------------------------------------------------------------------------------

COLD void pc_ports_reset(struct pc_ports *ports) {
    memset(ports->pics, 0, sizeof(ports->pics));
    vpit_reset(&ports->pit, ports->clock_hz, now(ports));
    ports->rtc = (struct vrtc){0};
    ports->unclaimed = 0;
    ports->pci_address = 0;
    ports->reset_control = 0;
    ports->sleep_control = 0;
}

COLD int pc_ports_init(struct pc_ports *ports, uint64_t clock_hz, const struct pc_ports_ops *ops, void *context) {
    const struct pc_port_row rows[] = {
        {PIC_MASTER, PIC_MASTER + PIC_DATA, &pic_ops, &ports->pics[0], &ports->lock},
        {PIT, PIT + VPIT_PORTS - 1, &pit_ops, ports, &ports->lock},
        {KEYBOARD_DATA, KEYBOARD_DATA, &absent_ops, NULL, NULL},
        {PORT_B, PORT_B, &port_b_ops, ports, &ports->lock},
        {KEYBOARD_COMMAND, KEYBOARD_COMMAND, &keyboard_ops, ports, NULL},
        {RTC_INDEX, RTC_DATA, &rtc_ops, ports, &ports->lock},
        {POST_CODE, POST_CODE, &absent_ops, NULL, NULL},
        {PIC_SLAVE, PIC_SLAVE + PIC_DATA, &pic_ops, &ports->pics[1], &ports->lock},
        {DELAY, DELAY, &absent_ops, NULL, NULL},
        {PC_SLEEP_CONTROL, PC_SLEEP_STATUS, &sleep_ops, ports, NULL},
        {PC_RESET_CONTROL, PC_RESET_CONTROL, &reset_ops, ports, NULL},
        {PCI_OTHER, PCI_LAST, &absent_ops, NULL, NULL},
    };

    if (clock_hz < PC_CLOCK_HZ_MIN || clock_hz > PC_CLOCK_HZ_MAX) { return ERR_RANGE; }
    *ports = (struct pc_ports){.ops = ops, .context = context, .clock_hz = clock_hz, .count = ARRAY_SIZE(rows)};
    memcpy(ports->rows, rows, sizeof(rows));
    pc_ports_reset(ports);
    return OK;
}
