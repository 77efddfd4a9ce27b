// Package email sends the alerts of a [monitor.Monitor] by mail.
//
// It is a package of its own so that nobody else links an SMTP client. Do not use it where somebody must wake up: mail is
// late, and nobody hears it. [monitor.Webhook] reaches what does that.
//
//	mail, err := email.New(email.Options{Host: "smtp.example.com", From: "redis@example.com", To: []string{"ops@example.com"}})
//	if err != nil {
//		return err
//	}
//	m, err := monitor.New(rdb, monitor.Options{Notifiers: []monitor.Notifier{mail}})
//
// # Keys
//
// None.
//
// # Time
//
// Times in a mail are UTC.
//
// # Errors
//
// [New] refuses options without a host, sender or recipient, and addresses that are none. What the server answers comes
// back from Notify, which the Monitor tries again; the password is in no error and in nothing that is printed.
//
// # Cluster
//
// A mail holds the alerts of all nodes that changed at the same time.
package email
