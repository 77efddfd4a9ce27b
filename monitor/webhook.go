package monitor

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"hash/fnv"
	"io"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

// WebhookOptions of Webhook. The zero value is fine.
type WebhookOptions struct {
	Header   http.Header       `json:"-"` // sent along, such as Authorization; never printed, by fmt, slog or encoding/json
	Client   *http.Client      // defaults to one of its own; redirects are not followed in any case
	Receiver string            // defaults to "larder"
	Labels   map[string]string // added to each alert's, such as the name of the service
	Source   string            // URL that the alerts link to; may be empty
}

// String and GoString keep the headers out of whatever prints WebhookOptions.
func (o WebhookOptions) String() string {
	return fmt.Sprintf("monitor.WebhookOptions{Header: %d, Receiver: %q, Labels: %q, Source: %q}", len(o.Header), o.Receiver, o.Labels, o.Source)
}

// GoString is String.
func (o WebhookOptions) GoString() string { return o.String() }

// Webhook returns a Notifier that POSTs alerts in the format of Alertmanager's webhooks, version 4, so that what receives
// those receives these. The labels are alertname, instance, severity and yours. It wants an answer of 2xx; a Retry-After
// is kept. Redirects are errors: they would turn the POST into a GET, and take the headers along. The URL is taken for a
// secret: errors name its host alone.
func Webhook(address string, opts WebhookOptions) (Notifier, error) {
	p, err := newPoster("webhook", address, opts.Client, opts.Header)
	if err != nil {
		return nil, err
	}
	opts.Receiver = cmp.Or(opts.Receiver, "larder")
	opts.Labels = maps.Clone(opts.Labels)
	return &webhook{poster: p, receiver: opts.Receiver, labels: opts.Labels, source: opts.Source}, nil
}

type webhook struct {
	*poster
	receiver, source string
	labels           map[string]string
}

type webhookMessage struct {
	Version           string            `json:"version"`
	GroupKey          string            `json:"groupKey"`
	TruncatedAlerts   int               `json:"truncatedAlerts"`
	Status            string            `json:"status"`
	Receiver          string            `json:"receiver"`
	GroupLabels       map[string]string `json:"groupLabels"`
	CommonLabels      map[string]string `json:"commonLabels"`
	CommonAnnotations map[string]string `json:"commonAnnotations"`
	ExternalURL       string            `json:"externalURL"`
	Alerts            []webhookAlert    `json:"alerts"`
}

type webhookAlert struct {
	Status       string            `json:"status"`
	Labels       map[string]string `json:"labels"`
	Annotations  map[string]string `json:"annotations"`
	StartsAt     time.Time         `json:"startsAt"`
	EndsAt       time.Time         `json:"endsAt"` // the zero time while it fires, as Alertmanager has it
	GeneratorURL string            `json:"generatorURL"`
	Fingerprint  string            `json:"fingerprint"`
}

func (w *webhook) Notify(ctx context.Context, alerts []Alert) error {
	msg := webhookMessage{
		Version: "4", GroupKey: "{}:{}", Status: string(Resolved), Receiver: w.receiver, GroupLabels: map[string]string{},
		ExternalURL: w.source, Alerts: make([]webhookAlert, 0, len(alerts)),
	}
	for _, a := range alerts {
		labels := map[string]string{}
		maps.Copy(labels, w.labels)
		labels["alertname"], labels["instance"], labels["severity"] = a.Rule, a.Node, string(a.Severity)
		one := webhookAlert{
			Status: string(a.State), Labels: labels, StartsAt: cmp.Or(a.FiredAt, a.Since), EndsAt: a.ResolvedAt, GeneratorURL: w.source,
			Annotations: map[string]string{"summary": a.Rule + " on " + a.Node, "description": a.Message, "value": formatFloat(a.Value)},
			Fingerprint: fingerprint(labels),
		}
		if a.State != Resolved {
			msg.Status = string(Firing)
		}
		msg.Alerts = append(msg.Alerts, one)
	}
	msg.CommonLabels = common(msg.Alerts, func(a webhookAlert) map[string]string { return a.Labels })
	msg.CommonAnnotations = common(msg.Alerts, func(a webhookAlert) map[string]string { return a.Annotations })
	return w.post(ctx, msg)
}

