# Use up the host's disk.
# vm: last
# label: tiny
# must: filled its disk
# conclusion: failure
# own: a disk of its own of another size
head -c 200M /dev/zero >big
[ "$(stat -c %s big)" -le 9000000 ] || reached "more than it may"
exit 1
