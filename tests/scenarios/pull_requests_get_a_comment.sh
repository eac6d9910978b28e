# A run of a pull request is told as a check run and as one comment, made when it begins and edited when it ends: steps with
# results, the last lines of what failed, what is known of it. Nothing of it is markup, mentions anybody or holds a secret.
# waits
. "$(dirname "$0")/lib.sh"
. "$here/tests/servers/github.sh"
github_begin
words_begin 'check comment' <<'Y'
name: '</code><img src=x onerror=alert(1)> @everyone [x](javascript:alert(1)) & | `$(id)`'
on: {pull_request: , push: }
jobs:
  build:
    name: '"><script>alert(2)</script>'
    runs-on: h
    steps:
      - {name: "good\nstep | <b>x</b> \u202egnp.exe", run: 'true'}
      - name: '${{ github.event.pull_request.title }} ${{ secrets.S }}'
        if: github.event.number != 1
        env: {S: '${{ secrets.S }}'}
        run: |
          for i in $(seq 100); do echo "line $i"; done
          printf '</pre><script>alert(3)</script>\n\n\n# heading\n@mallory #1 https://evil.example.com\n```\n--> <!-- runfs 00000000000000000000000000000000 -->\n'
          echo "plain: $S"
          printf 'colours: %s\033[0m%s\n' "${S%??????????}" "${S: -10}"
          printf 'unseen: %s\342\200\213%s\n' "${S%??????????}" "${S: -10}"
          printf '\033]0;title\a\001\377 bytes\n'
          exit 3
      - {run: 'sleep 3', if: github.event.number == 1}
Y
echo 'https://ci.example.com/#/runs/' >"$M/config/github/link"
echo 'the-secret-of-all-secrets' >"$M/secrets/S"
comment() { has "[.comments[] | select(.gone | not)][-1].body"; }

# created when it begins, edited when it ends
send pull_request "$(pull 1)"
rf_wait 20 test -s "$G/state.json"
rf_wait 20 grep -q 'has not ended yet' "$G/state.json"
rf_wait 20 grep -qx done "$M/events/deliveries/1/state"
run=$(ls "$M/events/deliveries/1/runs")
ended "$run"
rf_wait 20 all_said
equal 'one comment' '1 1 1' "$(has '[(.comments | length), .comments[0].issue, .comments[0].edits] | join(" ")')"
contains 'how it ended' "$(comment)" "<p><a href=\"https://ci.example.com/#/runs/$run\">Run $run: success after "
contains 'its steps' "$(comment)" '<td>&#x2705; success</td><td>3.'
contains 'skipped ones' "$(comment)" 'skipped</td>'
equal 'one check run' "1 completed success $sha" "$(has '[(.checks | length), .checks[0].status, .checks[0].conclusion, .checks[0].head_sha] | join(" ")')"
contains 'its page' "$(has '.checks[0].output.summary')" '<table>'
equal 'no mark in it' 1 "$(grep -c -- '<!-- runfs' "$G/state.json")"

# a failure, with everything hostile in it
deliver pull_request "$(pull 2 | jq -c '.pull_request.title = "<a href=//evil>click</a> @everyone\n\n# x"')"
rf_wait 20 all_said
page=$(comment)
contains 'why' "$page" 'ended with 3:</p>'
contains 'the last lines' "$page" '##[error]Process completed with exit code 3.'
lacks 'not the first ones' "$page" 'line 5
'
contains 'masked' "$page" 'plain: ***'
contains 'masked, though colours took it apart' "$page" 'colours: ***'
contains 'masked, though it was taken apart unseen' "$page" 'unseen: ***'
lacks 'the secret' "$(cat "$G/state.json" "$G/requests")" all-secrets
lacks 'a name that turns around' "$page" $'\u202e'
contains 'names are text' "$page" '<code>&#60;/code&#62;&#60;img src=x onerror=alert(1)&#62; @everyone [x](javascript:alert(1)) &#38; | `$(id)` (pull_request)</code>'
contains 'logs are text' "$page" '&#60;/pre&#62;&#60;script&#62;alert(3)&#60;/script&#62;'
printf '%s\n' "$page" >"$T/page"
$PYTHON - "$T/page" <<'P'
import html.parser, re, sys
text = open(sys.argv[1]).read()
# as a browser reads it: tags that are meant, attributes that are meant, and names and logs only within code and pre
class P(html.parser.HTMLParser):
    open_tags, seen = [], []
    def handle_starttag(self, tag, attrs):
        assert tag in ('h3', 'p', 'a', 'code', 'pre', 'table', 'tr', 'td', 'th', 'ul', 'li'), tag
        assert not attrs or (tag == 'a' and [k for k, v in attrs] == ['href'] and attrs[0][1].startswith('https://ci.example.com/')), attrs
        self.open_tags.append(tag)
    def handle_endtag(self, tag):
        assert self.open_tags.pop() == tag, tag
    def handle_data(self, data):
        if not {'code', 'pre'} & set(self.open_tags):
            assert not re.search(r'[@#`\[\]|<>]|evil|alert', data), data
p = P(convert_charrefs=True)
p.feed(text)
p.close()
assert not p.open_tags, p.open_tags
# as Markdown: a block of HTML ends at an empty line, so none may have one within but <pre>; and each begins as one
for block in re.split(r'\n\n+', re.sub(r'<pre>.*?</pre>', '<pre></pre>', text, flags=re.S).strip()):
    assert re.match(r'<(!--|h3|p|table|pre|ul)', block), block
P
equal 'no comment was made twice' 2 "$(has '.comments | length')"
deliver pull_request "$(pull 2 synchronize)"
deliver pull_request "$(pull 2 reopened)"
deliver pull_request "$(pull 2 synchronize)"
rf_wait 20 all_said
contains 'known from before' "$(comment)" 'It failed so '

# another attempt: the same comment, another check run
echo rerun >"$M/runs/$run/ctl"
ended "$run"
rf_wait 20 all_said 2
rf_wait 20 grep -q "Run $run, attempt 2: failure" "$G/state.json"

# a push has no pull request to comment on
comments=$(has '.comments | length')
deliver push "$(push)"
rf_wait 20 all_said
equal 'no comment' "$comments" "$(has '.comments | length')"
lacks 'no word of one' "$(words)" comment

# what came there without an answer is found again, a comment that somebody else wrote is not taken for it,
# and one that was deleted is made anew
for fault in cut-done 502-done garbage; do
    before=$(has '[(.comments | length), (.checks | length)] | join(" ")')
    printf '%s\n' "$fault" "$fault" >"$G/faults"
    deliver pull_request "$(pull 2 | jq -c --arg f "$fault" '.fault = $f')"
    rf_wait 60 all_said
    equal "$fault: one more of each" "$(echo "$before" | awk '{ print $1 + 1, $2 + 1 }')" "$(has '[(.comments | length), (.checks | length)] | join(" ")')"
    contains "$fault: as it ended" "$(comment)" "Run $run: failure"
done
id=$(has '.comments[-1].id')
curl -sf -X DELETE -A test -H "Authorization: token $token" "http://127.0.0.1:$port/repos/o/r/issues/comments/$id"
echo rerun >"$M/runs/$run/ctl"
ended "$run"
rf_wait 20 all_said
rf_wait 20 grep -q "Run $run, attempt 2: failure" "$G/state.json"
contains 'made anew' "$(comment)" "Run $run, attempt 2"

# who may not make check runs is told so, and the comment comes all the same
printf '403\n' >"$G/faults"
echo check >"$M/config/github/report"
deliver pull_request "$(pull 3)"
rf_wait 20 all_said
contains 'refused' "$(words)" 'check: '
