# A listener with tls: shows the certificate of config/tls, takes tokens as every other, and answers with https addresses; a new
# certificate is taken at once, and what is no pair is told in status.
. "$(dirname "$0")/lib.sh"
may_log="cannot listen with tls"
need curl
need openssl
rf_mount
pair() { # NAME: makes a certificate for localhost and its key
    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj "/CN=$1" -addext 'subjectAltName=IP:127.0.0.1,DNS:localhost' \
        -keyout "$T/$1.key" -out "$T/$1.pem" 2>/dev/null
}
pair one
pair two
echo tls:0 >"$M/config/listen"
rf_wait 10 grep -q 'write config/tls/certificate and config/tls/key first' "$M/status"
refused sh -c "echo nonsense >'$M/config/tls/certificate'"
refused sh -c "echo nonsense >'$M/config/tls/key'"
refused sh -c "echo x >'$M/config/tls/other'"
cat "$T/one.pem" >"$M/config/tls/certificate"
cat "$T/one.key" >"$M/config/tls/key"
refused cat "$M/config/tls/key"
if grep -rs 'PRIVATE KEY' "$M"; then fail 'the key can be read'; fi
rf_wait 10 grep -q '^listen: tls:127.0.0.1:[1-9]' "$M/status"
at() { sed -n 's/^listen: tls:\(127.0.0.1:[0-9]*\).*/\1/p' "$M/status"; }
token=$("$RUNFS" token create --scope read --name reader "$M")
ask() { # CA URL...: the code
    curl -s -o "$T/body" -w '%{http_code}' --cacert "$T/$1.pem" -H "Authorization: token $token" "${@:2}" || :
}
equal 'with the right certificate' 200 "$(ask one "https://$(at)/user")"
equal 'with another one' 000 "$(ask two "https://$(at)/user")"
equal 'without a token' 401 "$(curl -s -o "$T/body" -w '%{http_code}' --cacert "$T/one.pem" "https://$(at)/user")"
equal 'without TLS' 000 "$(curl -s -o "$T/body" -w '%{http_code}' -m 5 "http://$(at)/user" || :)"
equal 'an old version of it' 000 "$(curl -s --tls-max 1.1 --tlsv1.0 --ciphers DEFAULT@SECLEVEL=0 -o "$T/body" -w '%{http_code}' -m 5 --cacert "$T/one.pem" "https://$(at)/user" || :)"
workflow "$T/w.yml" 'echo hi; seq 20000'
n=$(rf_drop "$T/w.yml")
equal 'addresses' 200 "$(ask one "https://$(at)/repos/runfs/workflows/actions/runs/$n")"
contains 'are those that the caller used' "$(jq -r .jobs_url "$T/body")" "https://$(at)/"
equal 'a log' 200 "$(ask one -L "https://$(at)/repos/runfs/workflows/actions/runs/$n/logs")"
equal 'is whole' PK "$(head -c 2 "$T/body")"
# a stream of changes, too: what comes is not kept back until there is more
curl -sN --cacert "$T/one.pem" -H "Authorization: token $token" "https://$(at)/live" >"$T/live" &
children+=($!)
rf_wait 10 grep -q ready "$T/live"
n=$(rf_drop "$T/w.yml")
rf_wait 5 grep -q "\"id\":$n,.*success" "$T/live"

cat "$T/two.key" >"$M/config/tls/key"
rf_wait 10 grep -q 'are no pair' "$M/status"
equal 'until the other is written, too' 200 "$(ask one "https://$(at)/user")"
cat "$T/two.pem" >"$M/config/tls/certificate"
rf_wait 10 grep -q '^listen: tls:127.0.0.1:[1-9][0-9]*$' "$M/status"
equal 'the new one' 200 "$(ask two "https://$(at)/user")"
equal 'no longer the old one' 000 "$(ask one "https://$(at)/user")"
rf_umount
rf_mount
rf_wait 10 grep -q '^listen: tls:127.0.0.1:[1-9]' "$M/status"
equal 'after a restart' 200 "$(ask two "https://$(at)/user")"

port=$(at | cut -d: -f2)
rm "$M/config/tls/key"
rf_wait 10 grep -q 'write config/tls/certificate and config/tls/key first' "$M/status"
equal 'without a key' 000 "$(ask two "https://127.0.0.1:$port/user")"
