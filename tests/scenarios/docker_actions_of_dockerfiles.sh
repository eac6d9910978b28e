# Docker actions that have a Dockerfile and no image: built in sandboxes, without Docker, stage by stage; once for the same
# files; what goes wrong is said with the Dockerfile's line.
. "$(dirname "$0")/lib.sh"
. "$here/tests/containers.bash"
need_containers
busybox_root
mkdir -p "$T/busybox/tmp" "$T/busybox/home/app"
image_of tool "$T/busybox" 'Entrypoint=["/bin/base-entry"]' 'Cmd=["of the base"]' 'Env=["PATH=/usr/bin:/bin","FLAVOUR=base"]'
mkdir -p "$STATE" "$T/repo/.github/workflows"
"$RUNFS" image pull "oci:$T/images/tool:it" tool --state "$STATE" >/dev/null 2>&1
cd "$T/repo"
repo() { git -C "$T/repo" -c user.name=x -c user.email=x@example.org -c init.defaultBranch=main "$@"; }
repo init -q
run() { # STATUS DIRECTORY [OPTION...]: a job whose only action is that
    printf 'on: push\njobs: {a: {runs-on: ubuntu-latest, steps: [{uses: actions/checkout@v4}, {uses: ./%s}]}}\n' "$2" >.github/workflows/w.yml
    repo add -A
    repo commit -q --allow-empty -m more
    exits "$1" "$RUNFS" run --state "$STATE" .github/workflows/w.yml "${@:3}"
}
says() { contains "$1" "$(cat "$T/out")" "$2"; } # WHAT TEXT
action() { mkdir -p "$1" && cat >"$1/Dockerfile"; }

say 'most of what a Dockerfile may say'
mkdir -p whole/files/deep
echo one >whole/files/one
echo two >whole/files/deep/two
ln -s deep/two whole/files/link
printf '#!/bin/sh\necho "started as $(id -u) in $PWD with $* and $FLAVOUR"\ncat /etc/made\nexec cat /app/lines\n' >whole/entry.sh
chmod 755 whole/entry.sh
(cd whole/files && tar -cf ../packed.tar one)
action whole <<'D'
# syntax=docker/dockerfile:1
ARG BASE=tool
FROM $BASE AS never
RUN echo nobody needs this; exit 1

FROM ${BASE} AS maker
ARG GREETING="hello there"
WORKDIR /src
COPY files/ ./
RUN echo "$GREETING" >made && \
    # in between
    cat one deep/two link >>made && mkdir -p out/bin && ln -s ../../made out/bin/made
RUN ["/bin/sh", "-c", "chmod 640 made; rm /bin/base-entry 2>/dev/null; true"]

FROM $BASE
LABEL org.example.what="a test"
ENV FLAVOUR=own MORE="a b" \
    LAST=$FLAVOUR
ENV OLD of many words
COPY --from=maker /src/out/bin/made /etc/
COPY --from=0 --chown=app:1001 /src/made /etc/passwd /app/from/
COPY --chmod=755 entry.sh /entry
ADD packed.tar /unpacked/
COPY files /app/files
COPY <<EOF /app/written
written $HOME
EOF
WORKDIR app
RUN <<EOF
set -e
ls -l /app/from | awk '{print $3, $4, $9}' | sort >lines
echo "$FLAVOUR, $MORE, $LAST, $OLD, $(cat /unpacked/one), $(readlink files/link), $(stat -c %a /etc/made /entry | tr '\n' ' ')" >>lines
cat /app/written >>lines
rm -r /usr/bin; [ ! -e /usr/bin ] && echo "taken away" >>lines
EOF
USER app
RUN id -un >/tmp/by && echo "by $(cat /tmp/by)" >/tmp/more
USER root
RUN cat /tmp/more >>lines; [ ! -e /usr/bin ] || exit 1
CMD ["arguments", "of", "its own"]
ENTRYPOINT ["/entry"]
D
sed -i 's/--from=0/--from=1/' whole/Dockerfile
run 0 whole
says 'how it starts' 'started as 0 in /github/workspace with arguments of its own and own'
says 'a stage, and what a link there leads to' $'hello there\none\ntwo\ntwo\n'
says 'owners' $'app app made\napp app passwd\n'
says 'variables, archives, links and modes' 'own, a b, base, of many words, one, deep/two, 640 755 '
says 'what is taken away' 'taken away'
says 'a here-document' 'written $HOME'
says 'another user' 'by app'
lacks 'what is not needed' "$(cat "$T/out")" 'nobody needs this'
says 'each step' 'Dockerfile:10: RUN echo "$GREETING"'
contains 'what is kept' "$("$RUNFS" image list --state "$STATE")" runfs.local/dockerfile
equal 'stages that are over' 1 "$("$RUNFS" image list --state "$STATE" | grep -c runfs.local)"

say 'what is left out'
mkdir -p left/src
touch left/src/{a.c,a.o,keep.o} left/notes.md
printf '# not these\n*.md\n**/*.o\n!src/keep.o\nDockerfile\n' >left/.dockerignore
action left <<'D'
FROM tool
COPY . /all
ENTRYPOINT ["/bin/sh", "-c", "cd /all && find . | sort | tr '\\n' ' '"]
D
run 0 left
says 'what is there' '. ./.dockerignore ./src ./src/a.c ./src/keep.o '

