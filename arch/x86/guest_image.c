// SPDX-License-Identifier: Apache-2.0
#include "arch/x86/guest_image.h"

#include "arch/x86/elf_layout.h"
#include "arch/x86/linux_boot.h"
#include "arch/x86/little_endian.h"
#include "arch/x86/multiboot_layout.h"
#include "kernel/string.h"

static const char broken[] = "build it again, or copy it again";

static bool holds(const struct guest_image *image, uint64_t offset, uint64_t size) {
    uint64_t all = image->vm->kernel.size;

    return offset <= all && size <= all - offset;
}

static const uint8_t *bytes(const struct guest_image *image, uint64_t offset) {
    return (const uint8_t *)image->vm->kernel.data + offset;
}

// What lies beyond the file is 0: no magic number is.
static uint64_t field(const struct guest_image *image, uint64_t offset, unsigned size) {
    return holds(image, offset, size) ? load_le(bytes(image, offset), size) : 0;
}

static int refuse(struct guest_image *image, const char *problem, uint64_t value, const char *remedy) {
    image->why = (struct guest_refusal){problem, remedy, value};
    return ERR_INVALID;
}

// ---- what every kind ends in ------------------------------------------------------------------------------

// The VM's block that has all of [gpa, gpa + size).
static const struct vm_memory_desc *block_of(const struct vm_desc *vm, gpa_t gpa, uint64_t size) {
    for (const struct vm_memory_desc *m = vm->memory; m < vm->memory + vm->memory_count; m++) {
        if (gpa >= m->base && gpa - m->base < m->size && size <= m->size - (gpa - m->base)) { return m; }
    }
    return NULL;
}

// A piece of the file, s, that gets so much memory.
static int add_segment(struct guest_image *image, struct image_segment s, uint64_t memory) {
    struct vm_desc *vm = image->vm;

    if (!holds(image, s.offset, s.size)) {
        return refuse(image, "the file ends before the part that it says is at this offset", s.offset, broken);
    }
    if (s.size > memory) {
        return refuse(image, "a part of the file has more bytes than the memory that it asks for", memory, broken);
    }
    if (s.gpa >= GUEST_IMAGE_END || memory > GUEST_IMAGE_END - s.gpa) {
        return refuse(image, "it wants to be in memory beyond 4 GiB", s.gpa, "link it for a place below 4 GiB");
    }
    if (s.gpa < GUEST_HIGH && memory > GUEST_LOW_END - MIN(s.gpa, GUEST_LOW_END)) {
        return refuse(image, "it wants to be where firmware is, 0xa0000 to 0xfffff", s.gpa,
                      "link it for 1 MiB, 0x100000");
    }
    if (block_of(vm, s.gpa, memory) == NULL) {
        return refuse(image, "what it needs is not all memory of the VM; it ends at", s.gpa + memory,
                      "give the VM memory up to there");
    }
    if (vm->segment_count == MAX_IMAGE_SEGMENTS) {
        return refuse(image, "it has more segments than can be loaded", MAX_IMAGE_SEGMENTS,
                      "link it with fewer segments");
    }
    image->memory[vm->segment_count] = memory;
    vm->segments[vm->segment_count++] = s;
    image->end = MAX(image->end, s.gpa + memory);
    return OK;
}

// ---- Linux ------------------------------------------------------------------------------------------------

static bool is_linux(const struct guest_image *image) {
    return field(image, LINUX_BOOT_FLAG, 2) == LINUX_BOOT_FLAG_IS &&
           field(image, LINUX_HEADER, 4) == LINUX_HEADER_MAGIC;
}

