package monitor_test

import (
	"context"
	"log/slog"
	"net/http"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/larder-go/larder/monitor"
)

// The names and signatures of the contract, held at compile time.
var (
	_ = monitor.Options{
		Interval: time.Second, Rules: []monitor.Rule{}, Notifiers: []monitor.Notifier{}, History: 240, Logger: (*slog.Logger)(nil),
		OnError: func(error) {}, Leader: func(context.Context) bool { return true },
	}
	_ func(redis.UniversalClient, monitor.Options) (*monitor.Monitor, error) = monitor.New
	_ func(*monitor.Monitor, context.Context) (monitor.Snapshot, error)      = (*monitor.Monitor).Collect
	_ func(*monitor.Monitor, context.Context) ([]monitor.Alert, error)       = (*monitor.Monitor).Check
	_ func(*monitor.Monitor, context.Context) error                          = (*monitor.Monitor).Run
	_ func(*monitor.Monitor) (monitor.Snapshot, bool)                        = (*monitor.Monitor).Last
	_ func(*monitor.Monitor) []monitor.Alert                                 = (*monitor.Monitor).Alerts
	_ func(*monitor.Monitor, func(monitor.Event)) func()                     = (*monitor.Monitor).Subscribe
	_ func(*monitor.Monitor, monitor.HealthOptions) (*monitor.Health, error) = (*monitor.Monitor).Health
	_                                                                        = monitor.Snapshot{At: time.Time{}, Nodes: []monitor.Node{}}
	_                                                                        = []monitor.Severity{monitor.Info, monitor.Warning, monitor.Critical}
	_                                                                        = []monitor.State{monitor.Pending, monitor.Firing, monitor.Resolved}
	_                                                                        = []monitor.Op{monitor.Above, monitor.Below}
	_                                                                        = monitor.Rule{
		Name: "", Severity: "", Metric: monitor.Metric(""), Op: monitor.Above, Threshold: 0, Hysteresis: 0,
		For: 0, KeepFiring: 0, Repeat: 0, Window: 0, MinSamples: int64(0), Summary: "",
	}
	_ func(monitor.Value[int64]) (int64, bool)                                   = monitor.Value[int64].Get
	_ func(monitor.Value[string], string) string                                 = monitor.Value[string].Or
	_ func(monitor.Node, monitor.Metric) (float64, bool)                         = monitor.Node.Figure
	_                                                                            = monitor.Node{Addr: "", Role: "", Err: error(nil), Info: map[string]string{}}
	_                                                                            = monitor.Alert{Rule: "", Node: "", Severity: "", State: "", Value: 0, Threshold: 0, Message: "", Since: time.Time{}, FiredAt: time.Time{}, ResolvedAt: time.Time{}}
	_                                                                            = monitor.Event{Kind: monitor.EventKind(""), At: time.Time{}, Node: "", Alert: (*monitor.Alert)(nil), Detail: ""}
	_ monitor.Notifier                                                           = monitor.NotifierFunc(nil)
	_ func() []monitor.Rule                                                      = monitor.DefaultRules
	_ func(monitor.Metric, time.Duration) string                                 = monitor.Metric.PromQL
	_ func(*monitor.Lease, context.Context) bool                                 = (*monitor.Lease).Leader
	_ func(*monitor.Health) http.Handler                                         = (*monitor.Health).Live
	_ func(*monitor.Health) http.Handler                                         = (*monitor.Health).Ready
	_                                                                            = monitor.HealthOptions{Tolerate: []monitor.Reason{}}
	_ func(redis.UniversalClient, string, time.Duration) (*monitor.Lease, error) = monitor.NewLease

	_ func(context.Context, redis.UniversalClient) (monitor.MemoryReport, error)                                  = monitor.Analyze
	_ func(context.Context, redis.UniversalClient, monitor.BigKeysOptions) (monitor.BigKeysReport, error)         = monitor.BigKeys
	_                                                                                                             = monitor.BigKeysReport{Scanned: int64(0), Total: int64(0), Keys: []monitor.BigKey{}, Partial: false}
	_                                                                                                             = monitor.BigKey{Name: "", Type: "", Node: "", Encoding: "", Bytes: int64(0), Length: int64(0), TTL: time.Duration(0)}
	_ func(context.Context, redis.UniversalClient, monitor.HotKeysOptions) (monitor.HotKeysReport, error)         = monitor.HotKeys
	_ func(context.Context, redis.UniversalClient) ([]monitor.Finding, error)                                     = monitor.Audit
	_                                                                                                             = monitor.Finding{ID: "", Title: "", Evidence: "", Source: "", Severity: monitor.Info, Fix: ""}
	_ func(context.Context, redis.UniversalClient, ...monitor.Finding) ([]monitor.Change, error)                  = monitor.Apply
	_ func(context.Context, redis.UniversalClient, ...*redis.SentinelClient) (monitor.TopologyReport, error)      = monitor.Topology
	_ func(*slog.Logger) monitor.Notifier                                                                         = monitor.Log
	_ func(string, monitor.WebhookOptions) (monitor.Notifier, error)                                              = monitor.Webhook
	_ func(string, monitor.SlackOptions) (monitor.Notifier, error)                                                = monitor.Slack
	_ func(context.Context, []*redis.SentinelClient, monitor.SentinelOptions, func(monitor.SentinelUpdate)) error = monitor.WatchSentinel
)
