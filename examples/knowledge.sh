#!/bin/sh
# What a runner has learnt, by standard tools. Usage: knowledge.sh MOUNT [WORKFLOW [COMMAND]]; the role is that of
# examples/roles/devops_cicd_config.json.
set -eu
workflow=${2:-ci.yml} command=${3:-npm-ci}
cd "${1:?where the runner is mounted}/knowledge"
if ! [ -d "commands/$command" ]; then
    echo "no run had the command $command yet; those that did: $(ls commands | xargs)" >&2
    exit 1
fi

echo '# the commands that fail most: failures, how many of all succeed, command'
for c in commands/*/; do
    printf '%s %s %s\n' "$(cat "$c/failures")" "$(cat "$c/success_rate")" "$(cat "$c/command")"
done | sort -rn | head -n 3

echo "# what follows \`$(cat "commands/$command/command")\`: times, share, successes, failures, command"
cat "commands/$command/edges"

echo '# failures, and the runs that each hit'
for f in failures/*/; do
    printf '%s: runs %s\n' "$(cat "$f/signature")" "$(ls "$f/runs" | xargs)"
done

echo '# what the first lesson says'
for l in lessons/*.md; do
    sed -n '/^## What to do/,/^## Evidence/p' "$l" | sed '$d'
    break
done

if [ -d ../roles/devops-engineer ]; then
    echo '# what a DevOps Engineer finds who asks for `expected npm`'
    ls -I results.json ../roles/devops-engineer/search/'expected npm'
fi

echo "# what is to be expected of $workflow"
echo "$workflow" >predict
cat predict
