# SPDX-License-Identifier: Apache-2.0
"""The proof that the linked image holds no SIMD code must itself be able to fail."""
import check_image
import pytest


def listing(function, *instructions):
    lines = [f"0000000040200000 <{function}>:"]
    return "\n".join(lines + [f"    4020{number:04x}:\t{text}" for number, text in enumerate(instructions)])


@pytest.mark.parametrize("instruction", [
    "fmov\td0, x1", "stp\tq0, q1, [sp, #-32]!", "ld1\t{v0.16b}, [x0]", "add\tv31.4s, v1.4s, v2.4s", "ldr\ts5, [x1]",
    "str\tb9, [x0]", "ldr\th10, [x2]", "ld1d\t{z0.d}, p0/z, [x0]",
])
def test_simd_operand_is_found(instruction):
    uses = list(check_image.fpsimd_uses(listing("work", instruction)))
    assert len(uses) == 1 and uses[0][0] == "work"


@pytest.mark.parametrize("instruction", [
    "bl\t40200d10 <d1>", "mov\tx0, #0xd1", "mrs\tx0, s3_0_c12_c12_1", "dsb\tsy", "at\ts1e2r, x0", "b.hs\t40200010 <q0+0x4>",
    ".word\t0x1e670000", "ldr\tx0, 402000d8 <v3>", "tbz\tw0, #3, 402000b0 <b0>", "prfm\tpldl1keep, [x0]",
])
def test_other_instructions_are_not(instruction):
    assert not list(check_image.fpsimd_uses(listing("work", instruction)))


def test_the_switch_of_guest_registers_may():
    text = listing("fpsimd_save", "stp\tq0, q1, [x0]") + "\n\n" + listing("after", "stp\tq0, q1, [x0]")
    assert [use[0] for use in check_image.fpsimd_uses(text)] == ["after"]


def test_writable_code_is_found():
    headers = "  LOAD           0x001000 0x0000000040200000 0x0000000040200000 0x001000 0x001000 RWE 0x1000\n"
    assert list(check_image.writable_and_executable(headers, []))
    assert not list(check_image.writable_and_executable(headers.replace("RWE", "R E"), []))
    assert list(check_image.writable_and_executable("", [(".text", 16, "WAX", "PROGBITS")]))


def test_sizes_by_kind():
    sections = [(".text", 100, "AX", "PROGBITS"), (".rodata", 20, "A", "PROGBITS"), (".data", 8, "WA", "PROGBITS"),
                (".bss", 64, "WA", "NOBITS")]
    assert check_image.sizes(sections) == {"text": 100, "rodata": 20, "data": 8, "bss": 64, "image": 128}


def test_the_file_spans_the_filled_segments():
    headers = ("  LOAD  0x001000 0x0000800000000000 0x0000800000000000 0x001800 0x001800 R E 0x1000\n"
               "  LOAD  0x003000 0x0000800000002000 0x0000800000002000 0x000080 0x009000 RW  0x1000\n"
               "  LOAD  0x004000 0x000080000000c000 0x000080000000c000 0x000000 0x004000 RW  0x1000\n")
    assert check_image.file_size(headers) == 0x2080


def test_an_image_over_its_bound_is_found():
    assert not list(check_image.too_large(4096, 4096)) and not list(check_image.too_large(4097, None))
    assert "1 more than the 4096" in next(check_image.too_large(4097, 4096))


@pytest.mark.parametrize("instruction", [
    "movss  -0xc(%rsp),%xmm1", "vmovups %ymm0,(%rdi)", "vmovups %zmm31,(%rdi)", "movq   %mm0,(%rdi)", "fldt   0x8(%rsp)",
    "fadd   %st(1),%st", "fninit", "fwait", "emms", "ldmxcsr (%rdi)", "vstmxcsr (%rdi)", "vzeroupper", "kmovw  %k1,%eax",
    "vpaddd (%rdi),%zmm1,%zmm2{%k3}{z}", "tilezero %tmm0",
])
def test_simd_and_x87_on_x86_are_found(instruction):
    assert len(list(check_image.fpsimd_uses(listing("work", instruction), "x86"))) == 1


@pytest.mark.parametrize("instruction", [
    "mov    %rax,%rbx", "xsave64 (%rdi)", "xsaves64 (%rdi)", "xrstor64 (%rdi)", "fxsave64 (%rdi)", "fxrstor (%rdi)", "xgetbv",
    "xsetbv", "call   40200d10 <xmm0_save>", "fs nop", "mov    %fs:0x28,%rax", "rep stos %al,%es:(%rdi)", "vmrun  %rax",
    "verr   %ax", "wbinvd",
])
def test_other_instructions_on_x86_are_not(instruction):
    assert not list(check_image.fpsimd_uses(listing("work", instruction), "x86"))
