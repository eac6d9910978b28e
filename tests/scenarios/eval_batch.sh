# runfs eval --batch: one result line for each request line, in order, whatever the line is; GitHub's values and words.
. "$(dirname "$0")/lib.sh"
cat >"$T/in" <<'J'
{"expr":"1 == '1'"}
{"expr":"format('{0}-{1}', github.ref, 7)","contexts":{"github":{"ref":"refs/heads/main"}}}
{"expr":"fromJSON('[1,2,3]').*"}
{"expr":"toJSON(x)","contexts":{"x":{"a":[true,null,1.5]}}}
{"expr":"1 < )"}
{"expr":"nosuch(1)"}
this is no JSON
{"expr":5}
{"expr":""}
{"expr":"'ab' == 'AB' && contains('Hello', 'ELL') && !startsWith('x', 'y')"}
{"expr":"0xff + 1"}
{"expr":"fromJSON('{')"}
J
exits 0 "$RUNFS" eval --batch <"$T/in"
equal 'lines' "$(wc -l <"$T/in")" "$(wc -l <"$T/out")"
line() { sed -n "$1p" "$T/out"; }
equal 1 '{"kind":"Boolean","value":true}' "$(line 1)"
equal 2 '{"kind":"String","value":"refs/heads/main-7"}' "$(line 2)"
equal 3 '{"kind":"Array","value":[1,2,3]}' "$(line 3)"
equal 4 $'{\n  "a": [\n    true,\n    null,\n    1.5\n  ]\n}' "$(line 4 | jq -r .value)"
equal 5 parsing "$(line 5 | jq -r .error.kind)"
contains 5 "$(line 5 | jq -r .error.message)" "Unexpected symbol: ')'. Located at position 5 within expression: 1 < )"
contains 6 "$(line 6)" "Unrecognized function: 'nosuch'"
equal 7 input "$(line 7 | jq -r .error.kind)"
equal 8 input "$(line 8 | jq -r .error.kind)"
equal 9 Null "$(line 9 | jq -r .kind)"
equal 10 true "$(line 10 | jq -r .value)"
contains 11 "$(line 11)" '"error"'
equal 12 evaluation "$(line 12 | jq -r .error.kind)"
# many, and as fast as a pipe
yes "$(line 1 >/dev/null; sed -n 2p "$T/in")" | head -n 20000 >"$T/many" || :
equal 'twenty thousand' 20000 "$("$RUNFS" eval --batch <"$T/many" | grep -c '"refs/heads/main-7"')"
exits 1 "$RUNFS" eval "1 <"
exits 2 "$RUNFS" eval
exits 2 "$RUNFS" eval --nonsense 1
