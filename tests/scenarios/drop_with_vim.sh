# Editing a workflow in place with vim starts one run a save, with and without vim's backups.
. "$(dirname "$0")/lib.sh"

vim=$(command -v vim.tiny || command -v vim) || skip "vim.tiny is not installed"
rf_mount
workflow "$T/ci.yml" 'echo before'
cp "$T/ci.yml" "$M/workflows/ci.yml"
saves=1
for options in 'set nobackup nowritebackup' 'set backup writebackup backupcopy=no' 'set backup backupcopy=yes' 'set backupcopy=auto'; do
    saves=$((saves + 1))
    "$vim" -u NONE -i NONE -es -c "$options" -c '%s/echo .*/echo save'"$saves"'/' -c wq "$M/workflows/ci.yml" </dev/null >"$T/vim" 2>&1 ||
        fail "vim ($options) ended with $?: $(cat "$T/vim")"
    equal "runs after a save with $options" "$saves" "$(runs)"
    timeout 30 cat "$M/runs/$saves/wait" >"$T/out"
    file_is "$T/out" success
    file_has "$M/runs/$saves/log" "save$saves"
    file_has "$M/workflows/ci.yml" "save$saves"
done
equal "names ending in .yml" ci.yml "$(cd "$M/workflows" && ls -- *.yml)"
