package main

import "context"

// chapter is one pattern at work.
type chapter struct {
	name  string
	title string
	pkg   string // that does it
	show  func(t *tour, ctx context.Context) error
}

// chapters are in the order of the tour.
var chapters = []chapter{
	{name: "leaderboard", title: "Leaderboard: a season of a game", pkg: "leaderboard", show: (*tour).leaderboard},
	{name: "profile", title: "Profile: objects read through, once", pkg: "profile", show: (*tour).profile},
	{name: "checkin", title: "Check-ins: streaks, calendars, retention", pkg: "checkin", show: (*tour).checkin},
	{name: "visitors", title: "Visitors: unique counts over any window", pkg: "visitors", show: (*tour).visitors},
	{name: "pipeline", title: "Pipeline: batches that tell the truth", pkg: "pipeline", show: (*tour).pipeline},
	{name: "warmup", title: "Warm-up: a cold cache filled before the morning", pkg: "warmup", show: (*tour).warmup},
	{name: "snapshot", title: "Snapshot: a cache lost and brought back", pkg: "warmup/snapshot", show: (*tour).snapshot},
	{name: "monitor", title: "Monitor: an illness, its alerts, and what is big", pkg: "monitor", show: (*tour).monitor},
}

func names() []string {
	all := make([]string, len(chapters))
	for i, c := range chapters {
		all[i] = c.name
	}
	return all
}
