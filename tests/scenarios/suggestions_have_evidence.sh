# What could go better stands in knowledge/suggestions, each with the numbers that say so: a slow installation that nothing
# caches, a command that a sibling beats, one that fails right after another. Without the numbers there is none.
. "$(dirname "$0")/lib.sh"
# waits
rf_mount
echo host >"$M/config/labels/h"
S=$M/knowledge/suggestions
mkdir "$T/bin"
printf '#!/bin/sh\nsleep "${SLOW:-0}"; [ ! -e %s/broken ]\n' "$T" >"$T/bin/npm"
printf '#!/bin/sh\nsleep "${SLOW:-0}"\n' >"$T/bin/pnpm"
printf '#!/bin/sh\n[ ! -e %s/dirty ]\n' "$T" >"$T/bin/sql"
printf '#!/bin/sh\ntouch %s/dirty\n' "$T" >"$T/bin/seed"
chmod +x "$T"/bin/*
step() { # NAME SCRIPT...: drops a workflow with those steps five times
    local name=$1 script i
    shift
    {
        printf 'on: push\nenv: {SLOW: "%s"}\njobs:\n  a:\n    runs-on: h\n    steps:\n' "${SLOW-0}"
        printf '      - run: echo "%s" >> $GITHUB_PATH\n' "$T/bin"
        for script; do printf '      - run: |\n%s\n' "$(sed 's/^/          /' <<<"$script")"; done
    } >"$T/$name.yml"
    for i in 1 2 3 4 5; do rf_drop "$T/$name.yml" >/dev/null; done
}
SLOW=0.02 step quick 'npm ci'
equal 'nothing to say' '' "$(ls "$S")"
SLOW=2.1 step slow 'yarn install || npm ci' # guarded: not what is meant
equal 'nothing to say' '' "$(ls "$S")"
cp "$T/bin/npm" "$T/bin/yarn"
SLOW=2.1 step slow 'yarn install'
equal 'to cache' cache-yarn-install.md "$(ls "$S")"
file_has "$S/cache-yarn-install.md" 'type: cache'
file_has "$S/cache-yarn-install.md" '`actions/cache`'
[ "$(awk '/^expected gain/ {print ($3 > 1.8 && $3 < 4)}' "$S/cache-yarn-install.md")" = 1 ] || fail "$(cat "$S/cache-yarn-install.md")"
[ -d "$S/$(awk '/^command:/ {print $2}' "$S/cache-yarn-install.md")" ] || fail 'its command leads nowhere'

step other 'pnpm install'
equal 'and to replace' "$(printf '%s\n' cache-yarn-install.md use-pnpm-install-for-yarn-install.md)" "$(ls "$S")"
file_has "$S/use-pnpm-install-for-yarn-install.md" '# Use `pnpm install` instead of `yarn install`'
file_has "$S/use-pnpm-install-for-yarn-install.md" 'type: use another'

step good 'sql check'
step bad 'seed x' 'sql check'
file_has "$S/avoid-sql-after-seed.md" 'Right after `seed` it failed 5 of 5 times (100 %), elsewhere 0 of 5 (0 %).'
equal 'all' 3 "$(ls "$S" | wc -l)"
refused cat "$S/cache-npm-ci.md"

# the cure was taken: it is gone
sed 's|    steps:|    steps:\n      - uses: actions/cache@v4\n        with: {path: x, key: k}|' "$T/slow.yml" >"$T/cached.yml"
cp "$T/cached.yml" "$M/workflows/slow.yml"
ended "$(readlink "$M/runs/latest")"
refused test -e "$S/cache-yarn-install.md"
