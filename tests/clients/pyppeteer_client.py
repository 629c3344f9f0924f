# SPDX-License-Identifier: Apache-2.0
"""pyppeteer as a client; see wire.mjs."""

import asyncio

import pyppeteer

import wire


class Verbs:
    def __init__(self):
        self.browsers, self.pages = {}, {}

    async def connect(self, slot, url, **_):
        self.browsers[slot] = await pyppeteer.connect(
            browserWSEndpoint=url, defaultViewport=None)

    async def open(self, slot, url, **_):
        self.pages[slot] = await self.browsers[slot].newPage()
        await self.pages[slot].goto(url)
        return await self.pages[slot].title()

    async def attach(self, slot, url, **_):
        pages = await self.browsers[slot].pages()
        self.pages[slot] = next(page for page in pages if page.url == url)

    async def evaluate(self, slot, expression, **_):
        return await self.pages[slot].evaluate(expression, force_expr=True)

    async def screenshot(self, slot, path, **_):
        await self.pages[slot].screenshot({"path": path, "fullPage": True})

    async def events(self, slot, expression, count, **_):
        return await wire.collect(self.pages[slot], expression, count)

    async def disconnect(self, slot, **_):
        await self.browsers[slot].disconnect()

    async def close(self, slot, **_):
        await self.browsers[slot].close()


asyncio.run(wire.serve(Verbs()))
