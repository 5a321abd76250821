// SPDX-License-Identifier: Apache-2.0
#include "arch/x86/guest_image.h"

#include "arch/x86/elf_layout.h"
#include "arch/x86/linux_boot.h"
#include "arch/x86/little_endian.h"
#include "arch/x86/multiboot_layout.h"
#include "kernel/string.h"

struct file {
    const uint8_t *bytes;
    uint64_t size;
};

static bool holds(const struct file *file, uint64_t offset, uint64_t size) {
    return offset <= file->size && size <= file->size - offset;
}

// What lies beyond the file is 0: no magic number is.
static uint64_t field(const struct file *file, uint64_t offset, unsigned size) {
    return holds(file, offset, size) ? load_le(file->bytes + offset, size) : 0;
}

static int refuse(struct guest_refusal *why, const char *problem, uint64_t value, const char *remedy) {
    *why = (struct guest_refusal){problem, remedy, value};
    return ERR_INVALID;
}

// ---- what every kind ends in ------------------------------------------------------------------------------

static int add_segment(const struct file *file, const struct guest_image_segment *s, struct guest_image *image,
                       struct guest_refusal *why) {
    static const char broken[] = "build it again, or copy it again";

    if (!holds(file, s->offset, s->size)) {
        return refuse(why, "the file ends before the part that it says is at this offset", s->offset, broken);
    }
    if (s->size > s->memory) {
        return refuse(why, "a part of the file has more bytes than the memory that it asks for", s->memory, broken);
    }
    if (s->gpa >= GUEST_IMAGE_END || s->memory > GUEST_IMAGE_END - s->gpa) {
        return refuse(why, "it wants to be in memory beyond 4 GiB", s->gpa, "link it for a place below 4 GiB");
    }
    if (s->gpa < GUEST_HIGH && s->memory > GUEST_LOW_END - MIN(s->gpa, GUEST_LOW_END)) {
        return refuse(why, "it wants to be where firmware is, 0xa0000 to 0xfffff", s->gpa,
                      "link it for 1 MiB, 0x100000");
    }
    if (image->segment_count == GUEST_SEGMENTS_MAX) {
        return refuse(why, "it has more segments than can be loaded", GUEST_SEGMENTS_MAX,
                      "link it with fewer segments");
    }
    image->segments[image->segment_count++] = *s;
    image->end = MAX(image->end, s->gpa + s->memory);
    return OK;
}

static int check_entry(const struct guest_image *image, struct guest_refusal *why) {
    for (unsigned i = 0; i < image->segment_count; i++) {
        const struct guest_image_segment *s = &image->segments[i];
        if (image->entry >= s->gpa && image->entry - s->gpa < s->memory) { return OK; }
    }
    return refuse(why, "its entry is not in what is loaded of it", image->entry,
                  "give it an entry inside, as a physical address");
}

// ---- Linux ------------------------------------------------------------------------------------------------

static bool is_linux(const struct file *file) {
    return field(file, LINUX_BOOT_FLAG, 2) == LINUX_BOOT_FLAG_IS && field(file, LINUX_HEADER, 4) == LINUX_HEADER_MAGIC;
}

static int check_linux(const struct file *file, struct guest_refusal *why) {
    static const char take_another[] = "take a bzImage of Linux 3.8 or later for x86-64";

    if (!is_linux(file)) { return refuse(why, "it is no bzImage of Linux", file->size, take_another); }
    if (field(file, LINUX_VERSION, 2) < LINUX_VERSION_LEAST) {
        return refuse(why, "its boot protocol is older than 2.12", field(file, LINUX_VERSION, 2), take_another);
    }
    uint64_t end = LINUX_HEADER + field(file, LINUX_HEADER_LENGTH, 1);
    if (end < LINUX_HEADER_LEAST || end > LINUX_HEADER_END_MAX || !holds(file, 0, end)) {
        return refuse(why, "its setup header cannot end there", end, take_another);
    }
    if ((field(file, LINUX_XLOADFLAGS, 2) & LINUX_XLF_KERNEL_64) == 0) {
        return refuse(why, "it has no 64-bit entry", field(file, LINUX_XLOADFLAGS, 2), "take a kernel for x86-64");
    }
    if ((field(file, LINUX_LOADFLAGS, 1) & LINUX_LOADED_HIGH) == 0) {
        return refuse(why, "it is to be loaded below 1 MiB", field(file, LINUX_LOADFLAGS, 1), take_another);
    }
    return OK;
}

