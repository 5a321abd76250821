// SPDX-License-Identifier: Apache-2.0
// Chooses and runs the attacks, and the tools that they share.
#include "hostile.h"

#include <string.h>

#define DEFAULT_SEED 20261
#define NAMES_MAX    512

static struct {
    uint64_t trapped, passed;
    const char *skipped;
} tally;

static uint64_t random_state;

uint64_t random64(void) {
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    random_state ^= random_state << 17;
    return random_state;
}

bool step(void (*function)(void *), void *argument) {
    static struct trap_context context;
    bool trapped = guard(&context, function, argument);
    irq_mask();
    if (trapped)
        tally.trapped++;
    else
        tally.passed++;
    return trapped;
}

void step_passed(void) { tally.passed++; }

void skip(const char *why) { tally.skipped = why; }

static void run(const struct attack *attack) {
    memset(&tally, 0, sizeof(tally));
    say("hostile: %s start\n", attack->name);
    attack->run();
    irq_mask();
    if (tally.skipped)
        say("hostile: %s skipped %s\n", attack->name, tally.skipped);
    else
        say("hostile: %s survived trapped %llu passed %llu\n", attack->name, (unsigned long long)tally.trapped,
            (unsigned long long)tally.passed);
}

static void list(const struct attack *attack) {
    static const char *const words[] = {"continues", "dies", "either", "spins"};
    say("hostile: attack %s expects %s\n", attack->name, words[attack->expected]);
}

// Whether the name is one of those in the text, which commas separate.
static bool is_named(const char *names, const char *name) {
    size_t length = strlen(name);
    for (const char *at = names; (at = strstr(at, name)) != NULL; at += length)
        if ((at == names || at[-1] == ',') && (at[length] == ',' || at[length] == 0)) return true;
    return false;
}

// Runs or lists every row that the names stand for; returns how many.
static unsigned apply(const char *names) {
    unsigned count = 0;
    bool all = strcmp(names, "all-survivable") == 0, listed = strcmp(names, "list") == 0;
    for (const struct attack *const *table = attack_tables; *table; table++) {
        for (const struct attack *attack = *table; attack->name; attack++) {
            if (listed)
                list(attack);
            else if ((all && attack->expected == CONTINUES) || is_named(names, attack->name))
                run(attack);
            else
                continue;
            count++;
        }
    }
    return count;
}

void guest_main(void) {
    static char names[NAMES_MAX];
    strlcpy(names, arg_text("attack", "list"), sizeof(names));
    uint64_t repeat = arg_number("repeat", 1);
    random_state = arg_number("seed", DEFAULT_SEED) | 1ull << 63;
    unsigned count = apply(names);
    for (uint64_t round = 1; round != repeat && count > 0; round++) apply(names);
    if (count == 0) say("hostile: there is no attack %s\n", names);
    say("hostile: done %u\n", count);
}
