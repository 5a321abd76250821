#include "arch/x86/virt.h"
static int none(void) { return ERR_NOT_FOUND; }
const struct virt_ops vmx_ops = {.name = "VMX", .machine_init = none};
