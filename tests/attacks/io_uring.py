# Set up an io_uring, which does calls that no filter sees.
# own: calls of its own kernel
if syscall(425, 8, ctypes.create_string_buffer(120)) >= 0:
    reached("io_uring_setup")
refused(("io_uring_enter", 426), ("io_uring_register", 427))
