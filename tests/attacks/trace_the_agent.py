# Trace process 1, or read and write its memory.
# vm: late
# own: its own agent, which is trusted with no more than the machine
PTRACE_ATTACH, PTRACE_SEIZE = 16, 0x4206
for request in (PTRACE_SEIZE, PTRACE_ATTACH):
    if libc.ptrace(request, 1, None, None) == 0:
        reached(f"ptrace {request:#x}")
for mode in (os.O_RDONLY, os.O_RDWR):
    try:
        os.open("/proc/1/mem", mode)
        reached("/proc/1/mem")
    except OSError:
        pass


class iovec(ctypes.Structure):
    _fields_ = [("base", ctypes.c_void_p), ("len", ctypes.c_size_t)]


buf = ctypes.create_string_buffer(16)
local, remote = iovec(ctypes.addressof(buf), 16), iovec(0x400000, 16)
if libc.process_vm_readv(1, ctypes.byref(local), 1, ctypes.byref(remote), 1, 0) > 0:
    reached("process_vm_readv")
for name in ("environ", "maps", "stack", "syscall", "auxv"):
    try:
        if open(f"/proc/1/{name}", "rb").read():
            reached(name)
    except OSError:
        pass
