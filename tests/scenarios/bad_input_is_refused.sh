# What is no workflow is refused at close, says why with line and column, runs nothing, and replaces nothing.
. "$(dirname "$0")/lib.sh"
rf_mount
workflow "$T/good.yml" 'echo good'
rf_drop "$T/good.yml" >/dev/null
before=$(runs)
no() { # NAME FILE PART-OF-REASON
    refused cp "$2" "$M/workflows/$1"
    contains "errors/$1" "$(cat "$M/errors/$1")" "$3"
    equal "runs after $1" "$before" "$(runs)"
}
printf 'on: push\njobs:\n  a:\n    runs-onn: x\n    steps:\n      - run: echo\n' >"$T/bad.yml"
no good.yml "$T/bad.yml" "good.yml (Line: 4, Col: 5): Unexpected value 'runs-onn'"
contains 'the previous version stays' "$(cat "$M/workflows/good.yml")" 'echo good'
printf 'on: push\njobs: [\n' >"$T/syntax.yml"
no syntax.yml "$T/syntax.yml" 'syntax.yml (Line: '
refused test -e "$M/workflows/syntax.yml"
no empty.yml /dev/null 'empty'
head -c 3000 /dev/urandom >"$T/binary.yml"
no binary.yml "$T/binary.yml" 'UTF-8'
printf 'on: push\0\n' >"$T/nul.yml"
no nul.yml "$T/nul.yml" 'NUL'
head -c 50M /dev/zero | tr '\0' '#' >"$T/huge.yml"
no huge.yml "$T/huge.yml" 'larger than'
refused cp "$T/good.yml" "$M/workflows/$(printf 'a\001b.yml')"
refused cp "$T/good.yml" "$M/workflows/$(printf '%0300d' 1).yml"
refused cp "$T/good.yml" "$M/workflows/nowhere/../../x.yml"
equal 'runs after bad names' "$before" "$(runs)"
rf_drop "$T/good.yml" >/dev/null
refused test -e "$M/errors/good.yml"
refused mkdir "$M/workflows/dir"
