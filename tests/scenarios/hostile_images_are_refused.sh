# Layers of images are strangers' archives: none leads out of its directory, brings the kernel's own kinds of files, or is
# taken when it is cut off or another than the image says. What is refused leaves nothing behind.
. "$(dirname "$0")/lib.sh"
. "$here/tests/containers.bash"
need_containers
need zstd
echo untouched >"$T/outside"
mkdir -p "$STATE"
layer() { # NAME: of the entries that a program on standard input adds to `tar`
    $PYTHON - "$T/$1.tar" "$T" <<P
import io, sys, tarfile
tar = tarfile.open(sys.argv[1], "w", format=tarfile.PAX_FORMAT)
T = sys.argv[2]
def add(name, kind=tarfile.REGTYPE, text="", mode=0o644, **more):
    t = tarfile.TarInfo(name)
    t.type, t.mode, t.size = kind, mode, len(text) if kind == tarfile.REGTYPE else 0
    t.pax_headers = more.pop("pax", {})
    for key, value in more.items():
        setattr(t, key, value)
    tar.addfile(t, io.BytesIO(text.encode()) if kind == tarfile.REGTYPE else None)
$(cat)
tar.close()
P
}
make() { "$here/tests/image.py" "$T/images/$1" "$T/$1.tar"; }
pull() { "$RUNFS" image pull "oci:$T/images/$1:it" "$1" --state "$STATE"; }
is_refused() { # NAME PART
    exits 1 pull "$1"
    contains "$1" "$(cat "$T/err")" "$2"
    equal "$1 leaves nothing" '' "$(find "$STATE/containers" -mindepth 2)"
    [ ! -e "$STATE/containers/.pulling" ] || fail "$1 leaves .pulling"
    file_is "$T/outside" untouched
}
tree() { echo "$STATE/containers/layers/$(sha256sum "$T/$1.tar" | cut -c-64)"; }

say 'names that lead out'
layer up <<<'add("../../../../outside", text="reached")'
make up
is_refused up 'leads out of it'
layer whiteout <<<'add("dir/.wh...")'
make whiteout
is_refused whiteout 'takes nothing away'
layer hard <<<'add("file", tarfile.LNKTYPE, linkname=T + "/outside")'
make hard
is_refused hard 'does not have'
layer hardup <<<'add("file", tarfile.LNKTYPE, linkname="../../../../outside")'
make hardup
is_refused hardup 'leads out of it'
layer below <<<'add("file"); add("file/below")'
make below
is_refused below 'no directory'

say 'links are followed as if the layer were the root'
layer links <<'P'
add("etc", tarfile.DIRTYPE, mode=0o755)
add("away", tarfile.SYMTYPE, linkname=T)
add("away/outside", text="reached")
add("up", tarfile.SYMTYPE, linkname="../../../../../../../etc")
add("up/motd", text="inside")
add("/absolute/file", text="inside")
add("round", tarfile.SYMTYPE, linkname="round")
P
make links
exits 1 pull links # what it is a link to is not there
contains links "$(cat "$T/err")" 'no directory'
file_is "$T/outside" untouched
layer kept <<'P'
add("etc", tarfile.DIRTYPE, mode=0o755)
add("up", tarfile.SYMTYPE, linkname="../../../../../../../etc")
add("up/motd", text="inside")
add("/absolute/file", text="inside")
add("null", tarfile.CHRTYPE, devmajor=1, devminor=3)
add("disk", tarfile.BLKTYPE, devmajor=254, devminor=0)
add("gone", tarfile.CHRTYPE, devmajor=0, devminor=0)
add("suid", text="x", mode=0o4755)
add("dir", tarfile.DIRTYPE, mode=0o000, pax={"SCHILY.xattr.user.overlay.redirect": "/../..",
    "SCHILY.xattr.trusted.overlay.redirect": "/../..", "SCHILY.xattr.user.mine": "kept"})