static int read_linux(const struct file *file, struct guest_image *image, struct guest_refusal *why) {
    int status = check_linux(file, why);

    if (status != OK) { return status; }
    uint64_t sectors = field(file, LINUX_SETUP_SECTS, 1), load = field(file, LINUX_PREF_ADDRESS, 8);
    uint64_t align = field(file, LINUX_RELOCATABLE, 1) != 0 ? field(file, LINUX_KERNEL_ALIGNMENT, 4) : PAGE_SIZE;
    if (align == 0 || (align & (align - 1)) != 0 || load < GUEST_HIGH || load % align != 0) {
        return refuse(why, "it prefers a place that is none for a kernel", load, "configure its CONFIG_PHYSICAL_START");
    }
    struct guest_image_segment s = {
        .offset = ((sectors == 0 ? LINUX_SETUP_SECTS_OLD : sectors) + 1) * LINUX_SECTOR,
        .size = field(file, LINUX_SYSSIZE, 4) * LINUX_PARAGRAPH,
        .gpa = load,
    };
    if (s.size <= LINUX_ENTRY_64) {
        return refuse(why, "its code is too short", s.size, "build it again, or copy it again");
    }
    s.memory = MAX(s.size, field(file, LINUX_INIT_SIZE, 4));
    image->entry = load + LINUX_ENTRY_64;
    image->initrd_end = field(file, LINUX_INITRD_ADDR_MAX, 4) + 1;
    image->command_max = (uint32_t)MIN(field(file, LINUX_CMDLINE_SIZE, 4), (uint64_t)GUEST_COMMAND_MAX);
    return add_segment(file, &s, image, why);
}

// ---- ELF --------------------------------------------------------------------------------------------------

// NULL: not an ELF file that a PC starts.
static const struct elf_format *elf_format(const struct file *file) {
    uint64_t class = field(file, ELF_CLASS, 1), machine = field(file, ELF_MACHINE, 2);

    if (field(file, 0, 4) != ELF_MAGIC || field(file, ELF_DATA, 1) != ELF_DATA_LITTLE) { return NULL; }
    if (class == ELF_CLASS_32 && machine == ELF_MACHINE_386) { return &elf_32; }
    return class == ELF_CLASS_64 && machine == ELF_MACHINE_X86_64 ? &elf_64 : NULL;
}

// Where program header i is; false: there is none.
static bool elf_program(const struct file *file, const struct elf_format *f, unsigned i, uint64_t *at) {
    uint64_t table = field(file, f->phoff, f->width), step = field(file, f->phentsize, 2);

    if (i >= field(file, f->phnum, 2) || step < f->program_size || table > file->size) { return false; }
    *at = table + i * step;
    return holds(file, *at, f->program_size);
}

static int elf_segments(const struct file *file, const struct elf_format *f, struct guest_image *image,
                        struct guest_refusal *why) {
    uint64_t count = field(file, f->phnum, 2), at;
    int status = OK;

    if (count > GUEST_PROGRAM_HEADERS) {
        return refuse(why, "it has too many program headers", count, "link it with at most 64");
    }
    for (unsigned i = 0; status == OK && i < count; i++) {
        if (!elf_program(file, f, i, &at)) {
            return refuse(why, "a program header is not in the file", i, "build it again, or copy it again");
        }
        struct guest_image_segment s = {.offset = field(file, at + f->p_offset, f->width),
                                        .size = field(file, at + f->p_filesz, f->width),
                                        .gpa = field(file, at + f->p_paddr, f->width),
                                        .memory = field(file, at + f->p_memsz, f->width)};
        if (field(file, at, 4) == PT_LOAD && s.memory != 0) { status = add_segment(file, &s, image, why); }
    }
    if (status == OK && image->segment_count == 0) {
        status = refuse(why, "there is nothing in it to load", count, "link it as an executable");
    }
    return status;
}

// ---- PVH --------------------------------------------------------------------------------------------------

// Looks for the note in [at, at + size) of the file; sizes are 32 bits wide, so that no sum wraps.
static bool find_note(const struct file *file, uint64_t at, uint64_t size, uint64_t *entry) {
    uint64_t end = at + MIN(size, (uint64_t)GUEST_NOTES_MAX);

    if (!holds(file, at, size)) { return false; }
    while (at < end && end - at >= NOTE_HEADER) {
        uint64_t name_size = field(file, at + NOTE_NAME_SIZE, 4), note_size = field(file, at + NOTE_SIZE, 4);
        uint64_t name = at + NOTE_HEADER, note = name + ALIGN_UP(name_size, (uint64_t)NOTE_ALIGN);
        if (note > end || note_size > end - note) { return false; }
        if (field(file, at + NOTE_TYPE, 4) == XEN_ELFNOTE_PHYS32_ENTRY && name_size == sizeof(XEN_NOTE_NAME) &&
            memcmp(file->bytes + name, XEN_NOTE_NAME, sizeof(XEN_NOTE_NAME)) == 0) {
            *entry = field(file, note, note_size < 8 ? 4 : 8);
            return note_size >= 4;
        }
        at = note + ALIGN_UP(note_size, (uint64_t)NOTE_ALIGN);
    }
    return false;
}

