// SPDX-License-Identifier: Apache-2.0
// Drive a session with Puppeteer: node examples/puppeteer.mjs

import assert from 'node:assert/strict';
import { join } from 'node:path';
import puppeteer from 'puppeteer-core';
import { endCheck, pageServe, sessionCreate, varDir } from './ventus.mjs';

const site = await pageServe();
try {
	const session = await sessionCreate({ viewport: { width: 1280, height: 720 } });
	console.log(`session ${session.id}: ${session.status}`);

	const browser = await puppeteer.connect({
		browserWSEndpoint: session.connect_url,
		defaultViewport: null,	// the window is as large as the session's viewport already
	});
	const page = await browser.newPage();
	await page.goto(site.url);
	await page.click('button');
	assert.equal(await page.$eval('h1', (h1) => h1.textContent), 'Clicked');

	const file = join(varDir, 'puppeteer.png');
	await page.screenshot({ path: file });
	console.log(`screenshot: ${file}`);

	// disconnect() hangs up and leaves the browser alone: the platform ends the session
	// because nobody is connected (cdp_disconnect). close() would send Browser.close
	// and end the browser itself: the session would end as browser_closed.
	await browser.disconnect();
	await endCheck(session.id);
} finally {
	site.close();
}
