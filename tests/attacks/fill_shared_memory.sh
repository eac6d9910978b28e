# Use up the host's memory by files in it.
# vm: last
# label: small
# must: ran out of memory|No space left
# conclusion: failure
for i in 1 2 3 4; do head -c 60M /dev/zero >"/dev/shm/$i" & done
wait
[ "$(du -sm /dev/shm | cut -f1)" -le 96 ] || reached "more than it may"
exit 1
