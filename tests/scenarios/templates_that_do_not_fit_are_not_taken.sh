# A virtual machine that was kept for others to begin as copies is taken only if it is what was kept, and for the same qemu: else the
# daemon's log says which is no good, one is booted as if there had been none, and kept in its place.
# limit: 600
. "$(dirname "$0")/lib.sh"
. "$here/tests/elsewhere.bash"
vm_tiny_image
K=$(realpath "$STATE/images/tiny")/templates
if [ -e "$K" ]; then # what is kept for others is left as it is
    mv "$K" "$K.others"
    mkdir -m 700 "$K"
    of_256M=$(grep -l '"memory": 268435456' "$K.others"/*/template.json)
    cp -a "${of_256M%/*}" "$K/"
    rm -r "$K.others"
fi
rf_mount
echo "qemu:tiny $VM_SHAPE" >"$M/config/labels/vm"
V=$M/vms/mine
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
begin
equal 'how many' 1 "$(ls -A "$K" | wc -l)"
kept=$(echo "$K"/*)

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
lacks 'what is broken' "$(templates)" ', loaded in '
file_has "$STATE/log" "booted anew, not copied: $kept: qemu"

# another qemu has one of its own, and this one's is still there
mkdir "$T/bin"
cp "$(type -P qemu-system-x86_64)" "$T/bin/"
ln -s /usr/{share,lib} "$T/" # what else is qemu's it looks for from where it lies
chmod 711 "$T" # it is another user who executes that
PATH=$T/bin:$PATH begin
lacks "another qemu's" "$(templates | head -n 1)" ', loaded in '
file_lacks "$STATE/log" 'booted anew'
equal 'how many' 2 "$(ls -A "$K" | wc -l)"

begin
says ', loaded in ' || fail "what fits was not taken: $(templates)"
