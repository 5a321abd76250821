// SPDX-License-Identifier: Apache-2.0
// controller: a VM that changes the system as a script says. Its description has `controller`.
//
// Boot arguments:
//   script=STEP,STEP...  each of VERB:VM, reserve:VM:VCPU:BUDGET:DEADLINE:PERIOD (us) or move:VM:VCPU:CORE; VERB is create,
//                        destroy, start, stop or restart
//   rounds=N             of the script; 0: for ever, without a word but for a count
//   storm                asks without waiting for what comes of it
//
// A line for each step says what came of it; the last one how many were done, refused and not taken.
#include "control.h"

#include <stdlib.h>
#include <string.h>

#define WORDS_MAX 6

static const char *const verbs[] = {
    [TAKT_CONTROL_RESERVE] = "reserve", [TAKT_CONTROL_MOVE] = "move",   [TAKT_CONTROL_CREATE] = "create",
    [TAKT_CONTROL_DESTROY] = "destroy", [TAKT_CONTROL_START] = "start", [TAKT_CONTROL_STOP] = "stop",
    [TAKT_CONTROL_RESTART] = "restart",
};
static const char *const outcomes[] = {"done", "refused", "undecided", "senseless"};

static uint64_t done, refused, not_taken;

static uint32_t number(const char *word) { return word ? (uint32_t)strtoul(word, NULL, 10) : 0; }

static int64_t ask(char *step) {
    char *words[WORDS_MAX] = {NULL}, *rest = step;
    for (unsigned i = 0; i < WORDS_MAX && rest; i++) words[i] = strsep(&rest, ":");
    unsigned verb = 0;
    while (verb < sizeof(verbs) / sizeof(verbs[0]) && strcmp(verbs[verb], words[0]) != 0) verb++;
    int vm = words[1] ? control_vm(words[1]) : -1;
    if (vm < 0) return TAKT_HC_INVALID;
    switch (verb) {
    case TAKT_CONTROL_RESERVE:
        return control_reserve((unsigned)vm, number(words[2]), number(words[3]), number(words[4]), number(words[5]));
    case TAKT_CONTROL_MOVE: return control_move((unsigned)vm, number(words[2]), number(words[3]));
    default: return control_of_vm(verb, (unsigned)vm);
    }
}

static void report(const char *step, const struct control_outcome *end) {
    if (end->outcome == TAKT_CONTROL_DONE) {
        say("controller: %s done core %u latency-ns %llu\n", step, (unsigned)end->core,
            (unsigned long long)end->latency_ns);
    } else {
        say("controller: %s %s core %u at-ns %llu excess-ns %llu largest-us %llu smallest-us %llu\n", step,
            outcomes[end->outcome & 3], (unsigned)end->core, (unsigned long long)end->at_ns,
            (unsigned long long)end->excess_ns, (unsigned long long)end->largest_budget_us,
            (unsigned long long)end->smallest_period_us);
    }
}

// The console is polled, with interrupts on as everywhere but where it waits.
static void take(const char *step, bool quiet) {
    char words[128];
    strncpy(words, step, sizeof(words) - 1);
    words[sizeof(words) - 1] = '\0';
    int64_t status = ask(words);
    if (status != TAKT_HC_OK) {
        not_taken++;
        if (!quiet) say("controller: %s not taken %lld\n", step, (long long)status);
        return;
    }
    if (arg_has("storm")) return;
    struct control_outcome end = control_wait();
    if (end.outcome == TAKT_CONTROL_DONE) {
        done++;
    } else {
        refused++;
    }
    if (!quiet) report(step, &end);
}

void guest_main(void) {
    static char script[512];
    uint64_t rounds = arg_number("rounds", 1), count = 0;
    if (!control_init()) {
        say("controller: nothing here takes orders from it\n");
        return;
    }
    while (rounds == 0 || count < rounds) {
        strcpy(script, arg_text("script", ""));
        for (char *rest = script, *step; (step = strsep(&rest, ","));) take(step, rounds == 0);
        if (++count % 1000 == 0 && rounds == 0)
            say("controller: round %llu not taken %llu\n", (unsigned long long)count, (unsigned long long)not_taken);
    }
    say("controller: end done %llu refused %llu not taken %llu\n", (unsigned long long)done,
        (unsigned long long)refused, (unsigned long long)not_taken);
}
