# A language model says what is to start its workflow. No event and no schedule does before a person has started it once.
. "$(dirname "$0")/lib.sh"
. "$here/tests/servers/chat.sh"
rf_mount
need_sandbox
model_begin
propose() { # MODEL TEXT
    model "$1"
    echo "$2" >"$M/workflows/ci.txt"
    rf_wait 20 grep -q "proposed by $1:" "$M/workflows/ci.yml"
    rf_wait 20 no_words
}
no_words() { ! [ -e "$M/errors/ci.txt" ]; }
push() { # what an event comes to
    echo '{"ref": "refs/heads/main"}' >"$M/events/push"
    grep '^ci.yml: ' "$M/events/push" | sed 's/run [0-9]*:.*/run/'
}
unread='ci.yml: not started: a model proposed it, and nobody has started it yet: `echo run` to dispatch/ci.yml'

propose timer 'Build it.'
"$RUNFS" lint "$M/workflows/ci.yml"
equal 'what starts it' 'on:
  workflow_dispatch:
  push:
  pull_request:
  schedule:
    - cron: "30 4,16 * * mon-fri"
    - cron: "0 0 1 * *"' "$(sed -n '/^on:/,/^env:/p' "$M/workflows/ci.yml" | grep -v ^env)"
equal 'a push' "$unread" "$(push)"
equal 'nothing ran' 0 "$(runs)"

# whoever starts it has read it
echo run >"$M/dispatch/ci.yml"
ended "$(readlink "$M/runs/latest")"
refused test -e "$M/config/proposed/ci.yml"
equal 'a push then' 'ci.yml: run' "$(push)"
scheduled() { grep -q "^schedule ci.yml: '30 4,16 \* \* mon-fri' UTC: 20" "$M/status"; }
rf_wait 10 scheduled

# another proposal is unread again; also after runfs was away
propose good 'Build it otherwise.'
equal 'a push of the next' "$unread" "$(push)"
rf_umount
rf_mount
equal 'a push of the next, later' "$unread" "$(push)"
rm "$M/config/proposed/ci.yml"
equal 'a push once that is removed' 'ci.yml: run' "$(push)"

# what a person drops is his own, and what runs by itself may be started by events
propose timer 'Build it.'
sed 's/Build it/Built/' "$M/workflows/ci.yml" >"$T/ci.yml"
cp "$T/ci.yml" "$M/workflows/ci.yml"
equal 'a push of what was dropped' 'ci.yml: run' "$(push)"
propose good 'Build it otherwise.'
test -e "$M/config/proposed/ci.yml"
rm "$M/workflows/ci.yml"
refused test -e "$M/config/proposed/ci.yml"
echo on >"$M/config/llm/auto_run"
before=$(runs)
propose timer 'Build it.'
equal 'it ran' $((before + 1)) "$(runs)"
file_is "$M/runs/latest/event" push
equal 'a push of what ran by itself' 'ci.yml: run' "$(push)"
