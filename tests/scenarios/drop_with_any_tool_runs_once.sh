# Whatever writes a workflow into the mount, it runs exactly once.
. "$(dirname "$0")/lib.sh"
rf_mount
workflow "$T/w.yml" 'echo hi'
has_more() { [ "$(runs)" != "$before" ]; }
once() { # NAME COMMAND
    local before after
    before=$(runs)
    eval "$2"
    rf_wait 10 has_more
    cat "$M/runs/latest/wait" >/dev/null
    after=$(runs)
    equal "runs after $1" $((before + 1)) "$after"
    equal "exit code after $1" 0 "$(cat "$M/runs/latest/exit_code")"
    say "$1"
}
once cp 'cp "$T/w.yml" "$M/workflows/cp.yml"'
once 'cp over it' 'cp "$T/w.yml" "$M/workflows/cp.yml"'
once 'cp -p' 'cp -p "$T/w.yml" "$M/workflows/cpp.yml"'
once cat 'cat "$T/w.yml" > "$M/workflows/cat.yml"'
once tee 'tee "$M/workflows/tee.yml" < "$T/w.yml" > /dev/null'
once mv 'cp "$T/w.yml" "$T/mv.yml"; mv "$T/mv.yml" "$M/workflows/"'
once 'mv over it' 'cp "$T/w.yml" "$T/mv.yml"; mv "$T/mv.yml" "$M/workflows/cp.yml"'
once 'a group of commands' '{ echo "on: push"; /bin/sleep 0.05; tail -n +2 "$T/w.yml"; /bin/true; } > "$M/workflows/group.yml"'
once 'sed -i' 'sed -i s/hi/ho/ "$M/workflows/cat.yml"'
contains 'sed changed it' "$(cat "$M/workflows/cat.yml")" 'echo ho'
once 'append' 'echo "# more" >> "$M/workflows/cat.yml"'
once 'python' 'python3 -c "open(\"$M/workflows/py.yml\", \"w\").write(open(\"$T/w.yml\").read())"'
once 'rename of a temporary file' 'cp "$T/w.yml" "$M/workflows/.w.tmp"; mv "$M/workflows/.w.tmp" "$M/workflows/tmp.yml"'
if command -v rsync >/dev/null; then
    once rsync 'cp "$T/w.yml" "$T/rsync.yml"; rsync -a "$T/rsync.yml" "$M/workflows/"'
fi
vi=$(command -v vim || command -v vim.tiny || true)
if [ -n "$vi" ]; then
    once vim '"$vi" -es -u NONE -c "%s/echo ho/echo hu/" -c wq "$M/workflows/cat.yml" < /dev/null'
    contains 'vim changed it' "$(cat "$M/workflows/cat.yml")" 'echo hu'
fi
equal 'nothing but workflows is left' '' "$(ls -A "$M/workflows" | grep -v '\.yml$' || true)"
before=$(runs)
rm "$M/workflows/cp.yml"
refused test -e "$M/workflows/cp.yml"
equal 'rm runs nothing' "$before" "$(runs)"
