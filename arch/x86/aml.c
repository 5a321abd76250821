// SPDX-License-Identifier: Apache-2.0
#include "arch/x86/aml.h"

#include "arch/x86/acpi_layout.h"
#include "kernel/string.h"

enum { PKG_FOLLOWS_1 = 1u << AML_PKG_FOLLOW_SHIFT };
enum { BUFFER_SIZE_AT = 3, BUFFER_BYTES_AT = 4 }; // from a buffer's length on: the size as AML_BYTE, the bytes

size_t aml_begin(struct table_writer *w) {
    table_put(w, 0, 2);
    return w->at - 2;
}

void aml_end(struct table_writer *w, size_t begin) {
    size_t length = w->at - begin;

    table_patch(w, begin, PKG_FOLLOWS_1 | (length & AML_PKG_LOW_MASK), 1);
    table_patch(w, begin + 1, length >> AML_PKG_LOW_BITS, 1);
}

size_t aml_scope(struct table_writer *w, const char *path) {
    table_put(w, AML_SCOPE, 1);
    size_t begin = aml_begin(w);
    table_put_text(w, path, strlen(path));
    return begin;
}

size_t aml_device(struct table_writer *w, const char *name) {
    table_put(w, AML_EXTENDED | AML_DEVICE << 8, 2);
    size_t begin = aml_begin(w);
    table_put_text(w, name, AML_SEGMENT);
    return begin;
}

size_t aml_package(struct table_writer *w, uint8_t elements) {
    table_put(w, AML_PACKAGE, 1);
    size_t begin = aml_begin(w);
    table_put(w, elements, 1);
    return begin;
}

void aml_name(struct table_writer *w, const char *name) {
    table_put(w, AML_NAME, 1);
    table_put_text(w, name, AML_SEGMENT);
}

void aml_integer(struct table_writer *w, uint32_t value) {
    bool byte = value <= UINT8_MAX;

    table_put(w, byte ? AML_BYTE : AML_DWORD, 1);
    table_put(w, value, byte ? 1 : 4);
}

void aml_string(struct table_writer *w, const char *text) {
    table_put(w, AML_STRING, 1);
    table_put_text(w, text, strlen(text) + 1);
}

size_t aml_resources(struct table_writer *w) {
    aml_name(w, "_CRS");
    table_put(w, AML_BUFFER, 1);
    size_t begin = aml_begin(w);
    table_put(w, AML_BYTE, 2); // the size follows in aml_resources_end()
    return begin;
}

void aml_resources_end(struct table_writer *w, size_t begin) {
    table_put(w, RESOURCE_END_TAG, 2); // with checksum 0: none
    table_patch(w, begin + BUFFER_SIZE_AT, w->at - (begin + BUFFER_BYTES_AT), 1);
    aml_end(w, begin);
}

void aml_ports(struct table_writer *w, uint16_t first, uint8_t count) {
    table_put(w, RESOURCE_IO, 1);
    table_put(w, RESOURCE_IO_DECODE_16, 1);
    table_put(w, first, 2); // the lowest possible base, and the highest
    table_put(w, first, 2);
    table_put(w, 1, 1); // alignment
    table_put(w, count, 1);
}

void aml_memory(struct table_writer *w, uint32_t base, uint32_t size) {
    table_put(w, RESOURCE_MEMORY32_FIXED, 1);
    table_put(w, RESOURCE_MEMORY32_FIXED_LENGTH, 2);
    table_put(w, RESOURCE_MEMORY_WRITABLE, 1);
    table_put(w, base, 4);
    table_put(w, size, 4);
}

void aml_interrupt(struct table_writer *w, uint32_t gsi, bool level_triggered) {
    table_put(w, RESOURCE_INTERRUPT, 1);
    table_put(w, RESOURCE_INTERRUPT_LENGTH, 2);
    table_put(w, RESOURCE_CONSUMER | (level_triggered ? 0 : RESOURCE_EDGE), 1);
    table_put(w, 1, 1); // one interrupt
    table_put(w, gsi, 4);
}
