package monitor

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"math"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// receiver is an HTTP server that keeps what it gets and answers what the test wants.
type receiver struct {
	*httptest.Server
	mu     sync.Mutex
	bodies []string
	header http.Header
	answer func(n int, w http.ResponseWriter)
}

func newReceiver(t *testing.T, answer func(n int, w http.ResponseWriter)) *receiver {
	t.Helper()
	r := &receiver{answer: answer}
	r.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		body, _ := io.ReadAll(req.Body)
		r.mu.Lock()
		r.bodies = append(r.bodies, req.Method+" "+req.URL.Path+" "+string(body))
		r.header = req.Header.Clone()
		n := len(r.bodies)
		r.mu.Unlock()
		if r.answer != nil {
			r.answer(n, w)
		}
	}))
	t.Cleanup(r.Close)
	return r
}

func (r *receiver) got() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return append([]string(nil), r.bodies...)
}

var someAlerts = []Alert{
	{
		Rule: "HighMemoryUsage", Node: "10.0.0.1:6379", Severity: Warning, State: Firing, Value: 0.91, Threshold: 0.85, Message: "used memory 91 %",
		Since: time.Date(2025, 3, 1, 12, 0, 0, 0, time.UTC), FiredAt: time.Date(2025, 3, 1, 12, 1, 0, 0, time.UTC),
	},
	{
		Rule: "ReplicationBroken", Node: "10.0.0.2:6379", Severity: Critical, State: Resolved, Value: math.Inf(1), Threshold: 30, Message: "<!channel> & co",
		Since: time.Date(2025, 3, 1, 11, 0, 0, 0, time.UTC), FiredAt: time.Date(2025, 3, 1, 11, 1, 0, 0, time.UTC),
		ResolvedAt: time.Date(2025, 3, 1, 12, 1, 0, 0, time.UTC),
	},
}

// TestWebhook: the payload is Alertmanager's version 4, on a real receiver.
func TestWebhook(t *testing.T) {
	r := newReceiver(t, nil)
	n, err := Webhook(r.URL+"/hook", WebhookOptions{
		Header: http.Header{"Authorization": {"Bearer geheim"}}, Labels: map[string]string{"service": "shop"}, Source: "https://shop.example/redis",
	})
	require.NoError(t, err)
	require.NoError(t, n.Notify(t.Context(), someAlerts))
	require.Len(t, r.got(), 1)
	method, body, _ := strings.Cut(r.got()[0], " /hook ")
	assert.Equal(t, "POST", method)
	assert.Equal(t, "application/json", r.header.Get("Content-Type"))
	assert.Equal(t, "Bearer geheim", r.header.Get("Authorization"))
	assert.JSONEq(t, `{
		"version": "4", "groupKey": "{}:{}", "truncatedAlerts": 0, "status": "firing", "receiver": "larder", "groupLabels": {},
		"commonLabels": {"service": "shop"}, "commonAnnotations": {}, "externalURL": "https://shop.example/redis",
		"alerts": [{
			"status": "firing", "labels": {"alertname": "HighMemoryUsage", "instance": "10.0.0.1:6379", "severity": "warning", "service": "shop"},
			"annotations": {"summary": "HighMemoryUsage on 10.0.0.1:6379", "description": "used memory 91 %", "value": "0.91"},
			"startsAt": "2025-03-01T12:01:00Z", "endsAt": "0001-01-01T00:00:00Z", "generatorURL": "https://shop.example/redis", "fingerprint": "`+
		fingerprint(map[string]string{"alertname": "HighMemoryUsage", "instance": "10.0.0.1:6379", "severity": "warning", "service": "shop"})+`"
		}, {
			"status": "resolved", "labels": {"alertname": "ReplicationBroken", "instance": "10.0.0.2:6379", "severity": "critical", "service": "shop"},
			"annotations": {"summary": "ReplicationBroken on 10.0.0.2:6379", "description": "<!channel> & co", "value": "+Inf"},
			"startsAt": "2025-03-01T11:01:00Z", "endsAt": "2025-03-01T12:01:00Z", "generatorURL": "https://shop.example/redis", "fingerprint": "`+
		fingerprint(map[string]string{"alertname": "ReplicationBroken", "instance": "10.0.0.2:6379", "severity": "critical", "service": "shop"})+`"
		}]
	}`, body)
	require.NoError(t, n.Notify(t.Context(), someAlerts[1:]))
	var msg webhookMessage
	_, body, _ = strings.Cut(r.got()[1], " /hook ")
	require.NoError(t, json.Unmarshal([]byte(body), &msg))
	assert.Equal(t, "resolved", msg.Status)
	assert.Equal(t, "ReplicationBroken", msg.CommonLabels["alertname"])
	assert.Empty(t, common(nil, nil))
}

