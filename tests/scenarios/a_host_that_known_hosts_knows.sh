# `runfs host add` asks nobody where known_hosts has the key that a host shows, hashed or not; a key that is revoked there is refused.
. "$(dirname "$0")/lib.sh"
. "$here/tests/elsewhere.bash"
need sshd
need ssh-keygen
rf_mount
export HOME=$T/home
mkdir -p "$HOME/.ssh"
port=$(ssh_port)
ssh_serve one 127.0.0.1 "$port"
at=$(id -un)@127.0.0.1:$port
key=$(cut -d ' ' -f 1,2 "$T/one/hostkey.pub")
known() { printf '%s\n' "$@" >"$HOME/.ssh/known_hosts"; }

known "[127.0.0.1]:$((port ^ 1)) $key" "@cert-authority [127.0.0.1]:$port $key" # another, and a key that signs others
exits 1 "$RUNFS" host add one "$at" "$M" </dev/null
contains 'nobody says it' "$(cat "$T/err")" 'there is no terminal to ask at'
known "[127.0.0.1]:$port $(cut -d ' ' -f 1,2 "$T/one/hostkey-ecdsa.pub")"
exits 1 "$RUNFS" host add one "$at" "$M" </dev/null # it shows its other key
refused test -e "$M/config/hosts/one"

known "other,[127.0.0.1]:$port $key by somebody"
exits 0 "$RUNFS" host add one "$at" "$M" </dev/null
file_has "$M/config/hosts/one" "hostkey $key"
ssh-keygen -q -H -f "$HOME/.ssh/known_hosts" 2>/dev/null
file_lacks "$HOME/.ssh/known_hosts" 127.0.0.1
exits 0 "$RUNFS" host add two "$at" "$M" </dev/null
contains 'it answers' "$("$RUNFS" host list "$M")" answers

# a line of it is a line of config/hosts
printf '%s\nhostkey %s\n' "$at" "$(grep -v '^#' "$HOME/.ssh/known_hosts" | head -n 1)" >"$T/host"
cp "$T/host" "$M/config/hosts/three"
ssh-keygen -q -t ed25519 -N '' -f "$T/key"
cp "$T/key" "$M/config/identities/default"
cp "$T/key.pub" "$T/authorized_keys"
contains 'by that' "$(ssh_job three)" 'it went'

echo "@revoked [127.0.0.1]:$port $key" >>"$HOME/.ssh/known_hosts"
exits 1 "$RUNFS" host add four "$at" --accept "$(ssh_print one)" "$M"
contains 'why' "$(cat "$T/err")" 'it shows a key that known_hosts calls revoked'
# nor is it known any more where the host cannot be asked
exits 1 "$RUNFS" host add five "$at" --jump one "$M"
contains 'why' "$(cat "$T/err")" 'known_hosts has no key of it'
