package main

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"

	"github.com/redis/go-redis/v9"

	"github.com/larder-go/larder/examples/internal/demo"
	"github.com/larder-go/larder/lardertest"
	"github.com/larder-go/larder/monitor"
)

// monitor has an embedded server fall ill and get well, and then looks at the server of the tour. The illness is a fake
// INFO, since nobody wants it on a real one.
func (t *tour) monitor(ctx context.Context) error {
	patient, stop := lardertest.Start()
	defer stop()
	rules := monitor.DefaultRules()
	for i := range rules {
		rules[i].For = 0 // in a service an alert waits for a while, so that a spike is none
	}
	m, err := monitor.New(patient, monitor.Options{Rules: rules})
	if err != nil {
		return err
	}
	t.say("A server falls ill and recovers. (It is an embedded one, which says in INFO what the story needs.)")
	t.printf("\n")
	for _, day := range []struct {
		what string
		info map[string]map[string]string
	}{
		{"All is well", nil},
		{"A release forgot its expiries", map[string]map[string]string{"memory": {"used_memory": "998244352", "maxmemory": "1073741824"}}},
		{"The disk is full", map[string]map[string]string{"persistence": {"rdb_last_bgsave_status": "err"}}},
		{"A queue stalls", map[string]map[string]string{"clients": {"blocked_clients": "48"}}},
		{"All is well again", nil},
	} {
		if err := lardertest.SetInfo(patient, day.info); err != nil { //nolint:contextcheck // it is in process
			return err
		}
		alerts, err := m.Check(ctx)
		if err != nil {
			return err
		}
		if len(alerts) == 0 {
			t.printf("  %-30s %s\n", day.what, t.paint.In(demo.Good, "no alerts"))
		}
		for _, a := range alerts {
			style := demo.Warn
			if a.Severity == monitor.Critical {
				style = demo.Bad
			}
			t.printf("  %-30s %s\n    %s\n", day.what, t.paint.In(style, strings.ToUpper(string(a.Severity))+" "+a.Rule), a.Message)
		}
	}
	if err := t.readiness(ctx, patient, m); err != nil {
		return err
	}
	return t.diagnosis(ctx)
}

// readiness asks as an orchestrator does.
func (t *tour) readiness(ctx context.Context, patient *redis.Client, m *monitor.Monitor) error {
	health, err := m.Health(monitor.HealthOptions{Probe: t.ns + ":probe", Share: -1})
	if err != nil {
		return err
	}
	ask := func() (int, string) {
		rec := httptest.NewRecorder()
		health.Ready().ServeHTTP(rec, httptest.NewRequestWithContext(ctx, http.MethodGet, "/ready", nil))
		for _, check := range health.Check(ctx).Checks {
			return rec.Code, string(check.Reason)
		}
		return rec.Code, ""
	}
	well, _ := ask()
	err = lardertest.SetFaults(patient, lardertest.Fault{Commands: []string{"SET"}, Error: "OOM command not allowed when used memory > 'maxmemory'."}) //nolint:contextcheck // it is in process
	if err != nil {
		return err
	}
	code, reason := ask()
	t.printf("\n")
	t.say("Its readiness check answers %d. When it is out of memory, PING still says %s, and the check %d: %s.", well, patient.Ping(ctx).Val(), code, reason)
	return lardertest.SetFaults(patient) //nolint:contextcheck // it is in process
}

// diagnosis looks for big keys on the server of the tour.
func (t *tour) diagnosis(ctx context.Context) error {
	for i := range 60 {
		key := fmt.Sprintf("%s:monitor:item:%d", t.ns, i)
		if err := t.rdb.Set(ctx, key, strings.Repeat("x", 100+i), 0).Err(); err != nil {
			return err
		}
	}
	if err := t.rdb.Set(ctx, t.ns+":monitor:report", strings.Repeat("x", 300_000), 0).Err(); err != nil {
		return err
	}
	report, err := monitor.BigKeys(ctx, t.rdb, monitor.BigKeysOptions{Match: t.ns + ":monitor:*", Threshold: 100_000})
	if err != nil {
		return err
	}
	t.printf("\nOf %d keys in the server of the tour, these take more than 100 kB:\n", report.Scanned)
	for _, k := range report.Keys {
		note := ""
		if k.TTL == -1 {
			note = ", without an expiry"
		}
		t.printf("  %s: a %s of %d bytes%s\n", k.Name, k.Type, k.Bytes, note)
	}
	return nil
}