// TestSlack: the message of an incoming webhook, with nothing in it that Slack would take for a mention.
func TestSlack(t *testing.T) {
	r := newReceiver(t, func(_ int, w http.ResponseWriter) { _, _ = io.WriteString(w, "ok") })
	n, err := Slack(r.URL+"/services/T0/B0/geheim", SlackOptions{Channel: "#ops"})
	require.NoError(t, err)
	require.NoError(t, n.Notify(t.Context(), someAlerts))
	_, body, _ := strings.Cut(r.got()[0], " /services/T0/B0/geheim ")
	assert.JSONEq(t, `{"channel": "#ops", "text": "Redis: 1 firing, 1 resolved", "attachments": [
		{"color": "warning", "ts": 1740830460, "fallback": "FIRING: HighMemoryUsage on 10.0.0.1:6379 (warning): used memory 91 %",
		 "text": "*HighMemoryUsage* on `+"`10.0.0.1:6379`"+` (warning, firing since 2025-03-01T12:00:00Z)\nused memory 91 %"},
		{"color": "good", "ts": 1740830460, "fallback": "RESOLVED: ReplicationBroken on 10.0.0.2:6379 (critical): &lt;!channel&gt; &amp; co",
		 "text": "*ReplicationBroken* on `+"`10.0.0.2:6379`"+` (critical, resolved since 2025-03-01T11:00:00Z)\n&lt;!channel&gt; &amp; co"}
	]}`, body)
	var many []Alert
	for i := range 50 {
		many = append(many, Alert{Rule: strconv.Itoa(i), Severity: Critical, State: Firing})
	}
	require.NoError(t, n.Notify(t.Context(), many))
	var msg slackMessage
	_, body, _ = strings.Cut(r.got()[1], " /services/T0/B0/geheim ")
	require.NoError(t, json.Unmarshal([]byte(body), &msg))
	assert.Equal(t, "Redis: 50 firing, 0 resolved (20 more not listed)", msg.Text)
	assert.Len(t, msg.Attachments, 30)
	assert.Equal(t, "danger", msg.Attachments[0].Color)
}

// TestNotifiersWithoutAddress are refused when they are made, and their errors repeat no secret.
func TestNotifiersWithoutAddress(t *testing.T) {
	for _, address := range []string{"", "  ", "geheim", "ftp://host/geheim", "https:///geheim", "http://[::1/geheim", "://geheim"} {
		_, err := Webhook(address, WebhookOptions{})
		require.ErrorContains(t, err, "monitor: webhook: the URL")
		assert.NotContains(t, err.Error(), "geheim")
		_, err = Slack(address, SlackOptions{})
		require.ErrorContains(t, err, "monitor: slack: the URL")
		assert.NotContains(t, err.Error(), "geheim")
	}
}

// TestSecretsAreNotPrinted: neither by printing a notifier nor by its errors.
func TestSecretsAreNotPrinted(t *testing.T) {
	r := newReceiver(t, func(_ int, w http.ResponseWriter) { w.WriteHeader(http.StatusForbidden) })
	gone := httptest.NewServer(http.NotFoundHandler())
	gone.Close()
	for _, base := range []string{r.URL, gone.URL} {
		secret := strings.Replace(base, "http://", "http://user:geheim@", 1) + "/geheim?token=geheim"
		o := WebhookOptions{Header: http.Header{"X-Token": {"geheim"}}}
		var logged strings.Builder
		slog.New(slog.NewJSONHandler(&logged, nil)).Info("x", "options", o)
		slog.New(slog.NewTextHandler(&logged, nil)).Info("x", "options", o)
		hook, err := Webhook(secret, o)
		require.NoError(t, err)
		slack, err := Slack(secret, SlackOptions{})
		require.NoError(t, err)
		for _, n := range []Notifier{hook, slack} {
			err := n.Notify(t.Context(), someAlerts)
			require.Error(t, err)
			w := newWorker(n, nil)
			for _, text := range []string{
				err.Error(), w.String(), fmt.Sprintf("%v %+v %#v", o, &o, o), logged.String(), fmt.Sprintf("%v", n), fmt.Sprintf("%+v", n), fmt.Sprintf("%#v", n), fmt.Sprint(Options{Notifiers: []Notifier{n}}),
			} {
				assert.NotContains(t, text, "geheim")
			}
			assert.Contains(t, err.Error(), strings.TrimPrefix(base, "http://"), "the host is said")
		}
	}
}

