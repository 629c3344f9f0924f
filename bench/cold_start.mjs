// SPDX-License-Identifier: Apache-2.0
// POST /v1/sessions to the first CDP answer over its connect_url (the whole desktop in
// its sandbox), against Chrome alone: the same binary and flags, on an X server that
// is up already, from exec to the same answer. Rounds alternate, so that both see the
// same machine. Prints medians in milliseconds and their ratio.

import { spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, chownSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { sessionCreate, sessionWait, top } from '../examples/ventus.mjs';

const WebSocket = createRequire(join(top, 'examples', 'x.js'))('ws');
const rounds = Number(process.argv[2] ?? 15);
const chrome = '/usr/lib/chromium/chromium';
const root = process.getuid() === 0;
const nobody = root ? { uid: 65534, gid: 65534 } : {};

// Until Browser.getVersion is answered; the open socket.
function answered(address) {
	return new Promise((resolve, reject) => {
		const ws = new WebSocket(address, { perMessageDeflate: false });
		ws.on('error', reject);
		ws.on('open', () => ws.send('{"id":1,"method":"Browser.getVersion"}'));
		ws.on('message', () => resolve(ws));
		ws.on('close', (code, why) => reject(new Error(`closed ${code} ${why}`)));
	});
}

const closed = (ws) => new Promise((resolve) => {
	ws.removeAllListeners('close');
	ws.on('close', resolve);
	ws.close();
});

async function platform() {
	const from = performance.now();
	const session = await sessionCreate();
	const posted = performance.now();
	const ws = await answered(session.connect_url);
	const ms = performance.now() - from;
	await closed(ws);
	await sessionWait(session.id, 'COMPLETED');
	return { ms, post: posted - from };
}

// The agent's own flags, less what points into its sandbox.
const flags = [...readFileSync(join(top, 'runtime-image/agent/chrome_flags.def'), 'utf8').matchAll(/^FLAG\("(.*)"\)$/gm)]
	.map(([, flag]) => flag).filter((flag) => !flag.startsWith('--user-data-dir'));

async function alone(display) {
	const dir = mkdtempSync('/dev/shm/ventus-bench-');
	if (root)
		chownSync(dir, nobody.uid, nobody.gid);
	const from = performance.now();
	const child = spawn(chrome, [...flags, `--user-data-dir=${dir}`, 'about:blank'], {
		...nobody, env: { DISPLAY: display, HOME: dir, PATH: '/usr/bin', LANG: 'C.UTF-8' },
		stdio: ['ignore', 'ignore', 'pipe', 'pipe', 'pipe'],
	});
	const ended = new Promise((resolve) => child.on('exit', resolve));
	try {
		const address = await new Promise((resolve, reject) => {
			createInterface({ input: child.stderr }).on('line', (line) => {
				const found = /DevTools listening on (ws:\S+)/.exec(line);
				if (found)
					resolve(found[1]);
			});
			ended.then(() => reject(new Error('Chrome ended')));
		});
		await answered(address);
		return { ms: performance.now() - from };
	} finally {
		child.kill('SIGKILL');
		await ended;
		// Its children may still be writing.
		rmSync(dir, { recursive: true, force: true, maxRetries: 10, retryDelay: 100 });
	}
}

// The X server a bare Chrome is given: up before the clock starts.
async function desktop() {
	const child = spawn('/usr/bin/Xtigervnc', ['-displayfd', '3', '-geometry', '1280x807', '-depth', '24', '-rfbport', '-1',
		'-SecurityTypes', 'None', '-nolisten', 'tcp'], { ...nobody, stdio: ['ignore', 'ignore', 'ignore', 'pipe'] });
	const number = await new Promise((resolve, reject) => {
		child.stdio[3].once('data', (data) => resolve(String(data).trim()));
		child.on('exit', () => reject(new Error('Xtigervnc ended')));
	});
	return { display: `:${number}`, end: () => child.kill() };
}

const median = (list) => {
	const sorted = [...list].sort((a, b) => a - b);
	return sorted[Math.floor(sorted.length / 2)];
};

const show = (name, list) =>
	console.log(`${name.padEnd(28)} median ${median(list).toFixed(0)} ms (${Math.min(...list).toFixed(0)}-${Math.max(...list).toFixed(0)})`);

const x = await desktop();
try {
	await platform();	// warm the page cache, once each, unmeasured
	await alone(x.display);
	const both = { platform: [], post: [], alone: [] };
	for (let i = 0; i < rounds; i++) {
		const session = await platform();
		both.platform.push(session.ms);
		both.post.push(session.post);
		both.alone.push((await alone(x.display)).ms);
	}
	show('POST to first CDP answer', both.platform);
	show('  of which the POST', both.post);
	show('Chrome alone', both.alone);
	console.log(`ratio ${(median(both.platform) / median(both.alone)).toFixed(2)} over ${rounds} alternating rounds`);
} finally {
	x.end();
}
