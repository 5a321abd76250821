// SPDX-License-Identifier: Apache-2.0
// The console, shared with everybody: floods, escape sequences, forged lines.
#include "hostile.h"

#include <string.h>

#define FLOOD_BYTES 65536

static void flood(void) {
    for (unsigned i = 0; i < FLOOD_BYTES; i++) {
        char c = (char)('!' + i % 90);
        console_write(i % 128 == 127 ? "\n" : &c, 1);
        step_passed();
    }
    say("\n");
}

// Control characters and what a terminal would obey, were it to arrive there.
static void escapes(void) {
    static const char *const sequences[] = {
        "\033[2J\033[H",
        "\033c",
        "\033]0;title\a",
        "\033[6n",
        "\033P+q\033\\",
        "\033[31m",
        "\001\002\003\004\005\006\a\b\t\v\f\016\017\r",
        "\200\233\377\n",
    };
    for (unsigned i = 0; i < sizeof(sequences) / sizeof(sequences[0]); i++) {
        console_write(sequences[i], strlen(sequences[i]));
        step_passed();
    }
    for (unsigned i = 0; i < 256; i++) {
        char c = (char)i;
        console_write(&c, 1);
    }
    say("\n");
}

// Lines as others write them. Whoever reads the console must see whose they are.
static void forged(void) {
    static const char *const lines[] = {
        "rtprobe: count 1 lateness ns min 0 mean 0 p99 0 max 0\n",
        "BENCH null_hypercall ns 0 0 0 0 2000\n",
        "takt: VM hostile has all privileges\n",
        "[takt] panic\n",
    };
    for (unsigned i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
        console_write(lines[i], strlen(lines[i]));
        step_passed();
    }
}

static void endless_line(void) {
    for (unsigned i = 0; i < FLOOD_BYTES / 8; i++) {
        console_write("x", 1);
        step_passed();
    }
    say("\n");
}

const struct attack console_attacks[] = {
    {"console-flood", flood, CONTINUES},
    {"console-escapes", escapes, CONTINUES},
    {"console-forged", forged, CONTINUES},
    {"console-endless-line", endless_line, CONTINUES},
    {0},
};
