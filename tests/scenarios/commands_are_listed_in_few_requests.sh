# ls -l of what runs taught asks about no command by itself, though it names each by its whole path: what the
# directories on the way are, and what is in them, comes with the names.
. "$(dirname "$0")/lib.sh"
rf_mount
echo host >"$M/config/labels/ubuntu-latest"
workflow "$T/w.yml" "$(for i in $(seq 120); do echo "tool-$i || :"; done)"
rf_drop "$T/w.yml" >/dev/null
requests() { awk -F '[" ]' '/^runfs_mount_request_seconds_count.*"(lookup|attributes)"/ { n += $NF } END { print n }' "$M/metrics"; }
before=$(requests)
ls -l "$M/knowledge/commands" >"$T/listing"
asked=$(($(requests) - before))
equal 'commands listed' 120 "$(grep -c ' tool-[0-9]*$' "$T/listing")"
say "$asked requests for 120 commands"
[ $asked -lt 50 ] || fail "$asked lookups and questions for attributes, for 120 commands"
ls -l "$M"/knowledge/commands/*/next >"$T/listing"
equal 'what follows them' 119 "$(grep -c -- '-> ../../tool-' "$T/listing")"
