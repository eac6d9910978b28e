# Keys that a host does not take, and hosts whose own key cannot be checked: each is told in a sentence that says what to change.
. "$(dirname "$0")/lib.sh"
. "$here/tests/elsewhere.bash"
need sshd
need ssh-keygen
rf_mount

for kind in ed25519 ecdsa rsa; do ssh-keygen -q -t "$kind" -N '' -f "$T/$kind"; done
cat "$T"/*.pub >"$T/authorized_keys"
serve() { # NAME [LINE...]: with these in its configuration
    local name=$1 port
    shift
    mkdir -p "$T/$name"
    printf '%s\n' "$@" >"$T/$name/first"
    port=$(ssh_port)
    ssh_serve "$name" 127.0.0.1 "$port"
    declare -g "${name}_at=$(id -un)@127.0.0.1:$port"
}
add() { exits 0 "$RUNFS" host add "$1" "$2" --accept "$(ssh_print "${4:-$1}")" --key "$T/$3" "$M"; } # NAME ADDRESS KEY [HOST]

# whom it lets in: ed25519 and ecdsa; RSA only where libssh2 signs as OpenSSH wants it
serve plain
add plain "$plain_at" ed25519
contains 'ed25519' "$(ssh_job plain)" 'it went'
add ecdsa "$plain_at" ecdsa plain
case $BUILD in
*-san) ;; # which finds that libssh2 1.10 loses 112 bytes of each signature by ecdsa
*) contains 'ecdsa' "$(ssh_job ecdsa)" 'it went' ;;
esac
add rsa "$plain_at" rsa plain
log=$(ssh_job rsa)
case $log in
*'it went'*) ;;
*) contains 'rsa' "$log" 'it does not let the key of config/identities/rsa in: that is an RSA key' ;;
esac
for form in '-t ed25519' '-m PEM -t ecdsa' '-m PKCS8 -t ecdsa'; do # nobody could say the passphrase
    rm -f "$T/locked"
    # shellcheck disable=SC2086
    ssh-keygen -q -N secret $form -f "$T/locked"
    refused cp "$T/locked" "$M/config/identities/locked"
    file_has "$M/errors/config-identities-locked" 'the key has a passphrase'
done
sed '5s/./-/' "$T/ed25519" >"$T/damaged"
cp "$T/damaged" "$M/config/identities/plain"
contains 'a damaged key' "$(ssh_job plain)" 'cannot use the key in config/identities/plain'
head -n 1 "$T/ed25519" >"$T/cut"
refused cp "$T/cut" "$M/config/identities/plain"

# what else it may want
serve words 'PubkeyAuthentication no' 'PasswordAuthentication yes'
add words "$words_at" ed25519
contains 'a password' "$(ssh_job words)" 'it takes no keys, but password'
serve both 'AuthenticationMethods publickey,password' 'PasswordAuthentication yes'
add both "$both_at" ed25519
contains 'a password too' "$(ssh_job both)" 'it takes the key of config/identities/both, and wants more: password'
serve closed 'AuthorizedKeysFile none' "TrustedUserCAKeys $T/ecdsa.pub"
add closed "$closed_at" ed25519
contains 'nobody' "$(ssh_job closed)" 'is its public half in ~/.ssh/authorized_keys there, or does it take certificates only?'

# what it shows itself
mkdir "$T/rsahost" "$T/signed"
cp "$T/rsa" "$T/rsahost/hostkey"
cp "$T/rsa.pub" "$T/rsahost/hostkey.pub"
serve rsahost 'HostKeyAlgorithms rsa-sha2-512,rsa-sha2-256'
if "$RUNFS" host add rsahost "$rsahost_at" --accept "$(ssh_print rsahost)" --key "$T/ed25519" "$M" 2>"$T/err"; then
    contains 'an RSA key' "$(ssh_job rsahost)" 'it went'
else
    contains 'an RSA key' "$(cat "$T/err")" 'its only key is an RSA key (rsa-sha2-512,rsa-sha2-256)'
    contains 'what to do' "$(cat "$T/err")" 'ssh-keygen -A'
fi
ssh-keygen -q -t ed25519 -N '' -f "$T/signed/hostkey"
ssh-keygen -q -s "$T/ecdsa" -I h -h -n 127.0.0.1 "$T/signed/hostkey.pub"
serve signed 'HostKeyAlgorithms ssh-ed25519-cert-v01@openssh.com' "HostCertificate $T/signed/hostkey-cert.pub"
exits 1 "$RUNFS" host add signed "$signed_at" --accept "$(ssh_print signed)" "$M"
contains 'a certificate' "$(cat "$T/err")" 'it shows certificates only (ssh-ed25519-cert-v01@openssh.com)'
serve strange 'KexAlgorithms sntrup761x25519-sha512@openssh.com'
exits 1 "$RUNFS" host add strange "$strange_at" --accept "$(ssh_print strange)" "$M"
contains 'a key exchange' "$(cat "$T/err")" 'it takes no key exchanges but sntrup761x25519-sha512@openssh.com'

# known by a key of a kind that it no longer has
serve plain 'HostKeyAlgorithms ssh-ed25519'
printf '%s\nhostkey %s\nidentity plain\n' "$plain_at" "$(cut -d ' ' -f 1,2 "$T/ecdsa.pub")" >"$T/host"
cp "$T/host" "$M/config/hosts/former"
contains 'changed' "$(ssh_job former)" 'it shows no key of the kinds that it is known by, but ssh-ed25519'
