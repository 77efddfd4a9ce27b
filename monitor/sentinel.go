package monitor

import (
	"context"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"
)

// Sentinel is what a Sentinel tells of the masters that it watches.
type Sentinel struct {
	Masters Value[[]SentinelMaster] `json:"masters"`
}

// SentinelMaster is a master as one Sentinel sees it.
type SentinelMaster struct {
	Name      string      `json:"name"`
	Addr      string      `json:"addr"`
	Status    string      `json:"status"` // ok, sdown, odown
	Replicas  int64       `json:"replicas"`
	Sentinels int64       `json:"sentinels"`        // this one included
	Quorum    Value[bool] `json:"quorum"`           // whether enough of them can be reached to order a failover
	Detail    string      `json:"detail,omitempty"` // why not, in the Sentinel's words

	ReplicaAddrs []string `json:"replica_addrs,omitempty"` // those that are up; from WatchSentinel and Topology alone
}

// quorum is 1 where it is there for all masters, 0 where for one it is not.
func (s *Sentinel) quorum() (float64, bool) {
	masters, ok := s.Masters.Get()
	if !ok || len(masters) == 0 {
		return 0, false
	}
	known, all := false, true
	for _, m := range masters {
		if there, ok := m.Quorum.Get(); ok {
			known = true
			all = all && there
		}
	}
	return truth(known && all), known
}

// sentinelAddr is the address that a client was made with. go-redis has it in its text only.
func sentinelAddr(c *redis.SentinelClient, i int) string {
	text := strings.TrimPrefix(c.String(), "Redis<")
	if addr, _, ok := strings.Cut(text, " db:"); ok && addr != "" {
		return addr
	}
	return "sentinel" + strconv.Itoa(i)
}

type processor func(ctx context.Context, cmd redis.Cmder) error

// sentinel samples a Sentinel: PING, INFO, and SENTINEL CKQUORUM for each of its masters.
func (m *Monitor) sentinel(ctx context.Context, c *redis.SentinelClient, i int, n *Node) {
	n.Addr, n.Role = sentinelAddr(c, i), "sentinel"
	start := time.Now()
	if n.Err = c.Ping(ctx).Err(); n.Err != nil {
		return
	}
	took := time.Since(start)
	cmd := redis.NewStringCmd(ctx, "INFO")
	if n.Err = c.Process(ctx, cmd); n.Err != nil {
		return
	}
	info := readInfo(cmd.Val())
	if len(info.fields) == 0 {
		n.Err = errGarbage
		return
	}
	n.At = time.Now()
	n.fill(info, nil)
	n.Role, n.Latency = "sentinel", Latency{RoundTrip: Known(took), at: start}
	m.quorum(ctx, c.Process, n)
	m.rates(m.ability(n.Addr), n)
}

// quorum fills in the masters of a Sentinel.
func (m *Monitor) quorum(ctx context.Context, process processor, n *Node) {
	masters := sentinelMasters(n.Info)
	askQuorum(ctx, process, masters)
	n.Sentinel.Masters = Known(masters)
}

// quorumsAtOnce is how many masters a Sentinel is asked for at the same time: each question takes a connection.
const quorumsAtOnce = 8

func askQuorum(ctx context.Context, process processor, masters []SentinelMaster) {
	var wg sync.WaitGroup
	places := make(chan struct{}, quorumsAtOnce)
	for i := range masters {
		places <- struct{}{}
		wg.Go(func() {
			defer func() { <-places }()
			one := &masters[i]
			cmd := redis.NewStringCmd(ctx, "SENTINEL", "CKQUORUM", one.Name)
			switch err := process(ctx, cmd); {
			case err == nil:
				one.Quorum = Known(true)
			case strings.HasPrefix(err.Error(), "NOQUORUM"), strings.HasPrefix(err.Error(), "NOGOODSLAVE"):
				one.Quorum, one.Detail = Known(false), err.Error()
			default:
				one.Detail = err.Error()
			}
		})
	}
	wg.Wait()
}

// sentinelMasters reads the lines "master0:name=mymaster,status=ok,address=127.0.0.1:6379,slaves=2,sentinels=3". A name
// may hold commas, so that the parts are cut from the right.
func sentinelMasters(info fields) []SentinelMaster {
	out := []SentinelMaster{}
	for i := 0; ; i++ {
		text, ok := info["master"+strconv.Itoa(i)]
		if !ok {
			break
		}
		one := SentinelMaster{}
		for _, name := range []string{"sentinels", "slaves", "address", "status", "name"} {
			at := strings.LastIndex(text, name+"=")
			if at < 0 || at > 0 && text[at-1] != ',' {
				continue
			}
			value := text[at+len(name)+1:]
			text = strings.TrimSuffix(text[:at], ",")
			switch name {
			case "name":
				one.Name = value
			case "status":
				one.Status = value
			case "address":
				one.Addr = value
			case "slaves":
				one.Replicas, _ = strconv.ParseInt(value, 10, 64)
			case "sentinels":
				one.Sentinels, _ = strconv.ParseInt(value, 10, 64)
			}
		}
		if one.Name != "" {
			out = append(out, one)
		}
	}
	slices.SortFunc(out, func(a, b SentinelMaster) int { return strings.Compare(a.Name, b.Name) })
	return out
}
