// SPDX-License-Identifier: Apache-2.0

// chromedp as a client of the platform; see ../wire.mjs for what it is told.
package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"os"
	"strings"
	"time"

	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/cdproto/target"
	"github.com/chromedp/chromedp"
)

const patience = 20 * time.Second

type command struct {
	Do, Slot, URL, Expression, Path string
	Count                           int
}

// One connection: its websocket lives as long as browser, its page as long as page.
type slot struct {
	drop    context.CancelFunc
	browser context.Context
	page    context.Context
}

var slots = map[string]*slot{}

func (s *slot) run(actions ...chromedp.Action) error {
	ctx, cancel := context.WithTimeout(s.page, patience)
	defer cancel()
	return chromedp.Run(ctx, actions...)
}

func connect(c command) (any, error) {
	alloc, drop := chromedp.NewRemoteAllocator(context.Background(), c.URL, chromedp.NoModifyURL)
	ctx, _ := chromedp.NewContext(alloc, chromedp.WithErrorf(func(string, ...any) {}))
	s := &slot{drop: drop, browser: ctx}
	if err := chromedp.Run(ctx); err != nil {
		drop()
		return nil, err
	}
	slots[c.Slot] = s
	return true, nil
}

func open(c command) (any, error) {
	s := slots[c.Slot]
	s.page, _ = chromedp.NewContext(s.browser)
	if err := chromedp.Run(s.page); err != nil {
		return nil, err
	}
	var title string
	return &title, s.run(chromedp.Navigate(c.URL), chromedp.Title(&title))
}

func attach(c command) (any, error) {
	s := slots[c.Slot]
	all, err := chromedp.Targets(s.browser)
	if err != nil {
		return nil, err
	}
	for _, t := range all {
		if t.Type == "page" && t.URL == c.URL {
			s.page, _ = chromedp.NewContext(s.browser, chromedp.WithTargetID(target.ID(t.TargetID)))
			return true, chromedp.Run(s.page)
		}
	}
	return false, fmt.Errorf("no page shows %s", c.URL)
}

func evaluate(c command) (any, error) {
	var value any
	return &value, slots[c.Slot].run(chromedp.Evaluate(c.Expression, &value))
}

func screenshot(c command) (any, error) {
	var png []byte
	if err := slots[c.Slot].run(chromedp.FullScreenshot(&png, 100)); err != nil {
		return nil, err
	}
	return true, os.WriteFile(c.Path, png, 0o600)
}

func events(c command) (any, error) {
	s := slots[c.Slot]
	numbers := make(chan string, c.Count)
	ctx, cancel := context.WithTimeout(s.page, patience)
	defer cancel()
	chromedp.ListenTarget(ctx, func(ev any) {
		if called, ok := ev.(*runtime.EventConsoleAPICalled); ok && len(called.Args) == 1 {
			var text string
			if json.Unmarshal(called.Args[0].Value, &text) == nil {
				numbers <- text
			}
		}
	})
	if err := s.run(chromedp.Evaluate(c.Expression, nil)); err != nil {
		return nil, err
	}
	got := []string{}
	for len(got) < c.Count {
		select {
		case text := <-numbers:
			number, _, _ := strings.Cut(text, " ")
			got = append(got, number)
		case <-ctx.Done():
			return nil, fmt.Errorf("%d of %d events came", len(got), c.Count)
		}
	}
	return got, nil
}

// take the slot; its page would be closed with it if it were not forgotten.
func take(name string) *slot {
	s := slots[name]
	delete(slots, name)
	if s.page != nil {
		chromedp.FromContext(s.page).Target = nil
	}
	return s
}

func disconnect(c command) (any, error) {
	take(c.Slot).drop()
	return true, nil
}

// With a remote browser Cancel closes what is its own, not the browser.
func closeBrowser(c command) (any, error) {
	s := take(c.Slot)
	err := chromedp.Cancel(s.browser)
	s.drop()
	return true, err
}

var verbs = map[string]func(command) (any, error){
	"connect": connect, "open": open, "attach": attach, "evaluate": evaluate, "screenshot": screenshot,
	"events": events, "disconnect": disconnect, "close": closeBrowser,
}

func main() {
	log.SetOutput(io.Discard) // it prints every event that is newer than it
	in := bufio.NewScanner(os.Stdin)
	in.Buffer(nil, 1<<20)
	out := json.NewEncoder(os.Stdout)
	for in.Scan() {
		var c command
		if err := json.Unmarshal(in.Bytes(), &c); err != nil {
			panic(err)
		}
		value, err := verbs[c.Do](c)
		answer := map[string]any{"value": value}
		if err != nil {
			answer = map[string]any{"error": err.Error()}
		}
		if err := out.Encode(answer); err != nil {
			panic(err)
		}
	}
}
