# For scenarios that have a language model: a server on loopback that stands for it. Source it behind lib.sh, then, when
# there is a mount: model_begin. What the server was asked is in $T/asked.
# shellcheck shell=bash

model_begin() { # starts it, and tells the mount where it is
    "$PYTHON" "$here/tests/servers/chat.py" "$T/port" "$T/asked" 2>"$T/server" &
    children+=("$!")
    rf_wait 10 test -s "$T/port"
    echo "http://127.0.0.1:$(cat "$T/port")" >"$M/config/llm/url"
}
model() { echo "$1" >"$M/config/llm/model"; } # NAME: what it says by (chat.py)
