package monitor_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/larder-go/larder/lardertest"
	"github.com/larder-go/larder/monitor"
)

// A consumer's rules are tested on an embedded Redis that is told what to be.
func ExampleMonitor_Check() {
	rdb, stop := lardertest.Start()
	defer stop()
	m, err := monitor.New(rdb, monitor.Options{Rules: []monitor.Rule{
		{Name: "MemoryHigh", Severity: monitor.Critical, Metric: monitor.MetricMemoryUsage, Op: monitor.Above, Threshold: 0.9},
	}})
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, used := range []string{"268435456", "1020054732"} { // of 1 GiB
		if err := lardertest.SetInfo(rdb, map[string]map[string]string{"memory": {"used_memory": used}}); err != nil {
			fmt.Println(err)
			return
		}
		alerts, err := m.Check(context.Background())
		fmt.Println(len(alerts), err)
		for _, a := range alerts {
			fmt.Println(a.State, a.Rule+":", a.Message)
		}
	}
	// Output:
	// 0 <nil>
	// 1 <nil>
	// firing MemoryHigh: used memory of maxmemory 95 %, above 90 %
}

func ExampleMonitor_Collect() {
	rdb, stop := lardertest.Start()
	defer stop()
	if err := lardertest.SetInfo(rdb, map[string]map[string]string{"stats": {"evicted_keys": "17"}}); err != nil {
		fmt.Println(err)
		return
	}
	m, err := monitor.New(rdb, monitor.Options{})
	if err != nil {
		fmt.Println(err)
		return
	}
	snapshot, err := m.Collect(context.Background())
	if err != nil {
		fmt.Println(err)
		return
	}
	node := snapshot.Nodes[0]
	fmt.Println(node.Role, node.Stats.Evicted.Or(-1), "evicted")
	_, known := node.Replication.LinkUp.Get()
	fmt.Println("a link to a master is known:", known)
	_, known = node.Rates.Evicted.Get()
	fmt.Println("evictions a second are known from one sample:", known)
	// Output:
	// master 17 evicted
	// a link to a master is known: false
	// evictions a second are known from one sample: false
}