say 'the same again is found, other files are not'
run 0 whole
says 'built before' 'Dockerfile has been built of the same before'
says 'and the same' 'started as 0 in /github/workspace with arguments of its own and own'
echo 1 >whole/files/one
run 0 whole
lacks 'other files' "$(cat "$T/out")" 'built of the same'

say 'jobs that want it at once: one builds it, and the others have it'
echo uno >whole/files/one
printf 'on: push\njobs: {a: {strategy: {matrix: {n: [1, 2, 3]}}, runs-on: ubuntu-latest, steps: [{uses: actions/checkout@v4}, {uses: ./whole}]}}\n' >.github/workflows/w.yml
repo add -A
repo commit -qm more
exits 0 "$RUNFS" run --state "$STATE" .github/workflows/w.yml
equal 'who found it' 2 "$(grep -c 'has been built of the same before' "$T/out")"
equal 'who has it' 3 "$(grep -c 'started as 0 in' "$T/out")"

say 'from nothing, without a shell; by an action.yml; with what the base starts'
mkdir -p nothing/act
printf '#include <stdio.h>\nint main(int c, char **v) { return printf("%%s %%s\\n", v[c - 2], v[c - 1]) < 0; }\n' >"$T/echo.c"
"${CC:-cc}" -static -o nothing/act/echo "$T/echo.c"
printf 'name: x\nruns: {using: docker, image: act/Dockerfile, args: [from, nothing]}\n' >nothing/action.yml
action nothing/act <<'D'
FROM scratch
COPY echo /bin/
ENTRYPOINT ["/bin/echo"]
D
run 0 nothing
says 'what is in it' 'from nothing'
action plain <<'D'
FROM tool
ENTRYPOINT ["/bin/echo", "its arguments:"]
D
run 0 plain
says 'the command of the base is for its own entry point' 'its arguments:'
lacks 'of the base' "$(cat "$T/out")" 'arguments: of the base'

say 'what goes wrong'
wrong() { # TEXT WORDS
    action wrong <<<"$1"
    run 1 wrong
    contains "of $1" "$(cat "$T/out")" "$2"
}
wrong $'FROM tool\n\nRUN echo about to fail; exit 3' 'Dockerfile:3: RUN echo about to fail; exit 3: exit code 3'
says 'what it printed' 'about to fail'
wrong $'FROM tool\nRNU x' 'Dockerfile:2: there is no such instruction: RNU'
wrong $'FROM tool\nCOPY no-such /x' 'no-such: there is no such file'
wrong $'FROM tool\nCOPY ../../etc/passwd /x' 'leads out of where it is copied from'
wrong $'FROM tool\nADD https://example.org/x /x' 'Dockerfile:2: nothing is fetched by ADD'
wrong $'FROM tool\nRUN --mount=type=secret,id=x cat /run/secrets/x' 'only caches can'
wrong $'FROM tool\nRUN echo ::error::obeyed; false' 'exit code 1'
lacks 'a build is not obeyed' "$(cat "$T/out")" '##[error]obeyed'
wrong "FROM oci:$T/images/tool:it" 'say what the image of oci:' # a file of the host's
wrong 'CMD x' 'Dockerfile:1: nothing but ARG may stand before FROM'
printf 'name: x\nruns: {using: docker, image: None}\n' >wrong/action.yml
run 1 wrong
says 'no Dockerfile' 'there is no '
rm wrong/action.yml

say 'a cancel reaches it'
action wrong <<<$'FROM tool\nRUN echo it goes on; exec sleep 1000'
repo add -A
repo commit -qm more
"$RUNFS" run --state "$STATE" .github/workflows/w.yml >"$T/long" 2>&1 &
long=$!
rf_wait 60 grep -q '^it goes on' "$T/long"
kill -INT "$long"
wait "$long" || status=$?
equal 'cancelled' 130 "$status"
contains 'why' "$(cat "$T/long")" 'The operation was canceled'
equal 'nothing is left of what failed' 6 "$("$RUNFS" image list --state "$STATE" | grep -c runfs.local)"

is_root || exit 0
say 'as an ordinary user, who has one id, in a job with a container'
as_user true
cp -r "$T/repo" "$T/images" "$T/user/"
chown -R 31337:31337 "$T/user/repo" "$T/user/images"
sed -i 's/runs-on: ubuntu-latest/&, container: tool/; s/wrong/whole/' "$T/user/repo/.github/workflows/w.yml"
as_user runfs image pull "oci:$T/user/images/tool:it" tool --state "$T/user/home/state" >/dev/null 2>&1
as_user sh -c "cd $T/user/repo && git config user.name x && git config user.email x@example.org && git commit -qam x && runfs run --state $T/user/home/state .github/workflows/w.yml" >"$T/out" 2>&1 || fail "$(tail -n 20 "$T/out")"
says 'how it starts' 'started as 0 in /github/workspace with arguments of its own and own'
says 'a stage' $'hello there\nuno\ntwo\ntwo\n'
says 'what is taken away' 'taken away'
nothing_left() { [ -z "$(find "$STATE/containers" -maxdepth 1 -name '.[pb]*ing-*')" ]; }
nothing_left
