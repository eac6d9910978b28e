# rsync (which writes a hidden temporary and renames it) starts one run for each new file, none for what it has.
. "$(dirname "$0")/lib.sh"

need rsync
rf_mount
mkdir "$T/src"
for i in 1 2 3; do
    workflow "$T/src/w$i.yml" "echo $i"
done
touch -d "2 hours ago" "$T/src" # rsync sets the time of the directory, where it differs
rsync -a "$T/src/" "$M/workflows/"
equal "runs" 3 "$(runs)"
for i in 1 2 3; do
    timeout 30 cat "$M/runs/$i/wait" >"$T/out"
    file_is "$T/out" success
    cmp "$T/src/w$i.yml" "$M/workflows/w$i.yml"
done
equal "workflows/" "w1.yml w2.yml w3.yml" "$(ls -A "$M/workflows" | xargs)"
rsync -a --checksum --no-times "$T/src/" "$M/workflows/"
equal "runs after the same rsync again" 3 "$(runs)"
sed -i s/1/one/ "$T/src/w1.yml"
rsync -rc "$T/src/" "$M/workflows/"
equal "runs after one file changed" 4 "$(runs)"
rsync -rc --delete "$T/src/" "$M/workflows/"
rm "$T/src/w3.yml"
rsync -rc --delete "$T/src/" "$M/workflows/"
equal "workflows/ after --delete" "w1.yml w2.yml" "$(ls -A "$M/workflows" | xargs)"
# and out of the mount again
rsync -a "$M/runs/1/" "$T/kept/"
cmp "$T/kept/log" "$M/runs/1/log"
