// The artifact client of GitHub's toolkit, of another run by the REST API, as actions/download-artifact has it with `github-token` and
// `run-id`: lists, finds, downloads and deletes what RUN of OWNER/NAME left, and says what came.
import {readFileSync} from 'node:fs'

const [owner, name, run, to] = process.argv.slice(2)
const {DefaultArtifactClient} = await import(`${process.env.MODULES}/@actions/artifact/lib/artifact.js`)
const client = new DefaultArtifactClient()
const findBy = {token: process.env.TOKEN, workflowRunId: Number(run), repositoryOwner: owner, repositoryName: name}
const say = console.log
console.log = () => {} // the client's own
process.stdout.write = (write => (text, ...more) => (String(text).startsWith('::') ? true : write(text, ...more)))(process.stdout.write.bind(process.stdout))

const {artifacts} = await client.listArtifacts({findBy})
const {artifact} = await client.getArtifact('things', {findBy})
const {digestMismatch} = await client.downloadArtifact(artifact.id, {findBy, path: to, expectedHash: artifact.digest})
const content = readFileSync(`${to}/x`, 'utf8').trim()
await client.deleteArtifact('things', {findBy})
const left = (await client.listArtifacts({findBy})).artifacts
say(`listed ${artifacts.map(a => a.name)}, downloaded ${content}, ${digestMismatch ? 'damaged' : 'whole'}, left ${left.length}`)