add("dir/file", text="x", uid=99999999, gid=70000)
P
make kept
pull kept >/dev/null 2>&1
equal 'by a link' inside "$(cat "$(tree kept)/etc/motd")"
equal 'by an absolute name' inside "$(cat "$(tree kept)/absolute/file")"
for name in null disk gone; do [ ! -e "$(tree kept)/$name" ] || fail "there is a device: $name"; done
equal 'attributes' "b'kept' none none" "$($PYTHON - "$(tree kept)/dir" <<'P'
import os, sys
def attribute(name):
    try:
        return os.getxattr(sys.argv[1], name)
    except OSError:
        return "none"
print(*map(attribute, ("user.mine", "user.overlay.redirect", "trusted.overlay.redirect")))
P
)"
if is_root; then
    equal 'owners have bounds' 65534:65534 "$(stat -c %u:%g "$(tree kept)/dir/file")"
    equal 'nobody else starts it' 700 "$(stat -c %a "$STATE/containers")"
else
    equal 'what is set-user-id for nobody' 755 "$(stat -c %a "$(tree kept)/suid")"
fi
"$RUNFS" image rm kept --state "$STATE"

say 'what is cut off, corrupt, or something else'
layer whole <<<'add("file", text="text" * 100000)'
cp "$T/whole.tar" "$T/plain.tar"
gzip -c "$T/whole.tar" | head -c 500 >"$T/cut.tar"
make cut
is_refused cut 'a layer of the image'
zstd -qc "$T/whole.tar" | head -c 60 >"$T/cutzstd.tar"
IMAGE_DIFF_ID=sha256:$(printf %064d 1)
export IMAGE_DIFF_ID
$PYTHON - "$T/cutzstd.tar" <<'P'
import sys
data = open(sys.argv[1], "rb").read()
open(sys.argv[1], "wb").write(b"\x00" + data)  # no packing that is known
P
make cutzstd
is_refused cutzstd 'a layer of the image'
make plain
is_refused plain 'and the image says sha256:000'
unset IMAGE_DIFF_ID
echo no archive at all >"$T/noise.tar"
make noise
is_refused noise 'cannot be read'
gzip -c "$T/plain.tar" >"$T/blob.tar"
make blob
blob=$(find "$T/images/blob/blobs" -name "$(sha256sum "$T/blob.tar" | cut -c-64)")
printf 'X' | dd of="$blob" bs=1 seek=40 conv=notrunc status=none
is_refused blob 'cannot fetch the image'

say 'a few bytes that would be many in memory, or take for ever'
IMAGE_DIFF_ID=sha256:$(sha256sum "$T/plain.tar" | cut -c-64)
export IMAGE_DIFF_ID
gzip -c "$T/plain.tar" | gzip -c >"$T/twice.tar"
make twice
is_refused twice 'packed more than once'
unset IMAGE_DIFF_ID
$PYTHON - "$T/sparse.tar" <<'P'
import sys, tarfile
def entry(kind, data):
    t = tarfile.TarInfo("sparse")
    t.type, t.size = kind, len(data)
    return t.tobuf(tarfile.USTAR_FORMAT) + data + b"\0" * (-len(data) % 512)
said = b"22 GNU.sparse.major=1\n22 GNU.sparse.minor=0\n25 GNU.sparse.realsize=1\n26 GNU.sparse.name=sparse\n"
holes = b"5000000\n" + b"0\n0\n" * 5000000
open(sys.argv[1], "wb").write(entry(b"x", said) + entry(b"0", holes) + b"\0" * 1024)
P
gzip "$T/sparse.tar" && mv "$T/sparse.tar.gz" "$T/sparse.tar"
make sparse
is_refused sparse 'more than 4 MiB'

say 'another processor, and manifests that do not fit'
"$here/tests/image.py" "$T/images/other" 'architecture="s390x"' "$T/plain.tar"
is_refused other 'is for linux/s390x'
"$here/tests/image.py" "$T/images/none"
is_refused none '0 layers'

say 'more files than anybody wants'
$PYTHON - "$T/many.tar" <<'P'
import gzip, sys, tarfile
block = gzip.compress(b"".join(tarfile.TarInfo(".wh..wh.x").tobuf() for _ in range(1000)), 1)
with open(sys.argv[1], "wb") as f: # one behind the other, they are one
    f.write(block * 1001 + gzip.compress(bytes(1024)))
P
make many
is_refused many 'more than 1000000 files'
