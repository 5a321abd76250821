// SPDX-License-Identifier: Apache-2.0
// covers: arch/x86/pc_ports.c arch/x86/vpit.c arch/x86/vrtc.c drivers/v16550.c
// A guest that touches any port, COM1 among them, while time passes, input comes and output drains. A byte of machine, then
// steps of seven: what, where (2), value (4).
#include <stdlib.h>
#include <string.h>

#include "arch/x86/pc_ports.h"
#include "drivers/v16550.h"
#include "drivers/virtual.h"
#include "tests/unit/device_world.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { MAX_STEPS = 96, STEP_BYTES = 7 };

static struct {
    struct pc_ports ports;
    uint64_t now, seconds;
    unsigned resets, offs;
} pc;

static struct pc_ports *const ports = &pc.ports;

// The VM is made once: emptying its rings takes longer than most inputs.
static struct {
    __typeof__(world) world;
    const struct port_ops *ops;
} kept;

static void require(bool holds) {
    if (!holds) { abort(); }
}

// ---- what lies outside ------------------------------------------------------------------------------------

static uint64_t now(void *context) {
    require(context == &pc);
    return pc.now;
}

static uint64_t seconds(void *context) {
    require(context == &pc);
    return pc.seconds;
}

static void reset(void *context) {
    require(context == &pc && ports->lock.next == ports->lock.owner);
    pc.resets++;
}

static void off(void *context) {
    require(context == &pc && ports->lock.next == ports->lock.owner);
    pc.offs++;
}

int arch_vm_add_ports(struct vm *vm, uint16_t first, uint16_t count, const struct port_ops *ops, void *device) {
    require(vm == &world.vm && first == V16550_PORT && count == 8);
    kept.ops = ops;
    return pc_ports_add(ports, first, count, ops, device);
}

static int add_com1(const struct port_ops *ops) { return pc_ports_add(ports, V16550_PORT, 8, ops, kept.world.state); }

// ---- what must always hold --------------------------------------------------------------------------------

static void check_pit(void) {
    for (unsigned i = 0; i < VPIT_CHANNELS; i++) {
        const struct vpit_channel *channel = &ports->pit.channels[i];
        require(channel->count <= 0x10000 && channel->since <= pc.now);
    }
}

static void check_uart(void) {
    const struct v16550 *uart = world.state;

    require(uart->asserted == world.level && (!world.level_changes || world.line == V16550_IRQ));
    require(uart->tx_count <= V16550_FIFO && uart->rx_count <= V16550_FIFO && uart->rx_head < V16550_FIFO);
    require(!uart->thr_empty || uart->tx_count == 0);
    require(!uart->asserted || uart->registers[1] != 0);
}

// ---- steps ------------------------------------------------------------------------------------------------

struct step {
    unsigned where;
    uint32_t value;
};

// The ports that have somebody, and their neighbours.
static uint16_t some_port(unsigned where) {
    const struct pc_port_row *row = &ports->rows[where % ports->count];

    return (uint16_t)(row->first - 1 + (where >> 8) % (row->count + 2u));
}

static void read_port(uint16_t port, unsigned size) {
    uint32_t value = pc_ports_read(ports, port, size);

    require(size == 4 || value >> size * 8 == 0);
}

static void write_port(uint16_t port, unsigned size, uint32_t value) {
    unsigned resets = pc.resets, offs = pc.offs;
    int status = pc_ports_write(ports, port, size, value);

    require(status == OK || (status == ERR_BUSY && ((struct v16550 *)world.state)->tx_count > 0));
    require(pc.resets - resets <= size && pc.offs - offs <= 1);
}

static void read_some(const struct step *s) { read_port(some_port(s->where), 1u << s->value % 3); }

static void write_some(const struct step *s) { write_port(some_port(s->where), 1u << (s->where >> 14) % 3, s->value); }

static void read_any(const struct step *s) { read_port((uint16_t)s->where, 1u << s->value % 3); }

static void write_any(const struct step *s) { write_port((uint16_t)s->where, 1, s->value & 0xff); }

static void uart_write(const struct step *s) { write_port((uint16_t)(V16550_PORT + s->where % 8), 1, s->value & 0xff); }

