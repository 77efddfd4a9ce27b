package calendar_test

import (
	"encoding/json"
	"fmt"
	"time"

	"github.com/larder-go/larder/calendar"
)

func Example() {
	loc, err := time.LoadLocation("Asia/Kathmandu")
	if err != nil {
		fmt.Println(err)
		return
	}
	now := time.Date(2026, time.November, 22, 18, 30, 0, 0, time.UTC) // a quarter past midnight in Nepal

	fmt.Println("today:", calendar.Of(now, loc))
	fmt.Println("yesterday:", calendar.Of(now, loc).Add(-1))
	fmt.Println("week:", calendar.Weekly.Label(now, loc))
	fmt.Println("expires:", calendar.Weekly.End(now, loc).Format(time.RFC3339))
	// Output:
	// today: 2026-11-23
	// yesterday: 2026-11-22
	// week: 2026-W48
	// expires: 2026-11-30T00:00:00+05:45
}

func ExampleDay() {
	joined := calendar.Day{Year: 2024, Month: time.February, Day: 29}
	fmt.Println(joined.Weekday(), joined.YearDay(), joined.Valid())
	fmt.Println(joined.Add(365))
	fmt.Println(calendar.Day{Year: 2025, Month: time.January, Day: 1}.Sub(joined), "days later")
	// Output:
	// Thursday 60 true
	// 2025-02-28
	// 307 days later
}

func ExampleDay_Start() {
	// Clocks in São Paulo went from midnight straight to one o'clock.
	loc, err := time.LoadLocation("America/Sao_Paulo")
	if err != nil {
		fmt.Println(err)
		return
	}
	day := calendar.Day{Year: 2018, Month: time.November, Day: 4}
	fmt.Println(day.Start(loc))
	fmt.Println(day.Add(1).Start(loc).Sub(day.Start(loc)), "long")
	// Output:
	// 2018-11-04 01:00:00 -0200 -02
	// 23h0m0s long
}

func ExampleDay_MarshalText() {
	type member struct {
		Joined calendar.Day
		Left   calendar.Day `json:",omitzero"` // the zero Day is no day, and cannot be written
	}
	text, err := json.Marshal(member{Joined: calendar.Day{Year: 2026, Month: time.November, Day: 22}})
	fmt.Println(string(text), err)
	// Output:
	// {"Joined":"2026-11-22"} <nil>
}

func ExampleParseDay() {
	_, err := calendar.ParseDay("2026-02-29")
	fmt.Println(err)
	// Output:
	// calendar: parse "2026-02-29": not a day of the form YYYY-MM-DD
}

func ExamplePeriod() {
	now := time.Date(2026, time.November, 22, 13, 45, 0, 0, time.UTC)
	for _, p := range []calendar.Period{calendar.AllTime, calendar.Yearly, calendar.Monthly, calendar.Weekly, calendar.Daily, calendar.Hourly} {
		fmt.Println(p, p.Label(now, time.UTC))
	}
	// Output:
	// AllTime all
	// Yearly 2026
	// Monthly 2026-11
	// Weekly 2026-W47
	// Daily 2026-11-22
	// Hourly 2026-11-22T13:00Z
}

func ExamplePeriod_All() {
	// Samoa crossed the date line, and had no December 30.
	loc, err := time.LoadLocation("Pacific/Apia")
	if err != nil {
		fmt.Println(err)
		return
	}
	from := calendar.Day{Year: 2011, Month: time.December, Day: 28}.Start(loc)
	to := calendar.Day{Year: 2012, Month: time.January, Day: 2}.Start(loc)
	for start := range calendar.Daily.All(from, to, loc) {
		fmt.Println(calendar.Of(start, loc))
	}
	// Output:
	// 2011-12-28
	// 2011-12-29
	// 2011-12-31
	// 2012-01-01
}
