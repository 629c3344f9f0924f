// SPDX-License-Identifier: Apache-2.0
// What both examples share: the platform's address and keys, three calls of its API,
// and a page to open. Without dependencies.

import { randomUUID } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

export const top = join(dirname(fileURLToPath(import.meta.url)), '..');
export const varDir = process.env.VENTUS_VAR ?? join(top, 'var');

// The environment wins over var/quickstart.env.
export function settings() {
	const found = {};
	try {
		for (const line of readFileSync(join(varDir, 'quickstart.env'), 'utf8').split('\n')) {
			const at = line.indexOf('=');
			if (at > 0)
				found[line.slice(0, at)] = line.slice(at + 1).replace(/^'(.*)'$/, '$1');
		}
	} catch {
		// No quickstart here: the environment has to say it all.
	}
	const all = { ...found, ...process.env };
	for (const name of ['VENTUS_URL', 'VENTUS_API_KEY'])
		if (!all[name])
			throw new Error(`${name} is not set; run ./quickstart --detach first`);
	return all;
}

const env = settings();

export async function call(method, path, { body, headers = {}, key = env.VENTUS_API_KEY } = {}) {
	const answer = await fetch(env.VENTUS_URL + path, {
		method,
		headers: {
			authorization: `Bearer ${key}`,
			...(body === undefined ? {} : { 'content-type': 'application/json' }),
			...headers,
		},
		body: body === undefined ? undefined : JSON.stringify(body),
	});
	const doc = await answer.json();
	if (!answer.ok)
		throw new Error(`${method} ${path}: ${doc.status} ${doc.title}: ${doc.detail}`);
	return doc;
}

// An Idempotency-Key lets a lost answer be asked for again without a second session.
export function sessionCreate(fields = {}) {
	return call('POST', '/v1/sessions', {
		body: fields,
		headers: { 'idempotency-key': randomUUID() },
	});
}

const final = ['COMPLETED', 'EXPIRED', 'ERRORED'];

// The session once it has this status, has ended, or the time is up. The platform may
// answer earlier than asked for when many wait at once: then ask again.
export async function sessionWait(id, status, seconds = 30) {
	const end = Date.now() + seconds * 1000;
	for (;;) {
		const left = Math.ceil((end - Date.now()) / 1000);
		const session = await call('GET', `/v1/sessions/${id}?wait_for=${status}&wait_seconds=${Math.max(1, Math.min(left, 20))}`);
		if (session.status === status || final.includes(session.status) || left <= 0)
			return session;
		await new Promise((resolve) => setTimeout(resolve, 200));
	}
}

const html = `<!doctype html><title>Ventus example</title>
<h1>Not clicked yet</h1><button onclick="document.querySelector('h1').textContent = 'Clicked'">Click me</button>`;

// A page on a local port that the platform's operator lets sessions reach.
export async function pageServe(page = html) {
	const server = createServer((req, res) => {
		res.writeHead(200, { 'content-type': 'text/html; charset=utf-8' });
		res.end(page);
	});
	for (let port = 8090; port <= 8099; port++) {
		const bound = await new Promise((resolve) => {
			server.once('error', () => resolve(false));
			server.listen(port, '127.0.0.1', () => resolve(true));
		});
		if (bound)
			return { url: `http://127.0.0.1:${port}/`, close: () => server.close() };
	}
	throw new Error('no free port from 8090 to 8099');
}

// What both examples promise at the end.
export async function endCheck(id) {
	const session = await sessionWait(id, 'COMPLETED');
	if (session.status !== 'COMPLETED' || session.release_reason !== 'cdp_disconnect')
		throw new Error(`the session ended ${session.status}, ${session.release_reason}`);
	console.log(`session ${id}: ${session.status}, ${session.release_reason}`);
}
