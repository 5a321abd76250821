// SPDX-License-Identifier: Apache-2.0
// The table of ports, and the devices that are little more than a register. See pc_ports.h.
#include "arch/x86/pc_ports.h"

#include "kernel/lock.h"
#include "kernel/string.h"

enum { PIC_MASTER = 0x20, PIC_SLAVE = 0xa0, PIT = 0x40, PORT_B = 0x61, KEYBOARD_COMMAND = 0x64, RTC = 0x70 };
enum { PIC_PORTS = 2, RTC_PORTS = 2, SLEEP_PORTS = 2, PCI_ADDRESS = 0xcf8 };
#define PCI_ADDRESS_BITS 0x80fffffcu // enable, bus, device, function, register

// ---- 8259: Intel 8259A datasheet, order number 231468 -----------------------------------------------------

enum { PIC_DATA = 1 };

// Nothing is requested or in service. Initialisation words are masks too, until a kernel writes its own behind them.
static uint8_t read_pic(void *device, unsigned offset) { return offset == PIC_DATA ? *(uint8_t *)device : 0; }

static int write_pic(void *device, unsigned offset, uint8_t value) {
    if (offset == PIC_DATA) { *(uint8_t *)device = value; }
    return OK;
}

static const struct port_ops pic_ops = {read_pic, write_pic};

// ---- reset and power --------------------------------------------------------------------------------------

enum { KEYBOARD_PULSE_RESET = 0xfe }; // of bit 0 of its output port
enum { RESET_CPU = 1 << 2 };          // RST_CNT in chapter 13 of the ICH10 datasheet
enum { SLEEP_TYPE_SHIFT = 2, SLEEP_TYPE_MASK = 7, SLEEP_ENABLE = 1 << 5 };

static uint8_t read_ones(UNUSED void *device, UNUSED unsigned offset) { return UINT8_MAX; }

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

#define IN_PORTS(member) offsetof(struct pc_ports, member)

static const struct {
    uint16_t first;
    uint8_t count;
    bool locked;
    uint16_t device; // where it is in struct pc_ports
    const struct port_ops *ops;
} devices[] = {
    {PIC_MASTER, PIC_PORTS, true, IN_PORTS(pic_masks[0]), &pic_ops},
    {PIC_SLAVE, PIC_PORTS, true, IN_PORTS(pic_masks[1]), &pic_ops},
    {PIT, VPIT_PORTS, true, IN_PORTS(pit), &vpit_ops},
    {PORT_B, 1, true, IN_PORTS(pit), &vpit_port_b_ops},
    {RTC, RTC_PORTS, true, IN_PORTS(rtc), &vrtc_ops},
    {KEYBOARD_COMMAND, 1, false, 0, &keyboard_ops},
    {PC_SLEEP_CONTROL, SLEEP_PORTS, false, 0, &sleep_ops},
    {PC_RESET_CONTROL, 1, false, 0, &reset_ops},
};

// The row of any port of [first, first + count), the one that was added last: it is asked for most. NULL: it is nobody's.
static const struct pc_port_row *find(const struct pc_ports *ports, unsigned first, unsigned count) {
    for (const struct pc_port_row *row = ports->rows + ports->count; row-- > ports->rows;) {
        if (first < row->first + row->count && row->first < first + count) { return row; }
    }
    return NULL;
}

COLD int pc_ports_add(struct pc_ports *ports, uint16_t first, uint16_t count, const struct port_ops *ops,
                      void *device) {
    if (count == 0 || first + count - 1u > UINT16_MAX) { return ERR_RANGE; }
    if (find(ports, first, count) != NULL) { return ERR_BUSY; }
    if (ports->count == PC_PORT_ROWS_MAX) { return ERR_NO_MEMORY; }
    ports->rows[ports->count++] = (struct pc_port_row){first, count, ops, device, false};
    return OK;
}

// ---- accesses ---------------------------------------------------------------------------------------------

static int access_byte(struct pc_ports *ports, unsigned port, bool write, uint8_t *value) {
    const struct pc_port_row *row = find(ports, port, 1);
    unsigned long flags = 0;
    int status = OK;

    if (!write) { *value = UINT8_MAX; }
    if (row == NULL) { return OK; }
    if (row->locked) { flags = spin_lock(&ports->lock); }
    if (write) {
        status = row->ops->write(row->device, port - row->first, *value);
    } else {
        *value = row->ops->read(row->device, port - row->first);
    }
    if (row->locked) { spin_unlock(&ports->lock, flags); }
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
    memset(ports->pic_masks, 0, sizeof(ports->pic_masks));
    vpit_reset(&ports->pit);
    ports->rtc.index = 0;
    ports->pci_address = 0;
}

COLD int pc_ports_init(struct pc_ports *ports, uint64_t clock_hz, const struct pc_ports_ops *ops, void *context) {
    if (clock_hz < PC_CLOCK_HZ_MIN || clock_hz > PC_CLOCK_HZ_MAX) { return ERR_RANGE; }
    *ports = (struct pc_ports){
        .ops = ops,
        .context = context,
        .pit = {.now = ops->now, .context = context, .clock_hz = clock_hz},
        .rtc = {.seconds = ops->seconds, .context = context},
        .count = ARRAY_SIZE(devices),
    };
    for (unsigned i = 0; i < ARRAY_SIZE(devices); i++) {
        ports->rows[i] = (struct pc_port_row){devices[i].first, devices[i].count, devices[i].ops,
                                              (char *)ports + devices[i].device, devices[i].locked};
    }
    pc_ports_reset(ports);
    return OK;
}
