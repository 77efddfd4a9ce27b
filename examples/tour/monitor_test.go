package main

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestMonitorFacts: what the chapter says is what happened: one alert for each illness, none before and after.
func TestMonitorFacts(t *testing.T) {
	tour, out := newTour(t)
	require.NoError(t, tour.monitor(t.Context()))
	text := strings.Join(strings.Fields(out.String()), " ")
	assert.Contains(t, text, "All is well no alerts A release forgot its expiries WARNING HighMemoryUsage "+
		"memory is running out: used memory of maxmemory 93 %, above 85 % The disk is full CRITICAL PersistenceFailed "+
		"the last save failed: the last RDB save failed A queue stalls CRITICAL BlockedClients "+
		"many clients wait in blocking commands: blocked_clients 48, above 10 All is well again no alerts")
	assert.Contains(t, text, "Its readiness check answers 200. When it is out of memory, PING still says PONG, and the check 503: oom.")
	assert.Contains(t, text, "Of 61 keys in the server of the tour, these take more than 100 kB: tour:monitor:report: a string of 300016 bytes, without an expiry")
}
