// SPDX-License-Identifier: Apache-2.0
// Two sessions on one machine: neither sees the other, nor the host.

import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import { readFileSync, readlinkSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { chromium } from 'playwright-core';
import { pageServe } from '../../examples/ventus.mjs';
import { descendants, endAll, isBrowser, runtimeOf, sessionRunning, stateDir, url } from './platform.mjs';

const opts = { timeout: 60_000 };
const asRoot = { ...opts, skip: process.getuid() !== 0 && 'needs root' };
let one, two, listener, site;

// A session with the process ids of its desktop.
async function opened() {
	const made = await sessionRunning({ keep_alive_seconds: 600 });
	const runtime = runtimeOf(made.id);
	const all = descendants(runtime.agent);
	const x = all.find((p) => p.comm === 'Xtigervnc');
	const chrome = all.find(isBrowser);
	return { ...made, runtime, all, x, chrome };
}

before(async () => {
	[one, two] = await Promise.all([opened(), opened()]);
	site = await pageServe();
	listener = createServer((socket) => socket.end('reached')).listen(0, '127.0.0.1');
	await new Promise((resolve) => listener.once('listening', resolve));
}, opts);

after(async () => {
	listener?.close();
	site?.close();
	await endAll();
});

// A command in all namespaces of the desktop, as the browser's user: what a page that
// broke out of Chrome could do. Needs root to get in.
function inside(session, script) {
	const done = spawnSync('nsenter', ['-t', String(session.x.pid), '-U', '-m', '-p', '-n', '-i', '-u',
		'-S', '1000', '-G', '1000', '/bin/bash', '-c', script], { encoding: 'utf8', timeout: 20_000 });
	assert.equal(done.error, undefined);
	return done;
}

test('page__reaches_the_allowed_local_page_and_no_other_local_address', opts, async () => {
	const browser = await chromium.connectOverCDP(one.connect_url);
	const page = await browser.contexts()[0].newPage();
	assert.equal((await page.goto(site.url)).status(), 200);
	const port = listener.address().port;
	const targets = [`http://127.0.0.1:${port}/`, `http://localhost:${port}/`, `http://[::1]:${port}/`,
		`http://0.0.0.0:${port}/`, `http://[::ffff:127.0.0.1]:${port}/`, url,
		`http://127.0.0.1:${new URL(url).port}/v1/health`, 'http://127.0.0.1:9222/json/version',
		'http://169.254.169.254/latest/meta-data/', 'http://10.0.0.1/', 'http://192.168.0.1/'];
	for (const target of targets) {
		const status = await page.goto(target, { timeout: 10_000 }).then((r) => r?.status() ?? 0, () => 0);
		assert.ok(status === 0 || status >= 400, `${target} answered ${status}`);
		assert.ok(!(await page.content()).includes('reached'), target);
	}
	await browser.close();
});

test('page__sees_no_file_of_the_host_or_the_other_session', opts, async () => {
	const browser = await chromium.connectOverCDP(one.connect_url);
	const page = await browser.contexts()[0].newPage();
	for (const path of [stateDir(), join(stateDir(), two.runtime.id), '/etc/shadow', '/root', '/home/browser/../../var/lib']) {
		const answer = await page.goto(`file://${path}`, { timeout: 10_000 }).then(() => 'opened', () => 'refused');
		const text = answer === 'opened' ? await page.evaluate(() => document.body.innerText) : '';
		assert.ok(answer === 'refused' || /ERR_|blocked|not.*found/i.test(text), `${path}: ${answer} ${text.slice(0, 80)}`);
	}
	await browser.close();
});

test('namespaces__are_three_different_worlds', opts, () => {
	for (const kind of ['net', 'pid', 'mnt', 'ipc', 'uts', 'user']) {
		const ns = (pid) => readlinkSync(`/proc/${pid}/ns/${kind}`);
		assert.equal(new Set([ns('self'), ns(one.x.pid), ns(two.x.pid)]).size, 3, kind);
		assert.ok([ns('self'), ns(two.x.pid)].every((other) => other !== ns(one.chrome.pid)), kind);
	}
});

test('uids__of_two_sessions_differ_and_none_is_root', asRoot, () => {
	const uid = (pid) => Number(/^Uid:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))[1]);
	for (const s of [one, two])
		for (const p of s.all.filter((p) => !/ventus-agent/.test(p.exe)))
			assert.ok(uid(p.pid) >= 1000, `${p.comm} runs as ${uid(p.pid)}`);
	assert.notEqual(uid(one.x.pid), uid(two.x.pid));
});

test('sandbox__reaches_no_port_of_the_host', asRoot, () => {
	const port = new URL(url).port;
	for (const p of [port, listener.address().port, 22, 5432]) {
		const done = inside(one, `exec 3<>/dev/tcp/127.0.0.1/${p}`);
		assert.notEqual(done.status, 0, `port ${p}`);
	}
	const out = inside(one, 'cat /proc/net/dev | grep -c :').stdout.trim();
	assert.equal(out, '1', 'loopback is its only interface');
});

test('sandbox__sees_only_its_own_processes_and_display', asRoot, () => {
	const seen = inside(one, 'cat /proc/[0-9]*/comm 2>/dev/null').stdout.split('\n');
	assert.equal(seen.filter((c) => c === 'Xtigervnc').length, 1);
	assert.ok(!seen.includes('ventus-reaperd') && !seen.includes('lighttpd') && !seen.includes('postgres'));
	// 00010000: it listens. Chrome's own socket pairs have abstract names, too.
	assert.equal(inside(one, 'grep " 00010000 .*@" /proc/net/unix').stdout, '', 'no abstract socket listens');
	const displays = inside(one, 'ls /tmp/.X11-unix').stdout.trim().split('\n');
	assert.equal(displays.length, 1, 'one display');
});

test('sandbox__sees_no_file_of_the_host', asRoot, () => {
	for (const path of [stateDir(), '/root', '/home/browser/../user', '/var/lib/postgresql', '/etc/shadow', '/boot'])
		assert.notEqual(inside(one, `ls -d ${path} && ls -A ${path} | grep .`).status, 0, path);
	assert.notEqual(inside(one, 'touch /usr/x').status, 0, '/usr cannot be written');
	assert.match(inside(one, 'grep CapEff /proc/self/status').stdout, /\t0+\n/, 'no capability');
});

test('agent__is_closed_to_the_other_session_s_user', asRoot, () => {
	const uid = /^Uid:\s+(\d+)/m.exec(readFileSync(`/proc/${one.x.pid}/status`, 'utf8'))[1];
	const socket = join(stateDir(), two.runtime.id, 'agent.sock');
	const as = (user) => spawnSync('setpriv', ['--reuid', user, '--regid', user, '--clear-groups',
		'socat', '-u', '/dev/null', `UNIX-CONNECT:${socket}`], { encoding: 'utf8' });
	assert.match(as(uid).stderr, /Permission denied/);
	execFileSync('socat', ['-u', '/dev/null', `UNIX-CONNECT:${socket}`]);	// it is there
});
