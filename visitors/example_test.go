package visitors_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/larder-go/larder/calendar"
	"github.com/larder-go/larder/lardertest"
	"github.com/larder-go/larder/visitors"
)

// forEver keeps days, so that the examples can tell of dates that do not move.
var forEver = map[calendar.Period]time.Duration{calendar.Daily: -1}

func date(day int) time.Time { return time.Date(2026, 11, day, 0, 0, 0, 0, time.UTC) }

func Example() {
	ctx := context.Background()
	rdb, stop := lardertest.Start() // a redis.UniversalClient of yours, of any kind
	defer stop()

	c, err := visitors.New(rdb, visitors.Options{})
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, user := range []string{"ann", "bob", "ann", "cid", "bob"} {
		if err := c.Track(ctx, "home", user); err != nil {
			fmt.Println(err)
			return
		}
	}
	n, err := c.LastDays(ctx, "home", 30)
	fmt.Println(n, err)
	// Output: 3 <nil>
}

func ExampleNew() {
	rdb, stop := lardertest.Start()
	defer stop()

	_, err := visitors.New(rdb, visitors.Options{
		Namespace: "shop",
		Location:  time.FixedZone("Nepal", 5*3600+45*60),
		Buckets:   []calendar.Period{calendar.Hourly, calendar.Daily, calendar.Monthly},
		Keep:      map[calendar.Period]time.Duration{calendar.Monthly: 3 * 366 * 24 * time.Hour},
	})
	fmt.Println(err)

	_, err = visitors.New(rdb, visitors.Options{Keep: map[calendar.Period]time.Duration{calendar.Weekly: time.Hour}})
	fmt.Println(err)
	// Output:
	// <nil>
	// visitors: Options.Keep: Weekly is not one of the buckets
}

func ExampleCounter_Track() {
	ctx := context.Background()
	rdb, stop := lardertest.Start()
	defer stop()

	c, err := visitors.New(rdb, visitors.Options{})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(c.Track(ctx, "home", "ann"))
	fmt.Println(c.Track(ctx, "home", "ann", "bob", "cid")) // many in one round trip
	fmt.Println(c.Track(ctx, "home", ""))
	// Output:
	// <nil>
	// <nil>
	// visitors: track "home": visitors: empty visitor (1 of 1)
}

func ExampleCounter_TrackAt() {
	ctx := context.Background()
	rdb, stop := lardertest.Start()
	defer stop()

	c, err := visitors.New(rdb, visitors.Options{}) // days are kept for 100 days
	if err != nil {
		fmt.Println(err)
		return
	}
	now := time.Now()
	fmt.Println(c.TrackAt(ctx, "home", now.AddDate(0, 0, -3), "late")) // an event that was queued for three days
	err = c.TrackAt(ctx, "home", now.AddDate(-1, 0, 0), "too late")
	fmt.Println(errors.Is(err, visitors.ErrRetention))
	// Output:
	// <nil>
	// true
}

func ExampleCounter_TodayAt() {
	ctx := context.Background()
	rdb, stop := lardertest.Start()
	defer stop()

	c, err := visitors.New(rdb, visitors.Options{Keep: forEver})
	if err != nil {
		fmt.Println(err)
		return
	}
	_ = c.TrackAt(ctx, "home", date(21), "ann")
	_ = c.TrackAt(ctx, "home", date(22), "bob", "cid")
	fmt.Println(c.TodayAt(ctx, "home", date(22).Add(15*time.Hour)))
	// Output: 2 <nil>
}

func ExampleCounter_LastDaysAt() {
	ctx := context.Background()
	rdb, stop := lardertest.Start()
	defer stop()

	c, err := visitors.New(rdb, visitors.Options{Keep: forEver})
	if err != nil {
		fmt.Println(err)
		return
	}
	_ = c.TrackAt(ctx, "home", date(20), "ann")
	_ = c.TrackAt(ctx, "home", date(21), "ann", "bob")
	_ = c.TrackAt(ctx, "home", date(22), "ann")
	fmt.Println(c.LastDaysAt(ctx, "home", 3, date(22))) // each once
	// Output: 2 <nil>
}

