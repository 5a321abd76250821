// SPDX-License-Identifier: Apache-2.0
// Writes ACPI machine language, as much as the tables of a guest need: scopes, devices, packages, names, numbers, strings,
// resources. ACPI 6.5, 20.2 (grammar) and 6.4 (resources). A package's length always has two bytes: the writer learns it
// last. Pure; any context.
#ifndef X86_AML_H
#define X86_AML_H

#include "arch/x86/table_writer.h"

// Something with a length (20.2.4) begins, right after its opcode; aml_end() takes what aml_begin() returned. At most
// AML_LENGTH_MAX bytes between them.
enum { AML_LENGTH_MAX = 4000 };
size_t aml_begin(struct table_writer *w);
void aml_end(struct table_writer *w, size_t begin);

// `name` is a name segment: 4 characters. A scope's may have the root before it.
size_t aml_scope(struct table_writer *w, const char *path);
size_t aml_device(struct table_writer *w, const char *name);
size_t aml_package(struct table_writer *w, uint8_t elements);
void aml_name(struct table_writer *w, const char *name); // what follows is its value
void aml_integer(struct table_writer *w, uint32_t value);
void aml_string(struct table_writer *w, const char *text);

// _CRS, with any of the following between: at most 250 bytes.
size_t aml_resources(struct table_writer *w);
void aml_resources_end(struct table_writer *w, size_t begin);
void aml_ports(struct table_writer *w, uint16_t first, uint8_t count);          // 6.4.2.5
void aml_memory(struct table_writer *w, uint32_t base, uint32_t size);          // 6.4.3.4, read-write
void aml_interrupt(struct table_writer *w, uint32_t gsi, bool level_triggered); // 6.4.3.6, active high, not shared

#endif