func ExampleMonitor_Run() {
	rdb, stop := lardertest.Start()
	defer stop()
	if err := lardertest.SetInfo(rdb, map[string]map[string]string{"clients": {"blocked_clients": "25"}}); err != nil {
		fmt.Println(err)
		return
	}
	ctx, cancel := context.WithCancel(context.Background())
	told := monitor.NotifierFunc(func(_ context.Context, alerts []monitor.Alert) error {
		for _, a := range alerts {
			fmt.Println(a.State, a.Rule, a.Severity)
		}
		cancel()
		return nil
	})
	m, err := monitor.New(rdb, monitor.Options{
		Interval: 10 * time.Millisecond, Notifiers: []monitor.Notifier{told},
		Rules: []monitor.Rule{{Name: "Blocked", Severity: monitor.Critical, Metric: monitor.MetricBlockedClients, Threshold: 10}},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(m.Run(ctx))
	// Output:
	// firing Blocked critical
	// <nil>
}

func ExampleHealth_Ready() {
	rdb, stop := lardertest.Start()
	defer stop()
	m, err := monitor.New(rdb, monitor.Options{})
	if err != nil {
		fmt.Println(err)
		return
	}
	health, err := m.Health(monitor.HealthOptions{Probe: "shop:probe", Share: -1, Tolerate: []monitor.Reason{monitor.ReasonMisconf}})
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, answer := range []string{"", "MISCONF errors writing to the AOF file", "OOM command not allowed"} {
		if answer != "" {
			if err := lardertest.SetFaults(rdb, lardertest.Fault{Commands: []string{"SET"}, Error: answer}); err != nil {
				fmt.Println(err)
				return
			}
		}
		rec := httptest.NewRecorder()
		health.Ready().ServeHTTP(rec, httptest.NewRequestWithContext(context.Background(), http.MethodGet, "/ready", nil))
		for _, check := range health.Check(context.Background()).Checks {
			fmt.Printf("%d %s %q\n", rec.Code, check.Status, check.Reason)
		}
	}
	// Output:
	// 200 ok ""
	// 200 degraded "misconf"
	// 503 unavailable "oom"
}

func ExampleRule_Expr() {
	rule := monitor.Rule{Name: "KeysEvicted", Metric: monitor.MetricEvictedKeys, Threshold: 100, Window: time.Minute}
	fmt.Println(rule.Expr())
	// Output:
	// (rate(redis_evicted_keys_total[1m]) * 60) > 100
}

func ExampleWebhook() {
	hook, err := monitor.Webhook("https://alerts.example.com/hook?token=secret", monitor.WebhookOptions{Labels: map[string]string{"service": "shop"}})
	fmt.Println(hook, err)
	// Output:
	// webhook to alerts.example.com <nil>
}

func ExampleSlack() {
	_, err := monitor.Slack("", monitor.SlackOptions{})
	fmt.Println(err)
	// Output:
	// monitor: slack: the URL is empty
}

func ExampleNewLease() {
	rdb, stop := lardertest.Start()
	defer stop()
	ctx := context.Background()
	for range 2 {
		lease, err := monitor.NewLease(rdb, "shop:monitor:leader", time.Minute)
		if err != nil {
			fmt.Println(err)
			return
		}
		fmt.Println(lease.Leader(ctx))
	}
	// Output:
	// true
	// false
}

func ExampleValue() {
	var unknown monitor.Value[int64]
	zero := monitor.Known[int64](0)
	fmt.Println(unknown.Or(-1), zero.Or(-1))
	// Output:
	// -1 0
}

func ExampleBigKeys() {
	rdb, stop := lardertest.Start()
	defer stop()
	ctx := context.Background()
	for i := range 20 {
		rdb.Set(ctx, fmt.Sprint("session:", i), "v", time.Hour)
	}
	rdb.Set(ctx, "report", string(make([]byte, 50_000)), 0)
	report, err := monitor.BigKeys(ctx, rdb, monitor.BigKeysOptions{Threshold: 10_000})
	fmt.Println(report.Scanned, report.Partial, err)
	for _, key := range report.WithoutTTL() {
		fmt.Println(key.Name, key.Type)
	}
	// Output:
	// 21 false <nil>
	// report string
}

func ExampleAnalyze() {
	rdb, stop := lardertest.Start()
	defer stop()
	if err := lardertest.SetInfo(rdb, map[string]map[string]string{"memory": {"maxmemory": "0", "used_memory": "1073741824", "total_system_memory": "8589934592"}}); err != nil {
		fmt.Println(err)
		return
	}
	report, err := monitor.Analyze(context.Background(), rdb)
	fmt.Println(report.Nodes[0].Advice[0], err)
	// Output:
	// maxmemory is not set: the server grows until the machine has no memory left (it uses 12.5 % of 8.0 GiB) <nil>
}

func ExampleAudit() {
	rdb, stop := lardertest.Start()
	defer stop()
	if err := lardertest.SetInfo(rdb, map[string]map[string]string{"memory": {"maxmemory": "0", "total_system_memory": "8589934592"}}); err != nil {
		fmt.Println(err)
		return
	}
	findings, err := monitor.Audit(context.Background(), rdb)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(findings[0].ID+":", findings[0].Fix)
	// Output:
	// maxmemory-unset: CONFIG SET maxmemory 6442450944
}

func ExampleTopology() {
	rdb, stop := lardertest.Start()
	defer stop()
	report, err := monitor.Topology(context.Background(), rdb)
	fmt.Println(report.Mode, len(report.Masters), err)
	// Output:
	// standalone 1 <nil>
}

func ExampleHotKeys() {
	rdb := redis.NewClient(&redis.Options{Addr: "127.0.0.1:6379"})
	defer func() { _ = rdb.Close() }()
	_, err := monitor.HotKeys(context.Background(), rdb, monitor.HotKeysOptions{Top: -1})
	fmt.Println(err)
	// Output:
	// monitor: HotKeysOptions.Top: -1 is out of range
}
