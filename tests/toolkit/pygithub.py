# Asks a runner for everything by PyGithub, and says what came: one line a thing.
import os
import sys

import github
from github import Github

url, mount = sys.argv[1:]
g = Github(base_url=url, login_or_token=os.environ['TOKEN'], per_page=1)


def say(what, *values):
    print(f'{what}:', *values)


def all_of(thing):
    """Reads every property: each one is converted to its type, and asked for where it is missing."""
    for name in dir(type(thing)):
        if isinstance(getattr(type(thing), name), property):
            getattr(thing, name)
    return thing


def ended(run):
    """By the run's file, whose reader waits."""
    with open(f'{mount}/runs/{run.id}/wait') as f:
        f.read()
    run.update()
    return run


user = all_of(g.get_user())
say('user', user.login, g.get_user('robot').type, g.get_user('robot').name)
say('limits', g.get_rate_limit().core.remaining == g.rate_limiting[0], g.get_rate_limit().search.limit)
repo = all_of(g.get_repo('o/r'))
say('repository', repo.full_name, repo.owner.login, repo.default_branch, 'private' if repo.private else '', len([r for r in user.get_repos() if r.full_name == 'o/r']))
say('workflows', ', '.join(sorted(f'{w.name} {w.state} {w.path}' for w in map(all_of, repo.get_workflows()))))
ci, slow = repo.get_workflow('ci.yml'), repo.get_workflow('slow.yml')
assert repo.get_workflow(str(ci.id)).badge_url
runs = repo.get_workflow_runs()
say('runs by pages of one', ', '.join(f'{r.conclusion} {r.head_branch}' for r in runs))
say('backwards', ', '.join(r.conclusion for r in runs.reversed))
main = all_of(repo.get_branch('main'))
say('of a branch', ', '.join(r.conclusion for r in ci.get_runs(branch=main)))
me = runs[0].raw_data['actor']['login']
say('of an actor, an event, a status', ', '.join(r.conclusion for r in ci.get_runs(actor=me, event='push', status='success')))
run = repo.get_workflow_run(runs[1].id)
all_of(run)
say('a run', run.raw_data['name'], run.event, run.head_branch, run.status, run.conclusion, run.head_sha, run.created_at <= run.updated_at)
say('its commit', run.head_commit.author.email)
say('it took', run.timing().run_duration_ms >= 0)
done = ci.create_dispatch(main, {'word': 'word'})
dispatched = ended(ci.get_runs(event='workflow_dispatch')[0])
with open(f'{mount}/runs/{dispatched.id}/inputs.json') as f:
    say('dispatched', done, 'word' if '"word"' in f.read() else 'without its input')
say('who did', dispatched.raw_data['actor']['login'])
say('again', dispatched.rerun(), ended(dispatched).raw_data['run_attempt'])
slow.create_dispatch('main')
long = slow.get_runs()[0]
say('cancelled', long.cancel(), ended(long).conclusion)
say('what has ended', long.cancel())
try:
    # PyGithub tells a refusal by False, and what was said by what is asked beside it
    ci._requester.requestJsonAndCheck('POST', f'{ci.url}/dispatches', input={'ref': 'nowhere'})
except github.GithubException as e:
    say('no such branch', e.status, e.data['message'])
done = repo.create_repository_dispatch('deploy', {'a': 1})
say('an event', done, ended(repo.get_workflow_runs()[0]).event)
say('a secret', repo.create_secret('PY', 'value'), repo.delete_secret('PY'))
runner = all_of(repo.get_self_hosted_runner(repo.get_self_hosted_runners()[0].id))
say('runner', runner.name, runner.status, runner.os, ' '.join(x['name'] for x in runner.raw_data['labels'] if x['name'] == 'h'))
commit = all_of(repo.get_commit(run.head_sha))
say('commit', commit.commit.message.strip(), commit.commit.author.name, len(commit.parents))
combined = all_of(commit.get_combined_status())
all(map(all_of, commit.get_statuses()))
say('came of it', combined.state, ', '.join(sorted(f'{s.context}: {s.state}' for s in combined.statuses if s.context.startswith('CI'))))
checks = [all_of(c) for c in commit.get_check_runs()]
bad = [c for c in checks if c.conclusion == 'failure'][0]
say('checks', bad.name, bad.status, bad.conclusion, bad.app.slug)
suite = [all_of(s) for s in commit.get_check_suites() if s.id == run.id][0]
say('suites', suite.head_branch, suite.status, suite.conclusion)
note = all_of(list(repo.get_check_run(bad.id).get_annotations())[0])
say('annotation', note.path, note.start_line, note.start_column, note.annotation_level, note.message.strip())
file = repo.get_contents('.github/workflows/ci.yml')
say('contents', file.decoded_content.decode().splitlines()[0], 'blob' if len(file.sha) == 40 else '')
say('directory', ', '.join(sorted(f.path for f in repo.get_contents('.github/workflows'))))
say('branches', ', '.join(b.name for b in repo.get_branches()))
say('ref', repo.get_git_ref('heads/main').object.sha == run.head_sha)
try:
    repo.get_workflow_run(999)
except github.UnknownObjectException as e:
    say('no such run', e.status, e.data['message'])
