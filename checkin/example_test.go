package checkin_test

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/larder-go/larder/calendar"
	"github.com/larder-go/larder/checkin"
	"github.com/larder-go/larder/lardertest"
)

// at is a moment of UTC, for examples.
func at(text string) time.Time {
	t, err := time.Parse("2006-01-02 15:04", text)
	if err != nil {
		panic(err)
	}
	return t
}

func Example() {
	rdb, stop := lardertest.Start()
	defer stop()
	ctx := context.Background()
	tracker, err := checkin.New(rdb, checkin.Options{Milestones: []int{3, 7, 30}, Keep: -1})
	if err != nil {
		panic(err)
	}
	for _, day := range []string{"2027-12-30", "2027-12-31", "2028-01-01"} {
		r, err := tracker.CheckInAt(ctx, "ada", at(day+" 09:00"))
		if err != nil {
			panic(err)
		}
		fmt.Println(r.Day, "new:", r.New, "streak:", r.Stats.Current, "reached:", r.Reached)
	}
	s, err := tracker.StatsAt(ctx, "ada", at("2028-01-02 08:00"))
	if err != nil {
		panic(err)
	}
	fmt.Println("the day after:", s.Current, "pending:", s.Pending)
	// Output:
	// 2027-12-30 new: true streak: 1 reached: []
	// 2027-12-31 new: true streak: 2 reached: []
	// 2028-01-01 new: true streak: 3 reached: [3]
	// the day after: 3 pending: true
}

func ExampleTracker_Backfill() {
	rdb, stop := lardertest.Start()
	defer stop()
	ctx := context.Background()
	tracker, err := checkin.New(rdb, checkin.Options{Backfill: 2, Milestones: []int{3}, Keep: -1})
	if err != nil {
		panic(err)
	}
	now := at("2028-03-01 12:00")
	_, _ = tracker.CheckInAt(ctx, "ada", at("2028-02-28 12:00"))
	_, _ = tracker.CheckInAt(ctx, "ada", now)
	r, err := tracker.BackfillAt(ctx, "ada", calendar.Day{Year: 2028, Month: time.February, Day: 29}, now)
	fmt.Println(r.Stats.Current, r.Reached, err)
	_, err = tracker.BackfillAt(ctx, "ada", calendar.Day{Year: 2028, Month: time.February, Day: 27}, now)
	fmt.Println(err)
	// Output:
	// 3 [3] <nil>
	// checkin: backfill 2028-02-27 "ada": checkin: the day is too old: 3 days back, of at most 2
}

func ExampleTracker_In() {
	rdb, stop := lardertest.Start()
	defer stop()
	tracker, err := checkin.New(rdb, checkin.Options{Keep: -1})
	if err != nil {
		panic(err)
	}
	kathmandu, err := time.LoadLocation("Asia/Kathmandu")
	if err != nil {
		panic(err)
	}
	r, err := tracker.In(kathmandu).CheckInAt(context.Background(), "tenzing", at("2028-05-28 18:20"))
	fmt.Println(r.Day, err)
	// Output: 2028-05-29 <nil>
}

func ExampleCalendar_String() {
	rdb, stop := lardertest.Start()
	defer stop()
	ctx := context.Background()
	tracker, err := checkin.New(rdb, checkin.Options{Keep: -1})
	if err != nil {
		panic(err)
	}
	for _, day := range []string{"01", "02", "03", "08", "29"} {
		_, _ = tracker.CheckInAt(ctx, "ada", at("2028-02-"+day+" 12:00"))
	}
	month, err := tracker.MonthAt(ctx, "ada", 2028, time.February, at("2028-03-01 12:00"))
	fmt.Print(month)
	fmt.Println(err)
	// Output:
	//         February 2028
	//  Mo  Tu  We  Th  Fr  Sa  Su
	//       1*  2*  3*  4   5   6
	//   7   8*  9  10  11  12  13
	//  14  15  16  17  18  19  20
	//  21  22  23  24  25  26  27
	//  28  29*
	//
	// 5 of 29 days, longest streak 3
	// <nil>
}

