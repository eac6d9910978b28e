# What jobs save stands in cache/ under its key: read it, list it, remove it; a setting says how much there may be.
. "$(dirname "$0")/lib.sh"
rf_mount
need_sandbox
cat >"$T/ci.yml" <<'E'
on: {push: {}, workflow_dispatch: {inputs: {key: {default: npm-linux-1}}}}
jobs:
  a:
    runs-on: ubuntu-latest
    steps:
      - id: c
        uses: actions/cache@v4
        with: {path: deps, key: "${{ inputs.key || 'npm-linux-1' }}"}
      - run: echo "hit=${{ steps.c.outputs.cache-hit }}"; mkdir -p deps; head -c 700000 /dev/urandom > deps/d
E
n=$(rf_drop "$T/ci.yml")
lacks 'a miss' "$(step_out "$n" a 02)" 'hit=true'
again() { # KEY: runs it with that key and prints what its step said
    local n
    echo "key=$1" >"$M/dispatch/ci.yml"
    n=$(cat "$M/dispatch/ci.yml")
    ended "$n"
    step_out "$n" a 02
}
equal 'its name is its key' npm-linux-1 "$(ls "$M/cache")"
[ "$(stat -c %s "$M/cache/npm-linux-1")" -gt 600000 ] || fail 'the content has no size'
cp "$M/cache/npm-linux-1" "$T/archive"
tar -tf "$T/archive" >"$T/list" || fail 'the content is no archive'
grep -q 'deps/d$' "$T/list" || fail "the archive has not what was saved: $(cat "$T/list")"
equal 'a hit' hit=true "$(again npm-linux-1)"
jq -e '.[0] | .key == "npm-linux-1" and .size > 600000 and .used_at > .created_at' "$M/cache.json" >/dev/null || fail "cache.json: $(cat "$M/cache.json")"
rm "$M/cache/npm-linux-1"
equal 'rm evicts' '' "$(ls "$M/cache")"
lacks 'a miss again' "$(again npm-linux-1)" 'hit=true'
# keys that no file can be called
again 'a/b~%.' >/dev/null
[ -s "$M/cache/a%2Fb%7E%25." ] || fail "names: $(ls "$M/cache")"
long=$(printf 'k%.0s' $(seq 300))
again "$long" >/dev/null
ls "$M/cache" | grep -qxE 'k{200}~[0-9]+' || fail "names: $(ls "$M/cache")"
for f in "$M"/cache/*; do [ "$(wc -c <"$f")" = "$(stat -c %s "$f")" ] || fail "$f has another size"; done
# at most so much: the one that was not used for longest goes first
refused sh -c "echo none > '$M/config/cache_size_mib'"
equal 'used again' hit=true "$(again npm-linux-1)"
echo 1 >"$M/config/cache_size_mib"
equal 'the last one that was used is left' npm-linux-1 "$(ls "$M/cache")"
refused sh -c "echo x > '$M/cache/new'"
refused sh -c "echo x > '$M/cache/npm-linux-1'"
