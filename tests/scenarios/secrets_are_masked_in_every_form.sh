# Base64 at any offset, URI, JSON and XML escapes, single lines, split writes, stderr, names, outputs: never the secret.
. "$(dirname "$0")/lib.sh"
rf_mount
printf '%s' 'p&ss<w0rd>"q\uote' >"$M/secrets/ODD"
printf 'first-line-secret\nsecond-line-secret\n' >"$M/secrets/LINES"
printf '%s' 'topsecretvaluetop' >"$M/secrets/PLAIN"
cat >"$T/m.yml" <<'Y'
name: masks
on: push
env: {FROM_ENV: "${{ secrets.PLAIN }}"}
jobs:
  a:
    name: job of ${{ github.actor }}
    runs-on: ubuntu-latest
    steps:
      - shell: python
        env: {ODD: "${{ secrets.ODD }}", LINES: "${{ secrets.LINES }}", PLAIN: "${{ secrets.PLAIN }}"}
        run: |
          import base64, json, os, sys, time, urllib.parse, xml.sax.saxutils as x
          for name in ("ODD", "LINES", "PLAIN"):
              s = os.environ[name]
              for pre in ("", "a", "ab", "abc"):
                  for post in ("", "z", "zz"):
                      print("b64", base64.b64encode((pre + s + post).encode()).decode())
              print("json", json.dumps({"k": s}))
              print("uri", urllib.parse.quote(s, safe=""))
              print("xml", x.quoteattr(s), x.escape(s, {'"': "&quot;"}))
              print("raw", s)
              print("raw", s, file=sys.stderr)
              for c in s:
                  sys.stdout.write(c)
                  sys.stdout.flush()
              print()
          os.write(1, b"x" * 70000 + os.environ["PLAIN"].encode() + b"\n")
          for i in range(100): # no newline for long, and a secret that ends as it begins
              os.write(1, b"x" * 1000 + os.environ["PLAIN"].encode() * 100)
          print()
      - name: step ${{ secrets.PLAIN }}
        env: {IN: "has ${{ secrets.PLAIN }} inside"}
        run: |
          echo "::warning title=${{ secrets.PLAIN }}::msg ${{ secrets.PLAIN }}"
          echo "$FROM_ENV" >>"$GITHUB_STEP_SUMMARY"
          echo "o=$FROM_ENV" >>"$GITHUB_OUTPUT"
          echo "LATER=$FROM_ENV" >>"$GITHUB_ENV"
          exit 1
      - if: always()
        run: echo "$LATER"; env; cat "$0"; ls "$FROM_ENV"
Y
n=$(rf_drop "$T/m.yml")
R=$M/runs/$n
equal 'the first step' success "$(cat "$R"/jobs/a/steps/01-*/conclusion)"
# everything that can be read of the run, in one stream; workflow.yml has only the expressions
find "$R" -type f ! -name ctl -exec cat {} + >"$T/all"
find "$R" >>"$T/all"
cat "$M/log" >>"$T/all"
head -c 100M "$STATE"/logs/*/* >>"$T/all"
"$PYTHON" - "$T/all" <<'P'
import sys, base64
text = open(sys.argv[1], "rb").read()
values = [b'p&ss<w0rd>"q\\uote', b"topsecretvaluetop", b"first-line-secret", b"second-line-secret"]
forms = set()
for v in values:
    forms.add(v)
    forms.add(v.replace(b"\\", b"\\\\").replace(b'"', b'\\"'))
    forms.add(v.replace(b"&", b"&amp;").replace(b"<", b"&lt;").replace(b">", b"&gt;").replace(b'"', b"&quot;"))
    forms.add(v.replace(b"&", b"%26").replace(b"<", b"%3C").replace(b">", b"%3E").replace(b'"', b"%22").replace(b"\\", b"%5C"))
for v in values[:2]:
    for shift in range(3): # the part of the base64 text that does not depend on its neighbours
        coded = base64.b64encode(b"a" * shift + v)
        forms.add(coded[(0, 2, 3)[shift] + (shift and 0):-4].strip(b"="))
bad = [f for f in forms if f in text]
assert not bad, bad
assert text.count(b"***") > 50, text.count(b"***")
P
contains 'the name of a step' "$(cat "$R"/jobs/a/steps/02-*/name)" 'step ***'
