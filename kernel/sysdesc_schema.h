// SPDX-License-Identifier: Apache-2.0
// How the binding is written down: tables of properties and nodes, read by sysdesc_schema.c.
#ifndef KERNEL_SYSDESC_SCHEMA_H
#define KERNEL_SYSDESC_SCHEMA_H

#include "kernel/sysdesc_check.h"

enum property_kind {
    FLAG,       // no value; stores (bool)max
    CELL,       // one 32-bit cell in min..max -> uint32_t
    ADDRESS,    // two cells, one 64-bit number -> uint64_t
    TEXT,       // one string of at most max bytes -> const char *
    CHOICE,     // one string of the list -> uint32_t, its index
    PATH,       // a file of the image -> struct blob
    CORE,       // "auto", or one cell -> uint8_t
    MEMORY,     // (address, size) pairs of 64 bits -> the memory of the current VM
    ADDRESSES,  // 64-bit numbers -> the guest addresses of the current device
    COMPATIBLE, // lists the string -> nothing
    PROPERTY_KINDS
};

struct property {
    const char *name;
    enum property_kind kind : 8;
    bool required;
    uint16_t offset; // of the field in the node's object
    union {
        struct {
            uint32_t min, max;
        };
        const char *list; // strings, each with its terminator, and an empty one
    };
};

struct schema {       // of one node
    const char *name; // NULL: any; one that ends in '@': any unit address
    const struct property *properties;
    const struct schema *children;
    uint8_t property_count, child_count; // at most 32
    bool required;
    // Returns the object to fill, or NULL: the node is reported and passed over. Not given: the parent's object.
    void *(*enter)(struct sysdesc_check *c);
    // The node is over; c->seen says what it gave. May be NULL.
    void (*leave)(struct sysdesc_check *c);
};

#endif
