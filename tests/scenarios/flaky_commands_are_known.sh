# A command that fails, and succeeds when it is tried again without a difference, is flaky; one that was mended is not.
. "$(dirname "$0")/lib.sh"
rf_mount
echo host >"$M/config/labels/h"
F=$M/knowledge/anomalies/flaky
mkdir "$T/bin"
printf '#!/bin/sh\n[ -e %s/there ] || { echo "error: timed out" >&2; exit 1; }\n' "$T" | tee "$T/bin/fetchit" >"$T/bin/compileit"
chmod +x "$T"/bin/*
one() { # FILE SCRIPT
    printf 'on: push\njobs: {a: {runs-on: h, steps: [{run: "%s"}, {run: "echo behind"}]}}\n' "$2" >"$T/$1"
    rf_drop "$T/$1"
}
equal 'none' '' "$(ls "$F")"
n=$(one fetch.yml "echo before; $T/bin/fetchit --all")
file_is "$M/runs/$n/conclusion" failure
equal 'a failure alone is none' '' "$(ls "$F")"
touch "$T/there"
echo rerun-failed >"$M/runs/$n/ctl"
ended "$n"
file_is "$M/runs/$n/conclusion" success
equal 'the same, and it succeeds' fetchit "$(ls "$F")"
f=$(ls "$M/knowledge/failures")
equal 'in which runs' "$n $n $f" "$(cat "$F/fetchit/flaky")"
refused cat "$M/knowledge/commands/echo/flaky"

# Another script is a difference; another run without one is none.
rm "$T/there"
n=$(one compile.yml "$T/bin/compileit")
touch "$T/there"
m=$(one compile.yml "$T/bin/compileit --once-more")
file_is "$M/runs/$m/conclusion" success
equal 'it was mended' fetchit "$(ls "$F")"
rm "$T/there"
n=$(one compile.yml "$T/bin/compileit --once-more")
touch "$T/there"
m=$(one compile.yml "$T/bin/compileit --once-more")
equal 'two now' 'compileit fetchit' "$(ls "$F" | paste -sd ' ')"
equal 'between runs' "$n $m" "$(cut -d ' ' -f 1,2 "$F/compileit/flaky")"

# It is forgotten with the run.
rmdir "$M/runs/$n"
equal 'one again' fetchit "$(ls "$F")"
rf_umount
rf_mount
equal 'kept' fetchit "$(ls "$F")"
