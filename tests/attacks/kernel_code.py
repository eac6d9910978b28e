# Load a module or another kernel.
# arch: x86_64
# own: its own kernel
refused(("init_module", 175), ("finit_module", 313), ("delete_module", 176), ("kexec_load", 246), ("kexec_file_load", 320))