func ExampleCalendar_SVG() {
	year := checkin.Calendar{
		From: calendar.Day{Year: 2028, Month: time.January, Day: 1}, To: calendar.Day{Year: 2028, Month: time.January, Day: 2},
		Checked: []bool{true, false}, Count: 1, Longest: 1,
	}
	var picture strings.Builder
	fmt.Println(year.SVG(&picture), strings.Count(picture.String(), "<title>2028-"))
	// Output: <nil> 2
}

func ExampleActivity() {
	rdb, stop := lardertest.Start()
	defer stop()
	ctx := context.Background()
	activity, err := checkin.NewActivity(rdb, checkin.ActivityOptions{Keep: -1})
	if err != nil {
		panic(err)
	}
	ids, err := checkin.NewIDs(rdb, checkin.IDsOptions{})
	if err != nil {
		panic(err)
	}
	monday := calendar.Day{Year: 2028, Month: time.May, Day: 1}
	for i, names := range [][]string{{"ada", "bob", "cyd"}, {"ada"}, {"ada", "bob", "dee"}} {
		for _, name := range names {
			id, err := ids.ID(ctx, name)
			if err != nil {
				panic(err)
			}
			if err := activity.MarkAt(ctx, id, monday.Add(i).Start(time.UTC)); err != nil {
				panic(err)
			}
		}
	}
	daily, _ := activity.Count(ctx, monday, monday)
	weekly, _ := activity.Count(ctx, monday, monday.Add(6))
	always, _ := activity.Every(ctx, monday, monday.Add(1), monday.Add(2))
	fmt.Println("DAU", daily, "WAU", weekly, "every day", always)
	for _, r := range must(activity.Retention(ctx, monday, 1, 2)) {
		fmt.Printf("after %d: %d, %.0f %%\n", r.After, r.Count, r.Rate*100)
	}
	for id, err := range activity.Members(ctx, monday.Add(2)) {
		if err != nil {
			panic(err)
		}
		fmt.Print(must(ids.Name(ctx, id)), " ")
	}
	// Output:
	// DAU 3 WAU 4 every day 1
	// after 1: 1, 33 %
	// after 2: 2, 67 %
	// ada bob dee
}

func ExampleTable() {
	rdb, stop := lardertest.Start()
	defer stop()
	ctx := context.Background()
	activity := must(checkin.NewActivity(rdb, checkin.ActivityOptions{Keep: -1}))
	first := calendar.Day{Year: 2028, Month: time.May, Day: 1}
	for id := range uint32(4) {
		for d := range 3 - int(id)/2 {
			if err := activity.MarkAt(ctx, id, first.Add(d).Start(time.UTC)); err != nil {
				panic(err)
			}
		}
	}
	table := must(activity.Cohorts(ctx, first, first.Add(2), 1))
	for _, row := range table.Rows {
		fmt.Print(row.Cohort, " ", row.Size)
		for _, c := range row.Cells {
			fmt.Printf(" %3.0f%%", c.Rate*100)
		}
		fmt.Println()
	}
	_ = table.SVG(&strings.Builder{}) // or to a file
	// Output:
	// 2028-05-01 4 100% 100%  50%
	// 2028-05-02 4 100%  50%
	// 2028-05-03 2 100%
}

func ExampleIDs() {
	rdb, stop := lardertest.Start()
	defer stop()
	ctx := context.Background()
	ids := must(checkin.NewIDs(rdb, checkin.IDsOptions{Namespace: "app"}))
	fmt.Println(must(ids.ID(ctx, "ada")), must(ids.ID(ctx, "bob")), must(ids.ID(ctx, "ada")), must(ids.Name(ctx, 1)))
	// Output: 0 1 0 bob
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}
