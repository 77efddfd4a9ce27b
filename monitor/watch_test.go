package monitor

import (
	"encoding/json"
	"errors"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestWatchKeepsTheNewest: a Sentinel that has not heard of a failover does not undo it, though who told of it is gone.
func TestWatchKeepsTheNewest(t *testing.T) {
	var told []SentinelUpdate
	w := &sentinelWatch{
		views: make([]*sentinelView, 2), fn: func(u SentinelUpdate) { told = append(told, u) }, addrs: map[string]string{}, epochs: map[string]int64{},
	}
	view := func(addr string, epoch int64) *sentinelView {
		return &sentinelView{masters: []SentinelMaster{{Name: "m", Addr: addr}}, epochs: []int64{epoch}}
	}
	dead := &sentinelView{err: errors.New("gone")}
	for _, step := range []struct {
		sentinel int
		view     *sentinelView
		addr     string // of the master, as told last
		told     int
	}{
		{0, dead, "", 0},
		{0, view("a", 1), "a", 1},
		{1, view("a", 1), "a", 1},
		{0, view("b", 2), "b", 2},
		{0, dead, "b", 3}, // that it does not answer is news, what the other says is not
		{1, view("a", 1), "b", 3},
		{1, view("b", 2), "b", 3},
		{1, dead, "b", 4},
		{1, view("c", 3), "c", 5},
		{0, view("b", 2), "c", 6},
		{1, view("a", 0), "b", 7}, // both answer, so that somebody has begun anew
		{0, view("a", 0), "a", 8},
	} {
		w.see(step.sentinel, step.view)
		assert.Len(t, told, step.told, "%+v", step)
		if step.addr != "" {
			assert.Equal(t, step.addr, told[len(told)-1].Masters[0].Addr, "%+v", step)
		}
	}
	var switches []Switch
	for _, u := range told {
		if u.Switch != nil {
			switches = append(switches, *u.Switch)
		}
	}
	assert.Equal(t, []Switch{{"m", "a", "b"}, {"m", "b", "c"}, {"m", "c", "b"}, {"m", "b", "a"}}, switches)
}

// TestErrorsInJSON: what went wrong is told there, too.
func TestErrorsInJSON(t *testing.T) {
	for want, v := range map[string]any{
		`{"finding":"f","node":"n","setting":"s","before":"1","after":"1","err":"monitor: CONFIG SET does not mend the finding"}`: Change{
			Finding: "f", Node: "n", Setting: "s", Before: "1", After: "1", Err: ErrNotApplicable,
		},
		`{"finding":"f","node":"n","setting":"s","before":"1","after":"2"}`: Change{Finding: "f", Node: "n", Setting: "s", Before: "1", After: "2"},
		`{"at":"0001-01-01T00:00:00Z","masters":[],"err":"gone"}`:           SentinelUpdate{Masters: []SentinelMaster{}, Err: errors.New("gone")},
		`{"at":"0001-01-01T00:00:00Z","masters":[{"name":"m","addr":"a","status":"ok","replicas":0,"sentinels":1,"quorum":null}]}`: SentinelUpdate{
			Masters: []SentinelMaster{{Name: "m", Addr: "a", Status: "ok", Sentinels: 1}},
		},
	} {
		got, err := json.Marshal(v)
		require.NoError(t, err)
		assert.JSONEq(t, want, string(got))
	}
}
