# Load a program into the kernel.
# arch: x86_64
refused(("bpf", 321))
