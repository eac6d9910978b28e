# Leave the root directory by chroot and an open directory above it, or by pivot_root.
# arch: x86_64
os.makedirs("/tmp/jail", exist_ok=True)
above = os.open("/", os.O_RDONLY)
os.chroot("/tmp/jail")
os.fchdir(above)
for _ in range(64):
    os.chdir("..")
os.chroot(".")
try:
    print(open(os.environ["CANARY"]).read())
    reached("chroot")
except OSError:
    pass
if syscall(155, b".", b".") == 0:
    reached("pivot_root")
