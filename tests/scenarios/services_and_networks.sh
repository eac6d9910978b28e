# What services and their job reach is what the job's label says: with network=none each other alone, with nat the world but not the
# host; on network=host, ports are on the host's own localhost, where another job may have them.
. "$(dirname "$0")/lib.sh"
. "$here/tests/containers.bash"
need_containers
"$RUNFS" doctor >"$T/doctor" || :
grep -q '^ok *nat' "$T/doctor" || skip "$(grep ' nat ' "$T/doctor")"
busybox_root
image_of tool "$T/busybox"
mkdir -p "$STATE"
"$RUNFS" image pull "oci:$T/images/tool:it" tool --state "$STATE" >/dev/null 2>&1
$PYTHON - "$T/port" <<'P' & # somebody on the host's loopback
import os, socket, sys
s = socket.socket()
s.bind(("127.0.0.1", 0))
s.listen(8)
open(sys.argv[1] + ".new", "w").write(str(s.getsockname()[1]))
os.rename(sys.argv[1] + ".new", sys.argv[1])
while True:
    c, _ = s.accept()
    c.sendall(b"the host\n")
    c.close()
P
children+=($!)
rf_wait 10 test -s "$T/port"
port=$(cat "$T/port")
cat >"$T/w.yml" <<Y
on: push
jobs:
  contained:
    runs-on: a
    container: tool
    services: &services
      s:
        image: tool
        ports: ["7:7"]
        command: >-
          sh -c 'echo "cards \$(sed -n "s/^ *\\([a-z0-9]*\\):.*/\\1/p" /proc/net/dev | sort | tr "\n" " ")and routes \$(grep -c "^[a-z0-9]*.00000000" /proc/net/route)";
          for a in 127.0.0.1 10.0.2.2; do nc -w 3 \$a $port </dev/null; done; exec nc -ll -p 7 -e echo heard'
        options: --health-cmd "nc localhost 7 </dev/null" --health-interval 1s --health-retries 60
    steps:
      - run: |
          nc s 7 </dev/null
          for a in 127.0.0.1 10.0.2.2; do nc -w 3 \$a $port </dev/null || :; done
  plain:
    runs-on: a
    services: *services
    steps:
      - run: |
          python3 - <<'P'
          import socket
          print(socket.create_connection(("localhost", 7)).recv(9).decode())
          for a in "127.0.0.1", "10.0.2.2":
              try:
                  print(socket.create_connection((a, $port), 3).recv(9).decode())
              except OSError:
                  pass
          P
Y
run() { exits "$1" "$RUNFS" run --state "$STATE" "$T/w.yml" --job "$2" --label "a=sandbox${3:+ network=$3}"; }
for job in contained plain; do
    for network in none nat ''; do
        say "$job on '$network'"
        run 0 "$job" "$network"
        contains 'the service' "$(cat "$T/out")" $'\nheard'
        lacks 'not the host' "$(cat "$T/out")" $'\nthe host'
        if [ "$network" = none ]; then
            contains 'nowhere else' "$(cat "$T/out")" 'cards eth0 lo and routes 0'
        else
            contains 'the world' "$(cat "$T/out")" 'cards eth0 lo tap0 and routes 1'
        fi
    done
done

say 'on the network of the host'
run 0 contained host
contains 'a container is on none but the job'\''s' "$(cat "$T/out")" $'\nheard'
lacks 'not the host' "$(cat "$T/out")" $'\nthe host'
sed -i "s/\"7:7\"/\"$port:7\"/" "$T/w.yml"
run 1 plain host
contains 'a port that is taken' "$(cat "$T/out")" "cannot listen on port $port of localhost: Address already in use"
sed -i "s/\"$port:7\"/\"9:7\"/" "$T/w.yml"
run 1 plain host
contains 'what is kept for the host itself' "$(cat "$T/out")" "services.s.ports: port 9 of the host's network is not for jobs to take: they have those from"
sed -i "s/\"9:7\"/\"7\"/; s/\"localhost\", 7/\"localhost\", \${{ job.services.s.ports['7'] }}/" "$T/w.yml"
run 0 plain host
contains 'its own port' "$(cat "$T/out")" $'\nheard'
contains 'and the host, as its label says' "$(cat "$T/out")" $'\nthe host'
