package main

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"

	"github.com/redis/go-redis/v9"

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
		t.printf("%-30s %d alerts\n", day.what+":", len(alerts))
		for _, a := range alerts {
			t.printf("    %s %s: %s\n", strings.ToUpper(string(a.Severity)), a.Rule, a.Message)
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
	code, _ := ask()
	t.printf("\nReady: %d.", code)
	err = lardertest.SetFaults(patient, lardertest.Fault{Commands: []string{"SET"}, Error: "OOM command not allowed when used memory > 'maxmemory'."}) //nolint:contextcheck // it is in process
	if err != nil {
		return err
	}
	code, reason := ask()
	t.printf(" Out of memory PING still answers %s; ready: %d, because of %s.\n", patient.Ping(ctx).Val(), code, reason)
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
	t.printf("\nOf %d keys %d is big: %s, a %s that never expires: %t.\n",
		report.Scanned, len(report.Keys), report.Keys[0].Name, report.Keys[0].Type, len(report.WithoutTTL()) == 1)
	return nil
}
