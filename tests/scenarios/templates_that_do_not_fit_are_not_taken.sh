# A virtual machine that was kept for others to begin as copies is taken only if it is what was kept, and for the same qemu: else the
# daemon's log says which file is no good, one is booted as if there had been none, and kept in its place.
. "$(dirname "$0")/lib.sh"
. "$here/tests/elsewhere.bash"
vm_tiny_image
rm -rf "$STATE"/images/tiny/templates # of others
rf_mount
echo 'qemu:tiny memory=256M cpu=1 network=none' >"$M/config/labels/vm"
V=$M/vms/mine
K=$(realpath "$STATE/images/tiny")/templates
templates() { cat "$M/vms/images/tiny/templates"; }
says() { templates | grep -q "$1"; }
begin() { # in a fresh daemon
    if is_mounted "$M"; then rf_umount; fi
    : >"$STATE/log"
    rf_mount
    echo vm >"$V.label"
    mkdir "$V"
    rf_wait 60 says ', kept since '
    echo 'echo ran' >"$V/exec"
    file_is "$V/last/stdout" ran
    rmdir "$V"
}
taken() { says ', loaded in ' || fail "it was not taken: $(templates)"; }
not_taken() { # [FILE WHY]: which the log names
    lacks 'the template' "$(templates)" ', loaded in '
    [ $# = 0 ] || file_has "$STATE/log" "$1 $2"
    [ $# != 0 ] || file_lacks "$STATE/log" 'booted anew'
}
begin
not_taken
begin
taken
kept=$(echo "$K"/*)

# a page of the memory that has decayed
printf 'decayed' | dd of="$kept/memory" bs=1 seek=$((16 << 20)) conv=notrunc status=none
begin
not_taken "$kept/memory" 'is not what was kept'
begin
taken

# a state that is whole, and that qemu does not take: its sum is made anew
"$PYTHON" - "$kept" <<'X'
import json, struct, sys
path, mask, prime = sys.argv[1], (1 << 64) - 1, 0x9e3779b97f4a7c15
with open(path + '/state', 'r+b') as f:
    state = bytearray(f.read())
    state[:4] = b'none'
    f.seek(0)
    f.write(state)
total = 1
def mix(word):
    global total
    total = (total ^ word) * prime & mask
    total ^= total >> 32
padded = state + bytes(-len(state) % 4096)
for at in range(0, len(padded), 4096):
    words, lanes = struct.unpack_from('<512Q', padded, at), [0] * 4
    if any(words):
        for i, word in enumerate(words):
            lanes[i % 4] = (lanes[i % 4] ^ word) * prime & mask
        for word in [at] + lanes:
            mix(word)
with open(path + '/template.json') as f:
    template = json.load(f)
template['state']['sum'] = '%016x' % total
with open(path + '/template.json', 'w') as f:
    json.dump(template, f)
X
begin
not_taken "$kept:" 'qemu'
begin
taken

# another qemu has one of its own, and this one's is still there
mkdir "$T/bin"
cp "$(type -P qemu-system-x86_64)" "$T/bin/"
ln -s /usr/{share,lib} "$T/" # what else is qemu's it looks for from where it lies
chmod 711 "$T" # it is another user who executes that
PATH=$T/bin:$PATH begin
not_taken
equal 'how many' 2 "$(ls -A "$K" | wc -l)"
begin
taken
