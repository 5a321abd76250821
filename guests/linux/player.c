// SPDX-License-Identifier: Apache-2.0
// The only process of an experiment's Linux guest: the film of guests/rtprobe (bench.c, film()) without its decoding, with
// the system call that programs sleep by. Linked statically, it is the initramfs' /init.
//
// Environment, which the kernel makes from its command line: frames=N.
// It prints what rtprobe does with `dump`: lines `SAMPLES film_requested ns ...` and `SAMPLES film_late ns ...`, and last
// BENCH-DONE; then it waits for the emulator to be ended.
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/random.h>
#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <time.h>
#include <unistd.h>

#define FRAMES         500
#define FRAMES_MAX     2000
#define SLEEP_LEAST_NS 20000ull
#define SLEEP_MOST_NS  20000000ull
#define SETTLE_NS      1000000000ull
#define PRIORITY       90
#define PER_LINE       8

static uint64_t requested[FRAMES_MAX], late[FRAMES_MAX];

static uint64_t now(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (uint64_t)time.tv_sec * 1000000000u + (uint64_t)time.tv_nsec;
}

static void sleep_until(uint64_t due) {
    struct timespec time = {.tv_sec = (time_t)(due / 1000000000u), .tv_nsec = (long)(due % 1000000000u)};
    while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &time, NULL) == EINTR) {}
}

// The generator of guests/rtprobe/sleeper.c.
static uint64_t random_between(uint64_t low, uint64_t high) {
    static uint64_t state = 0x9e3779b97f4a7c15ull;
    state ^= state >> 12;
    state ^= state << 25;
    state ^= state >> 27;
    return low + (state * 0x2545f4914f6cdd1dull >> 1) % (high - low);
}

// Not every machine gives its kernel a seed. Without one the kernel gathers randomness in each timer interrupt, and that
// would be measured as the machine's lateness.
static void seed_kernel(void) {
    struct {
        struct rand_pool_info info;
        uint32_t words[16];
    } seed = {.info = {.entropy_count = 512, .buf_size = sizeof(seed.words)}};
    for (unsigned i = 0; i < 16; i++) seed.words[i] = 0x9e3779b9u * (i + 1);
    mknod("/dev/urandom", S_IFCHR | 0600, makedev(1, 9));
    int file = open("/dev/urandom", O_WRONLY);
    if (file < 0 || ioctl(file, RNDADDENTROPY, &seed) != 0)
        printf("player: the kernel takes no seed: %s\n", strerror(errno));
    if (file >= 0) close(file);
}

static void become_real_time(void) {
    struct sched_param parameters = {.sched_priority = PRIORITY};
    if (mlockall(MCL_CURRENT | MCL_FUTURE) != 0 || sched_setscheduler(0, SCHED_FIFO, &parameters) != 0)
        printf("player: no real-time priority: %s\n", strerror(errno));
}

static void play(unsigned frames) {
    for (unsigned i = 0; i < frames; i++) {
        requested[i] = random_between(SLEEP_LEAST_NS, SLEEP_MOST_NS);
        uint64_t due = now() + requested[i];
        sleep_until(due);
        late[i] = now() - due;
    }
}

static void dump(const char *name, const uint64_t *values, unsigned count) {
    for (unsigned i = 0; i < count; i++) {
        if (i % PER_LINE == 0) printf("%sSAMPLES %s", i > 0 ? "\n" : "", name);
        printf(" %llu", (unsigned long long)values[i]);
    }
    printf("\n");
}

int main(void) {
    const char *text = getenv("frames");
    unsigned frames = text ? (unsigned)strtoul(text, NULL, 10) : FRAMES;
    if (frames == 0 || frames > FRAMES_MAX) frames = FRAMES;
    seed_kernel();
    become_real_time();
    printf("player: %u frames\n", frames);
    sleep_until(now() + SETTLE_NS); // till the kernel has done what it puts off while it boots
    play(frames);
    dump("film_requested", requested, frames);
    dump("film_late", late, frames);
    printf("BENCH-DONE\n");
    fflush(stdout);
    for (;;) pause(); // the UART may still be sending
}
