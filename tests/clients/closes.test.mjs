// SPDX-License-Identifier: Apache-2.0
// What a client is told when its session or its browser ends: the code and the reason
// of the Close frame.

import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { call, Cdp, descendants, endAll, env, isBrowser, runtimeOf, session, sessionRelease, sessionRunning, sessionWait,
	sql } from './platform.mjs';

const opts = { timeout: 30_000 };

after(endAll);

async function opened(fields) {
	const made = await sessionRunning(fields);
	const cdp = await Cdp.open(made.connect_url);
	await cdp.send('Browser.getVersion');
	return { ...made, cdp };
}

const chromeOf = (id) => descendants(runtimeOf(id).agent).find(isBrowser).pid;

const forced = (id) => call('DELETE', `/v1/sessions/${id}`, {
	key: env.ADMIN_API_KEY, headers: { 'x-reason': 'ended by a test' },
});

// timeout_seconds is at least 60: the clock is not waited for, the deadline is moved.
const expired = (id) => sql(`UPDATE ventus.session SET expires_at = now() - interval '1 second' WHERE id = '${id}'`);

const ends = [
	{ name: 'release', end: sessionRelease, close: { code: 1000, reason: 'released' },
		status: 'COMPLETED', why: 'client_release' },
	{ name: 'the_deadline', end: expired, close: { code: 4001, reason: 'expired' }, status: 'EXPIRED' },
	{ name: 'a_forced_stop', end: forced, close: { code: 4002, reason: 'force-stopped' },
		status: 'COMPLETED', why: 'admin_force_stop' },
	{ name: 'a_killed_chrome', end: (id) => process.kill(chromeOf(id), 'SIGKILL'),
		close: { code: 4003, reason: 'errored: browser_crashed' }, status: 'ERRORED', error: 'browser_crashed' },
];

for (const { name, end, close, status, why, error } of ends) {
	test(`${name}__is_told_to_both_clients`, opts, async () => {
		const made = await opened({ keep_alive_seconds: 600 });
		const other = await Cdp.open(made.connect_url);
		await end(made.id);
		assert.deepEqual(await Promise.all([made.cdp.closed, other.closed]), [close, close]);
		const now = await sessionWait(made.id, status);
		assert.equal(now.status, status);
		if (why)
			assert.equal(now.release_reason, why);
		if (error)
			assert.equal(now.error.code, error);
		await assert.rejects(Cdp.open(made.connect_url), /410/);
	});
}

test('release__while_a_large_answer_comes_leaves_no_client_hanging', opts, async () => {
	const made = await opened({ keep_alive_seconds: 600 });
	const { targetId } = await made.cdp.send('Target.createTarget', { url: 'about:blank' });
	const { sessionId } = await made.cdp.send('Target.attachToTarget', { targetId, flatten: true });
	const large = made.cdp.send('Runtime.evaluate', { expression: "'x'.repeat(64 << 20)" }, sessionId)
		.then(({ result }) => result.value.length, (error) => error.message);
	made.cdp.ws._socket.once('data', () => made.cdp.ws.pause());
	await sessionRelease(made.id);
	made.cdp.ws.resume();
	const { code } = await made.cdp.closed;
	// A frame that Chrome could not end leaves no room for a Close frame.
	assert.ok([1000, 1006].includes(code), `code ${code}`);
	assert.match(String(await large), /^(67108864|closed: 10)/);
});

test('browser_close__ends_the_session_that_is_not_kept_alive', opts, async () => {
	const made = await opened({});
	const { cdp, id } = made;
	await cdp.send('Browser.close').catch(() => {});
	assert.deepEqual(await cdp.closed, { code: 1000, reason: 'released' });
	assert.equal((await sessionWait(id, 'COMPLETED')).release_reason, 'browser_closed');
});

test('browser_close__drops_only_the_asking_client_of_one_that_is', opts, async () => {
	const made = await opened({ keep_alive_seconds: 600 });
	const other = await Cdp.open(made.connect_url);
	assert.deepEqual(await made.cdp.send('Browser.close'), {});
	assert.equal((await made.cdp.closed).code, 1000);
	assert.match((await other.send('Browser.getVersion')).product, /^Chrome/);
	assert.deepEqual(await other.send('Browser.close'), {});
	await other.closed;
	assert.equal((await session(made.id)).status, 'RUNNING');
	await sessionRelease(made.id);
});

test('browser_crash__is_refused_and_harms_nobody', opts, async () => {
	const made = await opened({ keep_alive_seconds: 600 });
	for (const method of ['Browser.crash', 'Browser.crashGpuProcess'])
		await assert.rejects(made.cdp.send(method), (error) => !/closed/.test(error.message), method);
	assert.match((await made.cdp.send('Browser.getVersion')).product, /^Chrome/);
	made.cdp.ws.close();
	await sessionRelease(made.id);
});
