# SPDX-License-Identifier: Apache-2.0
"""Playwright for Python as a client; see wire.mjs."""

import asyncio

from playwright.async_api import async_playwright

import wire


class Verbs:
    def __init__(self, playwright):
        self.playwright = playwright
        self.browsers, self.pages = {}, {}

    async def connect(self, slot, url, **_):
        self.browsers[slot] = await self.playwright.chromium.connect_over_cdp(url)

    async def open(self, slot, url, **_):
        self.pages[slot] = await self.browsers[slot].contexts[0].new_page()
        await self.pages[slot].goto(url)
        return await self.pages[slot].title()

    async def attach(self, slot, url, **_):
        pages = self.browsers[slot].contexts[0].pages
        self.pages[slot] = next(page for page in pages if page.url == url)

    async def evaluate(self, slot, expression, **_):
        return await self.pages[slot].evaluate(expression)

    async def screenshot(self, slot, path, **_):
        await self.pages[slot].screenshot(path=path, full_page=True)

    async def events(self, slot, expression, count, **_):
        return await wire.collect(self.pages[slot], expression, count)

    async def disconnect(self, slot, **_):
        await self.browsers[slot].close()

    close = disconnect  # connect_over_cdp's close() does not close the browser


async def main():
    async with async_playwright() as playwright:
        await wire.serve(Verbs(playwright))


asyncio.run(main())
