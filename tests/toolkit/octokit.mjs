// What a program does that reads a runner through GitHub's own client library. Usage: octokit.mjs URL TOKEN OWNER REPO
import {createRequire} from 'node:module';
const require = createRequire(`${process.env.MODULES}/x.js`);
const {Octokit} = await import(require.resolve('@octokit/rest'));
const sodium = require('libsodium-wrappers');

const [baseUrl, auth, owner, repo] = process.argv.slice(2);
const octokit = new Octokit({baseUrl, auth, log: {debug() {}, info() {}, warn: console.log, error() {}}});
const at = {owner, repo};
const say = (what, value) => console.log(`${what}: ${typeof value === 'string' ? value : JSON.stringify(value)}`);
const status = async promise => promise.then(a => a.status, e => `${e.status} ${e.response?.data?.message}`);

say('user', (await octokit.rest.users.getAuthenticated()).data.login);
const workflows = await octokit.paginate(octokit.rest.actions.listRepoWorkflows, at);
say('workflows', workflows.map(w => `${w.name} ${w.state}`));
const runs = await octokit.paginate(octokit.rest.actions.listWorkflowRunsForRepo, {...at, per_page: 2});
say('runs by pages of two', runs.map(r => r.conclusion));
say('failed ones', (await octokit.rest.actions.listWorkflowRunsForRepo({...at, status: 'failure'})).data.total_count);

const run_id = runs.at(-1).id;
const jobs = await octokit.paginate(octokit.rest.actions.listJobsForWorkflowRun, {...at, run_id});
say('jobs', jobs.map(j => `${j.name}: ${j.steps.map(s => `${s.number} ${s.name} ${s.conclusion}`).join(', ')}`));
say('a job', [jobs[0].labels, jobs[0].workflow_name, jobs[0].head_branch, jobs[0].head_sha === runs.at(-1).head_sha, new URL(jobs[0].html_url).pathname.replace(/\d+$/, "JOB")]);
say('log', (await octokit.rest.actions.downloadJobLogsForWorkflowRun({...at, job_id: jobs[0].id})).data.includes('hello from a step'));
const zip = (await octokit.rest.actions.downloadWorkflowRunLogs({...at, run_id})).data;
say('logs are a zip', Buffer.from(zip).subarray(0, 2).toString());
const artifacts = await octokit.paginate(octokit.rest.actions.listWorkflowRunArtifacts, {...at, run_id});
say('artifacts', artifacts.map(a => `${a.name} ${a.expired}`));
const artifact = await octokit.rest.actions.downloadArtifact({...at, artifact_id: artifacts[0].id, archive_format: 'zip'});
say('artifact is a zip', Buffer.from(artifact.data).subarray(0, 2).toString());

const named = await octokit.rest.actions.listArtifactsForRepo({...at, name: 'things', per_page: 1});
say('artifacts of a name', `${named.data.total_count}, ${named.data.artifacts.length} a page`);
say('all of them', (await octokit.paginate(octokit.rest.actions.listArtifactsForRepo, {...at, per_page: 1})).length);

say('the repository', await octokit.rest.repos.get(at).then(a => [a.data.full_name, a.data.default_branch, a.data.owner.login, a.data.permissions.admin]));
const asked = async (query, variables) => (await octokit.graphql(`${query} { name owner { login } defaultBranchRef { name } } }`, variables)).repository.defaultBranchRef.name;
say('by GraphQL', [await asked('query($a: String!, $b: String!) { repository(owner: $a, name: $b)', {a: owner, b: repo}),
  await asked(`{ repository(name:"${repo}" owner: "${owner}")`), await asked('{ repository(owner: "o", name: "none")').catch(e => e.errors[0].type)]);
say('branches', (await octokit.paginate(octokit.rest.repos.listBranches, {...at, per_page: 1})).map(b => b.name));
say('a branch', (await octokit.rest.repos.getBranch({...at, branch: 'feature/one'})).data.commit.sha === jobs[0].head_sha);
say('no such branch', await status(octokit.rest.repos.getBranch({...at, branch: 'feature'})));
for (const ref of ['main', 'feature/one', 'heads/main', jobs[0].head_sha]) {
  const {data} = await octokit.rest.repos.getCombinedStatusForRef({...at, ref});
  say(`what came of ${ref.length > 30 ? 'a commit' : ref}`, [data.state, data.statuses.map(s => `${s.context}: ${s.state}`), data.sha === jobs[0].head_sha]);
}
say('statuses', (await octokit.paginate(octokit.rest.repos.listCommitStatusesForRef, {...at, ref: 'main', per_page: 2})).map(s => s.state));
const checks = await octokit.paginate(octokit.rest.checks.listForRef, {...at, ref: 'main', per_page: 4});
say('check runs', checks.map(c => `${c.name} ${c.conclusion}`));
say('of a name', (await octokit.rest.checks.listForRef({...at, ref: 'main', check_name: 'build'})).data.total_count);
const {data: check} = await octokit.rest.checks.get({...at, check_run_id: jobs[0].id});
say('a check run', [check.name, check.status, check.output.annotations_count, check.check_suite.id === run_id]);
const annotations = await octokit.paginate(octokit.rest.checks.listAnnotations, {...at, check_run_id: check.id, per_page: 2});
say('annotations', annotations.map(a => `${a.path}:${a.start_line} ${a.message}`));
say('suites', (await octokit.paginate(octokit.rest.checks.listSuitesForRef, {...at, ref: 'main', per_page: 2})).map(s => s.conclusion));
say('a suite', (await octokit.rest.checks.listForSuite({...at, check_suite_id: run_id})).data.check_runs.map(c => c.name));
say('no commit', await status(octokit.rest.checks.listForRef({...at, ref: 'nowhere'})));
say('environments', (await octokit.rest.repos.getAllEnvironments(at)).data.environments.map(e => e.name));
say('runners', (await octokit.rest.actions.listSelfHostedRunnersForRepo(at)).data.runners.map(x => [x.status, x.labels.some(l => l.name === 'h')]));
say('approvals', (await octokit.rest.actions.getReviewsForRun({...at, run_id})).data.length);
const whole = await octokit.rest.actions.getWorkflowRun({...at, run_id});
say('not changed', (await status(octokit.rest.actions.getWorkflowRun({...at, run_id, headers: {'if-none-match': whole.headers.etag}}))).toString().slice(0, 3));

