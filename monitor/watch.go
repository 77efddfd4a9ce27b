package monitor

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"
)

// SentinelOptions of WatchSentinel. The zero value is fine.
type SentinelOptions struct {
	Interval time.Duration // between questions, in addition to each +switch-master; defaults to 15 s
}

// SentinelUpdate is what the Sentinels agree on, when that has changed.
type SentinelUpdate struct {
	At      time.Time        `json:"at"`
	Masters []SentinelMaster `json:"masters"`          // by name, from the Sentinel with the newest configuration of each
	Switch  *Switch          `json:"switch,omitempty"` // a master was replaced
	Err     error            `json:"-"`                // of the Sentinels that do not answer, joined; nil where all do
}

// MarshalJSON writes the update with its error as text.
func (u SentinelUpdate) MarshalJSON() ([]byte, error) {
	type plain SentinelUpdate
	out := struct {
		plain
		Err string `json:"err,omitempty"`
	}{plain: plain(u)}
	if u.Err != nil {
		out.Err = u.Err.Error()
	}
	return json.Marshal(out)
}

// Switch is a failover that the Sentinels have ordered.
type Switch struct {
	Master string `json:"master"`
	From   string `json:"from"`
	To     string `json:"to"`
}

// WatchSentinel calls fn with what the Sentinels know of their masters: first when one has answered, and then with each
// change of masters, replicas, quorum or of who answers. A failover is told once, whichever Sentinels told of it, and
// also if the message of it was lost. Calls of fn do not overlap. It returns nil when ctx ends; a Sentinel that hangs
// delays the return for as long as its client waits, and nothing else.
//
// Each Sentinel is asked for SENTINEL MASTERS, CKQUORUM and REPLICAS of each master, every Interval and after each
// +switch-master, to which there is one subscription a Sentinel.
func WatchSentinel(ctx context.Context, sentinels []*redis.SentinelClient, opts SentinelOptions, fn func(SentinelUpdate)) error {
	opts.Interval = cmp.Or(opts.Interval, defaultInterval)
	switch {
	case len(sentinels) == 0:
		return errors.New("monitor: watch: no Sentinels")
	case slices.Contains(sentinels, nil):
		return errors.New("monitor: watch: a Sentinel is nil")
	case opts.Interval < time.Millisecond:
		return fmt.Errorf("monitor: watch: SentinelOptions.Interval: %v is below 1ms", opts.Interval)
	case fn == nil:
		return errors.New("monitor: watch: the function is nil")
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	w := &sentinelWatch{views: make([]*sentinelView, len(sentinels)), fn: fn, addrs: map[string]string{}, epochs: map[string]int64{}}
	var wg sync.WaitGroup
	for i, s := range sentinels {
		again := make(chan struct{}, 1)
		wg.Go(func() { listen(ctx, s, again) })
		wg.Go(func() {
			ticker := time.NewTicker(opts.Interval)
			defer ticker.Stop()
			for ctx.Err() == nil {
				view := lookAt(ctx, s, sentinelAddr(s, i))
				if ctx.Err() != nil {
					return
				}
				w.see(i, view)
				select {
				case <-ctx.Done():
				case <-ticker.C:
				case <-again:
				}
			}
		})
	}
	wg.Wait()
	return nil
}

// listen asks for another look after each +switch-master. go-redis subscribes again when the connection is lost.
func listen(ctx context.Context, s *redis.SentinelClient, again chan<- struct{}) {
	sub := s.Subscribe(ctx, "+switch-master")
	defer func() { _ = sub.Close() }()
	messages := sub.Channel()
	for {
		select {
		case <-ctx.Done():
			return
		case _, ok := <-messages:
			if !ok {
				return
			}
			select {
			case again <- struct{}{}:
			default:
			}
		}
	}
}

// sentinelView is what one Sentinel told.
type sentinelView struct {
	masters []SentinelMaster
	epochs  []int64 // of the masters' configurations
	err     error
}

func lookAt(ctx context.Context, s *redis.SentinelClient, addr string) *sentinelView {
	reply, err := s.Masters(ctx).Result()
	if err != nil {
		return &sentinelView{err: &NodeError{Addr: addr, Err: err}}
	}
	v := &sentinelView{}
	for _, item := range reply {
		f := pairs(item)
		if f["name"] == "" {
			continue
		}
		one := SentinelMaster{
			Name: f["name"], Addr: joinAddr(f["ip"], f["port"]), Status: masterStatus(f["flags"]),
			Replicas: f.count("num-slaves").Or(0), Sentinels: f.count("num-other-sentinels").Or(0) + 1,
		}
		v.masters = append(v.masters, one)
		v.epochs = append(v.epochs, f.count("config-epoch").Or(0))
	}
	askQuorum(ctx, s.Process, v.masters)
	for i := range v.masters {
		replicas, err := replicaAddrs(ctx, s, v.masters[i].Name)
		if err != nil && !replied(err) {
			return &sentinelView{err: &NodeError{Addr: addr, Err: err}} // not that there are no replicas
		}
		v.masters[i].ReplicaAddrs = replicas
	}
	return v
}

func masterStatus(flags string) string {
	switch {
	case strings.Contains(flags, "o_down"):
		return "odown"
	case strings.Contains(flags, "s_down"):
		return "sdown"
	}
	return "ok"
}

// replicaAddrs are those that the Sentinel does not take for down.
func replicaAddrs(ctx context.Context, s *redis.SentinelClient, master string) ([]string, error) {
	list, err := s.Replicas(ctx, master).Result()
	if err != nil {
		return nil, err
	}
	var out []string
	for _, f := range list {
		if !strings.Contains(f["flags"], "s_down") && !strings.Contains(f["flags"], "disconnected") {
			out = append(out, joinAddr(f["ip"], f["port"]))
		}
	}
	slices.Sort(out)
	return out, nil
}

// pairs reads a reply of names and values, a list in RESP2 and a map in RESP3.
func pairs(reply any) fields {
	f := fields{}
	switch r := reply.(type) {
	case []any:
		for i := 0; i+1 < len(r); i += 2 {
			f[fmt.Sprint(r[i])] = fmt.Sprint(r[i+1])
		}
	case map[any]any:
		for k, v := range r {
			f[fmt.Sprint(k)] = fmt.Sprint(v)
		}
	}
	return f
}

// sentinelWatch merges the views.
type sentinelWatch struct {
	mu     sync.Mutex
	views  []*sentinelView
	fn     func(SentinelUpdate)
	addrs  map[string]string // of the masters, as told last
	epochs map[string]int64  // of what was told last
	last   *SentinelUpdate
}

// see takes a view in and tells what it changes.
func (w *sentinelWatch) see(i int, v *sentinelView) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.views[i] = v
	now := SentinelUpdate{Masters: []SentinelMaster{}}
	epochs := map[string]int64{}
	var errs []error
	answered := false
	for _, v := range w.views {
		if v == nil {
			continue
		}
		if v.err != nil {
			errs = append(errs, v.err)
			continue
		}
		answered = true
		for i, m := range v.masters {
			at := slices.IndexFunc(now.Masters, func(have SentinelMaster) bool { return have.Name == m.Name })
			switch {
			case at < 0:
				now.Masters = append(now.Masters, m)
				epochs[m.Name] = v.epochs[i]
			case v.epochs[i] > epochs[m.Name]:
				now.Masters[at] = m
				epochs[m.Name] = v.epochs[i]
			}
		}
	}
	now.Err = errors.Join(errs...)
	if !answered && w.last == nil {
		return
	}
	slices.SortFunc(now.Masters, func(a, b SentinelMaster) int { return strings.Compare(a.Name, b.Name) })
	if !answered {
		now.Masters = w.last.Masters // nobody says that they are gone
	}
	for at := range now.Masters {
		name := now.Masters[at].Name
		if answered && (now.Err == nil || epochs[name] >= w.epochs[name]) {
			w.epochs[name] = epochs[name]
			continue
		}
		// Who knew of the newest failover does not answer, and who answers has not heard of it.
		if i := slices.IndexFunc(w.lastMasters(), func(m SentinelMaster) bool { return m.Name == name }); i >= 0 {
			now.Masters[at] = w.lastMasters()[i]
		}
	}
	told := false
	for _, m := range now.Masters {
		from, known := w.addrs[m.Name]
		w.addrs[m.Name] = m.Addr
		if known && from != m.Addr {
			update := now
			update.At, update.Switch = time.Now(), &Switch{Master: m.Name, From: from, To: m.Addr}
			w.fn(update)
			told = true
		}
	}
	changed := w.last == nil || !reflect.DeepEqual(w.last.Masters, now.Masters) || errorText(w.last.Err) != errorText(now.Err)
	w.last = &now
	if changed && !told {
		now.At = time.Now()
		w.fn(now)
	}
}

func (w *sentinelWatch) lastMasters() []SentinelMaster {
	if w.last == nil {
		return nil
	}
	return w.last.Masters
}

func errorText(err error) string {
	if err == nil {
		return ""
	}
	return strconv.Quote(err.Error())
}
