# hashFiles() is the digest of the digests of the files that its patterns mean, in the order of a walk by names; excludes take
# out, a pattern that means a directory takes what is in it, and nothing found is "".
. "$(dirname "$0")/lib.sh"
digests() { # FILE...: as GitHub's runner computes it
    for f; do sha256sum "$f" | cut -c1-64; done | /usr/bin/python3 -c 'import sys, hashlib; print(hashlib.sha256(b"".join(bytes.fromhex(l) for l in sys.stdin.read().split())).hexdigest())'
}
mkdir -p "$T/w/a/b" "$T/w/a.d" "$T/w/.hid"
cd "$T/w"
echo 1 >a/b/x.txt; echo 2 >a/z.txt; echo 3 >a.d/x.txt; echo 4 >top.txt; echo 5 >other.md; echo 6 >.hid/h.txt; ln -s top.txt link.txt
cat >"$T/ci.yml" <<'END'
on: push
env: {NOT: "${{ hashFiles('**/x.txt') == '' }}"}
jobs:
  a:
    runs-on: ubuntu-latest
    steps:
      - uses: actions/checkout@v4
      - run: |
          echo "all ${{ hashFiles('**/*.txt') }}"
          echo "two ${{ hashFiles('a/*.txt', 'other.md') }}"
          echo "out ${{ hashFiles('**/*.txt', '!**/x.txt') }}"
          echo "dir ${{ hashFiles('a') }}"
          echo "none [${{ hashFiles('*.nothing', 'nowhere/**') }}]"
          echo "eval $NOT"
      - if: hashFiles('top.txt') != ''
        run: echo in an if
END
sed -i '/^env:/d; /eval/d' "$T/ci.yml"
rf_run --workspace "$T/w" "$T/ci.yml"
has() { contains "$1" "$(cat "$T/out")" "$1 $2"; }
has all "$(digests .hid/h.txt a/b/x.txt a/z.txt a.d/x.txt top.txt)"
has two "$(digests a/z.txt other.md)"
has out "$(digests .hid/h.txt a/z.txt top.txt)"
has dir "$(digests a/b/x.txt a/z.txt)"
has none '[]'
has in 'an if'
