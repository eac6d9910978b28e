# Load a program into the kernel.
# arch: x86_64
# own: its own kernel
refused(("bpf", 321))