// TestRedirectsAreNotFollowed: a redirected POST would be a GET, and the headers would go along to another host.
func TestRedirectsAreNotFollowed(t *testing.T) {
	other := newReceiver(t, nil)
	for _, status := range []int{http.StatusMovedPermanently, http.StatusFound, http.StatusTemporaryRedirect} {
		r := newReceiver(t, func(_ int, w http.ResponseWriter) {
			w.Header().Set("Location", other.URL)
			w.WriteHeader(status)
		})
		n, err := Webhook(r.URL, WebhookOptions{Client: &http.Client{Timeout: time.Minute}})
		require.NoError(t, err)
		require.ErrorContains(t, n.Notify(t.Context(), someAlerts), strconv.Itoa(status))
	}
	assert.Empty(t, other.got())
}

// TestDeliveryIsRetried: through the queue, to a receiver that fails twice and asks for a pause once.
func TestDeliveryIsRetried(t *testing.T) {
	t.Parallel()
	r := newReceiver(t, func(n int, w http.ResponseWriter) {
		if n == 1 {
			w.Header().Set("Retry-After", "1")
			w.WriteHeader(http.StatusTooManyRequests)
		}
	})
	hook, err := Webhook(r.URL, WebhookOptions{})
	require.NoError(t, err)
	d := newDiary()
	w := newWorker(hook, d.report)
	end := w.start(t)
	w.add(someAlerts...)
	require.Eventually(t, func() bool { return len(r.got()) == 2 }, time.Minute, time.Millisecond)
	end()
	assert.Equal(t, r.got()[0], r.got()[1])
	require.Len(t, d.reported(), 1)
	assert.Contains(t, d.reported()[0], "answered 429 Too Many Requests")
	status := &statusError{}
	err = hook.Notify(t.Context(), nil)
	require.NoError(t, err)
	assert.Zero(t, status.RetryAfter())
}

func TestRetryAfterHeader(t *testing.T) {
	now := time.Date(2025, 3, 1, 12, 0, 0, 0, time.UTC)
	for text, want := range map[string]time.Duration{
		"": 0, "soon": 0, "0": 0, "-5": 0, "120": 2 * time.Minute, "999999": time.Hour, "99999999999999999999": 0,
		"Sat, 01 Mar 2025 12:00:30 GMT": 30 * time.Second, "Sat, 01 Mar 2025 11:00:00 GMT": 0, "Sun, 01 Mar 2026 11:00:00 GMT": time.Hour,
	} {
		assert.Equal(t, want, retryAfter(text, now), text)
	}
}

// TestHangingReceiver: a receiver that drips its answer, or never gives one, is left when the context ends.
func TestHangingReceiver(t *testing.T) {
	for _, begins := range []bool{false, true} {
		reached := make(chan struct{})
		srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if begins {
				_, _ = w.Write([]byte("x"))
				_ = http.NewResponseController(w).Flush()
			}
			_, _ = io.Copy(io.Discard, r.Body)
			close(reached)
			<-r.Context().Done()
		}))
		t.Cleanup(srv.Close)
		n, err := Webhook(srv.URL, WebhookOptions{})
		require.NoError(t, err)
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- n.Notify(ctx, someAlerts) }()
		<-reached
		cancel()
		if err := <-done; !begins { // else the first line may have been read, which is all that counts
			require.ErrorIs(t, err, context.Canceled)
		}
	}
}
