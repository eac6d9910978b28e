# A workflow command that says too little, or something that cannot be, fails its step with the words that GitHub has; one that
# is only of no use is warned of. With echo on, commands are shown as they came.
. "$(dirname "$0")/lib.sh"
rf_mount
need_sandbox
cat >"$T/ci.yml" <<'END'
on: push
jobs:
  a:
    runs-on: ubuntu-latest
    steps:
      - run: echo "::echo::loud"
        continue-on-error: true
      - run: echo "::set-output::x"
        continue-on-error: true
      - run: echo "::set-env name=N::x"
        continue-on-error: true
      - run: echo "::set-env name=NODE_OPTIONS::x"; echo "::add-path::"
        env: {ACTIONS_ALLOW_UNSECURE_COMMANDS: true}
        continue-on-error: true
      - run: |
          echo "::remove-matcher::"; echo "::remove-matcher owner=a::b.json"; echo "::add-matcher::"; echo "::add-mask::  "
          echo "::echo:: On "; echo "::group::inside"; echo "::add-mask::hidden thing"; echo "::endgroup::said"; echo "::echo::OFF"
          echo "::group::again"; echo "::add-mask::another thing"
      - run: |
          echo "::error file=$PWD/src/a.c,endLine=4,endColumn=7::both ends"
          echo "::error file=b.c,col=3::no line"
          echo "::error file=c.c,line=5,endLine=6,col=3::two lines"
          echo "::error file=d.c,line=6,endLine=5::backwards"
END
n=$(rf_drop "$T/ci.yml")
file_is "$M/runs/$n/conclusion" success
log() { cat "$M/runs/$n"/jobs/a/steps/"$1"-*/log; }
for step in 01 02 03 04; do
    file_is "$M/runs/$n"/jobs/a/steps/$step-*/outcome failure
done
equal 'echo knows two words' "##[error]Unable to process command '::echo::loud' successfully.
##[error]Invalid echo command value. Possible values can be: 'on', 'off'. Current value is: 'loud'." "$(log 01 | grep '^##\[error')"
equal 'an output has a name' "##[error]Unable to process command '::set-output::x' successfully.
##[error]Required field 'name' is missing in ##[set-output] command." "$(log 02 | grep '^##\[error')"
contains 'off is off' "$(log 03)" "##[error]Unable to process command '::set-env name=N::x' successfully.
##[error]The \`set-env\` command is disabled."
equal 'not every variable, and no path of nothing' "##[error]Can't update NODE_OPTIONS environment variable using ::set-env:: command.
##[error]Unable to process command '::add-path::' successfully.
##[error]Value cannot be null. (Parameter 'path')" "$(log 04 | grep '^##\[error')"
equal 'what is shown' "##[warning]Either an owner name or a file path must be specified in ##[remove-matcher] command.
##[warning]Either specify an owner name or a file path in ##[remove-matcher] command. Both values cannot be set.
##[warning]File path must be specified.
##[warning]Can't add secret mask for empty string in ##[add-mask] command.
::group::inside
##[group]inside
::add-mask::***
::endgroup::said
##[endgroup]
::echo::OFF
##[group]again" "$(log 05 | sed '1,/^##\[endgroup\]$/d')"
equal 'places that do not fit are left out' 'src/a.c:4:7: error: both ends
b.c: error: no line
c.c:5: error: two lines
d.c: error: backwards' "$(grep '\.c' "$M/runs/$n/annotations")"