func ExampleCounter_LastHoursAt() {
	ctx := context.Background()
	rdb, stop := lardertest.Start()
	defer stop()

	c, err := visitors.New(rdb, visitors.Options{
		Buckets: []calendar.Period{calendar.Hourly},
		Keep:    map[calendar.Period]time.Duration{calendar.Hourly: -1},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	at := date(22).Add(9 * time.Hour)
	_ = c.TrackAt(ctx, "home", at, "ann")
	_ = c.TrackAt(ctx, "home", at.Add(time.Hour), "bob")
	fmt.Println(c.LastHoursAt(ctx, "home", 1, at.Add(80*time.Minute)))
	fmt.Println(c.LastHoursAt(ctx, "home", 2, at.Add(80*time.Minute)))
	// Output:
	// 1 <nil>
	// 2 <nil>
}

func ExampleCounter_Between() {
	ctx := context.Background()
	rdb, stop := lardertest.Start()
	defer stop()

	c, err := visitors.New(rdb, visitors.Options{
		Buckets: []calendar.Period{calendar.Daily, calendar.Monthly},
		Keep:    map[calendar.Period]time.Duration{calendar.Daily: -1, calendar.Monthly: -1},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	_ = c.TrackAt(ctx, "home", date(2), "ann")
	_ = c.TrackAt(ctx, "home", date(30), "ann", "bob")
	fmt.Println(c.Between(ctx, "home", date(1), date(31))) // to 1 December: the month is one key
	_, err = c.Between(ctx, "home", date(1), date(2).Add(time.Minute))
	fmt.Println(errors.Is(err, visitors.ErrRange))
	// Output:
	// 2 <nil>
	// true
}

func ExampleCounter_Series() {
	ctx := context.Background()
	rdb, stop := lardertest.Start()
	defer stop()

	c, err := visitors.New(rdb, visitors.Options{Keep: forEver})
	if err != nil {
		fmt.Println(err)
		return
	}
	_ = c.TrackAt(ctx, "home", date(20), "ann", "bob")
	_ = c.TrackAt(ctx, "home", date(22), "ann")
	points, err := c.Series(ctx, "home", calendar.Daily, date(20), date(23))
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, p := range points {
		fmt.Println(p.Start.Format(time.DateOnly), p.Count)
	}
	// Output:
	// 2026-11-20 2
	// 2026-11-21 0
	// 2026-11-22 1
}

func ExampleCounter_Union() {
	ctx := context.Background()
	rdb, stop := lardertest.Start()
	defer stop()

	c, err := visitors.New(rdb, visitors.Options{Keep: forEver})
	if err != nil {
		fmt.Println(err)
		return
	}
	_ = c.TrackAt(ctx, "home", date(20), "ann", "bob")
	_ = c.TrackAt(ctx, "prices", date(21), "bob", "cid")
	fmt.Println(c.Union(ctx, []string{"home", "prices"}, date(20), date(22)))
	// Output: 3 <nil>
}

func ExampleCounter_Overlap() {
	ctx := context.Background()
	rdb, stop := lardertest.Start()
	defer stop()

	c, err := visitors.New(rdb, visitors.Options{Keep: forEver})
	if err != nil {
		fmt.Println(err)
		return
	}
	_ = c.TrackAt(ctx, "home", date(20), numbers(0, 1000)...)
	_ = c.TrackAt(ctx, "prices", date(20), numbers(400, 1000)...)
	e, err := c.Overlap(ctx, "home", "prices", date(20), date(21))
	fmt.Println(600-e.Error <= e.Count && e.Count <= 600+e.Error, e.Reliable, err)
	// Output: true true <nil>
}

func ExampleCounter_Forget() {
	ctx := context.Background()
	rdb, stop := lardertest.Start()
	defer stop()

	c, err := visitors.New(rdb, visitors.Options{})
	if err != nil {
		fmt.Println(err)
		return
	}
	_ = c.Track(ctx, "home", "ann")
	fmt.Println(c.Forget(ctx, "home"))
	fmt.Println(c.LastDays(ctx, "home", 30))
	// Output:
	// <nil>
	// 0 <nil>
}

func ExampleChart_SVG() {
	chart := visitors.Chart{Title: "Visitors of home", Points: []visitors.Point{{Start: date(20), Count: 120}, {Start: date(21), Count: 90}, {Start: date(22), Count: 160}}}
	var picture bytes.Buffer // or a file, or an http.ResponseWriter
	if err := chart.SVG(&picture); err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(strings.HasPrefix(picture.String(), "<svg"), strings.Contains(picture.String(), "22 Nov"))
	// Output: true true
}

func numbers(from, to int) []string {
	var all []string
	for i := from; i < to; i++ {
		all = append(all, fmt.Sprintf("visitor %d", i))
	}
	return all
}
