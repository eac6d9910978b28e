# upload-artifact with "archive: false" keeps one file as it is: the artifact is called like the file, its digest is the file's
# own; here, and in a job that a worker runs. More files than one are refused.
. "$(dirname "$0")/lib.sh"
rf_mount
need_sandbox
echo "worker:$RUNFS worker --state $T/near" >"$M/config/labels/near"
cat >"$T/ci.yml" <<'END'
on: push
jobs:
  make:
    runs-on: ubuntu-latest
    outputs: {digest: "${{ steps.up.outputs.artifact-digest }}"}
    steps:
      - run: mkdir -p out/deep; printf 'one\n' > out/deep/one.txt; ln -s deep/one.txt out/link; echo two > two.txt
      - id: up
        uses: actions/upload-artifact@v7
        with: {name: of no account, path: out/**/*.txt, archive: false}
      - uses: actions/upload-artifact@v7
        with: {path: out/link, archive: false}
      - id: both
        continue-on-error: true
        uses: actions/upload-artifact@v7
        with: {path: "out/deep\ntwo.txt", archive: false}
      - run: echo "${{ steps.both.outcome }}"
  near:
    runs-on: near
    steps:
      - run: printf 'near\n' > near.txt
      - id: up
        uses: actions/upload-artifact@v7
        with: {path: near.txt, archive: false}
      - run: echo ${{ steps.up.outputs.artifact-digest }}
  use:
    needs: make
    runs-on: ubuntu-latest
    steps:
      - uses: actions/download-artifact@v8
        with: {name: one.txt, path: here}
      - run: cat here/one.txt; echo ${{ needs.make.outputs.digest }}; sha256sum <here/one.txt
END
n=$(rf_drop "$T/ci.yml")
file_is "$M/runs/$n/conclusion" success
equal 'two files' failure "$(step_out "$n" make 05)"
file_has "$M/runs/$n"/jobs/make/steps/04-*/log 'only a single file can be uploaded. Found 2 files'
sum=$(printf 'one\n' | sha256sum)
equal 'the file, and its digest' "one
${sum%% *}
$sum" "$(step_out "$n" use 02)"
equal 'of a worker' "$(printf 'near\n' | sha256sum | cut -d' ' -f1)" "$(step_out "$n" near 03)"
equal 'artifacts are called like their files' 'link
near.txt
one.txt' "$(ls "$M/runs/$n/artifacts")"
file_is "$M/runs/$n/artifacts/one.txt/one.txt" one
file_is "$M/runs/$n/artifacts/link/link" one
