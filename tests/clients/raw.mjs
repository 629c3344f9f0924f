// SPDX-License-Identifier: Apache-2.0
// A websocket and nothing else as a client; see wire.mjs.

import WebSocket from 'ws';
import { flatVerbs } from './flat.mjs';
import { serve } from './wire.mjs';

async function dial(url) {
	const ws = new WebSocket(url, { perMessageDeflate: false });
	const waiting = new Map();
	let next = 0, heard = () => {};
	ws.on('message', (data) => {
		const { id, method, params, result, error } = JSON.parse(data);
		if (method === 'Runtime.consoleAPICalled')
			heard(params);
		if (id === undefined)
			return;
		const { resolve, reject } = waiting.get(id);
		waiting.delete(id);
		if (error)
			reject(new Error(error.message));
		else
			resolve(result);
	});
	await new Promise((resolve, reject) => ws.once('open', resolve).once('error', reject));
	return {
		send: (method, params, sessionId) => new Promise((resolve, reject) => {
			waiting.set(++next, { resolve, reject });
			ws.send(JSON.stringify({ id: next, method, params, sessionId }));
		}),
		console: (listener) => { heard = listener; },
		leave: () => ws.close(),
		closed: new Promise((resolve) => ws.once('close', resolve)),
	};
}

serve(flatVerbs(dial));
