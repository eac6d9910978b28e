# What a job uploads stands in runs/N/artifacts/ as it was: find, cp, rsync, grep and ls read it, nothing writes it, and rmdir
# deletes it.
. "$(dirname "$0")/lib.sh"
rf_mount
need_sandbox
cat >"$T/ci.yml" <<'E'
on: push
jobs:
  make:
    runs-on: ubuntu-latest
    steps:
      - run: |
          mkdir -p out/sub/deep out/many out/empty && cd out
          echo 'needle in a file' > sub/deep/n.txt; printf '#!/bin/sh\necho ran\n' > tool; chmod 755 tool; chmod 600 sub/deep/n.txt
          ln -s sub/deep/n.txt link; ln tool hard
          head -c 3000000 /dev/urandom > big; touch -d '2020-02-03 04:05:06.789 UTC' big; sha256sum big | cut -d' ' -f1
          for i in $(seq 3000); do echo $i > many/f$i; done
      - uses: actions/upload-artifact@v4
        with: {name: "my tree", path: out}
      - uses: actions/upload-artifact@v4
        with: {name: other, path: out/tool, retention-days: 1}
E
n=$(rf_drop "$T/ci.yml")
file_is "$M/runs/$n/conclusion" success
A=$M/runs/$n/artifacts
equal 'names' 'my tree
other' "$(ls "$A")"
cd "$A/my tree"
equal 'content' "$(step_out "$n" make 01)" "$(sha256sum big | cut -d' ' -f1)"
equal 'size and time' '3000000 2020-02-03 04:05:06.789' "$(TZ=UTC stat -c '%s %y' big | cut -c1-31)"
equal 'modes' '755 600' "$(stat -c %a tool sub/deep/n.txt | paste -sd' ')"
equal 'through a link' 'needle in a file' "$(cat link)"
equal 'it runs' ran "$(sh ./tool)"
equal 'grep -r' './link:needle in a file
./sub/deep/n.txt:needle in a file' "$(grep -r needle . | sort)"
equal 'find' 3005 "$(find . -type f | wc -l)"
equal 'each has an inode of its own' '' "$(find . -printf '%i\n' | sort | uniq -d)"
find . -printf '%i %p\n' | sort >"$T/inodes"
equal 'in part' 2000000 "$(tail -c +1000001 big | wc -c)"
cp -r . "$T/copy"
diff -r --no-dereference . "$T/copy"
rsync -a ./ "$T/synced/"
equal 'rsync -a finds nothing more to do' '' "$(rsync -ai --out-format=%n ./ "$T/synced/")"
# no way to change it
refused sh -c 'echo x > new'
refused sh -c 'echo x >> tool'
refused rm -f tool
refused mkdir d
refused mv tool moved
refused chmod 600 tool
refused ln -s x y
equal 'unchanged' '#!/bin/sh' "$(head -n 1 tool)"
# what is known of them
equal 'artifacts.json' 'my tree 3005
other 1' "$(jq -r '.[] | "\(.name) \(.files)"' "$M/runs/$n/artifacts.json")"
equal 'retention' '90 1' "$(jq -r '[.[] | (.expires_at[:19] + "Z" | fromdate) - (.created_at[:19] + "Z" | fromdate) | . / 86400 | round] | map(tostring) | join(" ")' "$M/runs/$n/artifacts.json")"
# it stays over a restart, and goes as a whole
cd /
rf_umount
rf_mount
equal 'after a restart' 'needle in a file' "$(cat "$A/my tree/link")"
(cd "$A/my tree" && find . -printf '%i %p\n' | sort) >"$T/again"
diff "$T/inodes" "$T/again" >"$T/diff" || fail "inodes are others after a restart: $(head -n 5 "$T/diff")"
exec 5<"$A/my tree/big"
rmdir "$A/my tree"
equal 'rmdir deletes' other "$(ls "$A")"
[ ! -e "$A/my tree/tool" ] || fail 'a deleted artifact is still there'
equal 'who has it open reads on' 3000000 "$(wc -c <&5)"
exec 5<&-
equal 'in the state directory' 1 "$(find "$STATE/artifacts/$n" -mindepth 1 -maxdepth 1 | wc -l)"
rmdir "$M/runs/$n"
[ ! -e "$STATE/artifacts/$n" ] || fail 'the artifacts of a deleted run are still there'
