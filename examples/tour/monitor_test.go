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
	assert.Contains(t, text, "All is well: 0 alerts A release forgot its expiries: 1 alerts WARNING HighMemoryUsage: "+
		"memory is running out: used memory of maxmemory 93 %, above 85 % The disk is full: 1 alerts CRITICAL PersistenceFailed: "+
		"the last save failed: the last RDB save failed A queue stalls: 1 alerts CRITICAL BlockedClients: "+
		"many clients wait in blocking commands: blocked_clients 48, above 10 All is well again: 0 alerts")
	assert.Contains(t, text, "Ready: 200. Out of memory PING still answers PONG; ready: 503, because of oom.")
	assert.Contains(t, text, "Of 61 keys 1 is big: tour:monitor:report, a string that never expires: true.")
}