static int read_linux(struct guest_image *image) {
    static const char take_another[] = "take a bzImage of Linux 3.8 or later for x86-64";
    static const struct {
        uint16_t at, mask, least;
        const char *otherwise;
    } rules[] = {
        {LINUX_VERSION, UINT16_MAX, LINUX_VERSION_LEAST, "its boot protocol is older than 2.12"},
        {LINUX_XLOADFLAGS, LINUX_XLF_KERNEL_64, 1, "it has no 64-bit entry"},
        {LINUX_LOADFLAGS, LINUX_LOADED_HIGH, 1, "it is to be loaded below 1 MiB"},
    };
    uint64_t header_end = LINUX_HEADER + field(image, LINUX_HEADER_LENGTH, 1);

    if (!is_linux(image)) { return refuse(image, "it is no bzImage of Linux", 0, take_another); }
    for (unsigned i = 0; i < ARRAY_SIZE(rules); i++) {
        uint64_t value = field(image, rules[i].at, 2);
        if ((value & rules[i].mask) < rules[i].least) { return refuse(image, rules[i].otherwise, value, take_another); }
    }
    if (header_end < LINUX_HEADER_LEAST || header_end > LINUX_HEADER_END_MAX || !holds(image, 0, header_end)) {
        return refuse(image, "its setup header cannot end there", header_end, take_another);
    }
    uint64_t sectors = field(image, LINUX_SETUP_SECTS, 1), load = field(image, LINUX_PREF_ADDRESS, 8);
    uint64_t align = field(image, LINUX_RELOCATABLE, 1) != 0 ? field(image, LINUX_KERNEL_ALIGNMENT, 4) : PAGE_SIZE;
    if (align == 0 || (align & (align - 1)) != 0 || load < GUEST_HIGH || load % align != 0) {
        return refuse(image, "it prefers a place that is none for a kernel", load,
                      "configure its CONFIG_PHYSICAL_START");
    }
    struct image_segment s = {
        .offset = ((sectors == 0 ? LINUX_SETUP_SECTS_OLD : sectors) + 1) * LINUX_SECTOR,
        .size = field(image, LINUX_SYSSIZE, 4) * LINUX_PARAGRAPH,
        .gpa = load,
    };
    if (s.size <= LINUX_ENTRY_64) { return refuse(image, "its code is too short", s.size, broken); }
    image->vm->entry = load + LINUX_ENTRY_64;
    image->initrd_end = field(image, LINUX_INITRD_ADDR_MAX, 4) + 1;
    image->command_max = (uint32_t)MIN(field(image, LINUX_CMDLINE_SIZE, 4), (uint64_t)GUEST_COMMAND_MAX);
    return add_segment(image, s, MAX(s.size, field(image, LINUX_INIT_SIZE, 4)));
}

// ---- ELF --------------------------------------------------------------------------------------------------

// NULL: not an ELF file that a PC starts.
static const struct elf_format *elf_format(const struct guest_image *image) {
    uint64_t class = field(image, ELF_CLASS, 1), machine = field(image, ELF_MACHINE, 2);

    if (field(image, 0, 4) != ELF_MAGIC || field(image, ELF_DATA, 1) != ELF_DATA_LITTLE) { return NULL; }
    if (class == ELF_CLASS_32 && machine == ELF_MACHINE_386) { return &elf_32; }
    return class == ELF_CLASS_64 && machine == ELF_MACHINE_X86_64 ? &elf_64 : NULL;
}

// A program header.
struct program {
    uint64_t type, memory;
    struct image_segment s;
};

// False: there is none of that number.
static bool read_program(const struct guest_image *image, const struct elf_format *f, unsigned i, struct program *p) {
    uint64_t table = field(image, f->phoff, f->width), step = field(image, f->phentsize, 2), at = table + i * step;

    if (i >= field(image, f->phnum, 2) || step < f->program_size || at < table || !holds(image, at, f->program_size)) {
        return false;
    }
    *p = (struct program){
        .type = field(image, at, 4),
        .memory = field(image, at + f->p_memsz, f->width),
        .s = {field(image, at + f->p_offset, f->width), field(image, at + f->p_filesz, f->width),
              field(image, at + f->p_paddr, f->width)},
    };
    return true;
}

static int add_programs(struct guest_image *image, const struct elf_format *f) {
    uint64_t count = field(image, f->phnum, 2);
    int status = OK;
    struct program p;

    if (count > GUEST_PROGRAM_HEADERS) {
        return refuse(image, "it has too many program headers", count, "link it with at most 64");
    }
    for (unsigned i = 0; status == OK && i < count; i++) {
        if (!read_program(image, f, i, &p)) { return refuse(image, "a program header is not in the file", i, broken); }
        if (p.type == PT_LOAD && p.memory != 0) { status = add_segment(image, p.s, p.memory); }
    }
    if (status == OK && image->vm->segment_count == 0) {
        status = refuse(image, "there is nothing in it to load", count, "link it as an executable");
    }
    return status;
}

// ---- PVH --------------------------------------------------------------------------------------------------

