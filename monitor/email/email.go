package email

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	netmail "net/mail"
	"slices"
	"strings"
	"time"

	mail "github.com/wneessen/go-mail"

	"github.com/larder-go/larder/monitor"
)

// Security says how a connection is kept from others' eyes.
type Security int

const (
	// StartTLS begins in the clear and insists on TLS before anything else is said.
	StartTLS Security = iota
	// ImplicitTLS speaks TLS from the first byte.
	ImplicitTLS
	// Plain speaks no TLS: for a relay on the same machine. A password is refused with it.
	Plain
)

// Options of New. Host, From and To are wanted.
type Options struct {
	Host     string        // name or address of the SMTP server, IPv6 without brackets
	Port     int           // defaults to 587, with ImplicitTLS to 465, with Plain to 25
	From     string        // "ops@example.com" or "Larder <ops@example.com>"
	To       []string      // at least one
	Username string        // "" = no authentication
	Password string        `json:"-"` // never printed, by fmt, slog or encoding/json
	Security Security      // defaults to StartTLS
	TLS      *tls.Config   // defaults to the system's roots; a missing ServerName is Host
	Timeout  time.Duration // of each step; defaults to 15 s
	Subject  string        // begins the subject; defaults to "[redis]"
}

// String and GoString keep the password out of whatever prints Options.
func (o Options) String() string {
	return fmt.Sprintf("email.Options{Host: %q, Port: %d, From: %q, To: %q, Username: %q}", o.Host, o.Port, o.From, o.To, o.Username)
}

// GoString is String.
func (o Options) GoString() string { return o.String() }

// Notifier sends mails. It is a [monitor.Notifier], and safe for concurrent use.
type Notifier struct {
	opts Options
}

var _ monitor.Notifier = (*Notifier)(nil)

// New returns a Notifier. It does no I/O. An error names the option that is wrong.
func New(opts Options) (*Notifier, error) {
	port := 587
	switch opts.Security {
	case StartTLS:
	case ImplicitTLS:
		port = 465
	case Plain:
		port = 25
	default:
		return nil, fmt.Errorf("email: Options.Security: %d is unknown", opts.Security)
	}
	opts.Port = cmp.Or(opts.Port, port)
	opts.Timeout = cmp.Or(opts.Timeout, 15*time.Second)
	opts.Subject = cmp.Or(opts.Subject, "[redis]")
	opts.To = slices.Clone(opts.To)
	switch {
	case strings.TrimSpace(opts.Host) == "":
		return nil, errors.New("email: Options.Host is empty")
	case opts.Port < 1 || opts.Port > 65535:
		return nil, fmt.Errorf("email: Options.Port: %d is no port", opts.Port)
	case opts.Timeout < time.Millisecond:
		return nil, fmt.Errorf("email: Options.Timeout: %v is below 1ms", opts.Timeout)
	case len(opts.To) == 0:
		return nil, errors.New("email: Options.To is empty")
	case opts.Username == "" && opts.Password != "":
		return nil, errors.New("email: Options.Username is empty, though there is a password")
	case opts.Security == Plain && opts.Username != "":
		return nil, errors.New("email: Options.Security: Plain would send the password in the clear")
	case strings.ContainsAny(opts.Subject, "\r\n"):
		return nil, errors.New("email: Options.Subject has a line end")
	}
	if _, err := netmail.ParseAddress(opts.From); err != nil {
		return nil, fmt.Errorf("email: Options.From: %q: %w", opts.From, err)
	}
	for i, to := range opts.To {
		if _, err := netmail.ParseAddress(to); err != nil {
			return nil, fmt.Errorf("email: Options.To[%d]: %q: %w", i, to, err)
		}
	}
	config := &tls.Config{MinVersion: tls.VersionTLS12}
	if opts.TLS != nil {
		config = opts.TLS.Clone()
	}
	config.ServerName = cmp.Or(config.ServerName, opts.Host)
	opts.TLS = config
	return &Notifier{opts: opts}, nil
}

