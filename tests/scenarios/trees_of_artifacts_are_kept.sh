# Whatever a tar stream brings, links, empty directories, times, odd names, is in the mounted artifact as it was; a link leads
# nowhere out of it.
. "$(dirname "$0")/lib.sh"
need_fuse
mkdir -p "$T/in/a/b/empty" "$T/in/ünï cödé" "$T/in/many" && cd "$T/in"
echo text >a/b/file
ln -s a/b/file link
ln -s ../.. a/b/up
ln -s nowhere dangling
ln a/b/file hard
printf '#!/bin/sh\necho ran\n' >tool
chmod 751 tool
chmod 555 a/b/empty
: >'ünï cödé/[x] $y'\''z'
for ((i = 0; i < 5000; i++)); do : >"many/$i"; done
touch -d '2001-02-03 04:05:06 UTC' many a/b/file
touch -d '1960-01-02 03:04:05 UTC' a && touch -d '2400-01-01 UTC' tool
touch -h -d '2002-02-03 04:05:06 UTC' link
tar -cf "$T/tree.tar" .
mkfifo "$T/pipe" && tar -cf "$T/fifo.tar" -C "$T" pipe
(cd / && tar -Pcf "$T/absolute.tar" "$T/in/tool")
ln -s /etc "$T/etc" && tar -cf "$T/link.tar" -C "$T" etc
equal 'put' '1
1
error: the artifact is refused: '"'pipe' is neither a file nor a directory nor a symbolic link
error: the artifact is refused: '$T/in/tool' is an absolute path
error: the artifact is refused: 'etc' is a symbolic link that leads out of it" "$("$BUILD/tests/servers/results" "$STATE" <<E
run
put 1 tree $T/tree.tar
put 1 fifo $T/fifo.tar
put 1 absolute $T/absolute.tar
put 1 link $T/link.tar
E
)"
rf_mount
cd "$M/runs/1/artifacts/tree"
equal 'only what was taken is there' tree "$(ls ..)"
equal 'links' 'a/b/file ../.. nowhere' "$(readlink link a/b/up dangling | paste -sd' ')"
equal 'a link that goes up stays inside' "$(pwd -P)" "$(cd a/b/up && pwd -P)"
equal 'times' '2001-02-03 04:05:06 2002-02-03 04:05:06 2001-02-03 04:05:06' "$(TZ=UTC stat -c %y a/b/file link many | cut -c1-19 | paste -sd' ')"
equal 'before 1970' '1960-01-02 03:04:05' "$(TZ=UTC stat -c %y a | cut -c1-19)"
equal 'later than can be told' 2262-04-11 "$(TZ=UTC stat -c %y tool | cut -c1-10)"
equal 'modes' '751 755' "$(stat -c %a tool a/b/empty | paste -sd' ')"
cp -a . "$T/copy"
diff -r --no-dereference . "$T/in" || fail 'the tree is not what was put'
equal 'cp -a brings the same' '' "$(rsync -rlptni --out-format=%n "$T/copy/" "$T/in/" | grep -v '^\./$\|a/b/empty/\|^tool$' || :)"
equal 'find' 5012 "$(find . -mindepth 1 | wc -l)"
# a look at the beginning of a large directory reads the beginning of it
equal 'the beginning of many' 3 "$(ls -f many | head -n 3 | wc -l)"
cd /
