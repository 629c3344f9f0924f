// SPDX-License-Identifier: Apache-2.0
// Drive a session with Playwright: node examples/playwright.mjs

import assert from 'node:assert/strict';
import { join } from 'node:path';
import { chromium } from 'playwright-core';
import { endCheck, pageServe, sessionCreate, varDir } from './ventus.mjs';

const site = await pageServe();
try {
	// The answer comes at once, in QUEUED. Its connect_url may be dialled right away:
	// the platform holds the connection until the browser is up.
	const session = await sessionCreate({ viewport: { width: 1280, height: 720 } });
	console.log(`session ${session.id}: ${session.status}`);

	const browser = await chromium.connectOverCDP(session.connect_url);
	// The first context is the browser's own, with the window on the desktop.
	const page = await browser.contexts()[0].newPage();
	await page.goto(site.url);
	await page.getByRole('button', { name: 'Click me' }).click();
	assert.equal(await page.textContent('h1'), 'Clicked');

	const file = join(varDir, 'playwright.png');
	await page.screenshot({ path: file });
	console.log(`screenshot: ${file}`);

	// After connectOverCDP, close() hangs up and leaves the browser alone. Nobody is
	// connected then and keep_alive_seconds is 0, so the platform ends the session.
	await browser.close();
	await endCheck(session.id);
} finally {
	site.close();
}