// String and GoString keep the password out of whatever prints a Notifier.
func (n *Notifier) String() string {
	return "email to " + strings.Join(n.opts.To, ", ") + " by " + n.opts.Host
}

// GoString is String.
func (n *Notifier) GoString() string { return n.String() }

// Notify sends one mail with all alerts to all recipients, on a connection of its own. It returns when ctx ends, whatever
// the server does. An error means that the mail was not sent, or that this is not known: the same mail may then arrive twice.
func (n *Notifier) Notify(ctx context.Context, alerts []monitor.Alert) error {
	if len(alerts) == 0 {
		return nil
	}
	msg := mail.NewMsg()
	if err := msg.From(n.opts.From); err != nil {
		return fmt.Errorf("%s: %w", n, err)
	}
	if err := msg.To(n.opts.To...); err != nil {
		return fmt.Errorf("%s: %w", n, err)
	}
	msg.Subject(n.opts.Subject + " " + subject(alerts))
	msg.SetDate()
	msg.SetMessageID()
	msg.SetBodyString(mail.TypeTextPlain, body(alerts))
	dial, hangUp := n.line(ctx)
	defer hangUp()
	client, err := n.client(dial)
	if err != nil {
		return fmt.Errorf("%s: %w", n, err)
	}
	if err := client.DialAndSendWithContext(ctx, msg); err != nil && !msg.IsDelivered() { // who has taken it need not say goodbye
		if ended := context.Cause(ctx); ended != nil && !errors.Is(err, ended) {
			err = fmt.Errorf("%w: %w", ended, err) // the connection says only that it was closed
		}
		return fmt.Errorf("%s: %w", n, err)
	}
	return nil
}

func (n *Notifier) client(dial mail.DialContextFunc) (*mail.Client, error) {
	options := []mail.Option{
		mail.WithPort(n.opts.Port), mail.WithTimeout(n.opts.Timeout), mail.WithTLSConfig(n.opts.TLS.Clone()), mail.WithDialContextFunc(dial),
	}
	policy := mail.TLSMandatory
	switch n.opts.Security {
	case Plain:
		policy = mail.NoTLS
	case ImplicitTLS: // the line has it: go-mail only looks whether it is there
		policy = mail.TLSOpportunistic
	}
	options = append(options, mail.WithTLSPolicy(policy))
	if n.opts.Username != "" {
		options = append(options, mail.WithSMTPAuth(mail.SMTPAuthAutoDiscover), mail.WithUsername(n.opts.Username), mail.WithPassword(n.opts.Password))
	}
	host := n.opts.Host
	if strings.Contains(host, ":") {
		host = "[" + host + "]" // go-mail puts host and port together as they are
	}
	return mail.NewClient(host, options...)
}

// subject is one alert's, or how many there are.
func subject(alerts []monitor.Alert) string {
	text := ""
	if len(alerts) == 1 {
		a := alerts[0]
		text = strings.ToUpper(string(a.State)) + " " + a.Rule + " on " + a.Node
	} else {
		firing := 0
		for _, a := range alerts {
			if a.State != monitor.Resolved {
				firing++
			}
		}
		text = fmt.Sprintf("%d firing, %d resolved", firing, len(alerts)-firing)
	}
	return strings.Map(func(r rune) rune {
		if r < ' ' {
			return ' '
		}
		return r
	}, text)
}

func body(alerts []monitor.Alert) string {
	var b strings.Builder
	for _, a := range alerts {
		fmt.Fprintf(&b, "%s: %s on %s (%s)\n  %s\n  since %s", strings.ToUpper(string(a.State)), a.Rule, a.Node, a.Severity, a.Message, stamp(a.Since))
		if a.State == monitor.Resolved {
			fmt.Fprintf(&b, ", resolved %s", stamp(a.ResolvedAt))
		}
		b.WriteString("\n\n")
	}
	return b.String()
}

func stamp(t time.Time) string { return t.UTC().Format("2006-01-02 15:04:05 MST") }
