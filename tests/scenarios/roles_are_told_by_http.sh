# A program asks the HTTP server which roles there are and which is selected, as it would ask terraphim's server.
. "$(dirname "$0")/lib.sh"
need curl
need jq
rf_mount
echo "0 $T/api.sock" >"$M/config/listen"
rf_wait 10 test -S "$T/api.sock"
ask() { curl -s --unix-socket "$T/api.sock" http://ci/config | jq -r "$1"; }

equal 'no roles' 'success {} [] []' "$(ask '"\(.status) \(.config.roles) [\(.config.default_role)] [\(.config.selected_role)]"')"

# a whole configuration, as it was written
cp "$here/examples/roles/devops_cicd_config.json" "$M/roles/devops.json"
equal 'whose it is' 'success Server DevOps Engineer DevOps Engineer' \
    "$(ask '"\(.status) \(.config.id) \(.config.default_role) \(.config.selected_role)"')"
equal 'its roles' "$(jq -S '.roles | map_values(del(.terraphim_it))' "$here/examples/roles/devops_cicd_config.json")" \
    "$(ask '.config.roles | map_values(del(.terraphim_it))' | jq -S .)"

# another is selected, by its short name
echo GHR >"$M/roles/selected"
equal 'selected' 'DevOps Engineer, GitHub Runner Specialist' "$(ask '"\(.config.default_role), \(.config.selected_role)"')"
rm "$M/roles/devops.json"
equal 'gone' '{} GHR' "$(ask '"\(.config.roles) \(.config.selected_role)"')"
rm "$M/roles/selected"

# one that says little, and too much: what readers rely on is there, secrets are not
cat >"$M/roles/small.json" <<'JSON'
{"name": "Small", "relevance_function": "title-scorer", "llm_api_key": "sk-1", "openrouter_api_key": null,
 "haystacks": [{"location": "docs", "atomic_server_secret": "sk-2", "extra_parameters": {"Api_Token": "sk-3", "Authorization": "sk-5", "tag": "x"}}],
 "extra": {"max_tokens": 5, "logins": [{"user": "u", "password": "sk-4"}]}}
JSON
equal 'one role' '{"Small":{"name":"Small","relevance_function":"title-scorer","haystacks":[{"location":"docs","extra_parameters":{"tag":"x"},"service":"Ripgrep","read_only":false}],"extra":{"max_tokens":5,"logins":[{"user":"u"}]},"shortname":"Small","terraphim_it":false,"theme":"default","kg":null}}' \
    "$(ask '.config.roles' | jq -c .)"
equal 'it is the one' 'Small Small' "$(ask '"\(.config.default_role) \(.config.selected_role)"')"

# by TCP, to whom has a token that may read
url=http://$(awk '/^listen: 127/ {print $2}' "$M/status")/config
equal 'nobody' 401 "$(curl -s -o /dev/null -w '%{http_code}' "$url")"
token=$("$RUNFS" token create --scope read --name reader "$M")
equal 'a reader' Small "$(curl -s -H "Authorization: Bearer $token" "$url" | jq -r .config.selected_role)"
