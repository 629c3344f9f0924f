// SPDX-License-Identifier: Apache-2.0
// Clients as they come from their registries, by the bare connect_url: every scenario
// with every client, through lighttpd, plain and with TLS.
//
// VENTUS_CLIENTS is the directory of what tests/check/clients.sh has installed; a
// client whose program is not there is skipped with the reason.

import assert from 'node:assert/strict';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { inflateSync } from 'node:zlib';
import { pageServe } from '../../examples/ventus.mjs';
import { endAll, env, eventually, plain, session, sessionCreate, sessionRelease, sessionWait } from './platform.mjs';
import { Client } from './wire.mjs';

const here = dirname(fileURLToPath(import.meta.url));
const installed = process.env.VENTUS_CLIENTS ?? join(here, '..', '..', 'var', 'check', 'clients');
const opts = { timeout: 60_000 };
const EVENTS = 2000;
const SHOT_MIN_BYTES = 4 << 20;

const node = (name) => ({ name, program: [process.execPath, join(here, `${name}.mjs`)] });
const python = (name, venv) => ({ name, program: [join(installed, venv, 'bin', 'python'), join(here, `${name}_client.py`)] });

// closes: its own "close the browser" really does.
const clients = [
	{ ...node('playwright'), closes: false },
	{ ...node('puppeteer'), closes: true },
	{ ...node('cri'), closes: true },
	{ ...node('raw'), closes: true },
	{ ...python('playwright', 'playwright'), name: 'playwright_python', closes: false },
	{ ...python('pyppeteer', 'pyppeteer'), closes: true },
	{ name: 'chromedp', program: [join(installed, 'chromedp')], closes: false },
];

const doors = [
	{ name: 'wss', of: (url) => url },
	{ name: 'ws', of: plain },
];

// Noise that no compression makes smaller, so its picture is over 4 MiB.
const noise = `<!doctype html><title>Noise</title><body style="margin:0">
<canvas width="1400" height="1200" style="display:block"></canvas><script>
	const paper = document.querySelector('canvas').getContext('2d');
	const image = paper.createImageData(1400, 1200);
	const words = new Uint32Array(image.data.buffer);
	let x = 2463534242;
	for (let i = 0; i < words.length; i++) {
		x ^= x << 13; x ^= x >>> 17; x ^= x << 5;
		words[i] = x | 0xff000000;
	}
	paper.putImageData(image, 0, 0);
</script>`;

let site, dir;

before(async () => {
	site = await pageServe(noise);
	dir = mkdtempSync(join(tmpdir(), 'ventus-clients-'));
});

after(async () => {
	site?.close();
	if (dir)
		rmSync(dir, { recursive: true });
	await endAll();
});

// The picture is whole: every row unpacks, and zlib's own checksum holds.
function pngCheck(file) {
	const png = readFileSync(file);
	assert.ok(png.length >= SHOT_MIN_BYTES, `${png.length} bytes`);
	const packed = [];
	for (let at = 8; at < png.length; at += 12 + png.readUInt32BE(at))
		if (png.toString('latin1', at + 4, at + 8) === 'IDAT')
			packed.push(png.subarray(at + 8, at + 8 + png.readUInt32BE(at)));
	const [width, height, samples] = [png.readUInt32BE(16), png.readUInt32BE(20), png[25] === 6 ? 4 : 3];
	assert.ok(width >= 1400 && height >= 1200, `${width} x ${height}`);
	assert.equal(inflateSync(Buffer.concat(packed)).length, height * (1 + width * samples));
	assert.equal(png.toString('latin1', png.length - 8, png.length - 4), 'IEND');
}

const counted = (id, clients) => eventually(`${clients} clients`, 10, async () => {
	const now = await session(id);
	return now.status === 'RUNNING' && now.cdp_clients === clients;
});

for (const door of doors) {
	for (const { name, program, closes } of clients) {
		const skip = existsSync(program[0]) ? false : `${program[0]} could not be installed`;
		describe(`${name}_${door.name}`, { skip }, () => {
			let client, made;

			before(() => {
				client = new Client(program, {
					NODE_EXTRA_CA_CERTS: env.VENTUS_CA, SSL_CERT_FILE: env.VENTUS_CA,
				});
			});

			after(async () => {
				await client.end();
				if (made)
					await sessionRelease(made.id).catch(() => {});
			});

			test('connects_before_running', opts, async () => {
				made = await sessionCreate({ keep_alive_seconds: 600 });
				assert.match(made.connect_url, /^wss:/);
				assert.notEqual(made.status, 'RUNNING');
				await client.do('connect', 'a', { url: door.of(made.connect_url) });
				await counted(made.id, 1);
			});

			test('opens_a_page_and_evaluates', opts, async () => {
				assert.equal(await client.do('open', 'a', { url: site.url }), 'Noise');
				assert.equal(await client.do('evaluate', 'a', { expression: '6 * 7' }), 42);
			});

			test('takes_a_screenshot_of_4_mib', opts, async () => {
				const path = join(dir, `${name}-${door.name}.png`);
				await client.do('screenshot', 'a', { path });
				pngCheck(path);
			});

			test('gets_every_event_in_order', opts, async () => {
				const expression = `for (let i = 0; i < ${EVENTS}; i++) console.log(i + ' ' + 'x'.repeat(1000))`;
				const got = await client.do('events', 'a', { expression, count: EVENTS });
				assert.deepEqual(got, Array.from({ length: EVENTS }, (_, i) => String(i)));
			});

			test('shares_a_session_with_a_second_one', opts, async () => {
				await client.do('connect', 'b', { url: door.of(made.connect_url) });
				await counted(made.id, 2);
				const at = `${site.url}?b`;
				await client.do('open', 'b', { url: at });
				const expression = 'location.href';
				assert.equal(await client.do('evaluate', 'b', { expression }), at);
				assert.equal(await client.do('evaluate', 'a', { expression }), site.url);
				await client.do('disconnect', 'b');
				await counted(made.id, 1);
				assert.equal(await client.do('evaluate', 'a', { expression }), site.url);
			});

			test('reconnects_and_finds_its_page', opts, async () => {
				await client.do('evaluate', 'a', { expression: 'window.left = "here"' });
				await client.do('disconnect', 'a');
				await counted(made.id, 0);
				await client.do('connect', 'c', { url: door.of(made.connect_url) });
				await client.do('attach', 'c', { url: site.url });
				assert.equal(await client.do('evaluate', 'c', { expression: 'window.left' }), 'here');
			});

			test('closes_only_itself_when_kept_alive', opts, async () => {
				await client.do('close', 'c');
				await counted(made.id, 0);
				await client.do('connect', 'd', { url: door.of(made.connect_url) });
				await client.do('attach', 'd', { url: site.url });
				assert.equal(await client.do('evaluate', 'd', { expression: 'window.left' }), 'here');
				await client.do('disconnect', 'd');
			});

			test('closes_the_session_when_not', opts, async () => {
				const short = await sessionCreate();
				await client.do('connect', 'e', { url: door.of(short.connect_url) });
				await client.do('close', 'e');
				const ended = await sessionWait(short.id, 'COMPLETED');
				assert.deepEqual([ended.status, ended.release_reason],
					['COMPLETED', closes ? 'browser_closed' : 'cdp_disconnect']);
			});
		});
	}
}
