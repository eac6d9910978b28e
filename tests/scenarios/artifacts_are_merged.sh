# upload-artifact/merge makes one artifact of several of the run; with "delete-merged" those are gone then, and the others stay;
# here, and in a job that a worker runs.
. "$(dirname "$0")/lib.sh"
rf_mount
need_sandbox
echo "worker:$RUNFS worker --state $T/near" >"$M/config/labels/near"
cat >"$T/ci.yml" <<'END'
on: push
jobs:
  part:
    strategy: {matrix: {n: [1, 2]}}
    runs-on: ubuntu-latest
    steps:
      - run: echo ${{ matrix.n }} > ${{ matrix.n }}.txt
      - uses: actions/upload-artifact@v4
        with: {name: "part-${{ matrix.n }}", path: "*.txt"}
  whole:
    needs: part
    runs-on: ubuntu-latest
    steps:
      - run: echo other > other.txt
      - uses: actions/upload-artifact@v4
        with: {name: other, path: other.txt}
      - uses: actions/upload-artifact/merge@v4
        with: {name: kept, pattern: part-*, separate-directories: true}
      - run: true
      - uses: actions/upload-artifact/merge@v4
        with: {name: whole, pattern: part-*, delete-merged: true}
  near:
    needs: whole
    runs-on: near
    steps:
      - uses: actions/upload-artifact/merge@v4
        with: {name: last, pattern: whole, delete-merged: true}
END
n=$(rf_drop "$T/ci.yml")
file_is "$M/runs/$n/conclusion" success
equal 'what was merged is gone' 'kept
last
other' "$(ls "$M/runs/$n/artifacts")"
equal 'side by side' '1.txt
2.txt' "$(ls "$M/runs/$n/artifacts/last")"
file_is "$M/runs/$n/artifacts/kept/part-2/2.txt" 2
file_has "$M/runs/$n"/jobs/whole/steps/05-*/log 'Artifact part-1 has been deleted'
