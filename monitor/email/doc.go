// Package email sends the alerts of a [monitor.Monitor] by mail.
//
// It is a package of its own so that nobody else links an SMTP client. Do not use it to wake somebody up: mail is slow,
// and silent. [monitor.Webhook] reaches the services that do.
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
// [New] refuses options without a host, a sender or a recipient, and addresses that are not valid. What the server
// answers comes back from Notify, which the Monitor tries again; the password is in no error and in nothing that is
// printed.
//
// # Cluster
//
// A mail holds the alerts of all nodes that changed at the same time.
package email
