//go:build race

package warmup_test

const raceEnabled = true
