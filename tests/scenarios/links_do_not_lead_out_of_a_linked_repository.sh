# Whoever writes to a linked repository cannot have files of the host shown as its workflows: a link in .github/workflows is
# followed within the repository only, and what is no file is not waited for.
. "$(dirname "$0")/lib.sh"
need git
P=$T/proj
W=$P/.github/workflows
mkdir -p "$W" "$P/ci" "$T/host"
echo 'the key of the host' >"$T/host/key.yml"
workflow "$P/ci/inner.yml" 'echo from within'
ln -s ../../ci/inner.yml "$W/inner.yml"
ln -s "$T/host/key.yml" "$W/absolute.yml"
ln -s ../../../host/key.yml "$W/relative.yml"
ln -s /proc/self/cwd/../environ "$W/environment.yml"
mkfifo "$T/host/fifo" "$W/fifo.yml"
ln -s "$T/host/fifo" "$W/blocks.yml"
printf 'on: workflow_dispatch\njobs: {a: {uses: ./.github/workflows/absolute.yml}}\n' >"$W/call.yml"
git_commit "$P"
rf_mount
echo host >"$M/config/labels/ubuntu-latest"

say 'only what is in it is registered'
timeout 60 ln -s "$P" "$M/repos/proj"
equal 'its workflows' 'call.yml inner.yml' "$(echo $(ls "$M/workflows/proj"))"
file_has "$M/workflows/proj/inner.yml" 'from within'
rf_wait 10 grep -q 'repository proj: .github/workflows/absolute.yml is a link that leads out of' "$STATE/log"
echo >"$M/dispatch/proj/call.yml" || :
contains 'why' "$(cat "$M"/errors/*)" 'leads out of'
equal 'nothing runs' 0 "$(runs)"
lacks 'the log' "$(cat "$STATE/log")" 'the key of the host'

say 'one that becomes a link is gone'
ln -sf "$T/host/key.yml" "$W/inner.yml"
equal 'its workflows' call.yml "$(ls "$M/workflows/proj")"

say 'nor is the folder one'
rm -r "$P/.github"
mkdir "$P/.github"
ln -s "$T/host" "$W"
equal 'its workflows' '' "$(ls "$M/workflows/proj")"
