// SPDX-License-Identifier: Apache-2.0
// kill -9 of every process in turn while five sessions are live. The platform comes
// back by itself; a session lives on exactly when its runtime does; nothing is left
// over ten seconds later.

import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { alive, children, Cdp, descendants, endAll, eventually, isBrowser, processes, runtimeOf, runtimes, servicePid, session,
	sessionRelease, sessionRunning, sessionWait, sql, strays, url } from './platform.mjs';

const opts = { timeout: 120_000 };
const SETTLE_SECONDS = 10;

// The five: two that nobody has dialled, two that are kept alive (one with a client),
// and one that ends with its client.
const fields = [{}, { keep_alive_seconds: 600 }, { keep_alive_seconds: 600 }, { keep_alive_seconds: 600 }, {}];
const dialled = new Set([3, 4]);
const five = [];

async function fill() {
	await Promise.all(fields.map(async (want, i) => {
		const now = five[i] && await session(five[i].id);
		if (now?.status === 'RUNNING' && (!dialled.has(i) || five[i].cdp.ws.readyState === 1))
			return;
		if (now?.status === 'RUNNING')
			await sessionRelease(now.id);
		five[i] = await sessionRunning(want);
		if (dialled.has(i)) {
			five[i].cdp = await Cdp.open(five[i].connect_url);
			await five[i].cdp.send('Browser.getVersion');
		}
	}));
}

const works = async () => {
	const made = await sessionRunning();
	const cdp = await Cdp.open(made.connect_url);
	await cdp.send('Browser.getVersion');
	cdp.ws.close();
	return (await sessionWait(made.id, 'COMPLETED')).release_reason === 'cdp_disconnect';
};

const ready = async () => (await fetch(`${url}/v1/ready`)).ok;

function desktopOf(s) {
	const all = descendants(runtimeOf(s.id).agent);
	return {
		x: all.find((p) => p.comm === 'Xtigervnc').pid,
		chrome: all.find(isBrowser).pid,
	};
}

const workerOf = (name) => children(servicePid(name)).filter((p) => !/runsv|svlogd/.test(p.comm))[0].pid;

// Which cdpd worker carries this client: the one whose descriptors hold the tunnel is
// hard to tell from outside, so kill them all, one after another.
const workersOf = (name) => children(servicePid(name)).map((p) => p.pid);

// ends: index of a session -> [status, release_reason or error.code] it must reach.
// may: sessions that may end this way or live on.
const tunnel = ['COMPLETED', 'cdp_disconnect'];
const victims = [
	{ name: 'lighttpd', pids: () => [servicePid('lighttpd')], ends: { 4: tunnel } },
	{ name: 'an_api_worker', pids: () => [workerOf('api')] },
	{ name: 'the_api_master', pids: () => [servicePid('api')] },
	{ name: 'cdpd_workers', pids: () => workersOf('cdpd'), ends: { 4: tunnel } },
	{ name: 'the_cdpd_master', pids: () => [servicePid('cdpd')], ends: { 4: tunnel } },
	{ name: 'reaperd', pids: () => [servicePid('reaperd')] },
	{ name: 'an_agent', pids: () => [runtimeOf(five[1].id).agent], ends: { 1: ['ERRORED', 'agent_disconnected'] } },
	{ name: 'a_chrome', pids: () => [desktopOf(five[2]).chrome], ends: { 2: ['ERRORED', 'browser_crashed'] } },
	{ name: 'a_chrome_with_a_client', pids: () => [desktopOf(five[3]).chrome], ends: { 3: ['ERRORED', 'browser_crashed'] } },
	{ name: 'an_xvnc', pids: () => [desktopOf(five[0]).x], ends: { 0: ['ERRORED', 'pod_crashed'] } },
	{ name: 'postgresql', pids: () => [servicePid('postgres')] },
];

for (const victim of victims) {
	test(`kill__${victim.name}`, opts, async () => {
		await eventually('ready before', 15, ready);
		await fill();
		const before = five.map((s) => ({ ...runtimeOf(s.id) }));
		const pids = victim.pids();
		assert.ok(pids.length > 0);
		const at = Date.now();
		for (const pid of pids)
			process.kill(pid, 'SIGKILL');

		await eventually('dead', 3, () => !pids.some(alive));
		await eventually('ready again', 15, ready);
		await eventually('a new session works', 30, works);

		const ends = victim.ends ?? {};
		for (const [i, [status, why]] of Object.entries(ends)) {
			const now = await eventually(`session ${i} ended`, 12, async () => {
				const seen = await session(five[i].id);
				return seen.status !== 'RUNNING' && seen;
			});
			assert.deepEqual([now.status, now.error?.code ?? now.release_reason], [status, why], `session ${i}`);
		}
		await eventually('ten seconds have passed', SETTLE_SECONDS + 2, () => Date.now() - at > SETTLE_SECONDS * 1000);
		for (const [i, s] of five.entries()) {
			if (i in ends)
				continue;
			assert.equal((await session(s.id)).status, 'RUNNING', `session ${i} lives on`);
			assert.deepEqual(runtimeOf(s.id), before[i], `session ${i} has its runtime`);
		}
		const live = new Set(sql(`SELECT r.id FROM ventus.runtime r JOIN ventus.session s ON s.id = r.session_id
			WHERE s.status IN ('PROVISIONING', 'RUNNING')`).map(([id]) => id));
		assert.deepEqual(strays(live), [], 'no process without a live session');
		assert.deepEqual(new Set(runtimes().map((r) => r.id)), live, 'one directory per live runtime');
		const all = processes();
		for (const r of runtimes())
			assert.ok(all.has(r.agent), `agent of ${r.id}`);
	});
}

after(endAll);
