// SPDX-License-Identifier: Apache-2.0
// Chrome's HTTP addresses behind connect_url: three documents whose addresses lead back
// through the platform, and nothing that does anything.

import assert from 'node:assert/strict';
import CDP from 'chrome-remote-interface';
import { after, before, test } from 'node:test';
import { chromium } from 'playwright-core';
import { Cdp, endAll, sessionRunning, url } from './platform.mjs';

const opts = { timeout: 30_000 };
let made, token;

const at = (path, more = '') => `${url}/v1/sessions/${made.id}/cdp${path}?token=${token}${more}`;
const get = async (path) => {
	const answer = await fetch(at(path));
	assert.equal(answer.status, 200, path);
	assert.match(answer.headers.get('content-type'), /^application\/json/, path);
	assert.equal(answer.headers.get('cache-control'), 'no-store', path);
	return answer.json();
};

before(async () => {
	made = await sessionRunning({ keep_alive_seconds: 600 });
	token = new URL(made.connect_url).searchParams.get('token');
}, opts);

after(endAll);

test('version__leads_to_the_browser_through_the_platform', opts, async () => {
	for (const path of ['/json/version', '/json/version/']) {
		const version = await get(path);
		assert.match(version.Browser, /^Chrome\//);
		const to = new URL(version.webSocketDebuggerUrl);
		assert.equal(to.host, new URL(url).host);
		assert.match(to.pathname, new RegExp(`^/v1/sessions/${made.id}/cdp/devtools/browser/`));
		assert.equal(to.searchParams.get('token'), token);
		const cdp = await Cdp.open(to);
		assert.match((await cdp.send('Browser.getVersion')).product, /^Chrome/);
		cdp.ws.close();
		await cdp.closed;
	}
});

test('list__leads_to_each_page_and_shows_no_inner_address', opts, async () => {
	const browser = await Cdp.open(made.connect_url);
	const { targetId } = await browser.send('Target.createTarget', { url: 'about:blank#listed' });
	const pages = await get('/json/list');
	assert.doesNotMatch(JSON.stringify(pages), /127\.0\.0\.1|9222/);
	const page = pages.find((p) => p.id === targetId);
	const cdp = await Cdp.open(page.webSocketDebuggerUrl);
	const { result } = await cdp.send('Runtime.evaluate', { expression: 'location.hash' });
	assert.equal(result.value, '#listed');
	cdp.ws.close();
	browser.ws.close();
});

test('protocol__is_whole', opts, async () => {
	const { domains } = await get('/json/protocol');
	assert.ok(domains.some((d) => d.domain === 'Runtime') && domains.length > 30);
});

test('clients__find_their_way_from_the_http_address', opts, async () => {
	const browser = await chromium.connectOverCDP(at(''));
	assert.ok(browser.isConnected());
	await browser.close();
	const { hostname: host, port } = new URL(url);
	const alterPath = (path) => path.includes('/v1/') ? path : `/v1/sessions/${made.id}/cdp${path}?token=${token}`;
	const options = { host, port, secure: true, useHostName: true, alterPath };
	const targets = await CDP.List(options);
	const client = await CDP({ ...options, target: targets.find((t) => t.type === 'page').webSocketDebuggerUrl });
	assert.equal((await client.Runtime.evaluate({ expression: '6 * 7' })).result.value, 42);
	await client.close();
});

test('address__without_its_token_is_refused', opts, async () => {
	for (const path of ['/json/version', '/json/list', '/json/protocol'])
		assert.equal((await fetch(at(path).replace(/\?.*/, ''))).status, 401, path);
});

test('address__that_does_something_is_not_there', opts, async () => {
	const [page] = await get('/json/list');
	const cases = [`/json/close/${page.id}`, `/json/activate/${page.id}`, '/json/new', '/json', '/json/', '/json/versionx',
		'/json/list/../new', '/devtools/inspector.html', '/devtools/page/', '/devtools/browser/../page', '/favicon.ico'];
	for (const path of cases)
		for (const method of ['GET', 'PUT', 'POST', 'DELETE']) {
			const answer = await fetch(at(path, '&url=about:blank'), { method });
			assert.ok([400, 404, 405].includes(answer.status), `${method} ${path}: ${answer.status}`);
		}
	assert.equal((await fetch(at('/json/new'), { method: 'PUT' })).status, 404);
	assert.ok((await get('/json/list')).some((p) => p.id === page.id), 'the page is still there');
});

test('page__that_is_not_there_is_an_error_and_no_tunnel', opts, async () => {
	const to = `${at('/devtools/page/0123456789ABCDEF0123456789ABCDEF')}`.replace(/^http/, 'ws');
	await assert.rejects(Cdp.open(to), /Unexpected server response: (404|502)/);
});
