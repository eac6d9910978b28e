# Settings are changed as other files are: by editors, sed -i, perl -pi, rsync, mv, ln -sfn, truncate. What those keep beside
# a setting on their way is no setting, and nothing of it is left; what is refused leaves all as it was.
. "$(dirname "$0")/lib.sh"
need rsync
vim=$(command -v vim.tiny || command -v vim) || skip 'vim.tiny is not installed'
edit() { "$vim" -u NONE -i NONE -es "$@" -c wq </dev/null; } # FILE -c COMMAND...
rf_mount
cd "$M"
names() { (cd "$M/$1" && find . -mindepth 1 -printf '%P\n' | sort | paste -sd' '); } # DIRECTORY

echo one >vars/A
sed -i s/one/two/ vars/A
file_is vars/A two
sed -i.bak s/two/three/ vars/A
file_is vars/A three
file_is vars/A.bak two
rm vars/A.bak
perl -pi -e s/three/four/ vars/A
file_is vars/A four
edit vars/A -c 'set backup backupcopy=no backupskip=' -c s/four/five/
file_is vars/A five
file_is vars/A~ four
rm vars/A~
echo six >"$T/A"
rsync -a "$T/A" vars/
file_is vars/A six
rsync -a --inplace "$T/A" vars/B
cp -a "$T/A" vars/C
install -m 600 "$T/A" vars/D
mv vars/D vars/E
equal 'vars/' 'A B C E' "$(names vars)"

# keys that are given, not made, and directories of them
labels=$(names config/labels)
sed -i 's/.*/3/' config/slots
file_is config/slots 3
mv config/slots config/slots~ # a backup: the setting is as at first
[ "$(cat config/slots)" != 3 ] || fail 'a setting that was moved away stayed'
mv config/slots~ config/slots
file_is config/slots 3
sed -i 's/sandbox/& memory=1G/' config/labels/ubuntu-latest
file_is config/labels/ubuntu-latest 'sandbox memory=1G'
edit config/labels/ubuntu-latest -c s/1G/2G/
file_is config/labels/ubuntu-latest 'sandbox memory=2G'
equal 'config/labels/' "$labels" "$(names config/labels)"
mkdir "$T/saved"
cp -a config "$T/saved/"
echo 5 >"$T/saved/config/slots"
rsync -ac "$T/saved/config/" config/
file_is config/slots 5
equal 'reasons of refusals' '' "$(names errors)"

# what an edit makes wrong is refused, and what is edited stays
refused sed -i s/memory/mammary/ config/labels/ubuntu-latest
file_is config/labels/ubuntu-latest 'sandbox memory=2G'
equal 'config/labels/ after a refusal' "$labels" "$(names config/labels)"
file_has errors/config-labels-ubuntu-latest mammary
refused mv vars/A vars/MY-PLACE
file_is vars/A six
file_has errors/vars-MY-PLACE 'cannot be a name'
refused mv -T vars/A config/slots
file_is vars/A six

# secrets keep what they are: a draft could be read
echo hidden >secrets/S
mv secrets/S secrets/T
equal 'secrets/' T "$(names secrets)"
refused mv secrets/T secrets/T.bak
refused mv secrets/T vars/T
refused mv secrets/T "$T/t"
[ ! -e vars/T ] || fail 'a secret became a variable'
equal 'secrets/ after refusals' T "$(names secrets)"
mv vars/E secrets/
equal 'vars/' 'A B C' "$(names vars)"
equal 'secrets/' 'E T' "$(names secrets)"

# a link is made anew by ln -sfn, and another name by mv
mkdir "$T/old" "$T/new"
ln -s "$T/old" repos/r
ln -sfn "$T/new" repos/r
equal 'repos/r' "$T/new" "$(readlink repos/r)"
mv repos/r repos/s
equal 'repos/' s "$(names repos)"
refused mv repos/s repos/a:b
equal 'repos/ after a refusal' s "$(names repos)"

# truncate(2), by name and by descriptor
"$PYTHON" - "$M/vars/A" <<'PY'
import os, sys
path = sys.argv[1]
os.truncate(path, 2)
assert open(path).read() == "si\n", open(path).read()
for size, code in ((100, 22), (1 << 40, 27)): # NULs in a value; too large
    try:
        os.truncate(path, size)
        raise AssertionError("not refused")
    except OSError as e:
        assert e.errno == code, e
assert open(path).read() == "si\n"
with open(path, "r+") as f:
    f.write("seven\n")
    f.truncate()
assert open(path).read() == "seven\n"
try:
    os.truncate(os.path.dirname(path) + "/../secrets/T", 3)
    raise AssertionError("not refused")
except PermissionError:
    pass
PY
