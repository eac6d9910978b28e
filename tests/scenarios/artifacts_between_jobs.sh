# One job uploads, another downloads: by name, all, by pattern, merged; patterns choose files, hidden ones stay out; what is
# missing warns, fails or is ignored; and the artifact is a directory in the mount.
. "$(dirname "$0")/lib.sh"
rf_mount
need_sandbox
cat >"$T/ci.yml" <<'END'
on: push
jobs:
  make:
    runs-on: ubuntu-latest
    outputs: {id: "${{ steps.up.outputs.artifact-id }}", digest: "${{ steps.up.outputs.artifact-digest }}"}
    steps:
      - run: |
          mkdir -p out/sub/.hid build
          echo a > out/a.txt; echo b > out/sub/b.txt; echo h > out/.hidden; echo h > out/sub/.hid/h; echo no > out/no.log
          printf '#!/bin/sh\necho ran\n' > build/tool; chmod +x build/tool; ln -s a.txt out/link
      - id: up
        uses: actions/upload-artifact@v4
        with: {name: tree, path: "out\n!out/**/*.log"}
      - uses: actions/upload-artifact@v4
        with: {name: single, path: build/tool}
      - uses: actions/upload-artifact@v4
        with: {name: glob, path: "out/**/*.txt", retention-days: 1}
      - id: none
        uses: actions/upload-artifact@v4
        with: {name: none, path: "nowhere/*\n"}
      - uses: actions/upload-artifact@v4
        with: {name: none, path: nowhere/*, if-no-files-found: ignore}
      - id: error
        continue-on-error: true
        uses: actions/upload-artifact@v4
        with: {name: none, path: nowhere, if-no-files-found: error}
      - id: again
        continue-on-error: true
        uses: actions/upload-artifact@v4
        with: {name: single, path: out/a.txt}
      - uses: actions/upload-artifact@v4
        with: {name: glob, path: out/a.txt, overwrite: true}
      - run: echo "${{ steps.none.outcome }} ${{ steps.error.outcome }} ${{ steps.again.outcome }}"
  use:
    needs: make
    runs-on: ubuntu-latest
    steps:
      - uses: actions/download-artifact@v4
        with: {name: tree}
      - run: find . -type f | sort | paste -sd' '; cat link; rm -r ./*
      - uses: actions/download-artifact@v4
        with: {path: all}
      - run: find all -type f | sort | paste -sd' '; all/single/tool || sh all/single/tool; rm -r ./*
      - uses: actions/download-artifact@v4
        with: {pattern: "[st]*e*", merge-multiple: true, path: merged}
      - run: find merged -type f | sort | paste -sd' '
      - id: missing
        continue-on-error: true
        uses: actions/download-artifact@v4
        with: {name: missing}
      - run: echo "${{ steps.missing.outcome }}${{ steps.missing.outputs.download-path }} [${{ needs.make.outputs.id > 0 }}] [${{ needs.make.outputs.digest }}]"
END
n=$(rf_drop "$T/ci.yml")
file_is "$M/runs/$n/conclusion" success
contains outcomes "$(step_out "$n" make 10)" 'success failure failure'
file_has "$M/runs/$n"/jobs/make/steps/05-*/log '##[warning]No files were found with the provided path: nowhere/*. No artifacts will be uploaded.'
file_has "$M/runs/$n"/jobs/make/steps/08-*/log 'an artifact with this name already exists on the workflow run'
contains 'a tree' "$(step_out "$n" use 02)" './a.txt ./link ./sub/b.txt
a'
contains 'all, each in its directory' "$(step_out "$n" use 04)" 'all/glob/a.txt all/single/tool all/tree/a.txt all/tree/link all/tree/sub/b.txt
ran'
contains 'merged' "$(step_out "$n" use 06)" 'merged/a.txt merged/link merged/sub/b.txt merged/tool'
contains 'missing' "$(step_out "$n" use 08)" 'failure [true] ['
file_has "$M/runs/$n"/jobs/use/steps/07-*/log 'Artifact not found for name: missing'
