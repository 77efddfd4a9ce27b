package calendar

import "time"

// The Gregorian calendar repeats itself every 400 years, which are 146,097 days. Years are counted from March, so
// that the leap day is the last of its year, and days from 1970-01-01. These two functions are exact for all years
// in which the number of days fits into 64 bits; the tests hold them against package time.
const (
	eraYears = 400
	eraDays  = 146097
	epochDay = 719468 // from 0000-03-01 to 1970-01-01
)

// serial is the number of days from 1970-01-01 to d.
func (d Day) serial() int64 {
	// Months out of range carry over into the years, as they do in time.Date.
	year, month := int64(d.Year), int64(d.Month)-1
	year += floorDiv(month, 12)
	month -= floorDiv(month, 12) * 12
	if month < 2 { // January and February belong to the year before
		year, month = year-1, month+12
	}
	era := floorDiv(year, eraYears)
	year -= era * eraYears
	yearDay := (153*(month-2)+2)/5 + int64(d.Day) - 1
	return era*eraDays + year*365 + year/4 - year/100 + yearDay - epochDay
}

func fromSerial(n int64) Day {
	n += epochDay
	era := floorDiv(n, eraDays)
	n -= era * eraDays
	year := (n - n/1460 + n/36524 - n/146096) / 365
	yearDay := n - (365*year + year/4 - year/100)
	month := (5*yearDay + 2) / 153
	day := yearDay - (153*month+2)/5 + 1
	month += 3
	year += era * eraYears
	if month > 12 {
		year, month = year+1, month-12
	}
	return Day{Year: int(year), Month: time.Month(month), Day: int(day)}
}

// floorDiv is a/b, rounded down where / rounds towards zero.
func floorDiv(a, b int64) int64 {
	q := a / b
	if a%b < 0 {
		q--
	}
	return q
}
