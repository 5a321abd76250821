// SPDX-License-Identifier: Apache-2.0
// takt-check: says every mistake of a system image, or, when there is none, what is promised to whom. The checker itself
// is the hypervisor's (kernel/sysdesc.h).
//
//   takt-check [--hz N] SYSTEM.itb BOARD.dtb
//
// --hz: the frequency of the board's counter; the admission test computes in its ticks. Exit status: 0 good, 1 mistakes,
// 2 the check could not be made.
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kernel/sysdesc.h"
#include "kernel/tree.h"

#define HZ_DEFAULT 62500000ull // of QEMU's Cortex-A CPUs

enum { EXIT_GOOD = 0, EXIT_MISTAKES = 1, EXIT_TROUBLE = 2 };

static void print_mistake(struct sysdesc_sink *sink, const char *place, const char *wrong, const char *remedy) {
    (void)sink;
    fprintf(stderr, "%s: %s; %s\n", place, wrong, remedy);
}

// Reads a whole file, aligned as the checker wants it.
static bool read_file(const char *path, struct blob *out) {
    FILE *file = fopen(path, "rb");
    long size = 0;
    bool good =
        file != NULL && fseek(file, 0, SEEK_END) == 0 && (size = ftell(file)) >= 0 && fseek(file, 0, SEEK_SET) == 0;
    char *data = good ? malloc((size_t)size + 1) : NULL;

    good = data != NULL && fread(data, 1, (size_t)size, file) == (size_t)size;
    if (!good) {
        fprintf(stderr, "takt-check: %s: %s\n", path, errno != 0 ? strerror(errno) : "cannot be read");
        free(data);
    } else {
        *out = (struct blob){data, (uint64_t)size};
    }
    if (file != NULL) { fclose(file); }
    return good;
}

static double percent(uint64_t utilisation) { return 100.0 * (double)utilisation / (double)SCHED_UTILISATION_ONE; }

static void print_vcpu(const struct system_desc *sys, const struct vm_desc *vm, unsigned index) {
    const struct vcpu_desc *v = &vm->vcpus[index];
    char blackout[24] = "withdrawn";

    printf("%-23s %4u %4u", vm->name, index, v->placed);
    if (v->reserved) {
        if (!sys->smt) { snprintf(blackout, sizeof(blackout), "%llu", (unsigned long long)sysdesc_blackout_us(v)); }
        printf(" %10u %10u %10u %6.2f %% %10s\n", v->budget_us, v->period_us, v->deadline_us,
               percent(sched_utilisation(&v->task)), blackout);
    } else {
        printf(" best effort, weight %u\n", v->weight);
    }
}

// What the two cores of a split VCPU have of it, as admitted: costs included.
static void print_pieces(const struct system_desc *sys, const struct vm_desc *vm, unsigned index, uint64_t hz) {
    const struct vcpu_desc *v = &vm->vcpus[index];
    double us = 1e6 / (double)hz;

    for (unsigned i = 0; i < 2 && v->second != CORE_AUTO; i++) {
        unsigned core = i == 0 ? v->placed : v->second;
        printf("%-23s %4u %4u %10.3f %10u %10.3f %6.2f %%   piece %u of 2, %.3f us for its switches and migration\n",
               vm->name, index, core, (double)v->pieces[i].budget * us, v->period_us,
               (double)v->pieces[i].deadline * us, percent(sched_utilisation(&v->pieces[i])), i + 1,
               (double)(sys->overhead_ns + sys->migration_ns) / 1e3);
    }
}

static void print_admission(const struct system_desc *sys, unsigned cores, uint64_t hz) {
    if (sys->smt) { printf("no bound holds: a core's threads slow each other as they like (smt)\n"); }
    printf("%-23s %4s %4s %10s %10s %10s %8s %10s\n", "VM", "VCPU", "core", "budget us", "period us", "deadline",
           "uses", "blackout");
    for (unsigned i = 0; i < sys->vm_count; i++) {
        for (unsigned j = 0; j < sys->vms[i].vcpu_count; j++) {
            print_vcpu(sys, &sys->vms[i], j);
            print_pieces(sys, &sys->vms[i], j, hz);
        }
    }
    for (unsigned i = 0; i < cores; i++) {
        printf("core %u: %.2f %% %s, overhead and interrupts included\n", i,
               percent(sched_core_utilisation(&sys->cores[i])), sys->smt ? "asked for" : "promised");
    }
}

static void print_memory(const struct system_desc *sys) {
    for (unsigned i = 0; i < sys->vm_count; i++) {
        const struct vm_desc *vm = &sys->vms[i];
        for (unsigned j = 0; j < vm->memory_count; j++) {
            printf("%-23s memory 0x%09llx, %llu MiB\n", vm->name, (unsigned long long)vm->memory[j].base,
                   (unsigned long long)vm->memory[j].size >> 20);
        }
        printf("%-23s kernel 0x%09llx, entry 0x%09llx, initrd 0x%09llx, description 0x%09llx\n", vm->name,
               (unsigned long long)vm->segments[0].gpa, (unsigned long long)vm->entry,
               (unsigned long long)vm->initrd_gpa, (unsigned long long)vm->dtb_gpa);
    }
    printf("guests have %llu of the %llu MiB that the board has for them\n",
           (unsigned long long)sys->memory_guests >> 20, (unsigned long long)sys->memory_total >> 20);
}

static int check(const struct blob *image, const struct blob *dtb, uint64_t hz) {
    struct sysdesc_sink sink = {.mistake = print_mistake};
    struct board board;
    struct system_desc *sys;
    int status = EXIT_MISTAKES;

    if (tree_check(dtb->data, dtb->size) != OK || board_parse(dtb->data, &board) != OK) {
        fprintf(stderr, "takt-check: the board's device tree is malformed\n");
        return EXIT_TROUBLE;
    }
    sys = calloc(1, sizeof(*sys));
    if (sys == NULL) {
        fprintf(stderr, "takt-check: out of memory\n");
        return EXIT_TROUBLE;
    }
    (void)sysdesc_parse(image->data, image->size, &board, hz, sys, &sink);
    (void)sysdesc_verify(sys, &sink);
    if (sink.count == 0) {
        print_admission(sys, sysdesc_cores(&board, sys), hz);
        print_memory(sys);
        status = EXIT_GOOD;
    } else if (sink.count > SYSDESC_MISTAKES) {
        fprintf(stderr, "and %u more\n", sink.count - SYSDESC_MISTAKES);
    }
    free(sys);
    return status;
}

int main(int argc, char **argv) {
    uint64_t hz = HZ_DEFAULT;
    struct blob image = {0}, dtb = {0};
    int status = EXIT_TROUBLE;

    if (argc == 5 && strcmp(argv[1], "--hz") == 0) {
        hz = strtoull(argv[2], NULL, 10);
        argv += 2;
        argc -= 2;
    }
    if (argc != 3) {
        fprintf(stderr, "usage: takt-check [--hz N] SYSTEM.itb BOARD.dtb\n");
        return EXIT_TROUBLE;
    }
    if (read_file(argv[1], &image) && read_file(argv[2], &dtb)) { status = check(&image, &dtb, hz); }
    free((void *)(uintptr_t)image.data);
    free((void *)(uintptr_t)dtb.data);
    return status;
}