// common returns the pairs that all alerts have.
func common(alerts []webhookAlert, of func(webhookAlert) map[string]string) map[string]string {
	if len(alerts) == 0 {
		return map[string]string{}
	}
	out := maps.Clone(of(alerts[0]))
	for _, a := range alerts[1:] {
		have := of(a)
		maps.DeleteFunc(out, func(k, v string) bool { return have[k] != v })
	}
	return out
}

// fingerprint is the same for the same labels, in any process.
func fingerprint(labels map[string]string) string {
	h := fnv.New64a()
	for _, name := range slices.Sorted(maps.Keys(labels)) {
		_, _ = io.WriteString(h, name+"\xff"+labels[name]+"\xff") // a hash takes everything
	}
	return fmt.Sprintf("%016x", h.Sum64())
}

// poster sends JSON to an address that is a secret.
type poster struct {
	kind, host string
	address    string
	header     http.Header
	client     *http.Client
}

func newPoster(kind, address string, client *http.Client, header http.Header) (*poster, error) {
	if strings.TrimSpace(address) == "" {
		return nil, fmt.Errorf("monitor: %s: the URL is empty", kind)
	}
	u, err := url.Parse(address)
	if err != nil {
		return nil, fmt.Errorf("monitor: %s: the URL cannot be read", kind) // the cause repeats the URL
	}
	if (u.Scheme != "http" && u.Scheme != "https") || u.Host == "" {
		return nil, fmt.Errorf("monitor: %s: the URL is not one of http or https with a host", kind)
	}
	own := http.Client{}
	if client != nil {
		own = *client
	}
	own.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return &poster{kind: kind, host: u.Host, address: address, header: header.Clone(), client: &own}, nil
}

// String and GoString keep the URL and the headers out of whatever prints a notifier.
func (p *poster) String() string   { return p.kind + " to " + p.host }
func (p *poster) GoString() string { return p.String() }

// statusError is an answer other than 2xx.
type statusError struct {
	kind, host string
	status     int
	after      time.Duration
}

func (e *statusError) Error() string {
	return fmt.Sprintf("%s to %s: answered %d %s", e.kind, e.host, e.status, http.StatusText(e.status))
}

// RetryAfter is what the receiver asked for.
func (e *statusError) RetryAfter() time.Duration { return e.after }

func (p *poster) post(ctx context.Context, body any) error {
	text, err := json.Marshal(body)
	if err != nil {
		return fmt.Errorf("%s: %w", p, err)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, p.address, bytes.NewReader(text))
	if err != nil {
		return fmt.Errorf("%s: the request cannot be made", p)
	}
	maps.Copy(req.Header, p.header)
	req.Header.Set("Content-Type", "application/json")
	resp, err := p.client.Do(req)
	if err != nil {
		if outer, ok := errors.AsType[*url.Error](err); ok {
			err = outer.Err // without the URL
		}
		return fmt.Errorf("%s: %w", p, err)
	}
	defer func() { _ = resp.Body.Close() }()
	_, _ = io.CopyN(io.Discard, resp.Body, 64<<10) // so that the connection can be used again; what it says does not matter
	if resp.StatusCode < 200 || resp.StatusCode > 299 {
		e := &statusError{kind: p.kind, host: p.host, status: resp.StatusCode}
		e.after = retryAfter(resp.Header.Get("Retry-After"), time.Now())
		return e
	}
	return nil
}

// retryAfter reads seconds or a date, at most an hour.
func retryAfter(text string, now time.Time) time.Duration {
	if seconds, err := strconv.Atoi(text); err == nil {
		return time.Duration(min(max(seconds, 0), 3600)) * time.Second
	}
	if at, err := http.ParseTime(text); err == nil {
		return min(max(at.Sub(now), 0), time.Hour)
	}
	return 0
}
