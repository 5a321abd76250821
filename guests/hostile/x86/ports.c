// SPDX-License-Identifier: Apache-2.0
// Every I/O port with every width, and string I/O to where there is nothing.
#include "x86.h"

#include <string.h>

#define PORTS                0x10000
#define PORT_DELAY           0x80  // nothing behind it
#define PORT_SCRATCH         0x3ff // the UART's scratch register
#define PORT_A20             0x92
#define PORT_PCI             0xcf8 // to 0xcff, with the reset control:
#define PORT_RESET           0xcf9
#define PORT_KEYBOARD        0x64
#define PORT_UART            0x3f8 // to 0x3ff
#define BUFFER_SIZE          8192
#define LONG_COUNT           0x10000
#define PAGE                 4096
#define ACROSS               50000
#define RESET_CPU            0x06
#define KEYBOARD_PULSE_RESET 0xfe

static uint8_t buffer[BUFFER_SIZE] __attribute__((aligned(4096)));

// A UART takes wide accesses badly: an emulator without a hypervisor on it may not survive them.
static bool spared(uint32_t port) { return port + 3 >= PORT_UART && port < PORT_UART + 8 && !takt_present(); }

static void read_ports(void) {
    static const struct instruction in[] = {CODE(0xec), CODE(0x66, 0xed), CODE(0xed)};
    for (uint32_t port = 0; port < PORTS; port++)
        if (!spared(port)) step_each(in, COUNT_OF(in), &(struct registers){.rdx = port});
    restore_interrupts();
}

// Zero resets, sleeps and gates nothing but A20.
static void write_ports(void) {
    static const struct instruction out[] = {CODE(0xee), CODE(0x66, 0xef), CODE(0xef)};
    for (uint32_t port = 0; port < PORTS; port++) {
        uint32_t row = port & ~7u;
        if (row == (PORT_A20 & ~7u) || row == PORT_PCI || row == PORT_UART) continue;
        step_each(out, COUNT_OF(out), &(struct registers){.rdx = port});
    }
    restore_interrupts();
}

static const struct instruction strings[] = {
    CODE(0x6c),                   // insb
    CODE(0x6e),                   // outsb
    CODE(0xf3, 0x6c),             // rep insb
    CODE(0xf3, 0x6e),             // rep outsb
    CODE(0xf3, 0x66, 0x6d),       // rep insw
    CODE(0xf3, 0x66, 0x6f),       // rep outsw
    CODE(0xf3, 0x6d),             // rep insd
    CODE(0xf3, 0x6f),             // rep outsd
    CODE(0xf3, 0x64, 0x6e),       // from fs:
    CODE(0xf3, 0x48, 0x6d),       // REX.W means nothing
    CODE(0xf2, 0x6c),             // repne
    CODE(0xfd, 0xf3, 0x6c, 0xfc), // downwards
    CODE(0xfd, 0xf3, 0x6f, 0xfc),
};

// Not for addresses that are something else in 32 bits.
static const struct instruction short_strings[] = {CODE(0xf3, 0x67, 0x6c), CODE(0xf3, 0x67, 0x6f)};

static void string_at(uint16_t port, uint64_t address, uint64_t count) {
    step_each(strings, COUNT_OF(strings),
              &(struct registers){.rcx = count, .rdx = port, .rsi = address, .rdi = address});
}

static void string_io(void) {
    static const uint64_t counts[] = {0, 1, 3, 512};
    for (unsigned i = 0; i < COUNT_OF(counts); i++) {
        string_at(PORT_DELAY, (uintptr_t)buffer + BUFFER_SIZE / 2 - 1, counts[i]);
        if (!spared(PORT_SCRATCH)) string_at(PORT_SCRATCH, (uintptr_t)buffer + BUFFER_SIZE / 2, counts[i]);
        step_each(short_strings, COUNT_OF(short_strings),
                  &(struct registers){
                      .rcx = counts[i], .rdx = PORT_DELAY, .rsi = (uintptr_t)buffer, .rdi = (uintptr_t)buffer});
    }
}

// Where the guest's own tables have nothing; where they are not canonical; far too many.
static void string_faults(void) {
    string_at(PORT_DELAY, 0xffffff8000000000ull, LONG_COUNT);
    string_at(PORT_DELAY, NON_CANONICAL, ~0ull);
    string_at(PORT_DELAY, ~0ull, 2);
}

// Into a device's registers, and where there is no memory.
static void string_device(void) { string_at(PORT_DELAY, a_device(), 4); }

static void string_outside(void) { string_at(PORT_DELAY, (uintptr_t)window(memory_end() - 16, true, false), 64); }

static void string_long(void) {
    static const uint8_t code[] = {0xf3, 0x6e};
    for (unsigned i = 0; i < 16; i++)
        step_code(code, sizeof(code),
                  &(struct registers){.rcx = BUFFER_SIZE, .rdx = PORT_DELAY, .rsi = (uintptr_t)buffer});
}

// What takes the hypervisor most: the instruction and each of its words lie across the end of a page.
static void string_across(void) {
    static uint8_t code[2 * PAGE] __attribute__((aligned(PAGE)));
    static const uint8_t rep_outsw[] = {0xf3, 0x66, 0x6f, 0xc3};
    uint8_t *start = code + PAGE - 1;
    memcpy(start, rep_outsw, sizeof(rep_outsw));
    for (unsigned i = 0; i < ACROSS; i++) {
        uint64_t count = 1, from = (uintptr_t)buffer + BUFFER_SIZE / 2 - 1;
        __asm__ volatile("call *%2" : "+S"(from), "+c"(count) : "r"(start), "d"(PORT_DELAY) : "memory", "cc");
        step_passed();
    }
}

// The reset register and the keyboard controller's pulse: what a PC's programs reset themselves with.
static void port_reset(void) {
    port_write8(PORT_RESET, RESET_CPU);
    port_write8(PORT_KEYBOARD, KEYBOARD_PULSE_RESET);
}

const struct attack port_attacks[] = {
    {"read-ports", read_ports, CONTINUES},
    {"write-ports", write_ports, CONTINUES},
    {"string-io", string_io, CONTINUES},
    {"string-io-faults", string_faults, CONTINUES},
    {"string-io-device", string_device, EITHER},
    {"string-io-outside", string_outside, EITHER},
    {"string-io-long", string_long, CONTINUES},
    {"string-io-across", string_across, CONTINUES},
    {"port-reset", port_reset, DIES},
    {0},
};
