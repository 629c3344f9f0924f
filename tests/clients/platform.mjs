// SPDX-License-Identifier: Apache-2.0
// The platform with two doors: https and wss by the addresses it gives out, and the
// same in plain at the port of quickstart's --port.

import { env } from '../e2e/platform.mjs';

export { call, Cdp, descendants, endAll, env, eventually, isBrowser, runtimeOf, session, sessionCreate, sessionRelease,
	sessionRunning, sessionWait, sql, url, varDir } from '../e2e/platform.mjs';

export function plain(address) {
	const to = new URL(address);
	to.protocol = to.protocol.replace(/s:$/, ':');
	to.port = new URL(env.VENTUS_PLAIN_URL).port;
	return to.href;
}
