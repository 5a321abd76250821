// SPDX-License-Identifier: Apache-2.0
#include "rtprobe.h"

#include <string.h>

#define BENCH_PREFIX "bench-"

static void wait_for_ever(void) {
    for (;;) take_interrupt();
}

void guest_main(void) {
    sleeper_init(); // which asks for an argument, too
    const char *mode = arg_text("mode", "probe");
    say("rtprobe: %u VCPU, counter %llu Hz, %s, mode %s\n", vcpu_count(), (unsigned long long)clock_hz,
        takt_present() ? "on Takt" : "not on Takt", mode);
    if (strncmp(mode, BENCH_PREFIX, strlen(BENCH_PREFIX)) == 0)
        bench_run(mode + strlen(BENCH_PREFIX));
    else if (strcmp(mode, "period") == 0)
        bench_run("p");
    else if (strcmp(mode, "boot") == 0)
        bench_boot();
    else if (strcmp(mode, "probe") == 0)
        probe_run();
    else if (strcmp(mode, "crowd") == 0)
        crowd_run();
    else if (strcmp(mode, "pingpong") == 0)
        pingpong_run();
    else if (strcmp(mode, "idle") == 0)
        wait_for_ever();
    else
        say("rtprobe: no such mode\n");
}
