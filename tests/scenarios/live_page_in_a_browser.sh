# A person opens the page of the HTTP server in a browser (Chromium without a window): runs as they change, a log as it is printed,
# folded, searched and linked to, at ten thousand lines a second too; buttons for who may press them; and nothing that a workflow
# or its output says is ever more than text.
# limit: 300
. "$(dirname "$0")/lib.sh"
need node
need chromium
rf_mount
echo host >"$M/config/labels/h"
cat >"$T/hostile.yml" <<'Y'
name: '<b>bold</b> & "quoted"'
run-name: '<b>run</b><script>window.hacked=0</script>'
on: push
jobs:
  a:
    name: '<i>job</i>'
    runs-on: h
    environment: {name: '<u>prod</u>', url: 'javascript:window.hacked=7'}
    steps:
      - name: '<script>window.hacked=4</script>'
        run: |
          echo '<img src=x onerror=window.hacked=1>'
          echo '"><svg/onload=window.hacked=2>'
          echo 'javascript:window.hacked=5 </script><script>window.hacked=6</script>'
          printf '\033[32mgreen\033[0m \033[1;31mbold red\033[0m \033[38;5;208morange\033[39m \033[44mon blue\033[49m \033[7mother way\033[0m \033[38;2;1;2;3mtrue\033[0m\n'
          printf 'bell\a and\033]0;title\007 title\033[2K\r\n'
          echo '::group::My group'
          for i in 1 2 3; do echo "inside $i"; done
          echo '::endgroup::'
          printf 'a %s\n' needle 'Needle here' NEEDLE
          echo '::error title=<b>t</b>,file=<i>f</i>::<img src=x onerror=window.hacked=3>'
          exit 3
Y
cat >"$T/live.yml" <<Y
on: push
jobs: {a: {runs-on: h, steps: [{run: 'echo "before" it; until [ -e $T/go ]; do sleep 0.05; done; echo "after" it; echo x >f'}, {uses: actions/upload-artifact@v4, with: {name: things, path: f}}]}}
Y
sed 's/go ]/go-on ]/; s/before/one of/; s/after/two of/' "$T/live.yml" >"$T/broken.yml"
cat >"$T/flood.yml" <<'Y'
on: push
jobs: {a: {runs-on: h, steps: [{name: flood, run: "for i in $(seq 60); do seq -f 'line %.0f of a log that goes by quickly, with some words in it' $((i * 1000 - 999)) $((i * 1000)); sleep 0.09; done"}]}}
Y
printf 'on: push\njobs: {a: {runs-on: h, steps: [{run: sleep 300}]}}\n' >"$T/long.yml"
echo 0 >"$M/config/listen"
rf_wait 10 grep -q '^listen: 127' "$M/status"
token=$("$RUNFS" token create --scope run --name driver "$M")
(
    until [ -e "$T/want-reader" ]; do pause 0.05; done
    "$RUNFS" token create --scope read --name reader "$M" >"$T/reader.new"
    mv "$T/reader.new" "$T/reader"
) &
children+=($!)
node "$here/tests/toolkit/page.mjs" "http://$(awk '/^listen: 127/ {print $2}' "$M/status")" "$token" "$M" "$T" >"$T/said" 2>"$T/err" || {
    cat "$T/err" >&2
    fail "it ended early, having said: $(cat "$T/said")"
}
say "$(grep '^# ' "$T/err" || :)"
equal 'what it found' 'without a token there is nothing to see
runs are listed as they change
hostile names and logs are texts
logs have colours, groups, search and links
a log is followed
logs and artifacts are taken home
a broken connection is begun again
a flood does not freeze it
runs are cancelled and run again
the token stays in the tab
who may only read has no buttons' "$(cat "$T/said")"
