# The corpus: every example workflow says in comments at its end what comes of it, and this runs them and compares.
# Sourced by scenarios after lib.sh.
#
#   # expect: CONCLUSION        success, failure, cancelled; `refused`: by lint; `network`: linted and planned, not run
#   # run: OPTION...            further options of `runfs run`; payloads/ is examples/payloads/
#   # repository: NAME          it belongs to a git repository with what is in examples/NAME
#   # log: TEXT                 a line of the log has it, the scripts that runfs shows aside
#   # lacks: TEXT               none has it
#   # annotation: TEXT, # not annotation: TEXT, # summary: TEXT     the same for those files of the run
#   # lint: TEXT                what lint says of a file that it refuses
#   # needs: PROGRAM            skipped where that is not installed
#   # later: WHAT               runfs cannot do it yet, and ends it as a failure that says so
# shellcheck shell=bash
examples=$T/examples # a copy: these workflows belong to no checkout of runfs
cp -r "$here/examples" "$examples"

corpus_files() { ls "$examples"/workflows/*.yml "$examples"/*/.github/workflows/*.yml; }
says() { sed -n "s/^# $2: //p" "$1"; } # FILE KEY

# The shown scripts are no output: a text that is looked for must have been printed.
corpus_output() { awk '/^##\[group\]Run /{ hide = 1 } !hide { print } /^##\[endgroup\]/{ hide = 0 }'; }

# NAME: a git repository of it whose last commit changed docs/ only
corpus_repository() {
    [ ! -d "$T/repos/$1" ] || return 0
    mkdir -p "$T/repos"
    cp -r "$examples/$1" "$T/repos/$1"
    git_commit "$T/repos/$1"
    git -C "$T/repos/$1" tag v1.3.0
    mkdir -p "$T/repos/$1/docs"
    echo "More of it." >>"$T/repos/$1/docs/usage.md"
    git_commit "$T/repos/$1" 'Say more'
    [ -z "${corpus_owner:-}" ] || chown -R "$corpus_owner" "$T/repos/$1"
}

each_says() { # FILE KEY WHAT TEXT: all lines of that key are in the text
    local line
    while read -r line; do contains "${1#"$examples"/}: $3" "$4" "$line"; done < <(says "$1" "$2")
}
none_says() {
    local line
    while read -r line; do lacks "${1#"$examples"/}: $3" "$4" "$line"; done < <(says "$1" "$2")
}

# FILE: checked and planned as it says. Returns 1 when it is not to be run.
corpus_lint() {
    local expected event payload
    expected=$(says "$1" expect)
    if [ "$expected" = refused ]; then
        exits 1 "$RUNFS" lint "$1"
        each_says "$1" lint lint "$(cat "$T/out")"
        return 1
    fi
    "$RUNFS" lint "$1" >"$T/out" 2>&1 || fail "${1#"$examples"/} is refused: $(cat "$T/out")"
    event=$(says "$1" run | sed -n 's/.*--event \([^ ]*\).*/\1/p')
    payload=$(says "$1" run | sed -n 's/.*--payload \([^ ]*\).*/\1/p')
    echo '{"ref": "refs/heads/main"}' >"$T/on-main.json"
    [ -n "$(says "$1" expect)" ] || return 1 # a reusable one: its caller says what comes of it
    (cd "$examples" && "$RUNFS" plan "$1" ${event:+--event "$event"} --payload "${payload:-$T/on-main.json}" >"$T/out" 2>&1) || fail "$1 is not planned: $(cat "$T/out")"
    [ "$expected" != network ]
}

# CODE CONCLUSION: whether what `runfs run` printed and its exit code are those of a run that ended so
ended_as() {
    case $(tail -n 1 "$T/out") in *": $2 ("*) ;; *) return 1 ;; esac
    if [ "$2" = success ]; then [ "$1" = 0 ]; else [ "$1" != 0 ]; fi
}

# AS OPTION...: runs the whole corpus with these options, through that function (as_user, or `env` for nobody else),
# in state $T/corpus or the user's own
corpus_run() {
    local as=$1 file name expected code repository output n=0 skipped=() m
    local -a options
    shift
    while read -r file; do
        name=${file#"$examples"/}
        corpus_lint "$file" || continue
        for m in $(says "$file" needs); do command -v "$m" >/dev/null || { skipped+=("$name"); continue 2; }; done
        expected=$(says "$file" expect)
        [ -z "$(says "$file" later)" ] || expected=failure
        read -ra options <<<"$(says "$file" run | sed "s|payloads/|$examples/payloads/|g")"
        repository=$(says "$file" repository)
        if [ -n "$repository" ]; then
            corpus_repository "$repository"
            options+=(--workspace "$T/repos/$repository")
        fi
        code=0
        n=$((n + 1))
        ("$as" "$RUNFS" run "$file" --state "$corpus_state" "${options[@]}" "$@") >"$T/out" 2>"$T/err" || code=$?
        output=$(corpus_output <"$T/out")
        ended_as "$code" "$expected" || fail "$name: ended with $code and is no $expected: $(cat "$T/out" "$T/err")"
        [ -z "$(says "$file" later)" ] || continue
        each_says "$file" log log "$output"
        none_says "$file" lacks log "$output"
        echo "$n $file" >>"$T/corpus-runs"
    done < <(corpus_files)
    [ "$n" -ge 30 ] || fail "only $n workflows were run"
    [ "${#skipped[@]}" = 0 ] || say "skipped: ${skipped[*]}"
}

# MOUNT: what the runs left in their files, with that state mounted there
corpus_files_fit() {
    local n file
    while read -r n file; do
        [ "$(cat "$1/runs/$n/conclusion")" = "$(says "$file" expect)" ] || fail "$file: run $n ended as $(cat "$1/runs/$n/conclusion")"
        [ -z "$(says "$file" annotation)" ] || each_says "$file" annotation annotations "$(cat "$1/runs/$n/annotations")"
        [ ! -e "$1/runs/$n/annotations" ] || none_says "$file" 'not annotation' annotations "$(cat "$1/runs/$n/annotations")"
        [ -z "$(says "$file" summary)" ] || each_says "$file" summary summary "$(cat "$1/runs/$n/summary.md")"
    done <"$T/corpus-runs"
}
