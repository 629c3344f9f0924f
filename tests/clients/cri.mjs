// SPDX-License-Identifier: Apache-2.0
// chrome-remote-interface as a client; see wire.mjs.

import CDP from 'chrome-remote-interface';
import { flatVerbs } from './flat.mjs';
import { serve } from './wire.mjs';

serve(flatVerbs(async (url) => {
	const client = await CDP({ target: url, local: true });
	let gone;
	const closed = new Promise((resolve) => { gone = resolve; });
	client.once('disconnect', gone);
	return {
		send: (method, params, sessionId) => client.send(method, params, sessionId),
		console: (listener) => client.on('Runtime.consoleAPICalled', listener),
		leave: () => client.close(gone),	// then there is no such event
		closed,
	};
}));
