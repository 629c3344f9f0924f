// SPDX-License-Identifier: Apache-2.0
// A session from the first request to the last, through lighttpd, as a client sees it.

import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { readdirSync, readFileSync, statSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { promisify } from 'node:util';
import { chromium } from 'playwright-core';
import { alive, call, Cdp, descendants, endAll, env, eventually, isBrowser, processes, runtimeOf, runtimes, session,
	sessionCreate, sessionRelease, sessionRunning, sessionWait, top, url, varDir } from './platform.mjs';

const run = promisify(execFile);
const opts = { timeout: 60_000 };

after(endAll);

for (const name of ['playwright', 'puppeteer']) {
	test(`examples__${name}_clicks_and_ends_completed`, opts, async () => {
		const file = join(varDir, `${name}.png`);
		rmSync(file, { force: true });
		const { stdout } = await run('node', [join(top, 'examples', `${name}.mjs`)],
			{ env: { ...process.env, VENTUS_VAR: varDir } });
		assert.match(stdout, /COMPLETED, cdp_disconnect/);
		const png = readFileSync(file);
		assert.equal(png.subarray(1, 4).toString(), 'PNG');
		assert.deepEqual([png.readUInt32BE(16), png.readUInt32BE(20)], [1280, 720]);
	});
}

test('browser__is_headful_sandboxed_and_as_large_as_asked', opts, async () => {
	const made = await sessionCreate({ viewport: { width: 1000, height: 600 }, user_agent: 'Ventus/1 test' });
	const browser = await chromium.connectOverCDP(made.connect_url);
	const page = await browser.contexts()[0].newPage();
	await page.goto('chrome://sandbox');
	const report = await page.textContent('body');
	assert.match(report, /You are adequately sandboxed/);
	const seen = await page.evaluate(() => ({
		inner: [innerWidth, innerHeight], outer: outerHeight, agent: navigator.userAgent,
	}));
	assert.deepEqual(seen.inner, [1000, 600]);
	assert.ok(seen.outer > 600, 'the window has a frame and a tab strip');
	assert.equal(seen.agent, 'Ventus/1 test');
	await browser.close();

	const plain = await sessionCreate();
	const cdp = await Cdp.open(plain.connect_url);
	const version = await cdp.send('Browser.getVersion');
	assert.match(version.product, /^Chrome\//);
	assert.doesNotMatch(version.product + version.userAgent, /Headless/i);
	cdp.ws.close();
	assert.equal((await sessionWait(plain.id, 'COMPLETED')).release_reason, 'cdp_disconnect');
});

test('create__makes_one_session_of_fifty_posts_with_one_key', opts, async () => {
	const before = new Set(runtimes().map((r) => r.id));
	const key = randomUUID();
	const answers = await Promise.all(Array.from({ length: 50 }, async () => {
		const answer = await fetch(`${url}/v1/sessions`, {
			method: 'POST', body: '{"keep_alive_seconds":60}',
			headers: { authorization: `Bearer ${env.VENTUS_API_KEY}`, 'content-type': 'application/json',
				'idempotency-key': key },
		});
		return { status: answer.status, replayed: answer.headers.get('idempotent-replayed'), ...await answer.json(),
			code: answer.status };
	}));
	assert.equal(answers.filter((a) => a.code === 202).length, 1);
	assert.equal(answers.filter((a) => a.code === 200 && a.replayed === 'true').length, 49);
	assert.equal(new Set(answers.map((a) => a.id)).size, 1);
	const id = answers[0].id;
	assert.equal((await sessionWait(id, 'RUNNING')).status, 'RUNNING');
	assert.equal(runtimes().filter((r) => !before.has(r.id)).length, 1, 'one runtime');
	const browsers = descendants(runtimeOf(id).agent)
		.filter(isBrowser);
	assert.equal(browsers.length, 1, 'one Chrome');
	await sessionRelease(id);
});

test('release__closes_the_websocket_and_leaves_no_process', opts, async () => {
	const made = await sessionRunning({ keep_alive_seconds: 600 });
	const cdp = await Cdp.open(made.connect_url);
	await cdp.send('Browser.getVersion');
	const runtime = runtimeOf(made.id);
	const pids = [runtime.agent, ...descendants(runtime.agent).map((p) => p.pid)];
	assert.ok(pids.length > 5, 'a whole desktop');

	const released = await sessionRelease(made.id);
	assert.equal(released.status, 'COMPLETED');
	assert.equal(released.release_reason, 'client_release');
	assert.equal(released.connect_url, null);
	assert.deepEqual(await cdp.closed, { code: 1000, reason: 'released' });
	await eventually('the processes are gone', 2.5, () => !pids.some(alive));
	await eventually('the directory is gone', 2, () => !runtimes().some((r) => r.id === runtime.id));
	await assert.rejects(Cdp.open(made.connect_url), /410/);
});

test('disconnect__of_a_killed_client_releases', opts, async () => {
	const made = await sessionRunning();
	const cdp = await Cdp.open(made.connect_url);
	await cdp.send('Browser.getVersion');
	cdp.ws.terminate();
	const ended = await sessionWait(made.id, 'COMPLETED');
	assert.deepEqual([ended.status, ended.release_reason], ['COMPLETED', 'cdp_disconnect']);
});

test('keep_alive__keeps_the_browser_and_its_pages', opts, async () => {
	const made = await sessionRunning({ keep_alive_seconds: 600 });
	let cdp = await Cdp.open(made.connect_url);
	const { targetId } = await cdp.send('Target.createTarget', { url: 'about:blank#mine' });
	cdp.ws.close();
	await cdp.closed;
	cdp = await Cdp.open(made.connect_url);
	const { targetInfos } = await cdp.send('Target.getTargets');
	assert.ok(targetInfos.some((t) => t.targetId === targetId && t.url.endsWith('#mine')));
	assert.equal((await session(made.id)).status, 'RUNNING');
	await sessionRelease(made.id);
});

test('browser_close__ends_the_session_as_browser_closed', opts, async () => {
	const made = await sessionRunning();
	const cdp = await Cdp.open(made.connect_url);
	await cdp.send('Browser.close').catch(() => {});
	const ended = await sessionWait(made.id, 'COMPLETED');
	assert.deepEqual([ended.status, ended.release_reason], ['COMPLETED', 'browser_closed']);
});

test('connect__takes_only_the_right_token', opts, async () => {
	const one = await sessionRunning({ keep_alive_seconds: 600 });
	const two = await sessionRunning({ keep_alive_seconds: 600 });
	const token = new URL(one.connect_url).searchParams.get('token');
	const crossed = new URL(two.connect_url);
	crossed.searchParams.set('token', token);
	await assert.rejects(Cdp.open(crossed), /40[13]/);
	crossed.searchParams.set('token', `${token}x`);
	await assert.rejects(Cdp.open(crossed), /401/);
	crossed.searchParams.delete('token');
	await assert.rejects(Cdp.open(crossed), /401/);
	await Promise.all([sessionRelease(one.id), sessionRelease(two.id)]);
});

test('lighttpd__answers_its_own_errors_as_problem_documents', opts, async () => {
	const cases = [
		{ name: 'nothing there', path: '/nope', status: 404 },
		{ name: 'headers too large', path: '/v1/sessions', headers: { 'x-big': 'a'.repeat(15_000), 'x-more': 'b'.repeat(3000) },
			status: 431 },
		{ name: 'encoded slash', path: '/v1/sessions/a%2fb', status: 400 },
	];
	for (const { name, path, headers = {}, status } of cases) {
		const answer = await fetch(url + path, { headers });
		assert.equal(answer.status, status, name);
		assert.equal(answer.headers.get('content-type'), 'application/problem+json', name);
		const doc = await answer.json();
		assert.equal(doc.status, status, name);
		assert.ok(doc.type.startsWith(`${url}/errors/`), name);
	}
	assert.equal((await fetch(`${url}/v1/health`)).status, 200);
	assert.equal((await fetch(`${url}/v1/ready`)).status, 200);
});

// Last: everything above has been logged by now.
test('logs__hold_no_token_and_no_key', opts, async () => {
	const made = await sessionRunning();
	const token = new URL(made.connect_url).searchParams.get('token');
	await fetch(`${url}/v1/sessions?token=${token}`);
	await fetch(`${url}/v1/sessions/${made.id}/cdp?token=${token}&x=%zz`);
	await sessionRelease(made.id);
	const secrets = [token.slice(-20), env.VENTUS_API_KEY.split('.')[1], env.ADMIN_API_KEY.split('.')[1]];
	const walk = (dir) => readdirSync(dir, { withFileTypes: true }).flatMap((entry) =>
		entry.isDirectory() ? walk(join(dir, entry.name)) : [join(dir, entry.name)]);
	const logs = walk(join(varDir, 'log')).filter((file) => statSync(file).size > 0);
	assert.ok(logs.some((file) => file.endsWith('web-access.log')), 'lighttpd has logged');
	for (const file of logs) {
		const text = readFileSync(file, 'latin1');
		for (const secret of secrets)
			assert.ok(!text.includes(secret), `${file} shows a secret`);
		assert.doesNotMatch(text, /eyJ[\w-]{10,}\.[\w-]{10,}\./, `${file} shows a token`);
	}
	// Nor the command line or the environment of a process.
	for (const p of processes().values())
		for (const secret of secrets)
			assert.ok(!p.args.some((a) => a.includes(secret)), `${p.comm} shows a secret in its arguments`);
});
