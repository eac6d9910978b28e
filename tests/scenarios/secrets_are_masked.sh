# A secret is never shown, in no form, in no file; and cannot be read back.
. "$(dirname "$0")/lib.sh"
rf_mount
printf 'p@ss "w<o>rd&\nline two secret\n' >"$M/secrets/MULTI"
echo hunter2-hunter2 >"$M/secrets/PLAIN"
refused cat "$M/secrets/PLAIN"
equal 'size tells nothing' 0 "$(stat -c %s "$M/secrets/PLAIN")"
cat >"$T/m.yml" <<'Y'
on: push
jobs:
  a:
    runs-on: ubuntu-latest
    outputs: {leak: "${{ steps.o.outputs.leak }}"}
    steps:
      - name: With ${{ secrets.PLAIN }}
        env: {S: "${{ secrets.PLAIN }}", M: "${{ secrets.MULTI }}"}
        run: |
          echo "$S"
          printf %s "$S" | base64
          printf 'x%s' "$S" | base64
          printf 'xy%s' "$S" | base64
          printf 'hunter2-'; sleep 0.05; echo hunter2
          echo "$M"
          w=later
          echo "::add-mask::$w-on"
          echo "now $w-on"
          echo "::error::the word is $S"
          echo "sum $S" >> $GITHUB_STEP_SUMMARY
          mkdir "in-$S"
      - env: {S: "${{ secrets.PLAIN }}"}
        working-directory: in-${{ env.S }}
        run: pwd
      - id: o
        run: echo "leak=${{ secrets.PLAIN }}" >> $GITHUB_OUTPUT
Y
n=$(rf_drop "$T/m.yml")
equal conclusion success "$(cat "$M/runs/$n/conclusion")"
tar cf "$T/all.tar" -C "$M" --exclude workflows "runs/$n" 2>/dev/null || true
for s in hunter2-hunter2 aHVudGVyMi1odW50ZXIy h1bnRlcjItaHVudGVy 'line two secret' 'now later-on'; do
    if grep -a -q -- "$s" "$T/all.tar"; then fail "'$s' is shown: $(grep -rl -- "$s" "$M/runs/$n" | head)"; fi
done
contains 'where it ran' "$(cat "$M/runs/$n"/jobs/a/steps/02-*/cwd)" '/in-***'
contains 'masked' "$(cat "$M/runs/$n/jobs/a/log")" '***'
contains 'said after a mask' "$(cat "$M/runs/$n/jobs/a/log")" 'now ***'
refused test -e "$M/runs/$n/jobs/a/outputs/leak"
