// SPDX-License-Identifier: Apache-2.0
// The commands of wire.mjs in plain protocol messages, for clients that have nothing
// but messages. A connection has send(method, params, sessionId), console(listener),
// leave() and closed, a promise.

import { writeFile } from 'node:fs/promises';

export function flatVerbs(dial) {
	const slots = new Map();
	const send = (slot, method, params) => {
		const s = slots.get(slot);
		return s.conn.send(method, params, s.page);
	};

	async function attachTo(slot, targetId) {
		const s = slots.get(slot);
		const { sessionId } = await s.conn.send('Target.attachToTarget', { targetId, flatten: true });
		s.page = sessionId;
		await send(slot, 'Runtime.enable');
	}

	async function evaluate({ slot, expression }) {
		const { result } = await send(slot, 'Runtime.evaluate',
			{ expression, returnByValue: true, awaitPromise: true });
		return result.value;
	}

	return {
		async connect({ slot, url }) {
			slots.set(slot, { conn: await dial(url) });
		},
		async open({ slot, url }) {
			const { targetId } = await slots.get(slot).conn.send('Target.createTarget', { url });
			await attachTo(slot, targetId);
			return evaluate({ slot, expression: `new Promise((done) => {
				const look = () => document.readyState === 'complete' ? done(document.title) : setTimeout(look, 10);
				look();
			})` });
		},
		async attach({ slot, url }) {
			const { targetInfos } = await slots.get(slot).conn.send('Target.getTargets');
			await attachTo(slot, targetInfos.find((t) => t.type === 'page' && t.url === url).targetId);
		},
		evaluate,
		async screenshot({ slot, path }) {
			const { cssContentSize: { width, height } } = await send(slot, 'Page.getLayoutMetrics');
			const { data } = await send(slot, 'Page.captureScreenshot',
				{ format: 'png', captureBeyondViewport: true, clip: { x: 0, y: 0, width, height, scale: 1 } });
			await writeFile(path, Buffer.from(data, 'base64'));
		},
		async events({ slot, expression, count }) {
			const got = [];
			const all = new Promise((resolve) => {
				slots.get(slot).conn.console(({ args }) => {
					if (got.push(args[0].value.split(' ')[0]) === count)
						resolve(got);
				});
			});
			await evaluate({ slot, expression });
			return all;
		},
		async disconnect({ slot }) {
			const { conn } = slots.get(slot);
			conn.leave();
			await conn.closed;
		},
		// The answer and the Close frame may race.
		async close({ slot }) {
			const { conn } = slots.get(slot);
			await Promise.race([conn.send('Browser.close'), conn.closed]);
			await conn.closed;
		},
	};
}
