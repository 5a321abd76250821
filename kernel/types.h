// SPDX-License-Identifier: Apache-2.0
// Types, limits and status codes that every room above sched/ and timer/ uses.
#ifndef KERNEL_TYPES_H
#define KERNEL_TYPES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef uint64_t paddr_t; // a physical address of the machine
typedef uint64_t gpa_t;   // a physical address as a guest sees it

// Limits of one system. A description beyond them is refused by the checker, by name.
enum {
    MAX_CORES = 8,
    MAX_VMS = 16,
    MAX_VCPUS = 8,        // of one VM
    MAX_VM_MEMORY = 4,    // memory blocks of one VM
    MAX_VM_DEVICES = 8,   // assigned devices of one VM
    MAX_DEVICE_PAGES = 4, // MMIO ranges of one assigned device
    MAX_DEVICE_IRQS = 4,
    MAX_NAME = 24, // a VM's name with its terminator
};

// Results of functions that can fail: 0 or one of these. Never ignored.
enum status {
    OK = 0,
    ERR_INVALID = -1,   // an argument is out of its stated range
    ERR_NO_MEMORY = -2, // the pool is exhausted
    ERR_NOT_FOUND = -3,
    ERR_DENIED = -4,      // policy says no
    ERR_BUSY = -5,        // the object is in a state that does not allow it now
    ERR_RANGE = -6,       // an address or index lies outside its object
    ERR_UNSUPPORTED = -7, // this machine cannot
    ERR_CORRUPT = -8,     // a hash or a structure does not hold
};

// A ticket lock; kernel/lock.h has its operations.
struct spinlock {
    uint16_t next;
    uint16_t owner;
};

#define PAGE_SHIFT                    12u
#define PAGE_SIZE                     4096ul
#define PAGE_MASK                     (PAGE_SIZE - 1)

#define ARRAY_SIZE(a)                 (sizeof(a) / sizeof((a)[0]))
#define ALIGN_UP(x, a)                (((x) + ((a) - 1)) & ~((a) - 1))
#define ALIGN_DOWN(x, a)              ((x) & ~((a) - 1))
#define MIN(a, b)                     ((a) < (b) ? (a) : (b))
#define MAX(a, b)                     ((a) > (b) ? (a) : (b))
#define BIT(n)                        (1ull << (n))
#define likely(x)                     __builtin_expect(!!(x), 1)
#define unlikely(x)                   __builtin_expect(!!(x), 0)
#define container_of(p, type, member) ((type *)((char *)(p) - offsetof(type, member)))
#define UNUSED                        __attribute__((unused))

// Small rather than fast, for what is rare in a file that is fast rather than small.
#ifdef __clang__
#define COLD __attribute__((cold, minsize))
#else
#define COLD __attribute__((cold))
#endif

#endif
