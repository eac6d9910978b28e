# setup-node, setup-python, setup-go and setup-java offline: of what the machine has they take the first that is of the
# version asked for, by an input, a list or a file; what is not there fails with words; a mirror brings the real action back.
. "$(dirname "$0")/lib.sh"
need git
need node
need /usr/bin/python3
R=$T/repo
mkdir -p "$R/tools/old" "$R/tools/new" "$R/web"
for v in old:18.4.0 new:22.1.0; do
    printf '#!/bin/sh\necho v%s\n' "${v#*:}" >"$R/tools/${v%:*}/node"
    printf '#!/bin/sh\necho "go version go1.%s linux/amd64"\n' "${v#*:}" >"$R/tools/${v%:*}/go"
done
chmod +x "$R"/tools/*/*
echo '{"name": "web", "engines": {"node": "^18.2"}}' >"$R/web/package.json"
echo 'v22' >"$R/.nvmrc"
printf '# tools\ngolang 1.22\nnodejs 18.4.0\n' >"$R/.tool-versions"
printf 'module example.com/x\n\ngo 1.18 // or later\n' >"$R/go.mod"
printf '[project]\nname = "x"\nrequires-python = ">=3.8,<4"\n' >"$R/pyproject.toml"
echo '{"lockfileVersion": 3}' >"$R/web/package-lock.json"
git_commit "$R"
path='run: "echo $PWD/tools/old >> $GITHUB_PATH; echo $PWD/tools/new >> $GITHUB_PATH"'
steps() { # STEP...: runs them after the checkout, with both versions in the PATH, the newer one first
    { printf 'on: push\njobs:\n  a:\n    runs-on: ubuntu-latest\n    steps:\n'; printf '      - %s\n' 'uses: actions/checkout@v4' "$path" "$@"; } >"$T/ci.yml"
    code=0
    "$RUNFS" run --state "$STATE" --workspace "$R" "$T/ci.yml" >"$T/out" 2>&1 || code=$?
}
has() { contains "$*" "$(cat "$T/out")" "$1"; }
tells='run: "echo node $(node --version), go $(go version)"'

steps '{uses: actions/setup-node@v4, id: n, with: {node-version: 18}}' 'run: echo "out ${{ steps.n.outputs.node-version }}"' "$tells"
has 'Found Node.js 18.4.0 in'
has 'out v18.4.0'
has 'node v18.4.0, go go version go1.22.1.0'
steps '{uses: actions/setup-node@v3, with: {node-version: ">=16", check-latest: true, registry-url: "https://npm.example.com"}}' "$tells"
has 'Found Node.js 22.1.0 in'
has "Input 'registry-url' is ignored: this actions/setup-node is built in and downloads nothing"
steps '{uses: actions/setup-node@v4, with: {node-version-file: web/package.json}}' "$tells"
has 'node v18.4.0,'
steps '{uses: actions/setup-node@v4, with: {node-version-file: .nvmrc}}' "$tells"
has 'asked for: v22'
steps '{uses: actions/setup-node@v4, with: {node-version-file: .tool-versions}}' "$tells"
has 'asked for: 18.4.0'
steps '{uses: actions/setup-node@v4, with: {node-version: lts/hydrogen}}' "$tells"
has 'node v18.4.0,'
steps '{uses: actions/setup-go@v5, with: {go-version-file: go.mod}}' "$tells"
has 'go go version go1.18.4.0'
steps '{uses: actions/setup-go@v5, with: {go-version-file: .tool-versions}}' '{uses: actions/setup-go@v5, id: g, with: {go-version: stable}}' 'run: echo "out ${{ steps.g.outputs.go-version }}"'
has 'asked for: 1.22'
has 'out 1.22.1.0'
has 'Nothing is cached: there is no go.sum'

steps '{uses: actions/setup-node@v4, with: {node-version: 18}}' '{uses: actions/setup-node@v4, with: {node-version: 22}}' '{uses: actions/setup-node@v4, with: {node-version: 18}}' "$tells"
has 'node v18.4.0, go go version go1.22.1.0'

say 'python, by a range of PEP 440, under its usual name'
steps '{uses: actions/setup-python@v5, id: p, with: {python-version-file: pyproject.toml}}' '{uses: actions/setup-python@v5, with: {python-version: 3}}' "run: python -c 'import sys; print(\"major\", sys.version_info[0])'" 'run: echo "at [${{ steps.p.outputs.python-path }}] of $pythonLocation"'
has 'major 3'
has 'python3] of /usr'

say 'what is not there, and what is no version'
steps '{uses: actions/setup-node@v4, with: {node-version: 16 || 17}}'
equal 'exit code' 1 "$code"
has 'Node.js 16 || 17 was asked for, and this machine has 22.1.0 ('
has 'put actions/setup-node into config/actions_mirror'
steps '{uses: actions/setup-node@v4, with: {node-version: "$(id)"}}'
has "'\$(id)' is no version, and no range of versions: node-version"
steps '{uses: actions/setup-node@v4, with: {node-version-file: none.txt}}'
has 'The specified node-version file at: none.txt does not exist'
steps '{uses: actions/setup-node@v4, with: {node-version: 22, architecture: arm64}}'
has 'Node.js for arm64 was asked for, and this machine is'
steps '{uses: actions/setup-node@v4, with: {cache: npm}}'
has 'Dependencies lock file is not found in /home/runner/work/repo/repo. Supported file patterns: package-lock.json,npm-shrinkwrap.json,yarn.lock'
steps '{uses: actions/setup-node@v4, with: {cache: bower}}'
has "Caching for 'bower' is not supported"

say 'a cache, missed and hit'
cached='{uses: actions/setup-node@v4, id: n, with: {cache: npm, cache-dependency-path: web/package-lock.json}}'
path='run: echo'
steps "$cached" 'run: mkdir -p ~/.npm; echo kept > ~/.npm/f' 'run: echo "hit ${{ steps.n.outputs.cache-hit }}"'
has 'hit false'
has 'Cache saved with key: node-cache-Linux-'
steps "$cached" 'run: cat ~/.npm/f' 'run: echo "hit ${{ steps.n.outputs.cache-hit }}"'
has 'Cache restored from key: node-cache-Linux-'
has 'kept'
has 'hit true'

say 'a mirror that has the real action'
mkdir -p "$T/src" "$T/mirror/actions"
printf 'name: x\ndescription: x\nruns: {using: node20, main: m.js}\n' >"$T/src/action.yml"
echo 'console.log("the real one")' >"$T/src/m.js"
git_commit "$T/src"
git -C "$T/src" tag v4
git clone -q --bare "$T/src" "$T/mirror/actions/setup-node.git"
rf_mount
echo "$T/mirror" >"$M/config/actions_mirror"
printf 'on: push\njobs:\n  a:\n    runs-on: ubuntu-latest\n    steps:\n      - {uses: actions/setup-node@v4, with: {node-version: 4}}\n      - uses: actions/setup-python@v5\n' >"$T/m.yml"
n=$(rf_drop "$T/m.yml")
file_is "$M/runs/$n/conclusion" success
contains 'the real one ran' "$(step_out "$n" a 01)" 'the real one'
file_has "$M/runs/$n"/jobs/a/steps/02-*/log 'Found Python 3'
