// SPDX-License-Identifier: Apache-2.0
// A PC guest's kernel file: of what kind it is, and what of it goes where in the guest's memory. The file may lie about
// everything; what is accepted here is within the file, and within what a guest may have there.
//
//   Linux      bzImage with a 64-bit entry, boot protocol 2.12 or later: linux_boot.h. It is loaded where it prefers to
//              be: loaded lower, a relocatable kernel would move itself there before it does anything else.
//   PVH        ELF, 32 or 64 bits, with Xen's note XEN_ELFNOTE_PHYS32_ENTRY: elf_layout.h
//   Multiboot  ELF of 32 bits, or a file whose header has the addresses: multiboot_layout.h
//   raw        any bytes, started in real mode where the description says
//
// Pure; any context. Nothing here blocks, all loops are bounded by the constants below.
#ifndef X86_GUEST_IMAGE_H
#define X86_GUEST_IMAGE_H

#include "kernel/sysdesc.h"

// A guest's address space below 4 GiB as its image may use it. [GUEST_LOW_END, GUEST_HIGH) is not for images: what the
// loader tells the guest is there (guest_start.h).
#define GUEST_LOW_END   0xa0000ull
#define GUEST_HIGH      0x100000ull
#define GUEST_IMAGE_END BIT(32)

enum {
    GUEST_COMMAND_MAX = 2047,    // bytes of a command line, without the terminator
    GUEST_PROGRAM_HEADERS = 64,  // of an ELF file, that are looked at; one with more is refused
    GUEST_NOTES_MAX = 64 * 1024, // bytes of one note segment that are searched
};

struct guest_image {
    struct vm_desc *vm;
    struct guest_refusal { // what is wrong, a value that belongs to it or 0, what would be right
        const char *problem, *remedy;
        uint64_t value;
    } why;
    uint64_t memory[MAX_IMAGE_SEGMENTS]; // that each segment gets: what the file does not fill is zero
    gpa_t end;            // behind the highest segment, and for Linux behind what it uses before it knows its memory
    gpa_t initrd_end;     // an initrd ends at or below it; 0: this kind cannot be told of one
    uint32_t command_max; // bytes of the command line, without the terminator; 0: it cannot be told of one
};

// What the VM's kernel looks like. IMAGE_RAW: like none of the others, and that it can always be started as.
enum image_type guest_image_type(const struct guest_image *image);

// Judges the kernel of image->vm, which is to be of the VM's type, and places it. Of the VM are given: kernel, type, memory
// (at least one block, the blocks apart from each other), initrd.size, bootargs; for a raw image load and entry. It gets
// its segments (each in the file and, with its memory, in one block; a raw one below GUEST_LOW_END), its entry (in a segment),
// and initrd_gpa: as high as the kernel allows, in the block in which the image ends, on a page border; without an initrd 0.
// The rest of *image is the result, too. ERR_INVALID: image->why says why, the rest means nothing.
int guest_image_place(struct guest_image *image);

#endif
