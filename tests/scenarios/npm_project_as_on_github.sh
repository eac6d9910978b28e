# A small npm project, linked as a repository, is delivered: checked out, installed from its lock file, tested for each
# version, packed into an artifact that the next job installs; the second run finds the cache that the first one saved.
. "$(dirname "$0")/lib.sh"
need git
need npm
mkdir "$T/repos"
cp -r "$here/examples/npm-project" "$T/repos/report-table"
git_commit "$T/repos/report-table"
rf_mount --repo "$T/repos/report-table"
need_sandbox

deliver() {
    echo >"$M/dispatch/report-table/ci.yml"
    n=$(readlink "$M/runs/latest")
    ended "$n"
    [ "$(cat "$M/runs/$n/conclusion")" = success ] || fail "$(cat "$M/runs/$n/log")"
}
job() { echo "$M/runs/$n/jobs/$1"; }

deliver
equal 'a job for each version, and the one that tries the package' 3 "$(ls "$M/runs/$n/jobs" | wc -l)"
for j in "$(job test-18)" "$(job test-lts)"; do
    file_has "$j"/steps/02-*/log 'Found Node.js'
    file_has "$j"/steps/03-*/log 'Cache not found for input keys: npm-Linux-v'
    file_has "$j"/steps/04-*/stdout 'added 1 package'
    file_has "$j"/steps/05-*/stdout '# pass 2'
    file_has "$j"/steps/09-post-*/log 'Cache saved with key: npm-Linux-v'
done
file_is "$(job test-18)"/steps/06-*/conclusion skipped
file_has "$(job try)"/steps/03-*/stdout 'packed  passed  7 ms'
if grep -q ' artifacts/' "$M/README"; then
    package=$M/runs/$n/artifacts/package/report-table-1.2.0.tgz
    contains 'the artifact is the package' "$(tar -tzf "$package")" 'package/node_modules/columns/index.js'
fi
file_has "$M/runs/$n/summary.md" 'success, cache missed'

deliver
for j in "$(job test-18)" "$(job test-lts)"; do
    file_has "$j"/steps/03-*/log 'Cache restored from key: npm-Linux-v'
    file_has "$j"/steps/09-post-*/log 'not saving cache.'
done
file_has "$M/runs/$n/summary.md" 'success, cache hit'

say 'a test that fails fails the run, and nothing is tried'
sed -i s/12/13/ "$T/repos/report-table/test/report-table.test.js"
git_commit "$T/repos/report-table" 'Break a test'
echo >"$M/dispatch/report-table/ci.yml"
n=$(readlink "$M/runs/latest")
ended "$n"
file_is "$M/runs/$n/conclusion" failure
file_has "$(job test-18)"/steps/05-*/stdout '# fail 1'
file_is "$(job try)/conclusion" skipped
