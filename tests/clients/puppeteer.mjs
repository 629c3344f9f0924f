// SPDX-License-Identifier: Apache-2.0
// Puppeteer as a client; see wire.mjs.

import puppeteer from 'puppeteer-core';
import { serve } from './wire.mjs';

const slots = new Map();

serve({
	async connect({ slot, url }) {
		slots.set(slot, { browser: await puppeteer.connect({ browserWSEndpoint: url, defaultViewport: null }) });
	},
	async open({ slot, url }) {
		const s = slots.get(slot);
		s.page = await s.browser.newPage();
		await s.page.goto(url);
		return s.page.title();
	},
	async attach({ slot, url }) {
		const s = slots.get(slot);
		s.page = (await s.browser.pages()).find((page) => page.url() === url);
		return s.page !== undefined;
	},
	evaluate: ({ slot, expression }) => slots.get(slot).page.evaluate(expression),
	async screenshot({ slot, path }) {
		await slots.get(slot).page.screenshot({ path, fullPage: true });
	},
	async events({ slot, expression, count }) {
		const { page } = slots.get(slot);
		const got = [];
		const all = new Promise((resolve) => {
			page.on('console', (message) => {
				if (got.push(message.text().split(' ')[0]) === count)
					resolve(got);
			});
		});
		await page.evaluate(expression);
		return all;
	},
	disconnect: ({ slot }) => slots.get(slot).browser.disconnect(),
	close: ({ slot }) => slots.get(slot).browser.close(),
});
