// SPDX-License-Identifier: Apache-2.0
// How the tests speak to a client: a program that reads one JSON command a line on
// standard input and answers each with one line, {"value"} or {"error"}. So one table
// of scenarios serves every language, and no token stands in an argument.
//
//   connect {slot, url}             by the bare connect_url
//   open {slot, url}                a new page there; value: its title
//   attach {slot, url}              the page that is at that address already
//   evaluate {slot, expression}     value: the result
//   screenshot {slot, path}         the whole page as PNG into a file
//   events {slot, expression, count} value: first words of count console messages
//   disconnect {slot}               the library's way to go and leave the browser
//   close {slot}                    the library's way to close the browser

import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';

// The client's side, for those written for Node: verbs(command) by name.
export async function serve(verbs) {
	for await (const line of createInterface({ input: process.stdin })) {
		const command = JSON.parse(line);
		let answer;
		try {
			answer = { value: await verbs[command.do](command) ?? null };
		} catch (error) {
			answer = { error: String(error?.stack ?? error) };
		}
		process.stdout.write(`${JSON.stringify(answer)}\n`);
	}
	process.exit(0);
}

const PATIENCE_MS = 25_000;

// The tests' side. A client that does not answer in time is killed, and then every
// further command fails at once.
export class Client {
	constructor([program, ...args], env) {
		this.child = spawn(program, args, { stdio: ['pipe', 'pipe', 'inherit'], env: { ...process.env, ...env } });
		this.ended = new Promise((resolve) => this.child.once('close', resolve));
		this.waiting = [];
		createInterface({ input: this.child.stdout }).on('line', (line) => this.waiting.shift()?.resolve(JSON.parse(line)));
		this.ended.then((code) => this.fail(new Error(`the client has ended (${code})`)));
		this.child.once('error', (error) => this.fail(error));
		this.child.stdin.on('error', (error) => this.fail(error));
	}

	fail(error) {
		this.failed ??= error;
		this.waiting.splice(0).forEach(({ reject }) => reject(this.failed));
	}

	async do(verb, slot, more = {}) {
		if (this.failed)
			throw this.failed;
		const late = setTimeout(() => {
			this.fail(new Error(`${verb}: no answer in ${PATIENCE_MS} ms`));
			this.child.kill('SIGKILL');
		}, PATIENCE_MS);
		const came = new Promise((resolve, reject) => this.waiting.push({ resolve, reject }));
		this.child.stdin.write(`${JSON.stringify({ do: verb, slot, ...more })}\n`);
		const { value, error } = await came.finally(() => clearTimeout(late));
		if (error !== undefined)
			throw new Error(`${verb}: ${error}`);
		return value;
	}

	async end() {
		this.child.stdin.end();
		const late = setTimeout(() => this.child.kill('SIGKILL'), 5000);
		await this.ended;
		clearTimeout(late);
	}
}
