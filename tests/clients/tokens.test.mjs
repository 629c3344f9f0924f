// SPDX-License-Identifier: Apache-2.0
// A connect_url opens its own session and nothing else; a forged one opens nothing.
// With the platform's own key, so that each forgery differs from a right token in one
// thing only.

import assert from 'node:assert/strict';
import { createHmac, hkdfSync } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { Cdp, endAll, sessionRelease, sessionRunning, varDir } from './platform.mjs';

const opts = { timeout: 30_000 };
const b64 = (value) => Buffer.from(typeof value === 'string' ? value : JSON.stringify(value)).toString('base64url');
const parse = (part) => JSON.parse(Buffer.from(part, 'base64url'));

// lib/keyring.c's derivation of the token key.
const kid = readdirSync(join(varDir, 'keys')).filter((f) => f.endsWith('.key')).sort().at(-1).slice(0, -4);
const key = Buffer.from(hkdfSync('sha256', readFileSync(join(varDir, 'keys', `${kid}.key`)), '', 'ventus token v1', 32));

let one, two, mine, head, body;

const mac = (signed, secret, hash = 'sha256') => createHmac(hash, secret).update(signed).digest('base64url');

function sign(changeHead, changeBody, { secret = key, hash } = {}) {
	const signed = `${b64({ ...head, ...changeHead })}.${b64({ ...body, ...changeBody })}`;
	return `${signed}.${mac(signed, secret, hash)}`;
}

function address(token, made = one) {
	const url = new URL(made.connect_url);
	url.searchParams.set('token', token);
	return url.href;
}

before(async () => {
	[one, two] = await Promise.all([sessionRunning({ keep_alive_seconds: 600 }), sessionRunning({ keep_alive_seconds: 600 })]);
	mine = new URL(one.connect_url).searchParams.get('token');
	[head, body] = mine.split('.').slice(0, 2).map(parse);
}, opts);

after(endAll);

// Otherwise every refusal below could be for the wrong reason.
test('token__signed_here_is_right_in_query_and_header', opts, async () => {
	for (const token of [mine, sign({}, {}), sign({}, { jti: two.id })]) {
		const cdp = await Cdp.open(address(token));
		await cdp.send('Browser.getVersion');
		cdp.ws.close();
		await cdp.closed;
	}
	const { default: WebSocket } = await import('ws');
	const bare = new URL(one.connect_url);
	bare.search = '';
	const ws = new WebSocket(bare, { headers: { authorization: `Bearer ${mine}` } });
	await new Promise((resolve, reject) => ws.once('open', resolve).once('error', reject));
	ws.close();
});

const now = Math.floor(Date.now() / 1000);
const forgeries = {
	alg_none: () => `${b64({ ...head, alg: 'none' })}.${b64(body)}.`,
	alg_none_with_the_old_signature: () => `${b64({ ...head, alg: 'none' })}.${mine.split('.').slice(1).join('.')}`,
	alg_hs384: () => sign({ alg: 'HS384' }, {}, { hash: 'sha384' }),
	alg_rs256: () => sign({ alg: 'RS256' }, {}),
	empty_key: () => sign({}, {}, { secret: '' }),
	zero_key: () => sign({}, {}, { secret: Buffer.alloc(32) }),
	master_key: () => sign({}, {}, { secret: readFileSync(join(varDir, 'keys', `${kid}.key`)) }),
	unknown_kid: () => sign({ kid: 'nobody' }, {}),
	kid_as_a_path: () => sign({ kid: `../keys/${kid}` }, {}),
	no_kid: () => sign({ kid: undefined }, {}),
	crit: () => sign({ crit: ['exp'] }, {}),
	truncated: () => mine.slice(0, -1),
	truncated_to_two_parts: () => mine.split('.').slice(0, 2).join('.'),
	padded: () => `${mine}=`,
	a_letter_more: () => `${mine}A`,
	a_fourth_part: () => `${mine}.AA`,
	first_bit_of_the_signature: () => mine.replace(/\.([^.])([^.]*)$/, (_, a, b) => `.${a === 'A' ? 'B' : 'A'}${b}`),
	last_bits_of_the_signature: () => `${mine.slice(0, -1)}${String.fromCharCode(mine.charCodeAt(mine.length - 1) + 1)}`,
	changed_body: () => `${mine.split('.')[0]}.${b64({ ...body, sid: two.id })}.${mine.split('.')[2]}`,
	twice_the_claim: () => {
		const signed = `${b64(head)}.${b64(JSON.stringify(body).replace('{', `{"sid":"${two.id}",`))}`;
		return `${signed}.${mac(signed, key)}`;
	},
	view_audience: () => sign({}, { aud: 'view', exp: now + 300, mode: 'control' }),
	another_issuer: () => sign({}, { iss: 'http://elsewhere.test' }),
	from_the_future: () => sign({}, { iat: now + 3600 }),
	with_an_end: () => sign({}, { exp: now + 300 }),
	no_session: () => sign({}, { sid: undefined }),
	huge: () => sign({}, { more: 'x'.repeat(3000) }),
	empty: () => '',
};

for (const [name, make] of Object.entries(forgeries)) {
	test(`token__${name}_is_refused`, opts, async () => {
		await assert.rejects(Cdp.open(address(make())), /Unexpected server response: 401/);
	});
}

test('token__of_another_session_is_refused', opts, async () => {
	await assert.rejects(Cdp.open(address(mine, two)), /Unexpected server response: 403/);
});

test('token__twice_or_missing_is_refused', opts, async () => {
	await assert.rejects(Cdp.open(`${one.connect_url}&token=${mine}`), /401/);
	await assert.rejects(Cdp.open(one.connect_url.replace('token=', 'tok=')), /401/);
});

test('token__of_another_workspace_is_refused', opts, async () => {
	await assert.rejects(Cdp.open(address(sign({}, { wid: two.id }))), /40[134]/);
});

test('token__of_the_live_view_is_refused', opts, async () => {
	const view = new URL(one.live_view_url).searchParams.get('token');
	await assert.rejects(Cdp.open(address(view)), /401/);
});

test('token__ends_with_its_session', opts, async () => {
	await sessionRelease(one.id);
	await assert.rejects(Cdp.open(one.connect_url), /Unexpected server response: 410/);
});
