# What programs ask of every file system is answered as other ones answer it: with the error number that fits, by names that
# agree however they are listed, and by nothing that changed where a call failed.
. "$(dirname "$0")/lib.sh"
rf_mount
echo host >"$M/config/labels/ubuntu-latest"
workflow "$T/w.yml" 'echo hello'
rf_drop "$T/w.yml" >/dev/null
echo value >"$M/vars/V"
echo hidden >"$M/secrets/S"
before=$(cd "$M" && find workflows vars secrets config repos roles tokens vms -printf '%p %y %s\n' | sort)
cat >"$T/calls.py" <<'PY'
import ctypes, errno, fcntl, mmap, os, random, select, socket, stat, struct, sys
M = sys.argv[1]
libc = ctypes.CDLL(None, use_errno=True)

def told(f, *args, **more):  # what a call answers
    try:
        f(*args, **more)
        return "ok"
    except OSError as e:
        return errno.errorcode[e.errno]

def rename2(old, new, flags):
    if libc.renameat2(-100, f"{M}/{old}".encode(), -100, f"{M}/{new}".encode(), flags) < 0:
        raise OSError(ctypes.get_errno(), old)

def is_(what, want, f, *args, **more):
    got = told(f, *args, **more)
    assert got == want, f"{what}: {got} instead of {want}"

class opened:
    def __init__(self, name, flags=os.O_RDONLY): self.fd = os.open(f"{M}/{name}", flags)
    def __enter__(self): return self.fd
    def __exit__(self, *_): os.close(self.fd)

# names that cannot be made
for d in ("", "workflows/", "vars/", "config/", "runs/1/"):
    is_(d + " pipe", "EPERM", os.mkfifo, f"{M}/{d}new")
    is_(d + " file", "EPERM", os.mknod, f"{M}/{d}new", 0o600 | stat.S_IFREG)
    is_(d + " socket", "EPERM", lambda: (os.chdir(f"{M}/{d}"), socket.socket(socket.AF_UNIX).bind("new")))
    is_(d + " link", "EPERM", os.link, f"{M}/README", f"{M}/{d}new")
    is_(d + " symlink", "EPERM", os.symlink, "README", f"{M}/{d}new")
    is_(d + " directory", "EPERM", os.mkdir, f"{M}/{d}new")
    is_(d + " file without a name", "ENOTSUP", os.open, f"{M}/{d}", os.O_TMPFILE | os.O_RDWR)
    is_(d + " 255 bytes", "ENOENT", os.stat, f"{M}/{d}{'n' * 255}")
    is_(d + " 256 bytes", "ENAMETOOLONG", os.stat, f"{M}/{d}{'n' * 256}")
    is_(d + " 4096 bytes", "ENAMETOOLONG", os.stat, f"{M}/{d}{'./' * 2048}")
os.chdir("/")
is_("a query of 300 bytes", "ok", os.stat, f"{M}/knowledge/search/{'n' * 300}")

