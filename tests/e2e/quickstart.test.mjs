// SPDX-License-Identifier: Apache-2.0
// The quickstart command itself: what it says, what it leaves, where it can live.
// Starts and ends platforms of its own; VENTUS_VAR is the var directory of an ended one.

import assert from 'node:assert/strict';
import { execFileSync, spawn, spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';

const top = join(dirname(fileURLToPath(import.meta.url)), '..', '..');
const varDir = process.env.VENTUS_VAR;
const root = process.getuid() === 0;
const opts = { timeout: 300_000 };

function quickstart(args, { cwd = top, env = {}, as = [] } = {}) {
	const [program, ...rest] = [...as, join(cwd, 'quickstart'), ...args];
	const done = spawnSync(program, rest, {
		encoding: 'utf8', timeout: 240_000, cwd: '/',
		env: { PATH: process.env.PATH, HOME: process.env.HOME, ...env },
	});
	return { status: done.status, text: done.stdout + done.stderr };
}

const mine = (args, more) => quickstart(args, { ...more, env: { VENTUS_VAR: varDir } });

async function freePort() {
	const server = createServer().listen(0, '127.0.0.1');
	await new Promise((resolve) => server.once('listening', resolve));
	const { port } = server.address();
	await new Promise((resolve) => server.close(resolve));
	return String(port);
}

const mounts = () => readFileSync('/proc/self/mounts', 'latin1').split('\n');
const mountsBefore = new Set(mounts());

// Nothing that could be a quickstart's is left on the host.
function traces(mark) {
	const found = [];
	for (const pid of readdirSync('/proc').filter((name) => /^\d+$/.test(name))) {
		try {
			if (readFileSync(`/proc/${pid}/environ`, 'latin1').includes(`QUICKSTART_OF=${mark}`))
				found.push(`process ${pid} ${readFileSync(`/proc/${pid}/comm`, 'latin1').trim()}`);
		} catch {
			// Not ours to look at, or gone.
		}
	}
	for (const line of readFileSync('/proc/net/unix', 'latin1').split('\n'))
		if (line.includes(mark))
			found.push(`socket ${line.split(' ').pop()}`);
	for (const line of mounts().filter((one) => !mountsBefore.has(one)))
		found.push(`mount ${line}`);
	if (existsSync(join(mark, 'run')))
		found.push('the run directory');
	return found;
}

// The cgroups that the driver's records name, as far as they are there.
function cgroups() {
	const rt = join(varDir, 'run', 'state', 'rt');
	return readdirSync(rt).filter((name) => name.endsWith('.rec'))
		.flatMap((name) => readFileSync(join(rt, name), 'utf8').match(/^(memory|pids) \/.*$/gm) ?? [])
		.map((line) => line.split(' ')[1]);
}

test('options__unknown_is_refused', opts, () => {
	const done = mine(['--fast']);
	assert.equal(done.status, 2);
	assert.match(done.text, /unknown option --fast/);
	assert.equal(mine(['--port', 'x']).status, 2);
});

test('port__taken_is_a_plain_sentence', opts, async () => {
	const server = createServer().listen(0, '127.0.0.1');
	await new Promise((resolve) => server.once('listening', resolve));
	const { port } = server.address();
	const done = mine(['--detach', '--port', String(port)]);
	server.close();
	assert.equal(done.status, 1);
	assert.match(done.text, new RegExp(`port ${port} is taken`));
});

// The best of three: what else the machine does is not what is measured.
test('second_run__is_ready_in_five_seconds_and_a_third_says_it_runs', opts, async () => {
	const took = [];
	while (took.length < 3 && !took.some((ms) => ms < 5000)) {
		mine(['--stop']);
		const from = Date.now();
		const done = mine(['--detach', '--port', await freePort()]);
		took.push(Date.now() - from);
		assert.equal(done.status, 0, done.text);
		assert.match(done.text, /Ready in .* the platform runs at http:/);
	}
	assert.ok(took.some((ms) => ms < 5000), `took ${took} ms`);
	const again = mine(['--detach']);
	assert.equal(again.status, 0);
	assert.match(again.text, /running already/);
});

test('stop__leaves_nothing_even_with_live_sessions', opts, async () => {
	const env = Object.fromEntries(readFileSync(join(varDir, 'quickstart.env'), 'utf8').trim().split('\n')
		.map((line) => [line.slice(0, line.indexOf('=')), line.slice(line.indexOf('=') + 1)]));
	for (const key of ['one', 'two']) {
		const answer = await fetch(`${env.VENTUS_URL}/v1/sessions`, {
			method: 'POST', body: '{"keep_alive_seconds":600}',
			headers: { authorization: `Bearer ${env.VENTUS_API_KEY}`, 'content-type': 'application/json',
				'idempotency-key': `${key}-${Date.now()}` },
		});
		assert.equal(answer.status, 202);
		const { id } = await answer.json();
		await fetch(`${env.VENTUS_URL}/v1/sessions/${id}?wait_for=RUNNING&wait_seconds=20`,
			{ headers: { authorization: `Bearer ${env.VENTUS_API_KEY}` } });
	}
	const groups = cgroups();
	const done = mine(['--stop']);
	assert.equal(done.status, 0, done.text);
	assert.match(done.text, /nothing is left running/);
	assert.deepEqual(traces(varDir), []);
	assert.deepEqual(groups.filter(existsSync), []);
	assert.match(mine(['--stop']).text, /nothing was running/);
});

test('foreground__ends_with_ctrl_c_and_leaves_nothing', opts, async () => {
	const child = spawn(join(top, 'quickstart'), ['--port', await freePort()],
		{ env: { ...process.env, VENTUS_VAR: varDir }, detached: true });
	let text = '';
	await new Promise((resolve, reject) => {
		child.stdout.on('data', (data) => {
			text += data;
			if (text.includes('Ctrl-C ends it'))
				resolve();
		});
		child.on('exit', () => reject(new Error(text)));
	});
	const ended = new Promise((resolve) => child.on('exit', (code) => resolve(code)));
	process.kill(-child.pid, 'SIGINT');	// as a terminal does: the whole group
	assert.equal(await ended, 0);
	assert.deepEqual(traces(varDir), []);
});

// A clone of the checkout as it is, with the examples' libraries.
function clone(dir) {
	mkdirSync(dir, { recursive: true });
	execFileSync('sh', ['-c', 'git ls-files -z | xargs -0 tar -cf - examples/node_modules | tar -xf - -C "$1"', 'sh', dir],
		{ cwd: top });
}

test('root_below_a_private_directory__runs_and_leaves_no_mount', { ...opts, skip: !root && 'needs root' }, async () => {
	const home = mkdtempSync(join(tmpdir(), 'ventus-private-'));	// mode 0700
	const dir = join(home, 'checkout');
	clone(dir);
	try {
		const done = quickstart(['--detach', '--port', await freePort()], { cwd: dir });
		assert.equal(done.status, 0, done.text);
		assert.ok(existsSync(join(dir, 'var', 'quickstart.env')));
		assert.deepEqual(new Set(mounts()), mountsBefore);
		const example = spawnSync('node', [join(dir, 'examples', 'playwright.mjs')], { encoding: 'utf8', env: { PATH: process.env.PATH } });
		assert.match(example.stdout, /COMPLETED, cdp_disconnect/, example.stderr);
		assert.equal(quickstart(['--stop'], { cwd: dir }).status, 0);
		assert.deepEqual(traces(join(dir, 'var')), []);
	} finally {
		quickstart(['--stop'], { cwd: dir });
		rmSync(home, { recursive: true });
	}
});

test('ordinary_user__in_a_deep_directory_runs_and_leaves_nothing', { ...opts, skip: !root && 'is what all of this runs as' }, async () => {
	const home = mkdtempSync(join(tmpdir(), 'ventus-user-'));
	const dir = join(home, 'a-directory-whose-name-is-long'.repeat(3), 'checkout');
	clone(dir);
	execFileSync('chown', ['-R', 'nobody:nogroup', home]);
	const nobody = { cwd: dir, env: { HOME: home }, as: ['setpriv', '--reuid=nobody', '--regid=nogroup', '--clear-groups'] };
	const before = readdirSync(tmpdir()).filter((name) => name.startsWith('ventus.'));
	try {
		const done = quickstart(['--detach', '--port', await freePort()], nobody);
		assert.equal(done.status, 0, done.text);
		assert.equal(quickstart(['--stop'], nobody).status, 0);
		assert.deepEqual(traces(join(dir, 'var')), []);
		assert.deepEqual(readdirSync(tmpdir()).filter((name) => name.startsWith('ventus.')), before);
	} finally {
		quickstart(['--stop'], nobody);
		rmSync(home, { recursive: true });
	}
});
