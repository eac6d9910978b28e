# Read and write keys: of the session that the daemon was started from, of the user.
# arch: x86_64
# own: keys of its own kernel
refused(("add_key", 248), ("request_key", 249), ("keyctl", 250))
if open("/proc/keys").read():
    reached("/proc/keys")