// Looks for the note in [at, at + size) of the file; sizes are 32 bits wide, so that no sum wraps.
static bool find_note(const struct guest_image *image, uint64_t at, uint64_t size, uint64_t *entry) {
    uint64_t end = at + MIN(size, (uint64_t)GUEST_NOTES_MAX);

    if (!holds(image, at, size)) { return false; }
    while (at < end && end - at >= NOTE_HEADER) {
        uint64_t name_size = field(image, at + NOTE_NAME_SIZE, 4), note_size = field(image, at + NOTE_SIZE, 4);
        uint64_t name = at + NOTE_HEADER, note = name + ALIGN_UP(name_size, (uint64_t)NOTE_ALIGN);
        if (note > end || note_size > end - note) { return false; }
        if (field(image, at + NOTE_TYPE, 4) == XEN_ELFNOTE_PHYS32_ENTRY && name_size == sizeof(XEN_NOTE_NAME) &&
            memcmp(bytes(image, name), XEN_NOTE_NAME, sizeof(XEN_NOTE_NAME)) == 0) {
            *entry = field(image, note, note_size < 8 ? 4 : 8);
            return note_size >= 4;
        }
        at = note + ALIGN_UP(note_size, (uint64_t)NOTE_ALIGN);
    }
    return false;
}

static bool find_pvh(const struct guest_image *image, uint64_t *entry) {
    const struct elf_format *f = elf_format(image);
    struct program p;

    for (unsigned i = 0; f != NULL && i < GUEST_PROGRAM_HEADERS && read_program(image, f, i, &p); i++) {
        if (p.type == PT_NOTE && find_note(image, p.s.offset, p.s.size, entry)) { return true; }
    }
    return false;
}

static int read_pvh(struct guest_image *image) {
    const struct elf_format *f = elf_format(image);

    if (f == NULL) {
        return refuse(image, "it is no ELF file for x86", 0, "name the kernel as it was linked, vmlinux");
    }
    if (!find_pvh(image, &image->vm->entry)) {
        return refuse(image, "it has no note with a PVH entry", 0, "Linux: switch CONFIG_PVH on, or take the bzImage");
    }
    return add_programs(image, f);
}

// ---- Multiboot --------------------------------------------------------------------------------------------

// A good checksum alone does not make a header: code can have the three words as immediates. Nothing more is to be had.
static bool find_multiboot(const struct guest_image *image, uint64_t *header) {
    for (uint64_t at = 0; at + MB1_HEADER_SIZE <= MB1_HEADER_SEARCHED; at += 4) {
        uint64_t sum =
            MB1_HEADER_SIGNATURE + field(image, at + MB1_HEADER_FLAGS, 4) + field(image, at + MB1_HEADER_CHECKSUM, 4);
        if (field(image, at + MB1_HEADER_MAGIC, 4) == MB1_HEADER_SIGNATURE && (uint32_t)sum == 0) {
            *header = at;
            return holds(image, at, MB1_HEADER_SIZE);
        }
    }
    return false;
}

// The header is also where it says: that gives the offset of everything else.
static int add_flat(struct guest_image *image, uint64_t header) {
    static const char correct[] = "correct the addresses in its Multiboot header";
    uint64_t self = field(image, header + MB1_HEADER_ADDRESS, 4), load = field(image, header + MB1_LOAD_ADDRESS, 4);
    uint64_t load_end = field(image, header + MB1_LOAD_END, 4), bss_end = field(image, header + MB1_BSS_END, 4);

    if (!holds(image, header, MB1_HEADER_SIZE_ADDRESSES)) {
        return refuse(image, "the file ends in its Multiboot header", header, broken);
    }
    if (load > self || self - load > header) {
        return refuse(image, "its first byte would lie before the file", load, correct);
    }
    struct image_segment s = {.offset = header - (self - load), .gpa = load};
    s.size = load_end == 0 ? image->vm->kernel.size - s.offset : load_end - load;
    if (load_end != 0 && load_end < load) { return refuse(image, "it ends before it begins", load_end, correct); }
    if (bss_end != 0 && bss_end < load + s.size) {
        return refuse(image, "its memory ends before what is loaded there", bss_end, correct);
    }
    image->vm->entry = field(image, header + MB1_ENTRY, 4);
    return add_segment(image, s, bss_end == 0 ? s.size : bss_end - load);
}

