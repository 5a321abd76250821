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

#include "kernel/ranges.h"

enum guest_image_kind { GUEST_IMAGE_RAW, GUEST_IMAGE_LINUX, GUEST_IMAGE_PVH, GUEST_IMAGE_MULTIBOOT };

// A guest's address space below 4 GiB as its image may use it. [GUEST_LOW_END, GUEST_HIGH) is not for images: what the
// loader tells the guest is there (guest_start.h).
#define GUEST_LOW_END   0xa0000ull
#define GUEST_HIGH      0x100000ull
#define GUEST_IMAGE_END BIT(32)

enum {
    GUEST_SEGMENTS_MAX = 8,
    GUEST_COMMAND_MAX = 2047,    // bytes of a command line, without the terminator
    GUEST_PROGRAM_HEADERS = 64,  // of an ELF file, that are looked at; one with more is refused
    GUEST_NOTES_MAX = 64 * 1024, // bytes of one note segment that are searched
};

// A piece of the file, and the memory that it gets: what the file does not fill (size < memory) is zero. size may be 0.
struct guest_image_segment {
    uint64_t offset, size; // in the file
    gpa_t gpa;
    uint64_t memory; // at least 1
};

struct guest_image {
    enum guest_image_kind kind;
    unsigned segment_count; // at least 1
    struct guest_image_segment segments[GUEST_SEGMENTS_MAX];
    gpa_t entry;          // in a segment
    gpa_t end;            // behind the highest segment, and for Linux behind what it uses before it knows its memory
    gpa_t initrd_end;     // an initrd ends at or below it; 0: this kind cannot be told of one
    uint32_t command_max; // bytes of the command line, without the terminator; 0: it cannot be told of one
};

// Why something was refused: what is wrong, a value that belongs to it, what would be right.
struct guest_refusal {
    const char *problem, *remedy;
    uint64_t value;
};

// What the file looks like, given all its bytes. GUEST_IMAGE_RAW: like none of the others, and that it can always be started as.
enum guest_image_kind guest_image_kind(const void *bytes, uint64_t size);

// Judges a file that is to be of `kind` (not GUEST_IMAGE_RAW). OK, or ERR_INVALID with *why filled; then *image means
// nothing.
int guest_image_read(const void *bytes, uint64_t size, enum guest_image_kind kind, struct guest_image *image,
                     struct guest_refusal *why);
// The same for a raw file of `size` bytes: all of it below GUEST_LOW_END, `entry` in it.
int guest_image_raw(uint64_t size, gpa_t load, gpa_t entry, struct guest_image *image, struct guest_refusal *why);

// Whether it all fits into the guest's memory, `ram[0..count)` (count at least 1, the blocks apart from each other), and where the initrd goes: as high
// as the kernel allows, in the block in which the image ends, on a page border. initrd_size 0: none, and *initrd is 0.
// command_size without the terminator. ERR_INVALID with *why filled.
int guest_image_place(const struct guest_image *image, const struct range *ram, unsigned count, uint64_t initrd_size,
                      uint64_t command_size, gpa_t *initrd, struct guest_refusal *why);

#endif
