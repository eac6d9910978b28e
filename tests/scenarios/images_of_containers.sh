# Images of containers come from a registry, a directory or an archive, and are roots of machines; what layers take away is
# gone, and layers that images have in common are kept once.
. "$(dirname "$0")/lib.sh"
. "$here/tests/containers.bash"
need_containers
need zstd
registry_start
busybox_root
image() { "$RUNFS" image "$@" --state "$STATE"; }
in_image() { # IMAGE SCRIPT: what it prints there
    workflow "$T/w.yml" "$2"
    exits 0 "$RUNFS" run --state "$STATE" --label "ubuntu-latest=sandbox:$1" "$T/w.yml"
    sed '1,/##\[endgroup\]/d; /^$/,$d' "$T/out"
}

say 'a layer, and one above it that takes away, replaces and adds'
mkdir "$T"/busybox/{dir,shut,replaced}
echo below >"$T/busybox/dir/a"
echo below >"$T/busybox/shut/hidden"
echo below >"$T/busybox/gone"
echo below >"$T/busybox/replaced/file"
echo one >"$T/busybox/first"
ln "$T/busybox/first" "$T/busybox/second"
mkfifo "$T/busybox/pipe"
ln -s /etc/passwd "$T/busybox/link"
image_of base "$T/busybox"
mkdir -p "$T"/above/{dir,shut}
: >"$T/above/dir/.wh.a"
: >"$T/above/.wh.gone"
: >"$T/above/shut/.wh..wh..opq"
echo above >"$T/above/shut/seen"
echo a file now >"$T/above/replaced"
tar -C "$T/above" -cf "$T/above.tar" .
gzip -k "$T/above.tar"
zstd -q "$T/above.tar"
image_of derived "$T/busybox" "$T/above.tar.gz" 'Env=["FLAVOUR=derived"]'
image_of zstandard "$T/busybox" "$T/above.tar.zst"
push base team/base:1
push derived team/derived
base=$(image pull "$registry/team/base:1" 2>/dev/null)
derived=$(image pull "$registry/team/derived" 2>/dev/null)
contains 'an id' "$base" sha256:
equal 'kept once' 2 "$(find "$STATE/containers/layers" -mindepth 1 -maxdepth 1 | wc -l)"
equal 'nobody else gets there' 700 "$(stat -c %a "$STATE/containers")"

say 'it is what a machine runs from'
equal base 'below below below one' "$(in_image "$registry/team/base:1" 'echo $(cat /dir/a /shut/hidden /gone /second)')"
equal 'what is above' 'above a file now' "$(in_image "$registry/team/derived" \
    'ls /dir/a /gone /shut/hidden 2>/dev/null || true; echo $(cat /shut/seen /replaced); test -p /pipe && grep -q app: /link')"
in_image "$registry/team/base:1" 'echo x > /first; rm -r /dir; mv /shut /opened; test -e /opened/hidden' >/dev/null
equal 'machines leave it as it was' 'one below' "$(in_image "$registry/team/base:1" 'echo $(cat /first /dir/a)')"

say 'a layer may take away all that is below it'
mkdir "$T/all"
cp -a "$T/busybox/." "$T/all"
rm -r "$T"/all/{dir,gone}
: >"$T/all/.wh..wh..opq"
tar -C "$T/all" -cf "$T/all.tar" .
image_of bare "$T/busybox" "$T/all.tar"
image pull "oci:$T/images/bare:it" bare >/dev/null 2>&1
equal 'what is left' 'one' "$(in_image bare 'cat /first; ls -d /dir /gone 2>/dev/null || true')"
image rm bare

say 'pulled again it is the same, and not fetched; when the registry has another, that'
equal again "$derived" "$(image pull "$registry/team/derived" 2>"$T/said")"
lacks 'what is here' "$(cat "$T/said")" fetching
push zstandard team/base:1
[ "$base" != "$(image pull "$registry/team/base:1" 2>/dev/null)" ] || fail 'the new one was not fetched'
equal 'by zstd' above "$(in_image "$registry/team/base:1" 'cat /shut/seen')"
image list >"$T/list"
equal 'two names' 2 "$(wc -l <"$T/list")"
contains list "$(cat "$T/list")" "$registry/team/derived:latest"

say 'directories and archives, with a name'
skopeo copy -q --insecure-policy "oci:$T/images/base:it" "docker-archive:$T/saved.tar:of/base:1" >&2
image pull "docker-archive:$T/saved.tar" saved 2>/dev/null >/dev/null
image pull "oci:$T/images/derived:it" here:1 2>/dev/null >/dev/null
equal 'an archive' below "$(in_image saved 'cat /gone')"
equal 'a layout' above "$(in_image here:1 'cat /shut/seen')"
exits 1 "$RUNFS" image pull "oci:$T/images/derived:it" --state "$STATE"
contains 'a name is wanted' "$(cat "$T/err")" 'say what the image'

say 'removed, it takes along what nothing else needs'
for name in saved here:1 "$registry/team/derived" "$registry/team/base:1"; do image rm "$name"; done
equal 'nothing is left' 0 "$(find "$STATE/containers/layers" "$STATE/containers/images" "$STATE/containers/names" -mindepth 1 | wc -l)"
exits 1 "$RUNFS" image rm saved --state "$STATE"
workflow "$T/w.yml" true
exits 1 "$RUNFS" run --state "$STATE" --label ubuntu-latest=sandbox:saved "$T/w.yml"
contains 'how to get it' "$(cat "$T/out" "$T/err")" 'runfs image pull saved'

say 'names that are none, and images that are not there'
exits 1 "$RUNFS" image pull 'Team/../x' --state "$STATE"
contains name "$(cat "$T/err")" 'cannot be the name of an image'
exits 1 "$RUNFS" image pull "$registry/team/none" --state "$STATE"
contains 'not there' "$(cat "$T/err")" "cannot fetch the image $registry/team/none:latest"
PATH=$T/nothing exits 1 "$RUNFS" image pull "$registry/team/derived" --state "$STATE"
contains 'no skopeo' "$(cat "$T/err")" 'install the package skopeo'

say 'a name that begins like an address of this host is none: it is asked by TLS only'
"$PYTHON" "$here/tests/servers/trap.py" "$T/asked" >"$T/port" &
children+=($!)
rf_wait 20 test -s "$T/port"
proxy=http://127.0.0.1:$(cat "$T/port")
HTTP_PROXY=$proxy HTTPS_PROXY=$proxy NO_PROXY='' exits 1 "$RUNFS" image pull 127.example.org/team/tool --state "$STATE"
equal 'what was asked for' 'CONNECT 127.example.org:443 HTTP/1.1' "$(sort -u "$T/asked")"

say 'the mount lists them'
image pull "oci:$T/images/base:it" listed:1 2>/dev/null >/dev/null
rf_mount
contains names "$(ls "$M/vms/images")" docker.io+library+listed:1
file_is "$M/vms/images/docker.io+library+listed:1/digest" "$base"
file_is "$M/vms/images/docker.io+library+listed:1/created" 2026-01-02T03:04:05Z
