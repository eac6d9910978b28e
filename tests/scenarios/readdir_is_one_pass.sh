# ls -l of runs/ is one pass: the kernel gets names with their attributes (readdirplus) and asks about no name by itself.
. "$(dirname "$0")/lib.sh"
rf_mount
echo host >"$M/config/labels/ubuntu-latest"
workflow "$T/w.yml" ':'
for i in $(seq 60); do rf_start "$T/w.yml" >/dev/null; done
rf_wait 60 grep -q '^active_runs: 0' "$M/status"
rf_umount
# a mount in the foreground, every request of which libfuse prints
need strace
strace -f -qq -e trace=none true 2>/dev/null || skip 'strace may not trace here'
rf_mount
pid=$(daemon_pid)
strace -f -qq -x -e trace=read -e read=none -s 40 -p "$pid" -o "$T/requests" &
tracer=$!
children+=("$tracer")
attached() { [ -s "$T/requests" ] || { ls "$M/vars" >/dev/null; false; }; }
rf_wait 10 attached
seen=$(wc -l <"$T/requests")
ls -l "$M/runs" >"$T/listing"
equal 'runs listed' 60 "$(grep -c ' [0-9]*$' <(grep '^d.* [0-9]\+$' "$T/listing"))"
kill -INT "$tracer"
wait "$tracer" || :
children=()
# bytes 4 to 8 of a request are its opcode: 1 lookup, 3 getattr, 28 readdir, 44 readdirplus
count() { tail -n "+$((seen + 1))" "$T/requests" | grep -cE "(read\(|resumed>).*\"(\\\\x[0-9a-f]{2}){4}\\\\x$1" || :; }
plus=$(count 2c) lookups=$(count 01) attrs=$(count 03)
say "readdirplus $plus, lookup $lookups, getattr $attrs"
[ "$plus" -ge 1 ] || fail "no readdirplus in $(head -n 5 "$T/requests")"
[ $((lookups + attrs)) -lt 30 ] || fail "$lookups lookups and $attrs getattrs for 60 runs"