static int read_multiboot(struct guest_image *image) {
    uint64_t header;

    if (!find_multiboot(image, &header)) {
        return refuse(image, "it has no Multiboot 1 header", 0, "put one, 4-aligned, into its first 8192 bytes");
    }
    uint64_t flags = field(image, header + MB1_HEADER_FLAGS, 4);
    if ((flags & MB1_HEADER_MUST & ~(uint64_t)(MB1_HEADER_PAGE_ALIGN | MB1_HEADER_MEMORY)) != 0) {
        return refuse(image, "its Multiboot header asks for what there is not, as a video mode", flags,
                      "clear its flags 2 to 15");
    }
    if ((flags & MB1_HEADER_ADDRESSES) != 0) { return add_flat(image, header); }
    if (elf_format(image) != &elf_32) {
        return refuse(image, "it is neither an ELF file of 32 bits, nor has its Multiboot header addresses", flags,
                      "objcopy -O elf32-i386, or add the addresses");
    }
    image->vm->entry = field(image, elf_32.entry, elf_32.width);
    return add_programs(image, &elf_32);
}

// ---- all of them ------------------------------------------------------------------------------------------

static int read_raw(struct guest_image *image) {
    struct vm_desc *vm = image->vm;

    image->initrd_end = image->command_max = 0;
    if (vm->load >= GUEST_LOW_END || vm->kernel.size > GUEST_LOW_END - vm->load) {
        return refuse(image, "a raw binary must end below 0xa0000, as far as real mode has RAM",
                      vm->load + vm->kernel.size,
                      "load it lower, make it smaller, or give it a PVH or Multiboot header");
    }
    return add_segment(image, (struct image_segment){0, vm->kernel.size, vm->load}, vm->kernel.size);
}

enum image_type guest_image_type(const struct guest_image *image) {
    uint64_t found;

    if (is_linux(image)) { return IMAGE_LINUX; }
    if (find_pvh(image, &found)) { return IMAGE_PVH; }
    return find_multiboot(image, &found) ? IMAGE_MULTIBOOT : IMAGE_RAW;
}

static int check_entry(struct guest_image *image) {
    const struct vm_desc *vm = image->vm;

    for (unsigned i = 0; i < vm->segment_count; i++) {
        gpa_t gpa = vm->segments[i].gpa;
        if (vm->entry >= gpa && vm->entry - gpa < image->memory[i]) { return OK; }
    }
    return refuse(image, "its entry is not in what is loaded of it", vm->entry,
                  "give it an entry inside, as a physical address");
}

static int place_initrd(struct guest_image *image) {
    struct vm_desc *vm = image->vm;
    gpa_t floor = MAX(image->end, GUEST_HIGH);
    const struct vm_memory_desc *block = block_of(vm, floor - 1, 1); // the image's, which lies in one

    if (image->initrd_end == 0) {
        return refuse(image, "a raw image cannot be told of an initrd", vm->initrd.size, "leave the initrd out");
    }
    gpa_t top = MIN(block->base + block->size, image->initrd_end);
    uint64_t room = top > floor ? top - floor : 0;
    if (vm->initrd.size > room || ALIGN_DOWN(top - vm->initrd.size, PAGE_SIZE) < floor) {
        return refuse(image, "the initrd does not fit above the kernel; there are bytes for it", room,
                      "give the VM's first block more memory, or a smaller initrd");
    }
    vm->initrd_gpa = ALIGN_DOWN(top - vm->initrd.size, PAGE_SIZE);
    return OK;
}

int guest_image_place(struct guest_image *image) {
    static int (*const readers[])(struct guest_image *) = {
        [IMAGE_LINUX] = read_linux,
        [IMAGE_RAW] = read_raw,
        [IMAGE_PVH] = read_pvh,
        [IMAGE_MULTIBOOT] = read_multiboot,
    };
    struct vm_desc *vm = image->vm;

    *image =
        (struct guest_image){.vm = vm, .initrd_end = GUEST_IMAGE_END - PAGE_SIZE, .command_max = GUEST_COMMAND_MAX};
    vm->segment_count = 0;
    vm->initrd_gpa = 0;
    if (vm->memory[0].base != 0 || vm->memory[0].size < GUEST_HIGH) {
        return refuse(image, "a PC has memory from 0 to 1 MiB", GUEST_HIGH,
                      "let the VM's first block of memory begin at 0");
    }
    int status = readers[vm->type](image);
    if (status == OK) { status = check_entry(image); }
    if (status == OK && strlen(vm->bootargs) > image->command_max) {
        return refuse(image, "the command line is too long for this kernel; it takes bytes", image->command_max,
                      "shorten the command line");
    }
    return status == OK && vm->initrd.size != 0 ? place_initrd(image) : status;
}
