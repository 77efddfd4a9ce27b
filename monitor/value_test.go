package monitor

import (
	"encoding/json"
	"errors"
	"math"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestValue: not known is not 0, in Go and in JSON.
func TestValue(t *testing.T) {
	var none Value[int64]
	_, ok := none.Get()
	assert.False(t, ok)
	assert.Equal(t, int64(7), none.Or(7))
	zero := Known[int64](0)
	v, ok := zero.Get()
	assert.True(t, ok)
	assert.Zero(t, v)
	assert.Zero(t, zero.Or(7))
	text, err := json.Marshal(map[string]any{"none": none, "zero": zero, "list": Known([]string{"a"})})
	require.NoError(t, err)
	assert.JSONEq(t, `{"none":null,"zero":0,"list":["a"]}`, string(text))
	var back struct{ None, Zero Value[int64] }
	back.None = Known[int64](9)
	require.NoError(t, json.Unmarshal(text, &back))
	assert.Equal(t, none, back.None)
	assert.Equal(t, zero, back.Zero)
	require.Error(t, json.Unmarshal([]byte(`{"zero":"x"}`), &back))
	assert.Equal(t, none, back.Zero)
}

// TestSnapshotJSON: a snapshot survives JSON, errors as texts.
func TestSnapshotJSON(t *testing.T) {
	raw := infoText(t)
	n := Node{Addr: "127.0.0.1:6379", At: time.Unix(1700000000, 5).UTC()}
	n.fill(readInfo(raw), nil)
	s := Snapshot{At: n.At, Nodes: []Node{n, {Addr: "other", Err: errors.New("connection refused")}}}
	text, err := json.Marshal(s)
	require.NoError(t, err)
	var back Snapshot
	require.NoError(t, json.Unmarshal(text, &back))
	require.Len(t, back.Nodes, 2)
	require.EqualError(t, back.Nodes[1].Err, "connection refused")
	again, err := json.Marshal(back)
	require.NoError(t, err)
	assert.JSONEq(t, string(text), string(again))
	assert.Contains(t, string(text), `"link_up":null`)
	require.ErrorContains(t, s.Err(), "node other: connection refused")
	found, ok := s.Node("other")
	assert.True(t, ok)
	assert.Error(t, found.Err)
	_, ok = s.Node("third")
	assert.False(t, ok)
	require.Error(t, json.Unmarshal([]byte(`{"nodes":[{"addr":1}]}`), &back))
}

func TestAlertJSON(t *testing.T) {
	for _, value := range []float64{0.25, math.Inf(1), math.Inf(-1)} {
		a := Alert{Rule: "r", Node: "n", Severity: Warning, State: Firing, Value: value, Since: time.Unix(1, 0).UTC(), FiredAt: time.Unix(2, 0).UTC()}
		text, err := json.Marshal(a)
		require.NoError(t, err)
		assert.NotContains(t, string(text), "resolved_at")
		var back Alert
		require.NoError(t, json.Unmarshal(text, &back))
		assert.Equal(t, a, back)
	}
	var back Alert
	require.Error(t, json.Unmarshal([]byte(`{"value":"much"}`), &back))
	require.Error(t, json.Unmarshal([]byte(`{"rule":1}`), &back))
}