# files, directories and links are what they are
for name in ("README", "runs/1/status", "runs/1/log", "runs/1/ctl", "vars/V", "workflows/w.yml"):
    is_(name + " as a directory", "ENOTDIR", os.open, f"{M}/{name}", os.O_DIRECTORY)
    is_(name + " below", "ENOTDIR", os.stat, f"{M}/{name}/x")
    is_(name + " rmdir", "ENOTDIR", os.rmdir, f"{M}/{name}")
    is_(name + " readlink", "EINVAL", os.readlink, f"{M}/{name}")
    is_(name + " anew", "EEXIST", os.open, f"{M}/{name}", os.O_CREAT | os.O_EXCL | os.O_WRONLY)
    is_(name + " attribute", "ENOTSUP", os.setxattr, f"{M}/{name}", "user.x", b"1")
    is_(name + " attributes", "ENOTSUP", os.listxattr, f"{M}/{name}")
    is_(name + " elsewhere", "EXDEV", os.rename, f"{M}/{name}", os.environ["TMPDIR"] + "/elsewhere")
    with opened(name, os.O_PATH) as fd:
        is_(name + " by O_PATH", "EBADF", os.read, fd, 1)
        assert os.fstat(fd).st_ino == os.stat(f"{M}/{name}").st_ino
    with opened(name) as fd:
        is_(name + " is not written", "EBADF", os.write, fd, b"x")
        is_(name + " far behind", "ok", os.pread, fd, 10, 1 << 62)
        is_(name + " flock", "ok", fcntl.flock, fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
        is_(name + " lock", "ok", fcntl.lockf, fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
        is_(name + " ioctl", "ENOTTY", fcntl.ioctl, fd, 0x80086601, bytes(8))
for name in ("runs/1/status", "runs/1/log", "README"):
    is_(name + " write", "EACCES", os.open, f"{M}/{name}", os.O_WRONLY)
    is_(name + " truncate", "EPERM", os.truncate, f"{M}/{name}", 0)
    is_(name + " unlink", "EPERM", os.unlink, f"{M}/{name}")
    is_(name + " chmod", "EPERM", os.chmod, f"{M}/{name}", 0o600)
    with opened(name) as fd, mmap.mmap(fd, 0, mmap.MAP_PRIVATE, mmap.PROT_READ) as mapped:
        assert mapped[:] == os.pread(fd, 1 << 20, 0), name
is_("a directory, unlinked", "EISDIR", os.unlink, f"{M}/runs/1")
is_("a directory, written", "EISDIR", os.open, f"{M}/runs", os.O_WRONLY)
is_("a link, not followed", "ELOOP", os.open, f"{M}/runs/latest", os.O_NOFOLLOW)
is_("a secret, read", "EACCES", os.open, f"{M}/secrets/S", os.O_RDONLY)

# renameat2(2)
is_("exchange", "EINVAL", rename2, "vars/V", "workflows/w.yml", 2)
is_("over another, which must not be", "EEXIST", rename2, "vars/V", "workflows/w.yml", 1)
is_("what is read-only", "EPERM", rename2, "runs/1/workflow.yml", "workflows/x.yml", 0)
is_("a setting that cannot be called so", "EPERM", rename2, "vars/V", "config/nonsense", 0)
is_("between directories", "EXDEV", rename2, "vars/V", "secrets/V", 0)

# a ctl that is read and written by one descriptor has the reply to what it wrote
with opened("runs/1/ctl", os.O_RDWR) as fd:
    is_("no verb", "EINVAL", os.write, fd, b"frobnicate\n")
    assert b"there is no verb 'frobnicate'" in os.pread(fd, 4096, 0)
with opened("runs/1/wait") as fd:
    p = select.poll()
    p.register(fd, select.POLLIN)
    assert p.poll(0), "wait of a run that is completed is readable"

# a directory lists the same in any pieces and from any place, and what it says of a name is so
def entries(fd, size):
    room = ctypes.create_string_buffer(size)
    while (n := libc.syscall(217 if os.uname().machine == "x86_64" else 61, fd, room, size)) > 0:
        at = 0
        while at < n:
            ino, cookie, length, kind = struct.unpack_from("QqHB", room.raw, at)
            yield room.raw[at + 19:at + length].split(b"\0")[0].decode(), ino, cookie, kind
            at += length
        if size == 1 << 16 and entries.once:
            return
entries.once = False
count = 0
for d, dirs, files in os.walk(M):
    dirs[:] = [x for x in dirs if x != "rootfs"][:20]
    with opened(os.path.relpath(d, M), os.O_DIRECTORY) as fd:
        whole = list(entries(fd, 1 << 16))
        names = [e[0] for e in whole]
        assert len(set(names)) == len(names), d
        os.lseek(fd, 0, 0)
        assert [e[0] for e in entries(fd, 320)] == names, d
        entries.once = True
        for i, e in list(enumerate(whole))[::7]:
            os.lseek(fd, e[2], 0)
            got = [x[0] for x in entries(fd, 1 << 16)]
            assert got == names[i + 1:][:len(got)] and bool(got) == (i + 1 < len(names)), (d, e)
        entries.once = False
    for name, ino, cookie, kind in whole:
        if name not in (".", ".."):
            st = os.lstat(f"{d}/{name}")
            assert (st.st_ino, st.st_mode >> 12) == (ino, kind), (d, name)
            count += 1
assert count > 150, count

# and in any order nothing is answered that a program does not expect
random.seed(1)
names = [f"{M}/{n}" for n in ("README runs runs/1 runs/1/log runs/1/ctl runs/1/jobs/a runs/latest vars/V vars/none secrets/S "
         "config/slots config/none repos/none vms events/push knowledge knowledge/stats errors/none").split()]
calls = [os.stat, os.lstat, os.listdir, os.readlink, os.rmdir, os.listxattr, os.statvfs, lambda p: os.truncate(p, 1 << 40),
         lambda p: os.link(p, p + "x"), lambda p: os.mkfifo(p + "x"), lambda p: os.symlink("x", p + "/x"),
         lambda p: os.mkdir(p + "x") if not p.endswith("/vms") else None, lambda p: rename2(p[len(M) + 1:], "runs/1/log", 0),
         lambda p: rename2("runs/1/log", p[len(M) + 1:], 0), lambda p: os.close(os.open(p, os.O_RDWR | os.O_EXCL)),
         lambda p: os.utime(p, follow_symlinks=False)]
fine = {"ok", "ENOENT", "ENOTDIR", "EISDIR", "EPERM", "EACCES", "EEXIST", "EINVAL", "EFBIG", "ENOTSUP", "EXDEV", "EBUSY", "ELOOP", "ENOTEMPTY"}
for _ in range(3000):
    call, name = random.choice(calls), random.choice(names)
    if call is os.rmdir and name.endswith(("runs/1", "latest")):
        continue
    got = told(call, name)
    assert got in fine, (got, call, name)
PY
"$PYTHON" "$T/calls.py" "$M" || fail "see above"
equal 'nothing changed' "$before" "$(cd "$M" && find workflows vars secrets config repos roles tokens vms -printf '%p %y %s\n' | sort)"
# walks that count on links for the number of directories (fts(3), and perl's as it once was) find as much as find does
equal 'what perl finds' "$(find "$M" | wc -l)" "$(perl -MFile::Find -e '$File::Find::dont_use_nlink = 0; find(sub { $n++ }, $ARGV[0]); print "$n\n"' "$M")"