await octokit.rest.actions.createWorkflowDispatch({...at, workflow_id: 'ci.yml', ref: 'main', inputs: {word: 'again'}});
let latest;
do {
  await new Promise(done => setTimeout(done, 50));
  latest = (await octokit.rest.actions.listWorkflowRuns({...at, workflow_id: 'ci.yml', per_page: 1})).data.workflow_runs[0];
} while (latest.event !== 'workflow_dispatch' || latest.status !== 'completed');
say('dispatched', latest.conclusion);
await octokit.rest.actions.reRunWorkflow({...at, run_id});
do {
  await new Promise(done => setTimeout(done, 50));
} while ((await octokit.rest.actions.getWorkflowRun({...at, run_id})).data.status !== 'completed');
const attempts = await octokit.paginate(octokit.rest.actions.listJobsForWorkflowRun, {...at, run_id, filter: 'all', per_page: 3});
say('jobs of all attempts', attempts.map(j => `${j.run_attempt} ${j.name}`));
say('cancel what has ended', await status(octokit.rest.actions.cancelWorkflowRun({...at, run_id: latest.id})));

await sodium.ready;
const {key, key_id} = (await octokit.rest.actions.getRepoPublicKey(at)).data;
const sealed = sodium.crypto_box_seal(sodium.from_string('shh'), sodium.from_base64(key, sodium.base64_variants.ORIGINAL));
const encrypted_value = sodium.to_base64(sealed, sodium.base64_variants.ORIGINAL);
say('secret', await status(octokit.rest.actions.createOrUpdateRepoSecret({...at, secret_name: 'DEPLOY', encrypted_value, key_id})));
say('secrets', (await octokit.rest.actions.listRepoSecrets(at)).data.secrets.map(s => s.name));
await octokit.rest.actions.createRepoVariable({...at, name: 'LEVEL', value: '3'});
say('the same variable', await status(octokit.rest.actions.createRepoVariable({...at, name: 'LEVEL', value: '4'})));
await octokit.rest.actions.updateRepoVariable({...at, name: 'LEVEL', value: '5'});
say('variable', (await octokit.rest.actions.getRepoVariable({...at, name: 'LEVEL'})).data.value);

const caches = (await octokit.rest.actions.getActionsCacheList({...at, sort: 'created_at', direction: 'asc'})).data.actions_caches;
say('caches', caches.map(c => c.key));
say('of a key', (await octokit.rest.actions.getActionsCacheList({...at, key: 'deps-2'})).data.total_count);
say('usage', (await octokit.rest.actions.getActionsCacheUsage(at)).data.active_caches_count);
say('delete by key', (await octokit.rest.actions.deleteActionsCacheByKey({...at, key: 'deps-1'})).data.total_count);
say('delete by id', await status(octokit.rest.actions.deleteActionsCacheById({...at, cache_id: caches[1].id})));
say('once more', await status(octokit.rest.actions.deleteActionsCacheById({...at, cache_id: caches[1].id})));
const event = {...at, event_type: 'deploy', client_payload: {where: 'here'}};
say('an event', await status(octokit.rest.repos.createDispatchEvent(event)));
say('an event without a name', (await status(octokit.rest.repos.createDispatchEvent({...event, event_type: ''}))).slice(0, 3));
do {
  await new Promise(done => setTimeout(done, 50));
  latest = (await octokit.rest.actions.listWorkflowRunsForRepo({...at, per_page: 1})).data.workflow_runs[0];
} while (latest.event !== 'repository_dispatch' || latest.status !== 'completed');
say('what it started', `${latest.event} ${latest.conclusion}`);
const artifact_id = artifacts[0].id;
say('deleted artifact', `${await status(octokit.rest.actions.deleteArtifact({...at, artifact_id}))}, then ` +
    (await status(octokit.rest.actions.getArtifact({...at, artifact_id}))).slice(0, 3));
say('a secret', (await octokit.rest.actions.getRepoSecret({...at, secret_name: 'DEPLOY'})).data.name);
say('how long', (await octokit.rest.actions.getWorkflowRunUsage({...at, run_id: latest.id})).data.run_duration_ms > 0);
say('nothing to end at once', (await status(octokit.rest.actions.forceCancelWorkflowRun({...at, run_id: latest.id}))).slice(0, 3));
say('no limit', (await octokit.rest.rateLimit.get()).data.resources.core.remaining > 1000);
say('no such run', await status(octokit.rest.actions.getWorkflowRun({...at, run_id: 987654})));
say('no such repository', await status(octokit.rest.actions.listRepoWorkflows({owner, repo: 'other'})));
const stranger = new Octokit({baseUrl, auth: 'wrong', log: {debug() {}, info() {}, warn() {}, error() {}}});
say('a stranger', await status(stranger.rest.actions.listRepoWorkflows(at)));
