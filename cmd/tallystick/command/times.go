package command

import (
	"fmt"
	"math"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// wordsTime is how times are shown; all are UTC.
const wordsTime = "2006-01-02 15:04:05 UTC"

// relative says where a moment lies as seen from now.
func relative(at, now time.Time) string {
	d := at.Sub(now).Round(time.Second)
	switch {
	case d == 0:
		return "now"
	case d > 0:
		return "in " + span(d)
	}
	return span(-d) + " ago"
}

// span is a duration in its largest fitting unit.
func span(d time.Duration) string {
	for _, unit := range []struct {
		size time.Duration
		name string
	}{{24 * time.Hour, "day"}, {time.Hour, "hour"}, {time.Minute, "minute"}} {
		if d >= 2*unit.size {
			return plural(int(d/unit.size), unit.name)
		}
	}
	return plural(int(d/time.Second), "second")
}

// short writes a duration as --help and flags do: 1m, not 1m0s.
func short(d time.Duration) string {
	text := d.String()
	if strings.HasSuffix(text, "m0s") {
		text = strings.TrimSuffix(text, "0s")
	}
	if strings.HasSuffix(text, "h0m") {
		text = strings.TrimSuffix(text, "0m")
	}
	return text
}

// checkDuration refuses a duration out of its range.
func checkDuration(flag string, d, least, most time.Duration) error {
	if d < least || d > most {
		return wrongUsage("%s must be from %s to %s, with its unit, such as %s 30s", flag, short(least), short(most), flag)
	}
	return nil
}

// momentOf is a time of a token, where the calendar has it.
func momentOf(seconds float64) (time.Time, bool) {
	const year9999 = 253402300799
	if math.Abs(seconds) > year9999 {
		return time.Time{}, false
	}
	whole := math.Floor(seconds)
	return time.Unix(int64(whole), int64((seconds-whole)*1e9)).UTC(), true
}

var secondsInText = regexp.MustCompile(`\b(at|is) ([0-9]+\.[0-9]{3})\b`)

// timesInWords writes the times of a log line, seconds since 1970, as people read them.
func timesInWords(text string) string {
	return secondsInText.ReplaceAllStringFunc(text, func(found string) string {
		before, number, _ := strings.Cut(found, " ")
		seconds, err := strconv.ParseFloat(number, 64)
		at, ok := momentOf(seconds)
		if err != nil || !ok {
			return found
		}
		return before + " " + at.Format(wordsTime)
	})
}

// inWords is a time of a token as people read it.
func inWords(seconds float64, now time.Time) string {
	at, ok := momentOf(seconds)
	if !ok {
		return "beyond the year 9999"
	}
	return fmt.Sprintf("%s, %s", at.Format(wordsTime), relative(at, now))
}