static bool find_pvh(const struct file *file, uint64_t *entry) {
    const struct elf_format *f = elf_format(file);
    uint64_t at;

    for (unsigned i = 0; f != NULL && i < GUEST_PROGRAM_HEADERS && elf_program(file, f, i, &at); i++) {
        if (field(file, at, 4) == PT_NOTE &&
            find_note(file, field(file, at + f->p_offset, f->width), field(file, at + f->p_filesz, f->width), entry)) {
            return true;
        }
    }
    return false;
}

static int read_pvh(const struct file *file, struct guest_image *image, struct guest_refusal *why) {
    const struct elf_format *f = elf_format(file);

    if (f == NULL) {
        return refuse(why, "it is no ELF file for x86", field(file, 0, 4), "name the kernel as it was linked, vmlinux");
    }
    if (!find_pvh(file, &image->entry)) {
        return refuse(why, "it has no note with a PVH entry", XEN_ELFNOTE_PHYS32_ENTRY,
                      "Linux: switch CONFIG_PVH on, or take the bzImage");
    }
    return elf_segments(file, f, image, why);
}

// ---- Multiboot --------------------------------------------------------------------------------------------

// A good checksum alone does not make a header: code can have the three words as immediates. Nothing more is to be had.
static bool find_multiboot(const struct file *file, uint64_t *header) {
    uint64_t searched = MIN(file->size, (uint64_t)MB1_HEADER_SEARCHED);

    for (uint64_t at = 0; at + MB1_HEADER_SIZE <= searched; at += 4) {
        if (field(file, at + MB1_HEADER_MAGIC, 4) == MB1_HEADER_SIGNATURE) {
            uint64_t sum =
                MB1_HEADER_SIGNATURE + field(file, at + MB1_HEADER_FLAGS, 4) + field(file, at + MB1_HEADER_CHECKSUM, 4);
            *header = at;
            if ((uint32_t)sum == 0) { return true; }
        }
    }
    return false;
}

// The header is also where it says: that gives the offset of everything else.
static int flat_segment(const struct file *file, uint64_t header, struct guest_image *image,
                        struct guest_refusal *why) {
    static const char correct[] = "correct the addresses in its Multiboot header";
    uint64_t self = field(file, header + MB1_HEADER_ADDRESS, 4), load = field(file, header + MB1_LOAD_ADDRESS, 4);
    uint64_t load_end = field(file, header + MB1_LOAD_END, 4), bss_end = field(file, header + MB1_BSS_END, 4);

    if (!holds(file, header, MB1_HEADER_SIZE_ADDRESSES)) {
        return refuse(why, "the file ends in its Multiboot header", header, "build it again, or copy it again");
    }
    if (load > self || self - load > header) {
        return refuse(why, "its first byte would lie before the file", load, correct);
    }
    struct guest_image_segment s = {.offset = header - (self - load), .gpa = load};
    s.size = load_end == 0 ? file->size - s.offset : load_end - load;
    if (load_end != 0 && load_end < load) { return refuse(why, "it ends before it begins", load_end, correct); }
    if (bss_end != 0 && bss_end < load + s.size) {
        return refuse(why, "its memory ends before what is loaded there", bss_end, correct);
    }
    s.memory = bss_end == 0 ? s.size : bss_end - load;
    image->entry = field(file, header + MB1_ENTRY, 4);
    return add_segment(file, &s, image, why);
}

static int read_multiboot(const struct file *file, struct guest_image *image, struct guest_refusal *why) {
    const struct elf_format *f = elf_format(file);
    uint64_t header;

    if (!find_multiboot(file, &header)) {
        return refuse(why, "it has no Multiboot 1 header", MB1_HEADER_SEARCHED,
                      "put one, 4-aligned, into its first 8192 bytes");
    }
    uint64_t flags = field(file, header + MB1_HEADER_FLAGS, 4);
    if ((flags & MB1_HEADER_MUST & ~(uint64_t)(MB1_HEADER_PAGE_ALIGN | MB1_HEADER_MEMORY)) != 0) {
        return refuse(why, "its Multiboot header asks for what there is not, as a video mode", flags,
                      "clear its flags 2 to 15");
    }
    if ((flags & MB1_HEADER_ADDRESSES) != 0) { return flat_segment(file, header, image, why); }
    if (f != &elf_32) {
        return refuse(why, "it is neither an ELF file of 32 bits, nor has its Multiboot header addresses", flags,
                      "objcopy -O elf32-i386, or add the addresses");
    }
    image->entry = field(file, f->entry, f->width);
    return elf_segments(file, f, image, why);
}

