//go:build !race

package pipeline_test

// raceEnabled says that the race detector watches, which makes all slow and large.
const raceEnabled = false
