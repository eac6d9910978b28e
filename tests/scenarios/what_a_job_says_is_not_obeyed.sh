# What a job prints turns up in annotations, failures and lessons. There it moves no cursor, turns no text around, adds no line
# that it is not, and is no link.
. "$(dirname "$0")/lib.sh"
rf_mount
echo host >"$M/config/labels/h"
cat >"$T/ci.yml" <<'Y'
on: push
jobs:
  a:
    runs-on: h
    steps:
      - run: |
          printf '::warning file=x.c%%0Ay.c,line=3,title=one%%0Atwo\033[2J::three\033]0;x\007%%0Afour \342\200\256five\n'
      - run: |
          printf 'error: broken \033]8;;http://x\033\\ \342\200\256 `` [see](javascript:alert(1)) `\n'
          exit 1
Y
for _ in 1 2 3; do
    n=$(rf_drop "$T/ci.yml")
done
equal annotations 2 "$(wc -l <"$M/runs/$n/annotations")"
file_has "$M/runs/$n/annotations" 'x.c y.c:3: warning: one two?[2J: three?]0;x? four ???five'
equal 'failures' 1 "$(ls "$M/knowledge/failures" | wc -l)"
seen() { LC_ALL=C.UTF-8 grep -nP '[\x00-\x08\x0b-\x1f\x7f\x{202a}-\x{202e}]' "$@"; }
signature=$M/knowledge/failures/$(ls "$M/knowledge/failures")/signature
file_has "$signature" '??? `` [see]'
lesson=$M/knowledge/lessons/$(ls "$M/knowledge/lessons")
if seen "$M/runs/$n/annotations" "$signature" "$lesson"; then fail 'a terminal obeys that'; fi
# CommonMark: what stands between three backticks is code, whatever it has of two
contains 'its heading' "$(head -n 1 "$lesson")" '# ``` error: broken'
contains 'its heading' "$(head -n 1 "$lesson")" '` ```'
