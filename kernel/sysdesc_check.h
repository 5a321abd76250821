// SPDX-License-Identifier: Apache-2.0
// What the files of the checker share. sysdesc.c drives; in the order of the work:
//   sysdesc_fit.c     finds the parts of the image, hashes
//   sysdesc_schema.c  the generic, table-driven check of nodes and properties
//   sysdesc_nodes.c   the binding: its tables, and what holds within one node
//   sysdesc_guest.c   what holds within one VM: memory, image, where the loader puts what
//   sysdesc_place.c   what holds for the whole: the board's memory, admission
//   sysdesc_tasks.c   part `analysis`: guests' tasks inside their reservations, the latency that is promised
#ifndef KERNEL_SYSDESC_CHECK_H
#define KERNEL_SYSDESC_CHECK_H

#include "kernel/sysdesc_tasks.h"
#include "kernel/tree.h"
#include "timer/clock.h"

struct schema;

struct vcpus_node {
    uint32_t count, regs; // vcpu nodes, and the regs that they have
    uint32_t unused;      // of properties that only dtc wants
};
struct vcpu_node { // until its reg says where it belongs
    struct vcpu_desc desc;
    uint32_t reg;
};
struct device_node { // until the policy has filled the rest
    struct device_desc desc;
    unsigned guest_count;
    gpa_t guest_base[MAX_DEVICE_PAGES];
};

struct sysdesc_check {
    const struct board *board;
    uint64_t hz;
    uint64_t image_size;
    struct system_desc *sys;
    struct sysdesc_sink *sink;
    const char *file; // what the messages call the source
    size_t path_length;
    // While the description is read:
    uint32_t seen; // when a node is over: bit i, it gave property i of its table
    struct vm_desc *vm;
    struct tree tree;
    struct vcpus_node vcpus;
    struct vcpu_node vcpu;
    struct device_node device;
#if TAKT_ANALYSIS
    struct task_set tasks;
#endif
    struct clock_rate rate; // from sysdesc_admit() on
    char path[160];         // of the node that is being checked
    char remedy[160];       // written by sysdesc_remedy()
};

// One mistake at `property` (NULL: the node itself) of the current node.
void sysdesc_mistake(struct sysdesc_check *c, const char *property, const char *remedy, const char *wrong, ...)
    __attribute__((format(printf, 4, 5)));
// A remedy with numbers in it, valid until the next one.
const char *sysdesc_remedy(struct sysdesc_check *c, const char *format, ...) __attribute__((format(printf, 2, 3)));
// The node that messages are about: enter appends "/name", leave goes back to a length that path_length had.
void sysdesc_enter(struct sysdesc_check *c, const char *name);
void sysdesc_leave(struct sysdesc_check *c, size_t length);
// Straight to a VM, or with vcpu >= 0 to one of its VCPUs.
void sysdesc_at(struct sysdesc_check *c, const struct vm_desc *vm, int vcpu);

// sysdesc_fit.c. Fills sys->parts; false: nothing more can be checked.
bool sysdesc_fit(struct sysdesc_check *c, const void *image, uint64_t size);
// The part of that name below /images; NULL: none, reported.
const struct sysdesc_part *sysdesc_part(struct sysdesc_check *c, const char *name);
// The part that holds the file which the description calls `path`, or NULL.
const struct sysdesc_part *sysdesc_file(const struct sysdesc_check *c, const char *path);
// Compares a part with its hash; reports.
bool sysdesc_part_verify(struct sysdesc_check *c, const struct sysdesc_part *part);

// sysdesc_schema.c. Reads a whole tree into `object` by `schema`. The tree was accepted by tree_check().
void sysdesc_schema(struct sysdesc_check *c, const struct blob *tree, const struct schema *schema, void *object);

// sysdesc_nodes.c
extern const struct schema sysdesc_system_schema, sysdesc_board_schema;
// What holds within one VCPU, of which c->seen says what was given: something of a reservation. The planner's CSV, too.
enum { VCPU_REG, VCPU_BUDGET, VCPU_PERIOD, VCPU_DEADLINE, VCPU_WEIGHT, VCPU_CORE, VCPU_RECLAIM };
void sysdesc_reservation(struct sysdesc_check *c, struct vcpu_desc *vcpu);

// sysdesc_guest.c. Called when a VM's node is complete, and looks for these among c->seen.
enum { VM_TYPE, VM_LOAD, VM_ENTRY };
void sysdesc_guest(struct sysdesc_check *c, struct vm_desc *vm);
// For platforms that can be given devices of the board: c->device becomes one of c->vm, or its mistakes are reported.
void sysdesc_device(struct sysdesc_check *c);

// sysdesc_place.c. Once the whole description is read.
void sysdesc_memory(struct sysdesc_check *c);
void sysdesc_admit(struct sysdesc_check *c);
// What admission is asked for a VCPU, and why it found no place and what would: the planner's CSV, too.
void sysdesc_set_task(const struct sysdesc_check *c, struct vcpu_desc *vcpu);
void sysdesc_refused(struct sysdesc_check *c, const struct vcpu_desc *vcpu, const struct sched_placement *p);

#endif
