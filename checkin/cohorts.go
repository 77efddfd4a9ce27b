package checkin

import (
	"context"
	"fmt"
	"slices"

	"github.com/larder-go/larder/calendar"
)

// Retained is how many users of a cohort came back.
type Retained struct {
	// After is how many days after the cohort.
	After int
	// Count is how many of the cohort were active then.
	Count int64
	// Rate is Count as a share of the cohort, from 0 to 1; 0 for an empty cohort.
	Rate float64
}

// Table is retention by cohorts: each row is shorter than the one above it. The zero value has no rows.
type Table struct {
	Rows []CohortRow
}

// CohortRow is a cohort: the users who were active in a period.
type CohortRow struct {
	// Cohort is the first day of the period.
	Cohort calendar.Day
	// Size is how many users it has.
	Size int64
	// Cells are the cohort's own period, with After 0, and each one after it.
	Cells []Retained
}

// Retention returns how many of those who were active on a day were active also some numbers of days after it, in
// the order asked. 0 is the day itself; a negative number, or one that leads beyond the year 9999, is [ErrRange]. Nothing
// is sent if nothing is asked. It costs what [Activity.Count] of as many days does, of those segments that the day has.
func (a *Activity) Retention(ctx context.Context, cohort calendar.Day, after ...int) ([]Retained, error) {
	r, err := a.retention(ctx, cohort, after)
	if err != nil {
		return nil, failed("retention of", cohort, err)
	}
	return r, nil
}

func (a *Activity) retention(ctx context.Context, cohort calendar.Day, after []int) ([]Retained, error) {
	if err := a.checkDay(cohort); err != nil {
		return nil, err
	}
	unique := append([]int{0}, after...)
	slices.Sort(unique)
	unique = slices.Compact(unique)
	if first, last := unique[0], unique[len(unique)-1]; first < 0 || last >= maxDays || !cohort.Add(last).Valid() {
		return nil, fmt.Errorf("%w: from %d to %d days after it", ErrRange, first, last)
	}
	if len(after) == 0 {
		return nil, nil
	}
	days := make([]calendar.Day, len(unique))
	for i, n := range unique {
		days[i] = cohort.Add(n)
	}
	counts := make([]int64, len(days))
	var own, both segment
	ofCohort := func(has []bool) bool { return has[0] }
	err := a.segments(ctx, days, ofCohort, func(_ uint32, days []string) error {
		own = segment{}
		own.or(days[0])
		counts[0] += own.count()
		for i, s := range days[1:] {
			if s == "" {
				continue
			}
			both = own
			both.and(s)
			counts[i+1] += both.count()
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	out := make([]Retained, len(after))
	for i, n := range after {
		k, _ := slices.BinarySearch(unique, n)
		out[i] = retained(n, counts[k], counts[0])
	}
	return out, nil
}

func retained(after int, count, size int64) Retained {
	r := Retained{After: after, Count: count}
	if size > 0 {
		r.Rate = float64(count) / float64(size)
	}
	return r
}

// maxCohorts is how many rows a table may have.
const maxCohorts = 400

// Cohorts returns the triangle of retention from one day to another, both included: a row for the users who were active
// in each period of width days, and in it a cell for that period and each one after it, After width, 2 width and so on.
// The last period is shorter if the days do not come out even. A width below 1, more than 400 periods or more than 36,600
// days are [ErrRange]. It costs what [Activity.Count] does, and for each segment periods^2 / 2 times 1,024 words here.
func (a *Activity) Cohorts(ctx context.Context, from, to calendar.Day, width int) (Table, error) {
	t, err := a.cohorts(ctx, from, to, width)
	if err != nil {
		return Table{}, failed("cohorts", fmt.Sprintf("%v to %v by %d", from, to, width), err)
	}
	return t, nil
}

func (a *Activity) cohorts(ctx context.Context, from, to calendar.Day, width int) (Table, error) {
	if err := a.check(); err != nil {
		return Table{}, err
	}
	if err := checkRange(from, to); err != nil {
		return Table{}, err
	}
	if width < 1 {
		return Table{}, fmt.Errorf("%w: a width of %d days", ErrRange, width)
	}
	length := to.Sub(from) + 1
	n := (length-1)/width + 1
	if n > maxCohorts {
		return Table{}, fmt.Errorf("%w: %d cohorts are more than %d", ErrRange, n, maxCohorts)
	}
	counts := make([][]int64, n)
	for i := range counts {
		counts[i] = make([]int64, n-i)
	}
	periods := make([]segment, n)
	err := a.segments(ctx, between(from, to), nil, func(_ uint32, days []string) error {
		clear(periods)
		for d, s := range days {
			periods[d/width].or(s)
		}
		for i := range periods {
			for k := range counts[i] {
				counts[i][k] += periods[i].common(&periods[i+k])
			}
		}
		return nil
	})
	if err != nil {
		return Table{}, err
	}
	t := Table{Rows: make([]CohortRow, n)}
	for i, row := range counts {
		r := CohortRow{Cohort: from.Add(i * width), Size: row[0], Cells: make([]Retained, len(row))}
		for k, c := range row {
			r.Cells[k] = retained(k*width, c, row[0])
		}
		t.Rows[i] = r
	}
	return t, nil
}
