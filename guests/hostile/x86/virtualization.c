// SPDX-License-Identifier: Apache-2.0
// The instructions of AMD SVM and Intel VMX, and of enclaves, monitors and management: a guest has none of them.
#include "x86.h"

#define ROUNDS 200

static const struct instruction svm[] = {
    CODE(0x0f, 0x01, 0xd8), // vmrun
    CODE(0x0f, 0x01, 0xda), // vmload
    CODE(0x0f, 0x01, 0xdb), // vmsave
    CODE(0x0f, 0x01, 0xdc), // stgi
    CODE(0x0f, 0x01, 0xdd), // clgi
    CODE(0x0f, 0x01, 0xdc), // stgi, should that have worked
    CODE(0x0f, 0x01, 0xde), // skinit
    CODE(0x0f, 0x01, 0xdf), // invlpga
};

static const struct instruction vmx[] = {
    CODE(0x0f, 0x01, 0xc2),             // vmlaunch
    CODE(0x0f, 0x01, 0xc3),             // vmresume
    CODE(0x0f, 0x01, 0xc4),             // vmxoff
    CODE(0x0f, 0x01, 0xd4),             // vmfunc
    CODE(0xf3, 0x0f, 0xc7, 0x37),       // vmxon [rdi]
    CODE(0x0f, 0xc7, 0x37),             // vmptrld
    CODE(0x0f, 0xc7, 0x3f),             // vmptrst
    CODE(0x66, 0x0f, 0xc7, 0x37),       // vmclear
    CODE(0x0f, 0x78, 0xc8),             // vmread
    CODE(0x0f, 0x79, 0xc8),             // vmwrite
    CODE(0x66, 0x0f, 0x38, 0x80, 0x07), // invept
    CODE(0x66, 0x0f, 0x38, 0x81, 0x07), // invvpid
};

static const struct instruction others[] = {
    CODE(0x66, 0x0f, 0x38, 0x82, 0x07), // invpcid
    CODE(0x0f, 0x37),                   // getsec
    CODE(0x0f, 0x01, 0xcf),             // encls
    CODE(0x0f, 0x01, 0xd7),             // enclu
    CODE(0x0f, 0x01, 0xc0),             // enclv
    CODE(0x0f, 0x01, 0xc5),             // pconfig
    CODE(0x0f, 0x01, 0xc8),             // monitor
    CODE(0x0f, 0x01, 0xfa),             // monitorx
    CODE(0x0f, 0x33),                   // rdpmc
    CODE(0xf3, 0x0f, 0xc7, 0xf8),       // rdpid
    CODE(0x0f, 0x08),                   // invd
    CODE(0xf3, 0x0f, 0x09),             // wbnoinvd
    CODE(0x0f, 0x01, 0xfe),             // invlpgb
    CODE(0x0f, 0x01, 0xff),             // tlbsync
    CODE(0x0f, 0x01, 0x3f),             // invlpg
    CODE(0x0f, 0x00, 0x07),             // sldt [rdi]
    CODE(0x0f, 0x01, 0x07),             // sgdt
    CODE(0x0f, 0x01, 0x0f),             // sidt
    CODE(0x0f, 0x01, 0x27),             // smsw
};

static uint8_t page[4096] __attribute__((aligned(4096)));

static void each(const struct instruction *table, unsigned count) {
    const uint64_t places[] = {(uintptr_t)page, memory_end(), ~0xfffull, 1};
    for (unsigned i = 0; i < COUNT_OF(places); i++)
        step_each(table, count, &(struct registers){.rax = places[i], .rdi = (uintptr_t)page});
    restore_interrupts();
}

static void svm_instructions(void) { each(svm, COUNT_OF(svm)); }

static void vmx_instructions(void) { each(vmx, COUNT_OF(vmx)); }

static void other_instructions(void) { each(others, COUNT_OF(others)); }

// On a machine without a hypervisor this would work.
static void svm_enabled(void) {
    if (!takt_present()) {
        skip("not on Takt");
        return;
    }
    for (unsigned i = 0; i < ROUNDS; i++) {
        step_msr_write(MSR_EFER, msr_read(MSR_EFER) | EFER_SVME);
        each(svm, COUNT_OF(svm));
    }
}

// The wrong vendor's hypercall, and the right one with every prefix.
static void call_instructions(void) {
    static const struct instruction table[] = {
        CODE(0x0f, 0x01, 0xc1),
        CODE(0x0f, 0x01, 0xd9),
        CODE(0x66, 0x0f, 0x01, 0xc1),
        CODE(0x66, 0x0f, 0x01, 0xd9),
        CODE(0xf2, 0x0f, 0x01, 0xc1),
        CODE(0xf3, 0x0f, 0x01, 0xd9),
        CODE(0xf0, 0x0f, 0x01, 0xd9),
        CODE(0x48, 0x0f, 0x01, 0xc1),
        CODE(0x2e, 0x48, 0x0f, 0x01, 0xd9),
        CODE(0x36, 0x66, 0x67, 0x3e, 0x65, 0x4f, 0x0f, 0x01, 0xd9),
    };
    for (unsigned i = 0; i < ROUNDS; i++) step_each(table, COUNT_OF(table), &(struct registers){.rax = ~0ull});
}

const struct attack virtualization_attacks[] = {
    {"svm-instructions", svm_instructions, CONTINUES},   {"svm-enabled", svm_enabled, CONTINUES},
    {"vmx-instructions", vmx_instructions, CONTINUES},   {"other-instructions", other_instructions, CONTINUES},
    {"call-instructions", call_instructions, CONTINUES}, {0},
};