// ---- all of them ------------------------------------------------------------------------------------------

enum guest_image_kind guest_image_kind(const void *bytes, uint64_t size) {
    struct file file = {bytes, size};
    uint64_t found;

    if (is_linux(&file)) { return GUEST_IMAGE_LINUX; }
    if (find_pvh(&file, &found)) { return GUEST_IMAGE_PVH; }
    return find_multiboot(&file, &found) ? GUEST_IMAGE_MULTIBOOT : GUEST_IMAGE_RAW;
}

int guest_image_read(const void *bytes, uint64_t size, enum guest_image_kind kind, struct guest_image *image,
                     struct guest_refusal *why) {
    static int (*const readers[])(const struct file *, struct guest_image *, struct guest_refusal *) = {
        [GUEST_IMAGE_LINUX] = read_linux,
        [GUEST_IMAGE_PVH] = read_pvh,
        [GUEST_IMAGE_MULTIBOOT] = read_multiboot,
    };
    struct file file = {bytes, size};

    *image =
        (struct guest_image){.kind = kind, .initrd_end = GUEST_IMAGE_END - PAGE_SIZE, .command_max = GUEST_COMMAND_MAX};
    int status = readers[kind](&file, image, why);
    return status == OK ? check_entry(image, why) : status;
}

int guest_image_raw(uint64_t size, gpa_t load, gpa_t entry, struct guest_image *image, struct guest_refusal *why) {
    struct file file = {NULL, size};
    struct guest_image_segment s = {.offset = 0, .size = size, .gpa = load, .memory = size};

    *image = (struct guest_image){.kind = GUEST_IMAGE_RAW, .entry = entry};
    if (load >= GUEST_LOW_END) {
        return refuse(why, "real mode does not reach it there", load, "load it below 0xa0000");
    }
    int status = add_segment(&file, &s, image, why);
    return status == OK ? check_entry(image, why) : status;
}

// ---- in the guest's memory --------------------------------------------------------------------------------

// The block that has all of [gpa, gpa + size); size is at least 1.
static const struct range *block_of(const struct range *ram, unsigned count, gpa_t gpa, uint64_t size) {
    for (unsigned i = 0; i < count; i++) {
        if (gpa >= ram[i].base && gpa - ram[i].base < ram[i].size && size <= ram[i].size - (gpa - ram[i].base)) {
            return &ram[i];
        }
    }
    return NULL;
}

static int place_initrd(const struct guest_image *image, const struct range *ram, unsigned count, uint64_t size,
                        gpa_t *initrd, struct guest_refusal *why) {
    gpa_t floor = MAX(image->end, GUEST_HIGH);
    const struct range *block = block_of(ram, count, floor - 1, 1); // the image's, which lies in one

    if (image->initrd_end == 0) {
        return refuse(why, "a raw image cannot be told of an initrd", size, "leave the initrd out");
    }
    gpa_t top = MIN(block->base + block->size, image->initrd_end);
    uint64_t room = top > floor ? top - floor : 0;
    if (size > room || ALIGN_DOWN(top - size, PAGE_SIZE) < floor) {
        return refuse(why, "the initrd does not fit above the kernel; there are bytes for it", room,
                      "give the VM's first block more memory, or a smaller initrd");
    }
    *initrd = ALIGN_DOWN(top - size, PAGE_SIZE);
    return OK;
}

int guest_image_place(const struct guest_image *image, const struct range *ram, unsigned count, uint64_t initrd_size,
                      uint64_t command_size, gpa_t *initrd, struct guest_refusal *why) {
    *initrd = 0;
    if (ram[0].base != 0 || ram[0].size < GUEST_HIGH) {
        return refuse(why, "a PC has memory from 0 to 1 MiB", GUEST_HIGH,
                      "let the VM's first block of memory begin at 0");
    }
    for (unsigned i = 0; i < image->segment_count; i++) {
        const struct guest_image_segment *s = &image->segments[i];
        if (block_of(ram, count, s->gpa, s->memory) == NULL) {
            return refuse(why, "what it needs is not all memory of the VM; it ends at", s->gpa + s->memory,
                          "give the VM memory up to there");
        }
    }
    if (command_size > image->command_max) {
        return refuse(why, "the command line is too long for this kernel; it takes bytes", image->command_max,
                      "shorten the command line");
    }
    return initrd_size == 0 ? OK : place_initrd(image, ram, count, initrd_size, initrd, why);
}
