# Hosts are logged in to with the keys of an ssh-agent, the daemon's own or a named one, and with certificates that an authority of the
# host has signed, from a file or from an agent. What lets nobody in is told in a sentence.
. "$(dirname "$0")/lib.sh"
. "$here/tests/elsewhere.bash"
need sshd
need ssh-keygen
need ssh-agent
mkdir "$T/agents"
agent() { # NAME: one at $T/agents/NAME
    ssh-agent -D -a "$T/agents/$1" >/dev/null &
    children+=("$!")
    rf_wait 20 test -S "$T/agents/$1"
}
give() { SSH_AUTH_SOCK=$T/agents/$1 ssh-add -q "$T/$2"; } # AGENT KEY
for kind in ed25519 ecdsa rsa; do ssh-keygen -q -t "$kind" -N '' -f "$T/$kind"; done
agent own
agent other
export SSH_AUTH_SOCK=$T/agents/own
rf_mount
port=$(ssh_port)
ssh_serve one 127.0.0.1 "$port"
one=$(id -un)@127.0.0.1:$port
: >"$T/authorized_keys"
add() { exits 0 "$RUNFS" host add "$1" "$2" --accept "$(ssh_print "$3")" "${@:4}" "$M"; } # NAME ADDRESS SERVER OPTION...
says() { contains "$1" "$(ssh_job "$1")" "$2"; }                                             # HOST WORDS

# an agent: without keys, with ones that the host does not know, with the right one behind others
add own "$one" one --agent
grep -qx agent "$M/config/hosts/own" || fail "no line: $(cat "$M/config/hosts/own")"
refused test -e "$M/config/identities/default"
says own 'the ssh-agent has no keys'
give own rsa
says own 'libssh2 cannot sign by ssh-rsa, which was left out'
give own ed25519
says own 'it lets none of the 1 keys of the ssh-agent in'
give own ecdsa
cat "$T/ecdsa.pub" >"$T/authorized_keys"
says own 'it went'

# a named one, kept when the host is added anew; nobody there, and one that says nonsense
add other "$one" one --agent="$T/agents/other"
add other "$one" one
file_has "$M/config/hosts/other" "agent $T/agents/other"
give other ecdsa
says other 'it went'
sed -i "s,agents/other,agents/none," "$M/config/hosts/other"
says other "cannot reach the ssh-agent at $T/agents/none"
"$PYTHON" - "$T/agents/liar" <<'P' &
import socket, sys
s = socket.socket(socket.AF_UNIX)
s.bind(sys.argv[1])
s.listen()
while True:
    c = s.accept()[0]
    c.recv(100)
    c.sendall(b"\xff\xff\xff\xff\x0c" + b"\xff" * 1000)
P
children+=("$!")
rf_wait 20 test -S "$T/agents/liar"
sed -i "s,agents/none,agents/liar," "$M/config/hosts/other"
says other 'does not say which keys it has'
refused sh -c "printf '%s\nhostkey %s\nagent relative\n' '$one' '$(cut -d ' ' -f 1,2 "$T/one/hostkey.pub")' >'$M/config/hosts/bad'"
file_has "$M/errors/config-hosts-bad" 'no socket of an ssh-agent'
exits 2 "$RUNFS" host add bad "$one" --agent --key "$T/ecdsa" "$M"

# certificates: of a file, beside its key; the authority has to be one of the host's, and the user the one that it names
ssh-keygen -q -t ed25519 -N '' -f "$T/authority"
ssh-keygen -q -t ed25519 -N '' -f "$T/stranger"
mkdir "$T/two"
echo "TrustedUserCAKeys $T/authority.pub" >"$T/two/first"
port=$(ssh_port)
ssh_serve two 127.0.0.1 "$port"
two=$(id -un)@127.0.0.1:$port
: >"$T/authorized_keys"
sign() { ssh-keygen -q -s "$T/$1" -I runner -n "$2" "$T/$3.pub"; } # AUTHORITY USER KEY
sign stranger "$(id -un)" ecdsa
add signed "$two" two --key "$T/ecdsa"
by_file() { # WORDS
    case $BUILD in
    *-san) ;; # which finds that libssh2 1.10 loses what it has read of an ecdsa key in a file, each time that it uses it
    *) says signed "$1" ;;
    esac
}
refused cat "$M/config/identities/signed-cert.pub"
by_file 'it does not let the key and the certificate of config/identities/signed in'
sign authority nobody ecdsa
cat "$T/ecdsa-cert.pub" >"$M/config/identities/signed-cert.pub"
by_file 'it does not let the key and the certificate of config/identities/signed in'
sign authority "$(id -un)" ecdsa
cat "$T/ecdsa-cert.pub" >"$M/config/identities/signed-cert.pub"
by_file 'it went'
refused sh -c "cut -c 1-200 '$T/ecdsa-cert.pub' >'$M/config/identities/signed-cert.pub'"
rm "$M/config/identities/signed-cert.pub"
by_file 'it does not let the key of config/identities/signed in'
cat "$T/ecdsa-cert.pub" >"$M/config/identities/signed"
says signed 'config/identities/signed is a certificate'

# of an agent, which has the key both with it and without
SSH_AUTH_SOCK=$T/agents/other ssh-add -q -D
give other ecdsa # and ecdsa-cert.pub beside it
add both "$two" two --agent="$T/agents/other"
says both 'it went'

# what libssh2 does not know how to sign by
sign authority "$(id -un)" ed25519
add new "$two" two --key "$T/ed25519"
says new 'names the signature after the certificate, ssh-ed25519-cert-v01@openssh.com, which OpenSSH refuses'
