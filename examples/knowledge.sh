#!/bin/sh
# What a runner has learnt, by standard tools. Usage: knowledge.sh MOUNT
set -eu
cd "${1:?where the runner is mounted}/knowledge"

echo '# the commands that fail most: failures, how many of all succeed, command'
for c in commands/*/; do
    printf '%s %s %s\n' "$(cat "$c/failures")" "$(cat "$c/success_rate")" "$(cat "$c/command")"
done | sort -rn | head -n 3

echo '# what follows `npm ci`: times, share, successes, failures, command'
cat commands/npm-ci/edges

echo '# failures, and the runs that each hit'
for f in failures/*/; do
    printf '%s: runs %s\n' "$(cat "$f/signature")" "$(ls "$f/runs" | xargs)"
done

echo '# what the first lesson says'
for l in lessons/*.md; do
    sed -n '/^## What to do/,/^## Evidence/p' "$l" | sed '$d'
    break
done

echo '# what is to be expected of ci.yml'
echo ci.yml >predict
cat predict
