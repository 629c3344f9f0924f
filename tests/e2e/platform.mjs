// SPDX-License-Identifier: Apache-2.0
// What the end-to-end tests know about the running platform: its API, its processes,
// its directories. VENTUS_VAR names the quickstart's var directory.

import { execFileSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync, readlinkSync, realpathSync } from 'node:fs';
import { join } from 'node:path';
import WebSocket from 'ws';
import { call, sessionCreate as create, sessionWait, settings, top, varDir } from '../../examples/ventus.mjs';

export { call, sessionWait, top, varDir };

export const env = settings();
export const url = env.VENTUS_URL;

// Ask again until it gives something true, or throw when the time is up.
export async function eventually(what, seconds, ask) {
	const end = Date.now() + seconds * 1000;
	let last;
	for (;;) {
		try {
			last = await ask();
			if (last)
				return last;
		} catch (error) {
			last = error;
		}
		if (Date.now() > end)
			throw new Error(`${what}: not within ${seconds} s (last: ${last?.message ?? JSON.stringify(last)})`);
		await new Promise((resolve) => setTimeout(resolve, 50));
	}
}

export const session = (id) => call('GET', `/v1/sessions/${id}`);

// Every session a test makes, so that a failed test leaves none behind.
const made = [];

export async function sessionCreate(fields) {
	const session = await create(fields);
	made.push(session.id);
	return session;
}

export async function sessionRunning(fields) {
	const { id } = await sessionCreate(fields);
	const now = await sessionWait(id, 'RUNNING');
	if (now.status !== 'RUNNING')
		throw new Error(`session ${id} is ${now.status}: ${JSON.stringify(now.error)}`);
	return now;
}

export async function sessionRelease(id) {
	return call('PATCH', `/v1/sessions/${id}`, { body: { status: 'REQUEST_RELEASE' } });
}

// A bare CDP client: every close and every byte is seen, nothing is done by itself.
export class Cdp {
	static opened = new Set();

	static async open(address) {
		if (Cdp.over)
			throw new Error('the tests are over');
		const cdp = new Cdp();
		cdp.ws = new WebSocket(address, { perMessageDeflate: false });
		Cdp.opened.add(cdp.ws);
		cdp.next = 1;
		cdp.waiting = new Map();
		cdp.closed = new Promise((resolve) => {
			cdp.ws.on('close', (code, reason) => {
				for (const { reject } of cdp.waiting.values())
					reject(new Error(`closed: ${code} ${reason}`));
				resolve({ code, reason: String(reason) });
			});
		});
		cdp.ws.on('message', (data) => {
			const message = JSON.parse(data);
			const wait = cdp.waiting.get(message.id);
			cdp.waiting.delete(message.id);
			if (message.error)
				wait?.reject(new Error(message.error.message));
			else
				wait?.resolve(message.result);
		});
		await new Promise((resolve, reject) => {
			cdp.ws.once('open', resolve);
			cdp.ws.once('error', reject);
		});
		return cdp;
	}

	send(method, params = {}, sessionId) {
		const id = this.next++;
		return new Promise((resolve, reject) => {
			this.waiting.set(id, { resolve, reject });
			this.ws.send(JSON.stringify({ id, method, params, sessionId }));
		});
	}
}

// For after(): what a failed test left open would keep the test process alive.
export async function endAll() {
	Cdp.over = true;
	for (const ws of Cdp.opened)
		ws.terminate();
	await Promise.all(made.map((id) => sessionRelease(id).catch(() => {})));
}

// ---- processes -------------------------------------------------------------

// Every process: { pid, ppid, comm, exe, args }.
export function processes() {
	const all = new Map();
	for (const name of readdirSync('/proc')) {
		if (!/^\d+$/.test(name))
			continue;
		try {
			const stat = readFileSync(`/proc/${name}/stat`, 'latin1');
			const end = stat.lastIndexOf(')');
			const [state, ppid] = stat.slice(end + 2).split(' ');
			if (state === 'Z')
				continue;
			let exe = '';
			try {
				exe = readlinkSync(`/proc/${name}/exe`);
			} catch {
				// Another user's, or a kernel thread.
			}
			all.set(Number(name), {
				pid: Number(name), ppid: Number(ppid), exe,
				comm: stat.slice(stat.indexOf('(') + 1, end),
				args: readFileSync(`/proc/${name}/cmdline`, 'latin1').split('\0'),
			});
		} catch {
			// It ended while we looked.
		}
	}
	return all;
}

export const alive = (pid) => existsSync(`/proc/${pid}`);

// The process runit keeps for a service.
export function servicePid(name) {
	const pid = Number(readFileSync(join(varDir, 'service', name, 'supervise', 'pid'), 'utf8'));
	if (!pid)
		throw new Error(`${name} does not run`);
	return pid;
}

export const children = (pid, all = processes()) => [...all.values()].filter((p) => p.ppid === pid);

export function descendants(pid, all = processes()) {
	const found = [];
	for (const child of children(pid, all))
		found.push(child, ...descendants(child.pid, all));
	return found;
}

// ---- runtimes --------------------------------------------------------------

export const stateDir = () => join(realpathSync(join(varDir, 'run')), 'state', 'rt');

// What is really there: { id, agent } per runtime directory.
export function runtimes() {
	return readdirSync(stateDir()).filter((id) => id.length === 26).map((id) => {
		let agent = 0;
		try {
			agent = Number(readFileSync(join(stateDir(), id, 'pid'), 'utf8').trim().split(/\s/)[0]);
		} catch {
			// Not written yet, or gone.
		}
		return { id, agent };
	});
}

// A statement as PostgreSQL's superuser, rows as arrays of text.
export function sql(text) {
	const out = execFileSync('psql', ['-X', '-q', '-A', '-t', '-F', '\t', '-v', 'ON_ERROR_STOP=1',
		'-h', join(realpathSync(join(varDir, 'run')), 'pg'), '-U', 'postgres', '-d', 'ventus', '-c', text],
	{ env: { ...process.env, PGPASSFILE: join(varDir, 'secrets', 'postgres.pgpass') }, encoding: 'utf8' });
	return out.trim() === '' ? [] : out.trim().split('\n').map((line) => line.split('\t'));
}

export const runtimeOf = (sessionId) => {
	const id = sql(`SELECT id FROM ventus.runtime WHERE session_id = '${sessionId}'`)[0]?.[0];
	return runtimes().find((r) => r.id === id);
};

// The browser process itself; its children name their type, some of them in one word.
export const isBrowser = (p) => p.exe.endsWith('/chromium') && !p.args.join(' ').includes('--type=');

const desktop = /(chromium|chrome_crashpad|Xtigervnc|openbox|bwrap|ventus-agent)/;

// Processes of a desktop that belong to no runtime in `live` (a set of runtime ids).
export function strays(live) {
	const all = processes();
	const agents = new Map(runtimes().map((r) => [r.agent, r.id]));
	const supervisor = Number(readFileSync(join(varDir, 'supervisor.pid'), 'utf8').split(' ')[0]);
	return descendants(supervisor, all).filter((p) => {
		if (!desktop.test(p.exe) && !desktop.test(p.comm))
			return false;
		for (let at = p; at; at = all.get(at.ppid))
			if (agents.has(at.pid))
				return !live.has(agents.get(at.pid));
		return true;
	}).map((p) => `${p.pid} ${p.comm}`);
}
