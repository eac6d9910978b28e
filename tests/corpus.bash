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

corpus_files=("$examples"/workflows/*.yml "$examples"/*/.github/workflows/*.yml)
# What the files say, read once: by file and key, a line each
declare -A said=()
while IFS=$'\t' read -r file key value; do
    said[$file $key]+=${said[$file $key]+$'\n'}$value
done < <(awk '/^# [a-z ]+: / {
    key = substr($0, 3, index($0, ": ") - 3)
    print FILENAME "\t" key "\t" substr($0, index($0, ": ") + 2)
}' "${corpus_files[@]}")

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
    [ -n "${said[$1 $2]-}" ] || return 0
    while read -r line; do contains "${1#"$examples"/}: $3" "$4" "$line"; done <<<"${said[$1 $2]}"
}
none_says() {
    local line
    [ -n "${said[$1 $2]-}" ] || return 0
    while read -r line; do lacks "${1#"$examples"/}: $3" "$4" "$line"; done <<<"${said[$1 $2]}"
}

# Every file is checked and planned as it says: the same by whomever, and wherever it then runs
corpus_lint() {
    local file run event payload
    echo '{"ref": "refs/heads/main"}' >"$T/on-main.json"
    for file in "${corpus_files[@]}"; do
        run=${said[$file run]-} event='' payload=''
        if [ "${said[$file expect]-}" = refused ]; then
            exits 1 "$RUNFS" lint "$file"
            each_says "$file" lint lint "$(cat "$T/out")"
            continue
        fi
        "$RUNFS" lint "$file" >"$T/out" 2>&1 || fail "${file#"$examples"/} is refused: $(cat "$T/out")"
        [ -n "${said[$file expect]-}" ] || continue # a reusable one: its caller says what comes of it
        [[ ! $run =~ --event\ ([^[:space:]]*) ]] || event=${BASH_REMATCH[1]}
        [[ ! $run =~ --payload\ ([^[:space:]]*) ]] || payload=${BASH_REMATCH[1]}
        (cd "$examples" && "$RUNFS" plan "$file" ${event:+--event "$event"} --payload "${payload:-$T/on-main.json}" >"$T/out" 2>&1) ||
            fail "$file is not planned: $(cat "$T/out")"
    done
}

# CODE CONCLUSION: whether what `runfs run` printed and its exit code are those of a run that ended so
ended_as() {
    case $(tail -n 1 "$T/out") in *": $2 ("*) ;; *) return 1 ;; esac
    if [ "$2" = success ]; then [ "$1" = 0 ]; else [ "$1" != 0 ]; fi
}

# AS OPTION...: runs the whole corpus with these options, through that function (as_user, or `env` for nobody else),
# in state $T/corpus or the user's own
corpus_run() {
    local as=$1 file name expected run code repository output n=0 skipped=() m
    local -a options
    shift
    for file in "${corpus_files[@]}"; do
        name=${file#"$examples"/}
        expected=${said[$file expect]-}
        case $expected in '' | refused | network) continue ;; esac
        for m in ${said[$file needs]-}; do command -v "$m" >/dev/null || { skipped+=("$name"); continue 2; }; done
        [ -z "${said[$file later]-}" ] || expected=failure
        run=${said[$file run]-}
        read -ra options <<<"${run//payloads\//$examples/payloads/}"
        repository=${said[$file repository]-}
        if [ -n "$repository" ]; then
            corpus_repository "$repository"
            options+=(--workspace "$T/repos/$repository")
        fi
        code=0
        n=$((n + 1))
        ("$as" "$RUNFS" run "$file" --state "$corpus_state" "${options[@]}" "$@") >"$T/out" 2>"$T/err" || code=$?
        output=$(corpus_output <"$T/out")
        ended_as "$code" "$expected" || fail "$name: ended with $code and is no $expected: $(cat "$T/out" "$T/err")"
        [ -z "${said[$file later]-}" ] || continue
        each_says "$file" log log "$output"
        none_says "$file" lacks log "$output"
        echo "$n $file" >>"$T/corpus-runs"
    done
    [ "$n" -ge 30 ] || fail "only $n workflows were run"
    [ "${#skipped[@]}" = 0 ] || say "skipped: ${skipped[*]}"
}

# MOUNT: what the runs left in their files, with that state mounted there
corpus_files_fit() {
    local n file
    while read -r n file; do
        [ "$(<"$1/runs/$n/conclusion")" = "${said[$file expect]}" ] || fail "$file: run $n ended as $(cat "$1/runs/$n/conclusion")"
        [ -z "${said[$file annotation]-}" ] || each_says "$file" annotation annotations "$(<"$1/runs/$n/annotations")"
        [ ! -e "$1/runs/$n/annotations" ] || none_says "$file" 'not annotation' annotations "$(<"$1/runs/$n/annotations")"
        [ -z "${said[$file summary]-}" ] || each_says "$file" summary summary "$(<"$1/runs/$n/summary.md")"
    done <"$T/corpus-runs"
}
