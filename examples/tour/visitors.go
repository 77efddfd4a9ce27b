package main

import (
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"strings"
	"time"

	"github.com/larder-go/larder/calendar"
	"github.com/larder-go/larder/visitors"
)

// visit is somebody who looks at a page.
type visit struct {
	page, who string
	at        time.Time
}

// The month that the chapter tells of.
var (
	visitsFrom = time.Date(2026, time.November, 1, 0, 0, 0, 0, time.UTC)
	visitsTo   = time.Date(2026, time.December, 1, 0, 0, 0, 0, time.UTC)
)

// visits makes up a month of two pages of a shop: busy evenings, quiet nights, lively weekends, and a sale from the
// 20th. Many come again and again, and some who see the front page look at the prices.
func visits() []visit {
	rng := rand.New(rand.NewPCG(2026, 11)) //nolint:gosec // made-up visitors, the same on every run
	var all []visit
	for day := visitsFrom; day.Before(visitsTo); day = calendar.Daily.Next(day, time.UTC) {
		busy := 1.0
		if wd := day.Weekday(); wd == time.Saturday || wd == time.Sunday {
			busy = 1.5
		}
		if day.Day() >= 20 {
			busy *= 1.8
		}
		for hour := range 24 {
			crowd := busy * (2 + 22*evening(hour))
			for range int(crowd) + rng.IntN(4) {
				at := day.Add(time.Duration(hour)*time.Hour + time.Duration(rng.IntN(3600))*time.Second)
				who := fmt.Sprintf("visitor-%04d", int(rng.ExpFloat64()*900))
				switch page := rng.IntN(10); {
				case page < 6:
					all = append(all, visit{"front", who, at})
				case page < 8:
					all = append(all, visit{"front", who, at}, visit{"prices", who, at.Add(time.Minute)})
				default: // from a search engine, to the prices at once
					all = append(all, visit{"prices", fmt.Sprintf("searcher-%04d", rng.IntN(1200)), at})
				}
			}
		}
	}
	return all
}

// evening is how busy an hour is, from 0 at night to 1 at eight in the evening.
func evening(hour int) float64 {
	return max(0, 1-math.Abs(float64(hour)-20)/14)
}

// visitorFacts are the figures of the chapter.
type visitorFacts struct {
	front, prices, either int64 // different visitors of the month
	both                  visitors.Estimate
	lastWeek              int64
	days, hours           []visitors.Point // of the front page; hours of the busiest day
	busiest               time.Time
	summed                int64 // the days added up
}

// visitors shows unique counts: any window, several pages, and the picture.
func (t *tour) visitors(ctx context.Context) error {
	counter, err := visitors.New(t.rdb, visitors.Options{
		Namespace: t.ns,
		Buckets:   []calendar.Period{calendar.Hourly, calendar.Daily, calendar.Monthly},
		// The month of the tour stands still while time goes by, so it is kept for ever: until the tour ends.
		Keep: map[calendar.Period]time.Duration{calendar.Hourly: -1, calendar.Daily: -1, calendar.Monthly: -1},
	})
	if err != nil {
		return err
	}
	all := visits()
	if err := trackVisits(ctx, counter, all); err != nil {
		return err
	}
	facts, err := askVisitors(ctx, counter)
	if err != nil {
		return err
	}

	t.say("November 2026 in a shop: %d visits to two pages, each counted by hour, day and month.", len(all))
	t.printf("\nDifferent visitors:\n")
	t.printf("  %5d  of the front page (its 30 days added up: %d)\n", facts.front, facts.summed)
	t.printf("  %5d  of the front page, in the last seven days\n", facts.lastWeek)
	t.printf("  %5d  of the prices\n", facts.prices)
	t.printf("  %5d  of either page, from sketches that may lie on different nodes\n", facts.either)
	reliable := "reliable"
	if !facts.both.Reliable {
		reliable = "not reliable"
	}
	t.printf("  %5d  of both pages, give or take %d: %s\n", facts.both.Count, facts.both.Error, reliable)

	t.printf("\nThe front page, day by day:\n%s", bars(facts.days))
	t.printf("\nIts busiest day, %s, hour by hour:\n%s", facts.busiest.Format("Monday 2 January"), bars(facts.hours))
	return t.drawVisitors(facts)
}

// trackVisits counts visits by page and hour: many visitors travel in one round trip.
func trackVisits(ctx context.Context, counter *visitors.Counter, all []visit) error {
	type group struct {
		page string
		hour time.Time
	}
	var order []group
	groups := map[group][]string{}
	for _, v := range all {
		g := group{v.page, calendar.Hourly.Start(v.at, time.UTC)}
		if groups[g] == nil {
			order = append(order, g)
		}
		groups[g] = append(groups[g], v.who)
	}
	for _, g := range order {
		if err := counter.TrackAt(ctx, g.page, g.hour, groups[g]...); err != nil {
			return err
		}
	}
	return nil
}

func askVisitors(ctx context.Context, counter *visitors.Counter) (facts visitorFacts, err error) {
	if facts.front, err = counter.Between(ctx, "front", visitsFrom, visitsTo); err != nil {
		return facts, err
	}
	if facts.prices, err = counter.Between(ctx, "prices", visitsFrom, visitsTo); err != nil {
		return facts, err
	}
	if facts.either, err = counter.Union(ctx, []string{"front", "prices"}, visitsFrom, visitsTo); err != nil {
		return facts, err
	}
	if facts.both, err = counter.Overlap(ctx, "front", "prices", visitsFrom, visitsTo); err != nil {
		return facts, err
	}
	if facts.lastWeek, err = counter.LastDaysAt(ctx, "front", 7, visitsTo.Add(-1)); err != nil {
		return facts, err
	}
	if facts.days, err = counter.Series(ctx, "front", calendar.Daily, visitsFrom, visitsTo); err != nil {
		return facts, err
	}
	busiest := facts.days[0]
	for _, p := range facts.days {
		facts.summed += p.Count
		if p.Count > busiest.Count {
			busiest = p
		}
	}
	facts.busiest = busiest.Start
	facts.hours, err = counter.Series(ctx, "front", calendar.Hourly, busiest.Start, calendar.Daily.End(busiest.Start, time.UTC))
	return facts, err
}

// bars draws a series in one line.
func bars(points []visitors.Point) string {
	const steps = "▁▂▃▄▅▆▇█"
	most := int64(1)
	for _, p := range points {
		most = max(most, p.Count)
	}
	var b strings.Builder
	b.WriteString("  ")
	for _, p := range points {
		b.WriteRune([]rune(steps)[p.Count*7/most])
	}
	fmt.Fprintf(&b, "  up to %d\n", most)
	return b.String()
}

// drawVisitors writes both series as pictures.
func (t *tour) drawVisitors(facts visitorFacts) error {
	if t.dir != "" {
		t.printf("\n")
	}
	days := visitors.Chart{Title: "Visitors of the front page, November 2026", Points: facts.days}
	hours := visitors.Chart{Title: "Visitors of the front page on " + facts.busiest.Format("Monday 2 January 2006"), Points: facts.hours}
	return errors.Join(t.draw("visitors-days.svg", days.SVG), t.draw("visitors-hours.svg", hours.SVG))
}
