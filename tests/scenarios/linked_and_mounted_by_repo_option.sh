# runfs mount --repo links a repository at once; a workflow in error in it is told in errors/, not run.
. "$(dirname "$0")/lib.sh"
mkdir -p "$T/proj/.github/workflows"
printf 'on: workflow_dispatch\njobs:\n  a:\n    runs-on: ubuntu-latest\n    steps: [{run: echo linked}]\n' >"$T/proj/.github/workflows/ok.yaml"
rf_mount --repo "$T/proj"
equal repos "$T/proj" "$(readlink "$M/repos/proj")"
equal workflows ok.yaml "$(ls "$M/workflows/proj")"
equal 'linking runs nothing' 0 "$(runs)"
echo '{}' >"$M/dispatch/proj/ok.yaml"
equal conclusion success "$(timeout 30 cat "$M/runs/latest/wait")"
equal by-workflow 1 "$(ls "$M/runs/by-workflow/proj:ok.yaml")"
rf_umount
rf_mount --repo "$T/proj"
equal 'linked once' proj "$(ls "$M/repos")"
exits 1 "$RUNFS" mount --state "$T/other" --repo "$T/nowhere" "$T/other-mnt"
contains 'says which' "$(cat "$T/err")" nowhere