static void uart_read(const struct step *s) { read_port((uint16_t)(V16550_PORT + s->where % 8), 1); }

static void pass(const struct step *s) { pc.now += (uint64_t)s->value << s->where % 24; }

static void set_date(const struct step *s) { pc.seconds = (uint64_t)s->value << s->where % 33; }

static void console_side(const struct step *s) {
    static const char typed[64] = "what somebody types";
    size_t size = s->where % sizeof(typed);

    require(device_input(CONSOLE_UART, typed, size) <= size);
    device_room(CONSOLE_UART, s->value % (CONSOLE_RING_SIZE + 1));
    require(!device_drained(CONSOLE_UART));
}

static void power_on(const struct step *s) {
    if (s->where % 8 != 0) { return; }
    pc_ports_reset(ports);
    v16550_device.reset(&world.vm, world.state);
    world.level = false;
}

// What was taken of the output and is not dropped by the guest comes out, in order.
static void send(const struct step *s) {
    static const uint8_t set_up[][2] = {{3, 3}, {4, 0}, {1, 0}, {2, 7}};
    char out[64];
    size_t sent = 0, count = s->where % sizeof(out);

    for (unsigned i = 0; i < ARRAY_SIZE(set_up); i++) { write_port(V16550_PORT + set_up[i][0], 1, set_up[i][1]); }
    device_room(CONSOLE_UART, CONSOLE_RING_SIZE);
    require(device_output(CONSOLE_UART, out, sizeof(out)) == 0);
    device_room(CONSOLE_UART, s->value % 4);
    size_t before = CONSOLE_RING_SIZE - s->value % 4;
    while (sent < count && pc_ports_write(ports, V16550_PORT, 1, 'a' + (uint32_t)sent) == OK) { sent++; }
    require(sent == MIN(count, s->value % 4 + V16550_FIFO));
    struct console_ring *ring = &device_source(CONSOLE_UART)->ring;
    for (size_t i = 0; i < before; i++) { console_ring_take(ring); }
    device_drained(CONSOLE_UART);
    require(device_output(CONSOLE_UART, out, sizeof(out)) == sent);
    for (size_t i = 0; i < sent; i++) { require(out[i] == (char)('a' + i)); }
}

// ---- a run ------------------------------------------------------------------------------------------------

static void start(uint8_t machine) {
    static const uint64_t rates[] = {PC_CLOCK_HZ_MIN, 2000000000, 2399987654, PC_CLOCK_HZ_MAX, VPIT_HZ, 1000000007};
    static const struct pc_ports_ops ops = {now, seconds, reset, off};

    memset(&pc, 0, sizeof(pc));
    pc.now = 1000;
    require(pc_ports_init(ports, PC_CLOCK_HZ_MAX + 1, &ops, &pc) == ERR_RANGE);
    require(pc_ports_init(ports, rates[machine % ARRAY_SIZE(rates)], &ops, &pc) == OK);
    if (kept.world.state == NULL) {
        device_world_init(&v16550_device);
        memcpy(&kept.world, &world, sizeof(world));
    } else {
        memcpy(&world, &kept.world, offsetof(__typeof__(world), ring));
        require(add_com1(kept.ops) == OK);
        v16550_device.reset(&world.vm, world.state);
    }
    require(add_com1(kept.ops) == ERR_BUSY);
    require(pc_ports_add(ports, UINT16_MAX, 2, NULL, NULL) == ERR_RANGE);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static void (*const steps[])(const struct step *) = {read_some,  write_some,   read_any, write_any,
                                                         uart_write, uart_read,    pass,     set_date,
                                                         power_on,   console_side, send};

    if (size == 0) { return 0; }
    start(data[0]);
    const uint8_t *at = data + 1, *end = data + size;
    for (unsigned i = 0; end - at >= STEP_BYTES && i < MAX_STEPS && pc.now < BIT(61); i++, at += STEP_BYTES) {
        struct step step = {at[1] | (unsigned)at[2] << 8, 0};
        memcpy(&step.value, at + 3, sizeof(step.value));
        steps[at[0] % ARRAY_SIZE(steps)](&step);
        require(ports->lock.next == ports->lock.owner && !host_irqs_masked);
        check_pit();
        check_uart();
    }
    return 0;
}
