# SPDX-License-Identifier: Apache-2.0
"""The client's side of wire.mjs for Python."""

import asyncio
import json
import sys
import traceback


async def serve(verbs):
    """Read commands until standard input ends; verbs has one coroutine a name."""
    loop = asyncio.get_running_loop()
    while line := await loop.run_in_executor(None, sys.stdin.readline):
        command = json.loads(line)
        try:
            answer = {"value": await getattr(verbs, command["do"])(**command)}
        except Exception:  # pylint: disable=broad-except
            answer = {"error": traceback.format_exc()}
        print(json.dumps(answer), flush=True)


async def collect(page, expression, count):
    """First words of count console messages that the expression prints."""
    got = []
    done = asyncio.get_running_loop().create_future()

    def heard(message):
        text = message.text
        got.append((text() if callable(text) else text).split(" ")[0])
        if len(got) == count:
            done.set_result(got)

    page.on("console", heard)
    await page.evaluate(expression)
    return await asyncio.wait_for(done, 20)
