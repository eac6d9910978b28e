// An action that does with @actions/artifact and @actions/cache what its input `do` says. Bundled by the scenarios.
import fs from 'node:fs';
import { DefaultArtifactClient } from '@actions/artifact';
import * as cache from '@actions/cache';

const client = new DefaultArtifactClient();
const say = (what, value) => console.log(`${what}: ${value}`);

async function upload() {
  const up = await client.uploadArtifact('from toolkit', ['dist/a.txt', 'dist/sub/b.bin'], 'dist', { retentionDays: 3 });
  say('uploaded', up.id > 0 && up.size > 0);
  await client.uploadArtifact('from toolkit', ['dist/a.txt'], 'dist').catch((e) => say('again', e.message));
  await client.uploadArtifact('', ['dist/report.html'], 'dist', { skipArchive: true });
  await client.uploadArtifact('short lived', ['dist/a.txt'], 'dist');
  say('deleted', (await client.deleteArtifact('short lived')).id > 0);
}

async function download() {
  const { artifacts } = await client.listArtifacts();
  say('listed', artifacts.map((a) => a.name).sort().join(', '));
  for (const name of ['from toolkit', 'report.html', 'built in']) {
    const { artifact } = await client.getArtifact(name);
    const got = await client.downloadArtifact(artifact.id, { path: `got/${name}`, expectedHash: artifact.digest });
    say(`${name} is as it was`, !got.digestMismatch);
  }
  await client.getArtifact('absent').catch((e) => say('absent', e.message.split('\n')[0]));
}

async function restore() {
  say('restored', await cache.restoreCache(['deps'], process.env.INPUT_KEY, ['toolkit-']));
}

async function save() {
  say('saved', (await cache.saveCache(['deps'], process.env.INPUT_KEY)) > 0);
}

if (process.env.INPUT_VERSION === '1') delete process.env.ACTIONS_CACHE_SERVICE_V2;
await { upload, download, restore, save }[process.env.INPUT_DO]();
