# secrets/NAME can be written, listed and removed, never read, by no one; in the state directory they are root's own.
. "$(dirname "$0")/lib.sh"
rf_mount
echo sesame-open >"$M/secrets/KEY"
equal mode 200 "$(stat -c %a "$M/secrets/KEY")"
refused cat "$M/secrets/KEY"
refused cp "$M/secrets/KEY" "$T/copy"
refused "$PYTHON" -c 'import os, sys; sys.exit(not os.read(os.open(sys.argv[1], os.O_RDWR), 100))' "$M/secrets/KEY"
equal 'its size' 0 "$(stat -c %s "$M/secrets/KEY")"
equal 'its name is listed' KEY "$(ls "$M/secrets")"
if grep -rs sesame-open "$M" >"$T/found"; then fail "found: $(cat "$T/found")"; fi
equal 'the state is its owner'"'"'s alone' 700 "$(stat -c %a "$STATE")"
workflow "$T/s.yml" 'test "${{ secrets.KEY }}" = sesame-open && test "${{ secrets.key }}" = sesame-open && test -z "${{ secrets.NONE }}"'
n=$(rf_drop "$T/s.yml")
equal 'a step gets it' success "$(cat "$M/runs/$n/conclusion")"
echo other-words >"$M/secrets/KEY"
workflow "$T/s.yml" 'test "${{ secrets.KEY }}" = other-words'
n=$(rf_drop "$T/s.yml")
equal 'written again' success "$(cat "$M/runs/$n/conclusion")"
rm "$M/secrets/KEY"
equal 'removed' '' "$(ls "$M/secrets")"
workflow "$T/s.yml" 'test -z "${{ secrets.KEY }}"'
n=$(rf_drop "$T/s.yml")
equal 'gone' success "$(cat "$M/runs/$n/conclusion")"
