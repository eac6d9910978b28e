# What a step writes to GITHUB_ARTIFACTS, files and images with their digest, later steps of the job read in
# GITHUB_ARTIFACTS_LIST; a line that declares nothing fails its step and none of its lines counts,
# and neither do those of a file that is too large.
. "$(dirname "$0")/lib.sh"
rf_mount
need_sandbox
cat >"$T/ci.yml" <<'END'
on: push
jobs:
  a:
    runs-on: ubuntu-latest
    steps:
      - run: cat "$GITHUB_ARTIFACTS_LIST"
      - working-directory: /tmp
        run: |
          mkdir -p "$GITHUB_WORKSPACE/out"; printf x > "$GITHUB_WORKSPACE/out/b.bin"; printf y > /tmp/a.bin
          hex=$(printf %064d 7)
          { echo '# what was built'; echo; echo ' out/b.bin '; echo /tmp/a.bin; echo "ghcr.io/o/i:v1@sha256:${hex}"; } >> "$GITHUB_ARTIFACTS"
      - run: |
          echo FILE://out/b.bin >> "$GITHUB_ARTIFACTS"; echo OCI://c.io/x@sha512:$(printf %0128d 0 | tr 0 A) >> "$GITHUB_ARTIFACTS"
          cat "$GITHUB_ARTIFACTS_LIST"
      - {continue-on-error: true, run: 'printf z > new; printf "new\nnope\n" >> $GITHUB_ARTIFACTS'}
      - {continue-on-error: true, run: 'echo out >> $GITHUB_ARTIFACTS'}
      - {continue-on-error: true, run: 'echo a=b >> $GITHUB_ARTIFACTS'}
      - {continue-on-error: true, run: 'echo https://x/y >> $GITHUB_ARTIFACTS'}
      - {continue-on-error: true, run: 'echo oci://x >> $GITHUB_ARTIFACTS'}
      - {continue-on-error: true, run: 'echo oci://x@sha256:ab >> $GITHUB_ARTIFACTS'}
      - {continue-on-error: true, run: 'printf other > out/b.bin; echo out/b.bin >> $GITHUB_ARTIFACTS'}
      - {continue-on-error: true, run: "head -c 1048577 /dev/zero | tr '\\0' '#' >$GITHUB_ARTIFACTS"}
      - run: cat "$GITHUB_ARTIFACTS_LIST"
END
n=$(rf_drop "$T/ci.yml")
file_is "$M/runs/$n/conclusion" success
x=$(printf x | sha256sum | cut -d' ' -f1) y=$(printf y | sha256sum | cut -d' ' -f1) other=$(printf other | sha256sum | cut -d' ' -f1)
equal 'at first there is none' '{"version":1,"subjects":[]}' "$(step_out "$n" a 01)"
file_has "$M/runs/$n"/jobs/a/steps/02-*/log 'Captured 3 artifact subject(s) from this step (job total: 3).'
three="{\"name\":\"a.bin\",\"digest\":\"sha256:$y\",\"kind\":\"file\"},{\"name\":\"b.bin\",\"digest\":\"sha256:$x\",\"kind\":\"file\"}"
image="{\"name\":\"ghcr.io/o/i:v1\",\"digest\":\"sha256:$(printf %064d 7)\",\"kind\":\"oci\"}"
equal 'what the step before declared' "{\"version\":1,\"subjects\":[$three,$image]}" "$(step_out "$n" a 03)"
file_has "$M/runs/$n"/jobs/a/steps/03-*/log 'Captured 1 artifact subject(s) from this step (job total: 4).'
wrong() {
    file_is "$M/runs/$n"/jobs/a/steps/"$1"-*/outcome failure
    file_has "$M/runs/$n"/jobs/a/steps/"$1"-*/log "##[error]Unable to process file command 'artifacts' successfully."
    file_has "$M/runs/$n"/jobs/a/steps/"$1"-*/log "##[error]Invalid \$GITHUB_ARTIFACTS entry on line $2"
}
wrong 04 "2: file 'nope' does not exist (relative paths are resolved against the workspace root '/home/runner/work/ci/ci')"
wrong 05 "1: 'out' is a directory, not a regular file"
wrong 06 "1: entries containing '=' are reserved and not permitted"
wrong 07 '1: unsupported URI scheme'
wrong 08 '1: oci:// entries must include an @sha{256,384,512}:<hex> digest'
wrong 09 "1: digest 'sha256' must be 64 hex characters, got 2"
wrong 10 "1: Conflicting digest for artifact 'b.bin': previously declared as 'sha256:$x', now declared as 'sha256:$other'."
file_is "$M/runs/$n"/jobs/a/steps/11-*/outcome failure
file_has "$M/runs/$n"/jobs/a/steps/11-*/log '##[error]$GITHUB_ARTIFACTS file exceeds the maximum size of 1024 KiB.'
equal 'only what was well' "{\"version\":1,\"subjects\":[$three,{\"name\":\"c.io/x\",\"digest\":\"sha512:$(printf %0128d 0 | tr 0 a)\",\"kind\":\"oci\"},$image]}" \
    "$(step_out "$n" a 12)"
