package monitor

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"time"
)

// SlackOptions of Slack. The zero value is fine.
type SlackOptions struct {
	Client  *http.Client // defaults to one of its own; redirects are not followed in any case
	Channel string       // for receivers that heed it; Slack's own incoming webhooks have theirs
	Title   string       // first line; defaults to how many alerts fire and how many resolved
}

// slackAlerts is how many alerts a message lists.
const slackAlerts = 30

// Slack returns a Notifier that POSTs to an incoming webhook of Slack, or of what understands the same format. The URL is
// a secret: errors name its host alone.
func Slack(address string, opts SlackOptions) (Notifier, error) {
	p, err := newPoster("slack", address, opts.Client, nil)
	if err != nil {
		return nil, err
	}
	return &slack{poster: p, opts: opts}, nil
}

type slack struct {
	*poster
	opts SlackOptions
}

type slackMessage struct {
	Channel     string            `json:"channel,omitempty"`
	Text        string            `json:"text"`
	Attachments []slackAttachment `json:"attachments"`
}

type slackAttachment struct {
	Color    string `json:"color"`
	Fallback string `json:"fallback"`
	Text     string `json:"text"`
	TS       int64  `json:"ts"`
}

// Slack's three characters with a meaning; a node's or rule's name must not become a link or a mention.
var slackEscaper = strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;")

func (s *slack) Notify(ctx context.Context, alerts []Alert) error {
	firing := 0
	msg := slackMessage{Channel: s.opts.Channel, Attachments: []slackAttachment{}}
	for i, a := range alerts {
		if a.State != Resolved {
			firing++
		}
		if i >= slackAlerts {
			continue
		}
		plain := fmt.Sprintf("%s: %s on %s (%s): %s", strings.ToUpper(string(a.State)), a.Rule, a.Node, a.Severity, a.Message)
		text := fmt.Sprintf("*%s* on `%s` (%s, %s since %s)\n%s", slackEscaper.Replace(a.Rule), slackEscaper.Replace(a.Node), a.Severity, a.State,
			a.Since.UTC().Format(time.RFC3339), slackEscaper.Replace(a.Message))
		at := a.FiredAt
		if a.State == Resolved {
			at = a.ResolvedAt
		}
		msg.Attachments = append(msg.Attachments, slackAttachment{Color: slackColor(a), Fallback: slackEscaper.Replace(plain), Text: text, TS: at.Unix()})
	}
	msg.Text = s.opts.Title
	if msg.Text == "" {
		msg.Text = fmt.Sprintf("Redis: %d firing, %d resolved", firing, len(alerts)-firing)
	}
	if more := len(alerts) - slackAlerts; more > 0 {
		msg.Text += fmt.Sprintf(" (%d more not listed)", more)
	}
	return s.post(ctx, msg)
}

func slackColor(a Alert) string {
	switch {
	case a.State == Resolved:
		return "good"
	case a.Severity == Critical:
		return "danger"
	case a.Severity == Warning:
		return "warning"
	}
	return "#439FE0"
}
