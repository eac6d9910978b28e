# What download-artifact finds by a pattern or by number gets a directory for each artifact; since v5 one that is alone has
# none, and v4 goes on as before.
. "$(dirname "$0")/lib.sh"
rf_mount
need_sandbox
cat >"$T/ci.yml" <<'END'
on: push
jobs:
  a:
    runs-on: ubuntu-latest
    steps:
      - run: echo x > x; echo y > y
      - {id: x, uses: actions/upload-artifact@v4, with: {name: ex, path: x}}
      - {uses: actions/upload-artifact@v4, with: {name: why, path: y}}
      - {uses: actions/download-artifact@v5, with: {pattern: e*, path: new/pattern}}
      - {uses: actions/download-artifact@v6, with: {artifact-ids: "${{ steps.x.outputs.artifact-id }}", path: new/number}}
      - {uses: actions/download-artifact@v8, with: {path: new/all}}
      - {uses: actions/download-artifact@v4, with: {pattern: e*, path: old/pattern}}
      - {uses: actions/download-artifact@v4.3.0, with: {artifact-ids: "${{ steps.x.outputs.artifact-id }}", path: old/number}}
      - run: find new old -type f | sort
END
n=$(rf_drop "$T/ci.yml")
file_is "$M/runs/$n/conclusion" success
equal 'where they are' 'new/all/ex/x
new/all/why/y
new/number/x
new/pattern/x
old/number/ex/x
old/pattern/ex/x' "$(step_out "$n" a 09)"
