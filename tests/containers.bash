# Images of containers and a registry that has them, for scenarios. Sourced after scenarios/lib.sh.
# shellcheck shell=bash disable=SC2154

need_containers() { # and programs that make them
    need skopeo
    need busybox
    busybox sh -c : 2>/dev/null || skip 'busybox has no shell'
    mkdir -p "$T/images"
}
# A root of busybox alone, in $T/busybox: each of its programs is a link to it
busybox_root() {
    local name
    mkdir -p "$T"/busybox/{bin,etc,root,usr/bin}
    cp "$(command -v busybox)" "$T/busybox/bin/busybox"
    ldd "$T/busybox/bin/busybox" 2>/dev/null | grep -o '/[^ ]*' | while read -r name; do # if it is not the static one
        mkdir -p "$T/busybox${name%/*}"
        cp -L "$name" "$T/busybox$name"
    done
    busybox --list | "$PYTHON" -c 'import os, sys
for name in sys.stdin.read().split(): name == "busybox" or os.symlink("busybox", f"{sys.argv[1]}/{name}")' "$T/busybox/bin"
    printf '%s\n' 'root:x:0:0:root:/root:/bin/sh' 'app:x:1000:1001:an application:/home/app:/bin/sh' >"$T/busybox/etc/passwd"
    printf '%s\n' 'root:x:0:' 'app:x:1001:' 'extra:x:77:app' >"$T/busybox/etc/group"
}
# NAME DIRECTORY [LAYER...] [KEY=JSON...]: an image of what is in the directory, in $T/images/NAME, an OCI layout
image_of() {
    local name=$1 dir=$2
    shift 2
    tar -C "$dir" --sort=name --owner=0 --group=0 --mtime=@0 -cf "$T/images/$name.tar" .
    "$here/tests/image.py" "$T/images/$name" 'Env=["PATH=/usr/bin:/bin"]' 'Cmd=["/bin/sh"]' "$T/images/$name.tar" "$@"
}
# [htpasswd FILE]: starts a registry on a loopback port of its own choice; $registry is its address
registry_start() {
    command -v docker-registry >/dev/null || skip 'docker-registry is not installed'
    mkdir -p "$T/registry"
    {
        printf 'version: 0.1\nlog: {level: info, formatter: json}\nstorage: {filesystem: {rootdirectory: %s}}\n' "$T/registry"
        printf 'http: {addr: "127.0.0.1:0"}\n'
        [ $# = 0 ] || printf 'auth: {htpasswd: {realm: here, path: %s}}\n' "$2"
    } >"$T/registry.yml"
    docker-registry serve "$T/registry.yml" >"$T/registry.log" 2>&1 &
    children+=($!)
    rf_wait 20 grep -q 'listening on' "$T/registry.log"
    registry=$(sed -n 's/.*listening on \(127[0-9.:]*\).*/\1/p' "$T/registry.log" | head -n 1)
}
# LAYOUT NAME [OPTION...]: into the registry
push() {
    skopeo copy -q --insecure-policy --dest-tls-verify=false "${@:3}" "oci:$T/images/$1:it" "docker://$registry/$2" >&2
}
# Debian's redis, server and client, put into $T/busybox with the libraries that it needs. Debian's package of the server would
# start one; the program comes with that of the tools, where it goes by another name.
redis_into_root() {
    local name
    need redis-check-rdb
    cp "$(command -v redis-check-rdb)" "$T/busybox/usr/bin/redis-server"
    cp "$(command -v redis-cli)" "$T/busybox/usr/bin/redis-cli"
    ldd "$T/busybox/usr/bin/redis-server" "$T/busybox/usr/bin/redis-cli" | grep -o ' /[^ ]*\|^	/[^ ]*' | sort -u | while read -r name; do
        mkdir -p "$T/busybox${name%/*}"
        cp -L "$name" "$T/busybox$name"
    done
}
